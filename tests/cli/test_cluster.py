"""A real Ray cluster of several processes on this machine: the same bytes as one process, also when a worker dies."""

from __future__ import annotations

import json
import shutil
import socket
import threading
import time
from pathlib import Path

import pytest

from movie_cli.backends.prepared import PreparedGraphs
from movie_cli.checkpoints.store import open_model
from tests import tiny
from tests.cli.running import assert_refused
from tests.export import SIZE
from tests.media.clips import make_clip

ray = pytest.importorskip("ray", reason="Ray is not installed (the extra `ray`)")
psutil = pytest.importorskip("psutil", reason="psutil, which finds the worker to kill, is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def edit_options(model):
    return ["--model", str(model), "--segment-frames", "8", "--no-cache", "--dtype", "float32", "--device", "cpu"]


def last_states(path):
    last = {}
    for line in Path(path).read_text().splitlines():
        entry = json.loads(line)
        last[entry["job"]] = entry
    return {Path(entry["output"]).name: entry for entry in last.values()}


def kill_a_worker(folder, killed):
    """Kill the process of one actor as soon as a segment of the long job is there."""
    until = time.monotonic() + 600
    while not list(folder.glob("*.json")) and time.monotonic() < until:
        time.sleep(0.01)
    while time.monotonic() < until and not killed:
        for process in psutil.Process().children(recursive=True):
            if process.name().startswith("ray::Worker") or "ray::Worker.segment" in " ".join(process.cmdline()):
                process.kill()
                killed.append(process.pid)
                return
        time.sleep(0.01)


def test_a_batch_with_a_worker_killed_is_what_one_process_makes(movie, tmp_path):
    model = tiny.one_step(tmp_path / "model")
    make_clip(tmp_path / "long.mp4", frames=90, size=(96, 64), audio=True)
    make_clip(tmp_path / "short.mp4", frames=5)
    jobs = [
        {"source": "long.mp4", "instruction": "make it winter", "output": "out/long.mp4"},
        {"source": "short.mp4", "instruction": "sepia", "output": "out/short.gif"},
        {"source": "missing.mp4", "instruction": "sepia", "output": "out/missing.mp4"},
    ]
    (tmp_path / "jobs.jsonl").write_text("".join(json.dumps(job) + "\n" for job in jobs))
    for source, output in (("long.mp4", "alone.mp4"), ("short.mp4", "alone.gif")):
        text = "make it winter" if source == "long.mp4" else "sepia"
        alone = movie("edit", source, text, "-o", output, *edit_options(model))
        assert alone.returncode == 0, alone.stderr
    killed: list[int] = []
    killer = threading.Thread(target=kill_a_worker, args=(tmp_path / "out" / ".long.mp4.movie", killed))
    killer.start()
    done = movie("batch", "jobs.jsonl", *edit_options(model), "--engine", "ray", "--jobs", "2")
    killer.join()
    assert killed
    assert done.returncode == 6, done.stderr
    assert "1 of 3 jobs failed" in done.stderr
    states = last_states("movie-batch.jsonl")
    assert {name: entry["state"] for name, entry in states.items()} == {
        "long.mp4": "done",
        "short.gif": "done",
        "missing.mp4": "failed",
    }
    assert states["long.mp4"]["frames"] == 90
    assert states["missing.mp4"]["exit_code"] == 3
    assert (tmp_path / "out" / "long.mp4").read_bytes() == (tmp_path / "alone.mp4").read_bytes()
    assert (tmp_path / "out" / "short.gif").read_bytes() == (tmp_path / "alone.gif").read_bytes()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["long.mp4", "short.gif"]


def test_one_video_is_split(movie, tmp_path):
    """By a network that sees the edit before: segments begin anew with it, wherever they are made."""
    model = tiny.recurrent(tmp_path / "model")
    make_clip(tmp_path / "in.mkv", frames=40, pts=[index * 2 + index % 3 for index in range(40)], options={"bf": "3"})
    part = ["--start", "0.3s", "--anchors", "every:6"]
    assert movie("edit", "in.mkv", "make it night", "-o", "a.mkv", *part, *edit_options(model)).returncode == 0
    done = movie(
        "edit",
        "in.mkv",
        "make it night",
        "-o",
        "b.mkv",
        *part,
        *edit_options(model),
        "--engine",
        "ray",
        "--workers",
        "2",
    )
    assert done.returncode == 0, done.stderr
    # Matroska gives every file an identity of its own.
    import av

    def packets(name):
        with av.open(name) as container:
            return [(packet.pts, packet.dts, bytes(packet)) for packet in container.demux(video=0)]

    assert packets("a.mkv") == packets("b.mkv")


def test_urls_are_fetched_by_workers_and_sent_by_the_driver(movie, tmp_path):
    model = tiny.one_step(tmp_path / "model")
    (tmp_path / "far").mkdir()
    make_clip(tmp_path / "far" / "in.mp4", frames=20, size=(96, 64))
    source, output = (f"file://{tmp_path}/far/{name}.mp4" for name in ("in", "out"))
    assert movie("edit", "far/in.mp4", "sepia", "-o", "alone.mp4", *edit_options(model)).returncode == 0
    options = [*edit_options(model), "--engine", "ray", "--workers", "2"]
    done = movie("edit", source, "sepia", "-o", output, *options, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["output"] == output
    assert (tmp_path / "far" / "out.mp4").read_bytes() == (tmp_path / "alone.mp4").read_bytes()
    assert list((tmp_path / "home" / "cache" / "outputs").iterdir()) == []


def test_each_job_runs_on_graphs_of_its_own_model(movie, tmp_path, tiny, tiny_graphs, nano_onnx):
    shutil.copytree(tiny_graphs, tmp_path / "home")
    shutil.copytree(nano_onnx, PreparedGraphs(open_model("nano"), SIZE).folder)
    make_clip(tmp_path / "in.mp4", frames=2, size=(48, 32))  # edited in four times as many pixels: as the graphs want
    models = {"tiny": str(tiny), "nano": "nano"}
    jobs = [
        {"source": "in.mp4", "instruction": "sepia", "output": f"{name}.gif", "model": model}
        for name, model in models.items()
    ]
    (tmp_path / "jobs.jsonl").write_text("".join(json.dumps(job) + "\n" for job in jobs))
    options = ["--backend", "openvino", "--no-cache", "--dtype", "float32"]
    for name, model in models.items():
        alone = movie("edit", "in.mp4", "sepia", "-o", f"alone-{name}.gif", "--model", model, *options)
        assert alone.returncode == 0, alone.stderr
    done = movie("batch", "jobs.jsonl", *options, "--engine", "ray", "--jobs", "1")
    assert done.returncode == 0, done.stdout
    for name in models:
        assert (tmp_path / f"{name}.gif").read_bytes() == (tmp_path / f"alone-{name}.gif").read_bytes()
    assert (tmp_path / "tiny.gif").read_bytes() != (tmp_path / "nano.gif").read_bytes()


def test_no_cluster_is_told(movie, tmp_path):
    make_clip(tmp_path / "in.mp4", frames=2)
    refused = movie("edit", "in.mp4", "sepia", "-o", "a.mp4", "--engine", "ray", "--address", "127.0.0.1:1")
    assert refused.returncode == 5
    assert "does not answer" in refused.stderr
    assert movie("edit", "in.mp4", "sepia", "-o", "a.mp4", "--address", "auto").returncode == 2


@pytest.mark.parametrize("error", [SystemExit(15), Exception("The node timed out\nduring startup")])
@pytest.mark.parametrize("given", [True, False])
def test_a_ray_that_does_not_start_is_told_in_one_line(movie, monkeypatch, tmp_path, error, given):
    def init(**_):
        raise error  # as it does after minutes where something else listens, or a machine is too slow

    make_clip(tmp_path / "a.mp4", frames=2)
    monkeypatch.setattr(ray, "init", init)
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = ["--address", f"127.0.0.1:{other.getsockname()[1]}"] if given else []
        found = movie("edit", "a.mp4", "sepia", "-o", "o.mp4", "-q", "--engine", "ray", *address)
    assert_refused(found, 5, "does not answer" if given else "Ray does not start here")
