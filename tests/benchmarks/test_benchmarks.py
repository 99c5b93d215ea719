import importlib
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from tests import forked
from tests.media.clips import make_clip

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def run(monkeypatch, capfd):
    """Run a benchmark as its command does, in this process; its edits in forked ones, unless `from_nothing`."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    before = set(sys.modules)

    def values(name, *options, from_nothing=False):
        if not from_nothing:
            monkeypatch.setattr(importlib.import_module("harness"), "MOVIE", forked.program())
        monkeypatch.setattr(sys, "argv", [name, *options, "--json"])
        runpy.run_path(str(BENCHMARKS / name), run_name="__main__")
        return json.loads(capfd.readouterr().out)

    yield values
    for name in {path.stem for path in BENCHMARKS.glob("*.py")} - before:
        sys.modules.pop(name, None)


@pytest.fixture
def model(tiny):
    return str(tiny)


def test_start_up_is_measured(run):
    values = run("startup.py", "--runs", "1", "--beside", str(BENCHMARKS.parent), from_nothing=True)
    assert values["help_s"] > values["python_s"] > 0
    assert values["edit_s"] > values["torch_s"] > 0
    assert values["edit_over_beside"] > 0


def test_speed_is_measured(model, run):
    values = run("speed.py", "--model", model, "--frames", "4", "--size", "64x64", "--threads", "1")
    assert values["edit_fps"] >= values["overall_fps"] > 0
    assert values["start_up_s"] > 0


def test_sizes_are_compared(model, run):
    values = run("sizes.py", "--model", model, "--frames", "3", "--sizes", "64x64,192x128", "--stages")
    assert values["192x128_over_64x64"] > 0
    assert values["192x128_detail_ms"] > 0


def test_models_are_compared(model, run):
    values = run("models.py", model, "nano", "--frames", "3", "--size", "64x64", "--rounds", "1")
    assert values[f"{model} ratio"] == 1
    assert values["nano ratio"] > 0


def test_threads_are_compared_beside_busy_processes(model, run):
    options = ["--model", model, "--frames", "3", "--size", "64x64", "--busy", "1", "--threads", "0,1"]
    values = run("threads.py", *options)
    assert all(values[f"{threads}_busy_1_fps"] > 0 for threads in ("auto", "threads_1"))


def test_memory_is_compared(model, run):
    options = ["--model", model, "--short", "2", "--long", "4", "--size", "64x64", "--threads", "1"]
    values = run("memory.py", *options, from_nothing=True)
    assert 0.5 < values["long_over_short"] < 2
    assert values["short_mb"] > 50


def test_what_a_bounded_edit_leaves_alone_is_measured(model, tmp_path, run):
    clip = make_clip(tmp_path / "clip.mp4", frames=4, size=(128, 96))
    ways = ("--ways", "drawn,video", "--border", "4")
    values = run("outside.py", str(clip), "--model", model, "--frames", "3", *ways)
    for way in ("drawn", "video"):
        assert 0.2 < values[f"clip {way} share"] < 1
        assert values[f"clip {way} dB"] > values[f"clip {way} re-encoded dB"] - 2


@pytest.mark.skipif(not Path("/proc/self/statm").is_file(), reason="threads and files are counted in /proc")
def test_a_soak_finds_no_growth(model, tmp_path):
    series = tmp_path / "soak.csv"
    short = ["--minutes", "0.01", "--frames", "4", "--sizes", "64x48,96x64", "--series", str(series)]
    short += ["--more-memory", "1.5"]  # four rounds are too few to judge an allocator by
    command = [sys.executable, BENCHMARKS / "soak.py", "--model", model, *short, "--json"]
    two = {**os.environ, "OMP_NUM_THREADS": "2"}
    values = json.loads(subprocess.run(command, capture_output=True, text=True, check=True, env=two).stdout)
    assert (values["rounds"], values["edited"], values["stopped"], values["refused"]) == (4, 16, 8, 12)
    assert values["python_threads"] == 3  # this one, and the two that the network of the open editor runs in
    assert len(series.read_text().splitlines()) == 1 + 2


@pytest.mark.slow
def test_a_cluster_is_measured(model, run):
    pytest.importorskip("ray", reason="Ray is not installed (the extra `ray`)")
    size = ["--size", "64x64", "--frames", "9", "--segment-frames", "4"]
    values = run("cluster.py", "--model", model, *size, "--workers", "1")
    assert values["local_s"] > 0
    assert values["ray_1_s"] > 0


def test_backends_are_compared(nano_onnx, run):
    pytest.importorskip("openvino")
    ways = ["--ways", "onnx_float32,openvino_bfloat16"]  # an int8 decoder would be fitted first
    values = run("backends.py", str(nano_onnx), "--runs", "1", "--threads", "1", *ways)
    assert values["torch_float32_psnr_db"] == 99
    assert values["onnx_float32_psnr_db"] > 50
    assert values["openvino_bfloat16_frame_ms"] > 0


def test_a_gpu_is_compared_with_the_cpu_and_what_fails_is_told(run, model, tmp_path):
    kept = tmp_path / "gpu.json"
    options = ["--device", "cpu", "--models", f"{model},unheard-of", "--sizes", "64x64", "--only", "pixels"]
    values = run("gpu.py", *options, "--output", str(kept))
    assert values[f"{model}: pixels"]["float32 within 2"]
    assert "unheard-of" in values["unheard-of: pixels"]["failed"]
    assert json.loads(kept.read_text()) == values


def test_a_gpu_has_no_more_time_than_was_given(run):
    values = run("gpu.py", "--device", "cpu", "--minutes", "0")
    assert {"machine", "nano: 1920x1080 compile on", "sd15-movie: streams"} <= values.keys()
    assert all(step == {"left out": "no time is left"} for step in values.values())


def test_a_rising_edit_begins_at_the_source(run, model, tmp_path):
    clip = make_clip(tmp_path / "in.mp4", frames=14)
    values = run("ramp.py", str(clip), "--model", model, "--text-scale", "0s=0,0.5s=10", "--seconds", "0.5s")
    assert values["first_frame"] == 0 < values["0.00 s"] < values["0.25 s"]
    assert values["rises_throughout"]


def test_tables_are_compared_with_edits(run, model, tmp_path):
    clip = make_clip(tmp_path / "in.mp4", frames=8)
    values = run("tables.py", str(clip), "--model", model, "--looks", "sepia", "--frames", "2")
    assert values["sepia"] > 0 and "sepia, as movie lut says" in values
