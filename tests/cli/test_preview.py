"""`movie preview` through its entry point: sheets, grid videos, the terminal, and what it refuses."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from movie_cli.backends.torch_backend import TorchBackend
from movie_cli.editing.preview import ContactSheet
from movie_cli.editing.request import PreviewRequest
from movie_cli.kinds import TimeValue
from movie_cli.recipe import Recipe
from tests.cli.running import assert_refused

SAMPLE = str(Path(__file__).resolve().parents[2] / "samples" / "meadow.mp4")


@pytest.fixture(scope="module")
def model(tiny):
    return str(tiny)


@pytest.fixture
def counted(monkeypatch):
    """How often each network is asked."""
    counts: dict[str, int] = {}
    for name in ("embed_text", "encode_frames", "denoise"):
        whole = getattr(TorchBackend, name)

        def call(self, *arguments, name=name, whole=whole):
            counts[name] = counts.get(name, 0) + 1
            return whole(self, *arguments)

        monkeypatch.setattr(TorchBackend, name, call)
    return counts


def test_six_tiles_cost_one_encoding_and_six_passes(movie, model, counted):
    done = movie("preview", SAMPLE, "winter", "--model", model, "-o", "sheet.png", "-q")
    assert done.returncode == 0, done.stderr
    assert counted == {"embed_text": 1, "encode_frames": 1, "denoise": 6}
    with Image.open("sheet.png") as sheet:
        assert sheet.width > 3 * 160
        assert len(sheet.convert("RGB").getcolors(1 << 24)) > 1000


def test_tiles_are_what_an_edit_makes(movie):
    same = ["--anchors", "none", "--text-scale", "9", "--image-scale", "1.2", "-q"]
    shown = movie("preview", SAMPLE, "make it winter", *same, "--at", "2f", "--tile-width", "512", "-o", "sheet.png")
    assert shown.returncode == 0, shown.stderr
    lossless = ["--codec", "ffv1", "--pix-fmt", "bgr0", "--size", "512x384"]
    part = ["--start", "2f", "--duration", "1f", "-o", "edit.mkv"]
    assert movie("edit", SAMPLE, "make it winter", *same, *lossless, *part).returncode == 0
    with av.open("edit.mkv") as container:
        edited = next(container.decode(video=0)).to_ndarray(format="rgb24").astype(int)
    with Image.open("sheet.png") as sheet:
        tile = np.asarray(sheet.convert("RGB")).astype(int)[-6 - 384 : -6, 6 : 6 + 512]
    assert np.abs(edited - tile).mean() < 3


def test_instructions_go_down_and_frames_across(movie, model):
    done = movie("preview", SAMPLE, "winter", "sepia", "--at", "1f,3f,5f", "--model", model, "--tile-width", "100",
                 "-o", "looks.jpg", "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert '"tiles": 6' in done.stdout
    with Image.open("looks.jpg") as sheet:
        assert sheet.width >= 3 * 106
        assert sheet.height >= 3 * (75 + 30)


def test_many_instructions_make_a_sheet_not_a_column(movie, model):
    looks = ["winter", "sepia", "night", "fog", "rain", "a comic"]
    done = movie("preview", SAMPLE, *looks, "--at", "1f", "--model", model, "--tile-width", "100", "-o", "looks.png")
    assert done.returncode == 0, done.stderr
    with Image.open("looks.png") as sheet:
        assert 0.8 < sheet.width / sheet.height < 2.5
    assert done.stderr.splitlines()[-1].startswith("looks.png: 6 versions; to make one: movie edit ")


def test_the_labels_of_a_sheet_are_lines_for_a_terminal():
    request = PreviewRequest("in.mp4", Recipe("winter"), ("winter",), (4.0, 8.0), (1.25,))
    sheet = ContactSheet(request, (TimeValue(frames=0),), (64, 48))
    assert sheet.lines() == ["source", "--text-scale 4 | --text-scale 8"]


def test_a_preset_is_shown_as_it_would_edit(movie, model):
    done = movie("preview", SAMPLE, "--preset", "dusk", "--model", model, "-o", "dusk.png")
    assert done.returncode == 0, done.stderr
    assert "'sunset and darker' -o out.mp4" in done.stderr
    assert "--text-scale 6" in done.stderr
    assert_refused(movie("preview", SAMPLE, "-o", "none.png"), 2, "INSTRUCTION")


def test_a_grid_video_moves_and_keeps_time(movie, model):
    done = movie("preview", SAMPLE, "winter", "--model", model, "--clip", "5f", "--tile-width", "96", "-o", "grid.mp4")
    assert done.returncode == 0, done.stderr
    with av.open("grid.mp4") as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == 5
    assert frames[0].shape[1] % 2 == 0
    assert np.abs(frames[0].astype(int) - frames[-1]).max() > 0


def test_what_ffmpeg_cannot_read_and_what_lies_in_a_store(movie, tmp_path, model):
    frames = [Image.new("RGB", (64, 48), (40 * index, 90, 160)) for index in range(4)]
    frames[0].save("a.webp", save_all=True, append_images=frames[1:], duration=100)
    for source in ("a.webp", f"file://{tmp_path}/a.webp"):
        done = movie("preview", source, "sepia", "-o", "sheet.png", "--model", model, "-y")
        assert done.returncode == 0, done.stderr


def test_the_terminal_shows_half_blocks_where_it_has_no_pictures(model, monkeypatch):
    from rich.console import Console
    from textual_image.renderable.halfcell import Image as HalfCells

    console = Console(file=io.StringIO(), width=40, force_terminal=True, color_system="truecolor")
    console.print(HalfCells(Image.new("RGB", (64, 48), (200, 30, 30)), width=20, height="auto"))
    assert "38;2;" in console.file.getvalue()


def test_iterm2_gets_the_picture_itself(monkeypatch, capsys):
    import base64

    from movie_cli.cli.preview import draw

    monkeypatch.setenv("LC_TERMINAL", "iTerm2")
    draw(Image.new("RGB", (40, 30), (1, 2, 3)))
    said = capsys.readouterr().out
    assert said.startswith("\x1b]1337;File=inline=1;")
    with Image.open(io.BytesIO(base64.b64decode(said.rstrip("\a\n").split(":")[1]))) as picture:
        assert picture.size == (40, 30)
        assert picture.getpixel((3, 3)) == (1, 2, 3)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["winter"], "no terminal"),
        (["winter", "--json"], "both be written"),
        (["winter", "-o", "sheet.gif"], "no picture's name"),
        (["winter", "-o", "-"], "not written to stdout"),
        (["winter", "--clip", "2s"], "needs a file"),
        (["winter", "--text-scale", "4,x", "-o", "s.png"], "x is not a number"),
        (["winter", "--at", "soon", "-o", "s.png"], "not a time"),
        (["", "-o", "s.png"], "instruction is empty"),
        (["winter", "--seed", ",".join(map(str, range(500))), "-o", "s.png"], "more than 400"),
        (["winter", "-o", "nowhere/s.png"], "nowhere"),
    ],
)
def test_refusals_are_one_clear_line(movie, tmp_path, arguments, said):
    found = movie("preview", SAMPLE, *arguments)
    assert found.returncode in {2, 7}
    assert_refused(found, found.returncode, said)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "home") == []


def test_a_place_behind_the_end_is_told(movie, model):
    found = movie("preview", SAMPLE, "winter", "--model", model, "--at", "1h", "-o", "s.png")
    assert found.returncode == 2
    assert_refused(movie("preview", SAMPLE, "winter", "--model", model, "--at", "900s", "-o", "s.png", "-q"), 3, "900s")


def test_an_existing_sheet_is_kept(movie, tmp_path):
    (tmp_path / "sheet.png").write_bytes(b"precious")
    assert_refused(movie("preview", SAMPLE, "winter", "-o", "sheet.png"), 2, "exists")
    assert (tmp_path / "sheet.png").read_bytes() == b"precious"
