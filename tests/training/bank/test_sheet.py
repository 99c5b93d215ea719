"""Contact sheets: layout, labels, and the command that makes one."""

import numpy as np
import pytest
import torch
from PIL import Image

from movie_cli.errors import SourceError, UsageError
from movie_cli.training.bank.sheet import contact_sheet, main, read_photo


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index, size in enumerate([(60, 40), (40, 60), (48, 48)]):
        pixels = rng.integers(0, 255, (size[1] // 4, size[0] // 4, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize(size).save(folder / f"{index}.png")
    (folder / "notes.txt").write_text("not a picture")
    return folder


def test_rows_and_columns_are_where_they_should_be():
    red, blue = torch.zeros(3, 20, 40), torch.zeros(1, 3, 40, 40)
    red[0], blue[:, 2] = 1.0, 1.0
    sheet = contact_sheet([("first", [red, blue]), ("second", [blue])], tile_height=32)
    assert sheet.mode == "RGB"
    assert sheet.height == 4 + 2 * (32 + 4)
    right = sheet.width - 4
    assert sheet.getpixel((right - 3, 20)) == (0, 0, 255)
    assert sheet.getpixel((right - 32 - 4 - 3, 20)) == (255, 0, 0)
    assert sheet.getpixel((right - 3, 56)) == (250, 250, 248)
    assert sheet.getpixel((right - 32 - 4 - 60, 56)) == (0, 0, 255)


def test_labels_are_drawn_and_make_room_for_themselves():
    image = torch.zeros(3, 32, 32)
    short, long = (contact_sheet([(label, [image])]) for label in ("a", "a much longer label"))
    assert long.width > short.width + 60
    margin = np.asarray(long)[:, : long.width - 170]
    assert (margin.min(axis=2) < 100).any()


@pytest.mark.parametrize("rows", [[], [("a", [])]])
def test_nothing_to_show_is_refused(rows):
    with pytest.raises(UsageError):
        contact_sheet(rows)


def test_tiny_tiles_are_refused():
    with pytest.raises(UsageError):
        contact_sheet([("a", [torch.zeros(3, 8, 8)])], tile_height=4)


def test_read_photo_scales_the_short_side_down_only(tmp_path):
    Image.new("RGB", (600, 300), (255, 0, 0)).save(tmp_path / "large.png")
    Image.new("L", (20, 30)).save(tmp_path / "small.png")
    assert read_photo(tmp_path / "large.png").shape == (1, 3, 256, 512)
    assert read_photo(tmp_path / "small.png").shape == (1, 3, 30, 20)


def test_read_photo_names_the_damaged_file(tmp_path):
    (tmp_path / "bad.png").write_text("nothing")
    with pytest.raises(SourceError, match=r"bad\.png"):
        read_photo(tmp_path / "bad.png")


def test_the_command_writes_a_sheet(photos, tmp_path):
    out = tmp_path / "sheet.png"
    options = ["--photos", str(photos), "--count", "2", "--tile-height", "32", "--edits", "sepia,rain+noir"]
    assert main([*options, "-o", str(out)]) == 0
    with Image.open(out) as sheet:
        assert sheet.height == 4 + 3 * (32 + 4)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"--edits": "wintr"}, (2, "wintr")),
        ({"--edits": "sepia", "-o": "/nonexistent/sheet.png"}, (7, "/nonexistent/sheet.png")),
        ({"--photos": "/nonexistent"}, (3, "/nonexistent")),
        ({"--tile-height": "3"}, (2, "3")),
    ],
)
def test_the_command_says_what_is_wrong(photos, tmp_path, capsys, change, expected):
    options = {"--photos": str(photos), "--count": "1", "--edits": "sepia", "-o": str(tmp_path / "x.png")} | change
    code, word = expected
    assert main([part for item in options.items() for part in item]) == code
    message = capsys.readouterr().err
    assert word in message
    assert "hint:" in message
