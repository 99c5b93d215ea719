"""`movie batch` through its entry point: manifests, the ledger, failures that stay with their job, and refusals."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import av
import numpy as np
import pytest

import movie_cli
from movie_cli.batch.local import LocalEngine
from movie_cli.errors import UsageError
from movie_cli.recipe import Recipe
from tests import forked
from tests.cli.running import MOVIE, assert_refused
from tests.media.clips import make_clip

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "samples" / "meadow.mp4"
SHORT = ["--duration", "2f", "--no-cache", "--size", "128x96"]


def pictures(path):
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def states(path="movie-batch.jsonl"):
    last = {}
    for line in Path(path).read_text().splitlines():
        entry = json.loads(line)
        last[entry["job"]] = entry
    return [entry["state"] for entry in last.values()]


def write_jobs(path, *jobs):
    Path(path).write_text("".join(json.dumps(job) + "\n" for job in jobs))


def test_jobs_with_options_of_their_own(movie, tmp_path):
    shutil.copy(SAMPLE, tmp_path / "a b.mp4")
    write_jobs(
        "jobs.jsonl",
        {"source": "a b.mp4", "instruction": "make it winter", "output": "w.mp4", "text-scale": 9, "no_audio": True},
        {"source": "a b.mp4", "instruction": "sepia", "output": "s.mkv", "--codec": "ffv1", "e": ["slices=4"]},
    )
    done = movie("batch", "jobs.jsonl", *SHORT)
    assert done.returncode == 0, done.stderr
    assert states() == ["done", "done"]
    with av.open("w.mp4") as container:
        assert not container.streams.audio
        tags = {key.lower(): text for key, text in container.metadata.items()}
    assert Recipe.from_json(tags["movie_recipe"]).text_scale == 9
    alone = movie("edit", str(SAMPLE), "sepia", "-o", "alone.mkv", *SHORT, "--codec", "ffv1", "-e", "slices=4")
    assert alone.returncode == 0
    assert all(np.array_equal(a, b) for a, b in zip(pictures("s.mkv"), pictures("alone.mkv"), strict=True))


def test_a_second_call_does_what_is_left(movie, tmp_path):
    shutil.copy(SAMPLE, tmp_path / "a.mp4")
    (tmp_path / "text.mp4").write_text("not a video\n" * 99)
    with Path("jobs.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["source", "instruction", "output", "seed"])
        rows.writerow(["a.mp4", "make it night, with stars", "out/n.mp4", "3"])
        rows.writerow(["text.mp4", "sepia", "out/t.mp4", ""])
        rows.writerow(["missing.mp4", "sepia", "out/m.mp4", ""])
    (tmp_path / "out").mkdir()
    first = movie("batch", "jobs.csv", *SHORT)
    assert first.returncode == 6, first.stderr
    assert "2 of 3 jobs failed" in first.stderr
    assert "Traceback" not in first.stderr
    assert [line.split()[2] for line in first.stdout.splitlines()[1:-1]] == ["done", "failed", "failed"]
    assert first.stdout.splitlines()[-1] == "1 done, 2 failed"
    made = (tmp_path / "out" / "n.mp4").stat().st_mtime_ns
    shutil.copy(SAMPLE, tmp_path / "missing.mp4")
    # A line torn by a crash spoils nothing.
    with Path("movie-batch.jsonl").open("a") as file:
        file.write('{"job": "torn')
    second = movie("batch", "jobs.csv", *SHORT, "--json")
    assert second.returncode == 6
    events = [json.loads(line) for line in second.stdout.splitlines()]
    summary = next(event for event in events if event["type"] == "summary")
    assert {key: summary[key] for key in ("done", "failed", "done_before")} == {
        "done": 1,
        "failed": 1,
        "done_before": 1,
    }
    assert (tmp_path / "out" / "n.mp4").stat().st_mtime_ns == made
    kept = [json.loads(line) for line in Path("movie-batch.jsonl").read_text().splitlines() if "torn" not in line]
    assert [entry["exit_code"] for entry in kept if entry["state"] == "failed"] == [3, 3, 3]


def test_a_folder_with_one_instruction(movie, tmp_path):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    shutil.copy(SAMPLE, tmp_path / "in" / "-ünter 'wegs'\n.mp4")
    shutil.copy(SAMPLE, tmp_path / "in" / "deep" / "b.mpg")
    (tmp_path / "in" / "notes.txt").write_text("no video")
    done = movie("batch", "in", "make it winter", "--out-dir", "out", *SHORT, "--jobs", "2")
    assert done.returncode == 0, done.stderr
    names = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.mp4"))
    assert names == ["-ünter 'wegs'\n.mp4", "deep/b.mpg.mp4"]
    assert states("out/movie-batch.jsonl") == ["done", "done"]
    again = movie("batch", "in", "make it winter", "--out-dir", "out", *SHORT)
    assert again.returncode == 0
    assert (again.stdout, again.stderr) == ("2 done before\n", "")


def typed(monkeypatch, text):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))


def test_jobs_and_paths_from_stdin(movie, tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    for name in ("in/a.mp4", "in/b\nc.mp4"):
        shutil.copy(SAMPLE, tmp_path / name)
    job = {"source": "in/a.mp4", "instruction": "sepia", "output": "s.mp4"}
    typed(monkeypatch, json.dumps(job).encode() + b"\n\n./in/a.mp4\n")
    mixed = movie("batch", "-", "make it winter", "--out-dir", "out", *SHORT)
    assert mixed.returncode == 0, mixed.stderr
    assert sorted(path.name for path in (tmp_path / "out").rglob("*.mp4")) == ["a.mp4", "s.mp4"]
    typed(monkeypatch, b"in/a.mp4\0in/b\nc.mp4\0")
    found = movie("batch", "-", "-0", "make it winter", "--out-dir", "out", *SHORT)
    assert found.returncode == 0, found.stderr
    assert (tmp_path / "out" / "in" / "b\nc.mp4").exists()
    assert found.stdout.splitlines()[-1] == "1 done, 1 done before"
    assert_refused(movie("batch", "in", "sepia", "-0"), 2, "--null")
    typed(monkeypatch, b"in/a.mp4\n")
    assert_refused(movie("batch", "-", "--out-dir", "out"), 2, "standard input, line 1", "INSTRUCTION")


def test_a_source_that_was_replaced_is_edited_again(movie, tmp_path):
    make_clip(tmp_path / "a.mp4", frames=2)
    make_clip(tmp_path / "b.mp4", frames=2)
    call = ("batch", "jobs.jsonl", "--out-dir", "out", "--no-cache")
    write_jobs("jobs.jsonl", *({"source": f"{name}.mp4", "instruction": "sepia"} for name in "ab"))
    assert movie(*call).returncode == 0
    # A copy with another time is the same source; a line of an older version, which says nothing of it, is believed.
    os.utime(tmp_path / "a.mp4", (1, 1))
    make_clip(tmp_path / "b.mp4", frames=3)
    again = movie(*call)
    assert again.returncode == 0, again.stderr
    assert again.stdout.splitlines()[-1] == "1 done, 1 done before, 1 edited again as its source changed"
    assert [len(pictures(f"out/{name}.mp4")) for name in "ab"] == [2, 3]
    # An output that somebody has changed since is theirs.
    make_clip(tmp_path / "b.mp4", frames=4)
    (tmp_path / "out" / "b.mp4").write_bytes(b"precious")
    refused = movie(*call, "--json")
    assert refused.returncode == 6
    assert "exists" in refused.stdout
    assert (tmp_path / "out" / "b.mp4").read_bytes() == b"precious"
    ledger = tmp_path / "out" / "movie-batch.jsonl"
    entries = [json.loads(line) for line in ledger.read_text().splitlines()]
    kept = [{key: value for key, value in entry.items() if not key.endswith("_was")} for entry in entries[:6]]
    ledger.write_text("".join(json.dumps(entry) + "\n" for entry in kept))
    assert movie(*call).stdout == "2 done before\n"


def test_a_dry_run_tells_and_does_nothing(movie, tmp_path):
    make_clip(tmp_path / "a.mp4", frames=3)
    write_jobs("jobs.jsonl", *({"source": f"{name}.mp4", "instruction": "sepia"} for name in ("a", "missing")))
    planned = movie("batch", "jobs.jsonl", "--out-dir", "out", "--dry-run")
    assert planned.returncode == 6
    lines = planned.stdout.splitlines()
    assert "3 frames at 64x48" in lines[0]
    assert "does not exist" in lines[1]
    assert not (tmp_path / "out").exists()


def test_unknown_instructions_are_told_of_before_the_first_edit(movie, tmp_path):
    make_clip(tmp_path / "a.mp4", frames=2)
    texts = ["sepia", "turn the car hairy", "turn the car hairy"]
    write_jobs(
        "jobs.jsonl",
        *({"source": "a.mp4", "instruction": text, "output": f"{n}.mp4"} for n, text in enumerate(texts)),
    )
    done = movie("batch", "jobs.jsonl", "--no-cache")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("not trained on") == 2
    count, first = (done.stderr.index(text) for text in ("2 of 3 jobs ask", "1 of 3: a.mp4: done"))
    assert done.stderr.index('not trained on "turn it hairy" and may leave') < count < first


def test_a_strict_edit_refuses_an_instruction_that_is_not_known(movie, tmp_path):
    make_clip(tmp_path / "a.mp4", frames=2)
    text = "turn the car hairy"
    assert_refused(
        movie("edit", "a.mp4", text, "-o", "o.mp4", "--strict", "-q"), 2, "not trained on", "leave out --strict"
    )
    jobs = ({"source": "a.mp4", "instruction": each, "output": f"{each}.mp4"} for each in ("sepia", text))
    write_jobs("jobs.jsonl", *jobs)
    assert_refused(movie("batch", "jobs.jsonl", "--strict", "-q"), 2, "not trained on", "leave out --strict")
    with pytest.raises(UsageError, match="not trained on"):
        movie_cli.edit("a.mp4", text, "o.mp4", strict=True)
    assert not [path.name for path in tmp_path.iterdir() if path.suffix not in {".jsonl", ""} and path.name != "a.mp4"]


def test_fail_fast_stops(movie, tmp_path):
    write_jobs(
        "jobs.jsonl",
        {"source": "missing.mp4", "instruction": "sepia", "output": "a.mp4"},
        {"source": str(SAMPLE), "instruction": "sepia", "output": "b.mp4"},
    )
    stopped = movie("batch", "jobs.jsonl", *SHORT, "--fail-fast")
    assert stopped.returncode == 6
    assert states() == ["failed"]
    assert not (tmp_path / "b.mp4").exists()


def test_an_existing_output_is_kept(movie, tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"precious")
    write_jobs("jobs.jsonl", {"source": str(SAMPLE), "instruction": "sepia", "output": "a.mp4"})
    refused = movie("batch", "jobs.jsonl", *SHORT)
    assert refused.returncode == 6
    assert "exists" in refused.stdout
    assert (tmp_path / "a.mp4").read_bytes() == b"precious"
    assert movie("batch", "jobs.jsonl", *SHORT, "-y").returncode == 0


GOOD = {"source": str(SAMPLE), "instruction": "sepia", "output": "a.mp4"}
BAD = {
    "not json": (["{"], "line 1"),
    "no object": (["3"], "line 1"),
    "no source": ([json.dumps({"instruction": "sepia"})], "source"),
    "no instruction": ([json.dumps({"source": "a.mp4"})], "line 1"),
    "a misspelt option": ([json.dumps(GOOD | {"text_scal": 3})], "text_scale"),
    "a wrong value": ([json.dumps(GOOD | {"text_scale": "lots"})], "line 1"),
    "an option of the whole": ([json.dumps(GOOD | {"progress": "none"})], "progress"),
    "a nested value": ([json.dumps(GOOD | {"seed": {"a": 1}})], "seed"),
    "one output twice": ([json.dumps(GOOD), json.dumps(GOOD | {"instruction": "make it night"})], "both write"),
    "outside": ([json.dumps(GOOD | {"output": "../a.mp4"})], "outside"),
    "outside, absolute": ([json.dumps(GOOD | {"output": "/elsewhere/a.mp4"})], "outside"),
    "outside, by a link": ([json.dumps(GOOD | {"output": "link/a.mp4"})], "outside"),
    "a column of another name": ([json.dumps(GOOD | {"out": "b.mp4"})], "did you mean output?"),
    "consent": ([json.dumps(GOOD | {"yes": True})], "no option yes"),
    "the network": ([json.dumps(GOOD | {"offline": False})], "no option offline"),
    "outside, by a flag of the encoder": ([json.dumps(GOOD | {"e": ["flags=+pass1"]})], "write files"),
    "outside, by the encoder": ([json.dumps(GOOD | {"e": ["x264-params=stats=/elsewhere/s:pass=1"]})], "write files"),
    "a pipe": ([json.dumps(GOOD | {"output": "-"})], "one edit"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_manifest_that_cannot_be_meant_is_refused_whole(movie, tmp_path, kind):
    lines, said = BAD[kind]
    folder = tmp_path / "jobs"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path)
    (folder / "jobs.jsonl").write_text("\n".join(lines))
    assert_refused(movie("batch", "jobs/jobs.jsonl", *SHORT), 2, said)
    assert sorted(path.name for path in folder.iterdir()) == ["jobs.jsonl", "link"]


def test_outside_where_allowed_without_modules_from_there_and_with_torch_in_workers_alone(movie, tmp_path):
    """From nothing, and not forked: forked workers look for no modules."""
    for name in ("pickle", "socket", "torch"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    (tmp_path / "jobs").mkdir()
    write_jobs("jobs/jobs.jsonl", GOOD | {"output": "../a.mp4"})
    # The program itself has no such folder either.
    program = "import sys; sys.path.remove(''); from movie_cli.cli import main; main(); print('torch' in sys.modules)"
    command = [sys.executable, "-c", program, "batch", "jobs/jobs.jsonl", *SHORT, "--allow-outside"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert states("jobs/movie-batch.jsonl") == ["done"], done.stderr
    assert done.stdout.splitlines()[-1] == "False"
    assert (tmp_path / "a.mp4").exists()
    assert not (tmp_path / "ran").exists()


@contextlib.contextmanager
def once_kept(path, act):
    """Call something beside what is run meanwhile, as soon as a segment is kept."""

    def wait():
        while not over.is_set():
            if path.exists():
                act()
                return
            time.sleep(0.01)

    over, path = threading.Event(), path.absolute()
    thread = threading.Thread(target=wait)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_an_interrupted_batch_goes_on_where_it_stopped(movie, meadow):
    job = GOOD | {"source": str(meadow)}
    write_jobs("jobs.jsonl", job, *(job | {"output": f"{number}.mp4"} for number in range(9)))
    call = ("batch", "jobs.jsonl", "--duration", "20f", "--segment-frames", "6")
    with once_kept(Path(".a.mp4.movie/000000.json"), lambda: os.kill(os.getpid(), signal.SIGTERM)):
        stopped = movie(*call)
    assert stopped.returncode == 130, stopped.stderr
    assert "Traceback" not in stopped.stderr
    assert states() == ["interrupted"]
    assert [line.split()[0] for line in stopped.stdout.splitlines()] == ["job", "1", "1"]
    assert stopped.stdout.endswith("1 interrupted, 9 not begun\n")
    write_jobs("jobs.jsonl", job)
    done = movie(*call, "--json")
    assert done.returncode == 0, done.stderr
    ended = next(event for event in map(json.loads, done.stdout.splitlines()) if event["type"] == "done")
    assert ended["resumed"] >= 6
    assert ended["frames"] == 20


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_worker_that_dies_fails_its_job_alone(movie, meadow):
    job = GOOD | {"source": str(meadow)}
    write_jobs("jobs.jsonl", job, job | {"output": "b.mp4"})
    with once_kept(Path(".a.mp4.movie/000000.json"), lambda: os.kill(forked.BEGUN[-1], signal.SIGKILL)):
        found = movie("batch", "jobs.jsonl", "--duration", "12f", "--segment-frames", "4", "--no-cache")
    assert found.returncode == 6, found.stderr
    assert states() == ["failed", "done"]
    assert "SIGKILL" in found.stderr


def test_two_batches_on_one_ledger(movie, monkeypatch):
    write_jobs("jobs.jsonl", GOOD)
    run, others = LocalEngine.run, []

    def beside(*arguments, **options):
        command = [*MOVIE, "batch", "jobs.jsonl", *SHORT]
        others.append(subprocess.run(command, capture_output=True, text=True, check=False))
        run(*arguments, **options)

    monkeypatch.setattr(LocalEngine, "run", beside)
    first = movie("batch", "jobs.jsonl", *SHORT)
    assert first.returncode == 0, first.stderr
    assert_refused(others[0], 7, "another batch")
