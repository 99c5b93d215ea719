"""`--compile` through the entry point, with a compiler that changes nothing or is not there."""

from __future__ import annotations

import json

import pytest

from movie_cli.backends import compiled
from tests.cli.running import assert_refused
from tests.media.clips import make_clip


@pytest.fixture
def clip(tmp_path, tiny):
    make_clip(tmp_path / "in.mp4", frames=5, size=(96, 64))
    return ["in.mp4", "sepia", "--model", str(tiny), "--device", "cpu"]


def test_the_cost_of_the_first_frame_is_told(movie, clip, monkeypatch):
    monkeypatch.setenv("CXX", "true")
    monkeypatch.setattr(compiled.torch, "compile", lambda run, **options: run)
    usual = ["--no-cache", "--dtype", "float32"]
    done = movie("edit", *clip, "-o", "out.mp4", *usual, "--compile", "on", "--batch-size", "3")
    assert done.returncode == 0, done.stderr
    assert "; compiled for 3 frames at once" in done.stderr
    assert "compiled for 3 frames at once in 0." in done.stderr
    plain = movie("edit", *clip, "-o", "plain.mp4", *usual)
    assert plain.returncode == 0, plain.stderr
    assert "compiled" not in plain.stderr
    sheet = movie("preview", *clip, "-o", "sheet.png", "--at", "0f,2f", "--compile", "on")
    assert sheet.returncode == 0, sheet.stderr
    assert sheet.stderr.count("compiled for 2 frames at once in 0.") == 1


def test_without_a_compiler_it_is_refused(movie, clip, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    for command in (["edit", *clip, "-o", "out.mp4"], ["preview", *clip, "-o", "sheet.png"]):
        assert_refused(movie(*command, "--compile", "on"), 5, "no-such-compiler", "--compile off")
    assert_refused(movie("edit", *clip, "-o", "o.mp4", "--compile", "yes"), 2, "auto")
    done = movie("edit", *clip, "-o", "out.mp4", "--compile", "auto", "--no-cache", "-q")
    assert done.returncode == 0, done.stderr


def test_a_measurement_tells_what_compiling_took(movie, tiny, monkeypatch):
    monkeypatch.setenv("CXX", "true")
    monkeypatch.setattr(compiled.torch, "compile", lambda run, **options: run)
    options = ["--model", str(tiny), "--device", "cpu", "--frames", "4", "--size", "64x64", "--json"]
    assert json.loads(movie("bench", *options, "--compile", "on").stdout)["compile_s"] > 0
    assert json.loads(movie("bench", *options).stdout)["compile_s"] is None
