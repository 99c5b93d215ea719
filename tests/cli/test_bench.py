"""`movie bench` through its entry point."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

from tests.cli.running import assert_refused
from tests.media.clips import make_clip


def test_a_measurement(movie, tmp_path, tiny):
    options = ["--model", str(tiny), "--frames", "4", "--size", "96x64", "--compare", "--chart", "stages.png"]
    done = movie("bench", *options, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["clip"] == "96x64, 4 frames"
    for name in ("fps", "denoise_ms", "encode_ms", "detail_ms", "first_frame_s", "flops_per_frame", "times_diffusers"):
        assert found[name] > 0, name
    assert 0 < found["share_of_peak"] < 1
    assert found["device_peak_memory_bytes"] is None
    with Image.open("stages.png") as chart:
        assert chart.width > chart.height > 200
    assert sorted(path.name for path in tmp_path.iterdir()) == ["stages.png"]
    assert_refused(movie("bench", *options), 2, "exists")


def test_a_clip_of_ones_own(movie, tmp_path, tiny):
    make_clip(tmp_path / "in.mp4", frames=3, size=(96, 64))
    done = movie("bench", "in.mp4", "--model", str(tiny))
    assert done.returncode == 0, done.stderr
    assert "96x64, 3 frames" in done.stdout
    assert "share of peak" in done.stdout


def test_operations_alone(movie):
    count = ("bench", "--flops-only", "--size", "96x64", "--json")
    done = movie(*count, "--random-weights", "nano")
    assert done.returncode == 0, done.stderr
    random = json.loads(done.stdout)
    embedded = json.loads(movie(*count).stdout)
    assert random["flops_per_frame"] == embedded["flops_per_frame"] > embedded["flops_per_frame_without_attention"]
    alone = json.loads(movie(*count, "--anchors", "none").stdout)
    assert alone["flops_per_frame"] < embedded["flops_per_frame"]


def test_random_weights_are_run(movie):
    done = movie("bench", "--random-weights", "nano", "--frames", "2", "--size", "64x64", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["model"].startswith("nano (random")


def test_what_cannot_be_meant(movie, tmp_path):
    Path("in.mp4").write_text("x")
    assert_refused(movie("bench", "none.mp4"), 3, "does not exist")
    assert_refused(movie("bench", "in.mp4", "--size", "64x64"), 2, "a size of its own")
    assert_refused(movie("bench", "--random-weights", "sdxl"), 2, "sd15-movie")
    assert_refused(movie("bench", "--chart", "stages.jpg"), 7, ".png")
    assert_refused(movie("bench", "--model", "nothing"), 4, "nothing")
