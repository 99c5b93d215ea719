"""`movie eval` through its entry point: rows, table, plots, going on, and what it refuses."""

import json
from pathlib import Path
from xml.etree import ElementTree

import av
import numpy as np
import pytest
from PIL import Image

from tests.cli.running import assert_refused
from tests.evaluate.test_suite import tgve

pytest.importorskip("cv2", reason="OpenCV is not installed (the extra `eval`)")
SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "meadow.mp4"


@pytest.fixture
def suite(tmp_path, tiny):
    mask = np.zeros((48, 64), dtype=np.uint8)
    mask[:24] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    (tmp_path / "suite.toml").write_text(f"""
models = ["identity", "{tiny}"]
frames = 4
instructions = ["make it winter", {{instruction = "make it night", reference = "{SAMPLE}"}}]
[[clips]]
path = "{SAMPLE}"
caption = "a meadow"
mask = "mask.png"
""")
    return "suite.toml"


def test_a_suite_gives_rows_a_table_and_plots(movie, suite, tmp_path):
    done = movie("eval", suite, "-o", "quality", "--videos")
    assert done.returncode == 0, done.stderr
    assert "not measured without weights: clip, pickscore, lpips" in done.stderr
    rows = [json.loads(line) for line in (tmp_path / "quality" / "rows.jsonl").read_text().splitlines()]
    assert [(row["model"], row["edit"]) for row in rows[:2]] == [
        ("identity", "make it winter"),
        ("identity", "make it night"),
    ]
    assert len(rows) == 4
    identity, edited = rows[0], rows[2]
    assert identity["edit_strength"] == identity["flicker"] == identity["colour_drift"] == 0
    assert identity["warp_ratio"] == 1
    assert identity["background_psnr"] == pytest.approx(58.92, abs=0.01)
    assert rows[1]["ssim"] == 1
    assert edited["edit_strength"] > 0
    assert edited["machine"]
    table = (tmp_path / "quality" / "README.md").read_text()
    assert "`movie eval suite.toml -o quality --videos`" in table
    assert "| identity | 2 |" in table
    for name in ("colour-drift", "flicker-spectrum", "strength-steadiness"):
        ElementTree.parse(tmp_path / "quality" / f"{name}.svg")
    videos = sorted((tmp_path / "quality").glob("*.mp4"))
    assert len(videos) == 4
    with av.open(str(videos[0])) as container:
        assert sum(1 for _ in container.decode(video=0)) == 4


def test_a_second_run_measures_what_is_left(movie, suite, tmp_path):
    assert movie("eval", suite, "-o", "quality", "--model", "identity").returncode == 0
    rows = tmp_path / "quality" / "rows.jsonl"
    first = rows.read_text().splitlines(keepends=True)
    assert len(first) == 2
    rows.write_text(first[0] + first[1][:30])
    assert movie("eval", suite, "-o", "quality", "--model", "identity", "-q").returncode == 0
    again = [json.loads(line) for line in rows.read_text().splitlines()]
    assert [row["edit"] for row in again] == ["make it winter", "make it night"]
    assert again[0] == json.loads(first[0])


def test_tgve_goes_through_the_same_door(movie, tmp_path, tiny):
    tgve(tmp_path / "tgve", clips=(("DAVIS_480p", "stunt"),))
    done = movie("eval", "tgve", "-o", "out", "--model", str(tiny), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["edits"] == 4


def test_refusals(movie, suite, tmp_path, monkeypatch):
    assert_refused(movie("eval", "gone.toml", "-o", "out"), 3, "gone.toml does not exist")
    assert_refused(movie("eval", suite, "-o", "out", "--clip", "nowhere/clip", "--offline"), 4, "nowhere/clip")
    assert_refused(movie("eval", suite, "-o", "out", "--lpips", "gone.safetensors"), 4, "gone.safetensors")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "rows.jsonl").write_text("{}\n")
    assert_refused(movie("eval", suite, "-o", "bad"), 2, "line 1")
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    assert_refused(movie("eval", suite, "-o", "out"), 2, "OpenCV", "movie-cli[eval]")
