"""Interrupted edits through the entry point: what is kept, what continues, and what is refused."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest

from movie_cli.editing.work_folder import WorkFolder
from movie_cli.media.writer import VideoWriter
from tests.cli.running import assert_refused
from tests.editing.test_taken_names import killed
from tests.forked import started
from tests.media.clips import make_clip

EDIT = ["--segment-frames", "8", "--duration", "30f", "--no-cache", "--progress", "plain", "--crf", "10"]
KEPT = ".out.mp4.movie"


def pictures(path):
    with av.open(str(path)) as container:
        return [(frame.pts, frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


def assert_same_frames(one, other):
    ours, theirs = pictures(one), pictures(other)
    assert [pts for pts, _ in ours] == [pts for pts, _ in theirs]
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(ours, theirs, strict=True))


def left_behind(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "home")


def begin(folder, source, *more):
    """Start an edit of out.mp4 in a process of its own."""
    return started(folder, "edit", str(source), "make it winter", "-o", "out.mp4", *EDIT, *more)


def wait_for(path, process):
    until = time.monotonic() + 120
    while not path.exists() and process.returncode is None and time.monotonic() < until:
        time.sleep(0.01)


def stop_after_a_segment(folder, number, source, wanted="000000.json"):
    """Start an edit, and send `number` as soon as a segment is kept."""
    with begin(folder, source) as process:
        wait_for(folder / KEPT / wanted, process)
        process.send_signal(number)
        said = process.communicate()[1]
    assert "Traceback" not in said
    return process.returncode, said


@pytest.fixture(scope="module")
def whole(tmp_path_factory, meadow):
    """The output of an edit that nothing interrupts."""
    folder = tmp_path_factory.mktemp("whole")
    with begin(folder, meadow) as process:
        said = process.communicate()[1]
    assert process.returncode == 0, said
    assert left_behind(folder) == ["out.mp4"]
    return folder / "out.mp4"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_is_done_is_kept_and_continued(movie, tmp_path, meadow, whole, number):
    code, said = stop_after_a_segment(tmp_path, number, meadow)
    assert code == 130, said
    assert "--resume" in said
    assert left_behind(tmp_path) == [KEPT]
    assert_refused(movie("edit", str(meadow), "make it winter", "-o", "out.mp4", *EDIT), 2, KEPT, "--resume")
    done = movie("edit", str(meadow), "make it winter", "-o", "out.mp4", *EDIT, "--resume", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["resumed"] >= 8
    assert left_behind(tmp_path) == ["out.mp4"]
    assert_same_frames("out.mp4", whole)


def test_killed_at_random_moments(movie, tmp_path, meadow, whole):
    chance = random.Random(7)
    for _ in range(2):
        with begin(tmp_path, meadow, "--resume") as process:
            time.sleep(chance.uniform(0.5, 3))
            process.send_signal(signal.SIGKILL)
        assert not (tmp_path / "out.mp4").exists() or len(pictures(tmp_path / "out.mp4")) == 30
        if process.returncode == 0:
            break
    if not (tmp_path / "out.mp4").exists() or (tmp_path / KEPT).exists():
        done = movie("edit", str(meadow), "make it winter", "-o", "out.mp4", *EDIT, "--resume")
        assert done.returncode == 0, done.stderr
    assert left_behind(tmp_path) == ["out.mp4"]
    assert_same_frames("out.mp4", whole)


def test_a_changed_request_or_source_is_refused(movie, tmp_path, meadow):
    shutil.copy(meadow, tmp_path / "in.mp4")
    stop_after_a_segment(tmp_path, signal.SIGKILL, "in.mp4")
    kept = left_behind(tmp_path)
    again = ["edit", "in.mp4", "make it winter", "-o", "out.mp4", *EDIT, "--resume"]
    assert_refused(movie(*again, "--text-scale", "9"), 2, "text scale was 7.5 and is 9.0")
    assert_refused(movie(*again, "--crf", "30"), 2, "crf")
    with (tmp_path / "in.mp4").open("ab") as file:
        file.write(b"\0" * 8)
    assert_refused(movie(*again), 2, "the source has changed")
    assert left_behind(tmp_path) == kept
    shutil.copy(meadow, tmp_path / "in.mp4")
    anew = movie("edit", "in.mp4", "make it night", "-o", "out.mp4", *EDIT, "-y", "--json")
    assert anew.returncode == 0, anew.stderr
    assert json.loads(anew.stdout.splitlines()[-1])["resumed"] == 0
    assert left_behind(tmp_path) == ["in.mp4", "out.mp4"]


def test_damaged_segments_are_made_again(movie, tmp_path, meadow, whole):
    stop_after_a_segment(tmp_path, signal.SIGKILL, meadow, "000001.json")
    packets = tmp_path / KEPT / "000001.packets"
    packets.write_bytes(packets.read_bytes()[:-3])
    done = movie("edit", str(meadow), "make it winter", "-o", "out.mp4", *EDIT, "--resume", "--json")
    assert json.loads(done.stdout.splitlines()[-1])["resumed"] == 8
    assert_same_frames("out.mp4", whole)


def test_resume_with_nothing_to_resume_begins(movie, tmp_path, meadow, whole):
    done = movie("edit", str(meadow), "make it winter", "-o", "out.mp4", *EDIT, "--resume")
    assert done.returncode == 0, done.stderr
    assert_same_frames("out.mp4", whole)


def test_resume_tells_of_a_film_that_is_complete(movie, meadow, tiny):
    edit = ["edit", str(meadow), "-o", "out.mp4", "--model", str(tiny), "--duration", "6f", "--no-cache", "--resume"]
    done = movie(*edit, "make it winter")
    assert done.returncode == 0, done.stderr
    made = Path("out.mp4").read_bytes()
    for again in (["make it winter"], ["make it winter", "--segment-frames", "20"]):
        done = movie(*edit, *again)
        assert done.returncode == 0, done.stderr
        assert "out.mp4 is complete already" in done.stderr
    assert Path("out.mp4").read_bytes() == made
    parts = (["--start", "1f"], ["--duration", "5f"], ["--crf", "30"])
    for other in (["make it night"], *(["make it winter", *part] for part in parts)):
        assert_refused(movie(*edit, *other), 2, "exists")
    os.utime("out.mp4", (0, 0))  # the source is newer: it may be another one
    assert_refused(movie(*edit, "make it winter"), 2, "exists")


def test_kept_segments_say_how_long_they_are(movie, tmp_path, meadow, whole):
    stop_after_a_segment(tmp_path, signal.SIGKILL, meadow)
    untold = [word for word in EDIT if word not in {"--segment-frames", "8"}]
    again = ["edit", str(meadow), "make it winter", "-o", "out.mp4", *untold, "--resume"]
    assert_refused(movie(*again, "--segment-frames", "9"), 2, "segment frames was 8 and is 9")
    done = movie(*again, "--json")
    assert json.loads(done.stdout.splitlines()[-1])["resumed"] >= 8
    assert_same_frames("out.mp4", whole)


def test_a_second_process_is_told(movie, tmp_path, meadow, whole):
    with begin(tmp_path, meadow) as process:
        wait_for(tmp_path / KEPT / "manifest.json", process)
        process.send_signal(signal.SIGSTOP)
        second = movie("edit", str(meadow), "make it night", "-o", "out.mp4", *EDIT, "-y")
        third = movie("edit", str(meadow), "make it winter", "-o", "out.mp4", *EDIT, "--resume")
        process.send_signal(signal.SIGCONT)
        said = process.communicate()[1]
    assert process.returncode == 0, said
    assert_refused(second, 7, "another movie process")
    assert_refused(third, 7, "another movie process")
    assert_same_frames("out.mp4", whole)
    assert left_behind(tmp_path) == ["out.mp4"]


@pytest.mark.parametrize(("change", "said"), [("remove", "gone"), ("grow", "changed")])
def test_a_source_that_does_not_stay(tmp_path, meadow, change, said):
    source = tmp_path / "in.mp4"
    shutil.copy(meadow, source)
    with begin(tmp_path, "in.mp4") as process:
        wait_for(tmp_path / KEPT / "000000.json", process)
        if change == "remove":
            source.unlink()
        else:
            with source.open("ab") as file:
                file.write(b"\0" * 100)
        told = process.communicate()[1]
    assert process.returncode == 3, told
    assert f"in.mp4 has {said}" in told
    assert "Traceback" not in told
    assert [name for name in left_behind(tmp_path) if name != "in.mp4"] == [KEPT]


def test_a_removed_source_that_comes_back_is_continued(movie, tmp_path, meadow, whole):
    shutil.copy(meadow, tmp_path / "in.mp4")
    stop_after_a_segment(tmp_path, signal.SIGKILL, "in.mp4")
    (tmp_path / "in.mp4").rename(tmp_path / "away.mp4")
    again = ["edit", "in.mp4", "make it winter", "-o", "out.mp4", *EDIT, "--resume"]
    assert_refused(movie(*again), 3, "in.mp4")
    (tmp_path / "away.mp4").rename(tmp_path / "in.mp4")
    assert movie(*again).returncode == 0
    assert_same_frames("out.mp4", whole)


def test_a_disk_that_fills_up_keeps_what_was_done(movie, tmp_path, meadow):
    disk = tmp_path / "disk"
    disk.mkdir()
    # A first segment has room, and not all four.
    mount = [shutil.which("mount") or "mount", "-t", "tmpfs", "-o", "size=36k,nr_inodes=100", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode:
        pytest.skip("no small file system can be mounted here")
    try:
        edit = ["edit", str(meadow), "make it winter", *EDIT, "--anchors", "none"]
        full = movie(*edit, "-o", "disk/out.mp4")
        assert full.returncode == 7, full.stderr
        assert "disk is full" in full.stderr
        assert "--resume" in full.stderr
        assert left_behind(disk) == [KEPT]
        remount = [shutil.which("mount") or "mount", "-o", "remount,size=20m", str(disk)]
        subprocess.run(remount, check=True)
        done = movie(*edit, "-o", "disk/out.mp4", "--resume", "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout.splitlines()[-1])["resumed"] >= 8
        assert left_behind(disk) == ["out.mp4"]
        assert movie(*edit, "-o", "whole.mp4").returncode == 0
        assert_same_frames("disk/out.mp4", "whole.mp4")
    finally:
        subprocess.run([shutil.which("umount"), disk], check=True)


def test_an_output_whose_name_is_as_long_as_names_may_be(movie, tmp_path, meadow):
    name = "ü" * 125 + ".mp4"
    done = movie("edit", str(meadow), "sepia", "-o", name, "--segment-frames", "2", "--duration", "3f", "--no-cache")
    assert done.returncode == 0, done.stderr
    assert left_behind(tmp_path) == [name]


def test_an_edit_stopped_after_its_output_got_its_name(movie, tmp_path, meadow, tiny, monkeypatch):
    edit = ["--model", str(tiny), "-o", "out.mp4", "--segment-frames", "2", "--duration", "4f", "--no-cache"]
    with monkeypatch.context() as patch:
        patch.setattr(WorkFolder, "discard", killed)
        assert movie("edit", str(meadow), "make it winter", *edit).returncode == 0
    assert left_behind(tmp_path) == [KEPT, "out.mp4"]
    refused = movie("edit", str(meadow), "make it night", *edit, "--resume")
    assert_refused(refused, 2, "out.mp4 exists", "instruction was make it winter and is make it night", "-y")
    done = movie("edit", str(meadow), "make it winter", *edit, "--resume")
    assert done.returncode == 0, done.stderr
    assert "whole already" in done.stderr
    assert left_behind(tmp_path) == ["out.mp4"]


KILLED = """
import os, signal, sys
from movie_cli.media import writer
from movie_cli.cli import main
writer.check_written = lambda *arguments: os.kill(os.getpid(), signal.SIGKILL)
sys.exit(main())
"""


FEW = ["--segment-frames", "2", "--duration", "4f", "--no-cache", "--size", "64x48", "-o", "out.mp4"]


def assert_resumed(movie, folder, source):
    assert left_behind(folder) == [KEPT]
    done = movie("edit", str(source), "make it winter", *FEW, "--resume", "--json")
    assert json.loads(done.stdout.splitlines()[-1])["resumed"] == 4, done.stderr
    assert left_behind(folder) == ["out.mp4"]
    assert len(pictures(folder / "out.mp4")) == 4


def test_stopped_while_segments_are_put_together(movie, tmp_path, meadow, monkeypatch):
    copy = VideoWriter.write_segment

    def copied(*arguments):
        copy(*arguments)
        signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(VideoWriter, "write_segment", copied)
        stopped = movie("edit", str(meadow), "make it winter", *FEW)
    assert stopped.returncode == 130, stopped.stderr
    assert "4 frames are kept" in stopped.stderr
    assert_resumed(movie, tmp_path, meadow)


def test_killed_while_what_was_put_together_is_checked(movie, tmp_path, meadow):
    command = [sys.executable, "-c", KILLED, "edit", str(meadow), "make it winter", *FEW]
    home = os.environ | {"MOVIE_HOME": str(tmp_path / "home")}
    killed = subprocess.run(command, cwd=tmp_path, env=home, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert_resumed(movie, tmp_path, meadow)


def test_damage_before_the_mark_is_told_of_at_the_end(movie, tmp_path, monkeypatch, tiny):
    intact, source = tmp_path / "intact.mkv", tmp_path / "in.mkv"
    make_clip(intact, frames=40, options={"g": "5", "bf": "0"})
    with av.open(str(intact)) as container, av.open(str(source), "w") as output:
        target = output.add_stream_from_template(container.streams.video[0])
        for number, packet in enumerate(container.demux(video=0)):
            if packet.size:
                made = av.Packet(b"\xff" * packet.size if number == 3 else bytes(packet))
                made.pts, made.dts, made.time_base = packet.pts, packet.dts, packet.time_base
                made.is_keyframe, made.stream = packet.is_keyframe, target
                output.mux(made)
    command = [
        "edit",
        str(source),
        "sepia",
        "-o",
        "out.mp4",
        "--model",
        str(tiny),
        "--segment-frames",
        "8",
        "--no-cache",
    ]
    add = WorkFolder.add

    def stopped(self, number, segment):
        add(self, number, segment)
        if number == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(WorkFolder, "add", stopped)
        assert movie(*command).returncode == 130
    done = movie(*command, "--resume")
    assert done.returncode == 0, done.stderr
    assert "continuing after" in done.stderr
    assert done.stderr.count("cannot be decoded") == 1
