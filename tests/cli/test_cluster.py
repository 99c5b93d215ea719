"""A real Ray cluster of several processes on this machine: the same bytes as one process, also when a worker dies."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests import tiny
from tests.media.clips import make_clip

pytest.importorskip("ray", reason="Ray is not installed (the extra `ray`)")
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
    model = tiny.one_step(tmp_path / "model")
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


def test_each_job_runs_on_graphs_of_its_own_model(movie, tmp_path):
    pytest.importorskip("openvino", reason="OpenVINO is not installed (the extra `openvino`)")
    make_clip(tmp_path / "in.mp4", frames=2)
    models = [tiny.one_step(tmp_path / "first"), tiny.one_step(tmp_path / "second", channels=4)]
    jobs = [
        {"source": "in.mp4", "instruction": "sepia", "output": f"{model.name}.gif", "model": str(model)}
        for model in models
    ]
    (tmp_path / "jobs.jsonl").write_text("".join(json.dumps(job) + "\n" for job in jobs))
    options = ["--backend", "openvino", "--no-cache", "--dtype", "float32"]
    for model in models:
        alone = movie("edit", "in.mp4", "sepia", "-o", f"alone-{model.name}.gif", "--model", str(model), *options)
        assert alone.returncode == 0, alone.stderr
    done = movie("batch", "jobs.jsonl", *options, "--engine", "ray", "--jobs", "1")
    assert done.returncode == 0, done.stdout
    for model in models:
        name = f"{model.name}.gif"
        assert (tmp_path / name).read_bytes() == (tmp_path / f"alone-{name}").read_bytes()


def test_no_cluster_is_told(movie, tmp_path):
    make_clip(tmp_path / "in.mp4", frames=2)
    refused = movie("edit", "in.mp4", "sepia", "-o", "a.mp4", "--engine", "ray", "--address", "127.0.0.1:1")
    assert refused.returncode == 5
    assert "does not answer" in refused.stderr
    assert movie("edit", "in.mp4", "sepia", "-o", "a.mp4", "--address", "auto").returncode == 2


def test_what_is_no_cluster_is_told_in_one_line(movie, monkeypatch, tmp_path):
    make_clip(tmp_path / "a.mp4", frames=2)
    monkeypatch.setenv("RAY_gcs_rpc_server_connect_timeout_s", "1")
    monkeypatch.setenv("RAY_gcs_server_request_timeout_seconds", "2")
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        command = ["edit", "a.mp4", "sepia", "-o", "o.mp4", "-q", "--engine", "ray", "--address", address]
        program = [sys.executable, "-c", "import sys; from movie_cli.cli import main; sys.exit(main())"]
        found = subprocess.run([*program, *command], capture_output=True, text=True, check=False, timeout=300)
    assert found.returncode == 5, found.stderr
    assert f"error: the Ray cluster at {address} does not answer" in found.stderr
    assert "hint: " in found.stderr
    assert "Traceback" not in found.stderr
