import json

import av
import numpy as np
import pytest
from PIL import Image

from movie_cli.errors import OutputError, UsageError
from movie_cli.evaluate.measures import to_frames
from tests.tiny import one_step
from tests.tools.pictures import picture
from tools import bank_report, gallery, placed
from tools.options import pick
from tools.report import Report
from tools.sheets import gallery_sheet, save_picture, to_picture


def make_clip(path, frames, size):
    """A clip in which everything drifts."""
    image = to_frames(picture(5, size[1], size[0] + 4 * frames))[0]
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=24, options={"crf": "18"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for number in range(frames):
            view = np.ascontiguousarray(image[:, 3 * number : 3 * number + size[0]])
            out.mux(stream.encode(av.VideoFrame.from_ndarray(view, format="rgb24")))
        out.mux(stream.encode(None))


@pytest.fixture
def folder(tmp_path):
    """Photographs of different shapes, four of them held out."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in (0, 1, 10, 20, 30):
        to_picture(picture(number, 70, 80 + number)).save(photos / f"p{number:04}.png")
    return photos


def test_a_report_of_the_bank(folder, tmp_path, capsys):
    out = tmp_path / "report"
    options = ["--photos", str(folder), "--model", "bank", "-o", str(out), "--photos-count", "2"]
    assert bank_report.main([*options, "--scale-photos", "1", "--edits", "winter,pencil"]) == 0
    values = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert values["photos"] == ["p0000.png", "p0020.png"]
    assert [row["edit"] for row in values["fidelity"]] == ["winter", "pencil"]
    assert all(bar["passed"] for bar in values["bars"])
    assert len(values["bars"]) == 5
    text = (out / "report.md").read_text(encoding="utf-8")
    assert "| winter | season |" in text
    assert Image.open(out / "sheet.png").height > 3 * 128
    assert capsys.readouterr().out.count("pass  ") == 5


def test_a_report_of_a_checkpoint_has_every_part(folder, tmp_path):
    pytest.importorskip("cv2", reason="OpenCV is in the extra eval")
    model = one_step(tmp_path / "tiny")
    phrases = tmp_path / "phrases.csv"
    phrases.write_text("edit,phrase\nwinter,make it winter\nunknown,add a dog\n", encoding="utf-8")
    clips = tmp_path / "clips"
    clips.mkdir()
    make_clip(clips / "drift.mp4", 4, (160, 96))
    options = ["--photos", str(folder), "--model", str(model), "-o", str(tmp_path / "r"), "--photos-count", "1"]
    options += ["--edits", "winter,ink", "--scale-photos", "1", "--phrasings", str(phrases), "--clips", str(clips)]
    assert bank_report.main([*options, "--clip-frames", "3", "--device", "cpu", "--dtype", "float32"]) == 0
    values = json.loads((tmp_path / "r" / "report.json").read_text(encoding="utf-8"))
    assert set(values["seconds"]) == {"fidelity", "phrasings", "scales", "flicker"}
    assert values["phrasings"]["phrases"] == values["phrasings"]["unknown_phrases"] == 1
    assert {row["edit"] for row in values["flicker"]} == {"winter", "ink"}
    assert "float32" in values["machine"]
    assert len(values["bars"]) == 9


def test_a_report_of_the_identity_fails_and_still_is_a_report(folder, tmp_path, capsys):
    options = ["--photos", str(folder), "--model", "identity", "-o", str(tmp_path / "r"), "--only", "fidelity"]
    assert bank_report.main([*options, "--photos-count", "1", "--edits", "night"]) == 0
    assert "FAIL  mean gain" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (["--edits", "winter,nonsense"], 2, "nonsense"),
        (["--edits", ","], 2, "no edits"),
        (["--photos", "/nowhere"], 3, "/nowhere"),
        (["--model", "no-such-model"], 4, "no-such-model"),
        (["--only", "fidelity,nonsense"], 2, "nonsense"),
    ],
)
def test_mistakes_are_one_line_and_a_hint(folder, tmp_path, capsys, change, code, words):
    options = ["--photos", str(folder), "--model", "bank", "-o", str(tmp_path / "r"), *change]
    assert bank_report.main(options) == code
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert words in error
    assert "hint: " in error
    assert not (tmp_path / "r").exists()


def test_numbers_that_are_not_finite_become_null():
    report = Report("m", "cpu", ["p0.webp"], seconds={"fidelity": float("nan"), "scales": float("inf")})
    assert json.loads(report.to_json())["seconds"] == {"fidelity": None, "scales": None}
    assert report.bars() == []


def test_photographs_are_picked_evenly():
    assert pick(list(range(10)), 3) == [0, 3, 6]
    assert pick(list(range(2)), 5) == [0, 1]


def test_a_gallery(folder, tmp_path, capsys):
    out = tmp_path / "deep" / "gallery.jpg"
    names = ["p0000.png", "p0010.png", "p0020.png", "p0030.png"]
    options = ["--photos", str(folder), "--model", "bank", "--edits", "winter,sepia", "--tile-width", "64"]
    assert gallery.main([*names, *options, "--columns", "2", "-o", str(out)]) == 0
    shown = Image.open(out)
    assert shown.width == 6 + 2 * (2 * 64 + 6 + 6)
    assert out.stat().st_size < gallery.LIMIT
    assert "gallery.jpg" in capsys.readouterr().out
    assert gallery.main([*names[:3], "none.png", *options, "-o", str(out)]) == 3


def test_a_gallery_needs_four_photographs():
    with pytest.raises(UsageError):
        gallery_sheet([("source", [picture(0)])], 2, (32, 24))


def test_pictures_keep_to_their_limit(tmp_path):
    noise = to_picture(picture(1, 256, 256))
    free = save_picture(noise, tmp_path / "a.jpg")
    small = save_picture(noise, tmp_path / "b.jpg", limit=free * 2 // 3)
    assert small <= free * 2 // 3 < free
    with pytest.raises(OutputError, match="more than"):
        save_picture(noise, tmp_path / "c.png", limit=100)
    with pytest.raises(OutputError, match="no picture's name"):
        save_picture(noise, tmp_path / "c.txt")
    assert not (tmp_path / "c.png").exists()


def test_looks_in_places(folder, monkeypatch, capsys):
    monkeypatch.setattr(placed, "PAIRS", {"everything": "red winter", "animal": "gold"})
    monkeypatch.setattr(placed, "SHARES", (0.99, 1.0))
    assert placed.main(["--photos", str(folder), "--photographs", "2"]) == 0
    printed = capsys.readouterr().out
    assert "| red | everything | 2 | 99.0 dB |" in printed  # nothing lies outside
    assert "gold" not in printed  # there is no animal
    assert "2 pairs: at least 99.0 dB outside" in printed
