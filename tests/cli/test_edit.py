"""`movie edit` through its entry point with the embedded model: what it does, and what it refuses and how."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import av
import numpy as np
import pytest

from movie_cli.checkpoints.store import DEFAULT_MODEL, EMBEDDED
from tests.cli.running import MOVIE, assert_refused

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "samples" / "meadow.mp4"
ODD = ROOT / ".." / "shared" / "data" / "odd"
WINTER = "make it winter"


def frames(path):
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def left_behind(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "home")


def test_the_main_job(movie, tmp_path):
    done = movie("edit", str(SAMPLE), WINTER, "-o", "winter.mp4", "--duration", "3f", "--json")
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[-1]["type"] == "done"
    assert events[-1]["frames"] == 3
    edited, source = frames("winter.mp4"), frames(SAMPLE)[:3]
    assert len(edited) == 3
    assert edited[0].shape == source[0].shape
    # Winter is paler and bluer than a green meadow in the sun, and still the same meadow.
    difference = edited[0].astype(float) - source[0]
    assert difference[..., 2].mean() - difference[..., 0].mean() > 5
    # Snow lies on the grass, so brightness may turn round; what is drawn stays where it is.
    edges = [np.abs(np.diff(picture.mean(axis=2), axis=0)).ravel() for picture in (edited[0], source[0])]
    assert np.corrcoef(*edges)[0, 1] > 0.7
    assert left_behind(tmp_path) == ["winter.mp4"]


def test_the_scales_steer(movie):
    distances = []
    source = frames(SAMPLE)[0].astype(float)
    for text_scale, image_scale in (("3", "1.5"), ("7.5", "1.5"), ("7.5", "2.8")):
        name = f"{text_scale}-{image_scale}.mp4"
        options = ["--text-scale", text_scale, "--image-scale", image_scale, "--duration", "1f", "-q"]
        assert movie("edit", str(SAMPLE), "as a pencil drawing", "-o", name, *options).returncode == 0
        distances.append(np.square(frames(name)[0] - source).mean())
    weak, usual, near_source = distances
    assert weak < usual
    assert near_source < usual


def test_an_edit_is_repeated_from_its_output(movie, meadow):
    part = ("--duration", "2f", "--codec", "ffv1")
    assert movie("edit", str(meadow), "make it night", "-o", "a.mkv", *part).returncode == 0
    again = movie("edit", str(meadow), "--recipe-from", "a.mkv", "-o", "b.mkv", *part)
    assert again.returncode == 0, again.stderr
    assert all(np.array_equal(a, b) for a, b in zip(frames("a.mkv"), frames("b.mkv"), strict=True))


def no_index(path: Path) -> None:
    """An mp4 without its `moov`: what a camera leaves when its battery dies."""
    data = SAMPLE.read_bytes()
    assert b"moov" in data
    path.write_bytes(data.replace(b"moov", b"lost"))


def audio_only(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


SOURCES = {
    "missing": None,
    "folder": lambda path: path.mkdir(),
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("this is not a video\n" * 50),
    "audio only": audio_only,
    "no index": no_index,
    "a few bytes": lambda path: path.write_bytes(SAMPLE.read_bytes()[:40]),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_sources_that_cannot_be_read(movie, tmp_path, kind):
    if SOURCES[kind] is not None:
        SOURCES[kind](tmp_path / "in.mp4")
    before = left_behind(tmp_path)
    (tmp_path / "out.mp4").write_bytes(b"an older edit")
    refused = movie("edit", "in.mp4", WINTER, "-o", "out.mp4", "-y")
    assert_refused(refused, 3, "in.mp4")
    assert "hint: " in refused.stderr
    assert (tmp_path / "out.mp4").read_bytes() == b"an older edit"
    assert left_behind(tmp_path) == sorted([*before, "out.mp4"])


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["-o", "no/such/folder/out.mp4"], 7, "no/such/folder"),
        (["-o", "out.mp4", "--codec", "h266"], 2, "h264, hevc, av1"),
        (["-o", "out.nosuch"], 7, "nosuch"),
        (["-o", "out.mp4", "--model", "nanoo"], 4, "nanoo"),
        (["-o", "out.mp4", "--device", "cuda:7"], 5, "cuda:7"),
        (["-o", "out.mp4", "--text-scale", "nan"], 2, "text-scale"),
        (["-o", "out.mp4", "--image-scale", "-1"], 2, "image-scale"),
        (["-o", "out.mp4", "--text-scale", "lots"], 2, "text-scale"),
    ],
)
def test_requests_that_cannot_be_met(movie, tmp_path, arguments, code, said):
    refused = movie("edit", str(SAMPLE), WINTER, *arguments)
    assert_refused(refused, code, said)
    assert left_behind(tmp_path) == []


def test_a_range_without_frames(movie, tmp_path):
    refused = movie("edit", str(SAMPLE), WINTER, "-o", "out.mp4", "--start", "9s")
    assert_refused_after_messages(refused, 3, "range")
    assert left_behind(tmp_path) == []


def test_an_empty_instruction(movie, tmp_path):
    assert_refused(movie("edit", str(SAMPLE), " ", "-o", "out.mp4"), 2, "instruction")
    assert left_behind(tmp_path) == []


def test_source_and_output_may_not_be_one_file(movie, tmp_path):
    shutil.copy(SAMPLE, tmp_path / "in.mp4")
    (tmp_path / "link.mp4").hardlink_to(tmp_path / "in.mp4")
    for output in ("in.mp4", "./in.mp4", "link.mp4"):
        assert_refused(movie("edit", "in.mp4", WINTER, "-o", output, "-y"), 2, "source")
    assert (tmp_path / "in.mp4").read_bytes() == SAMPLE.read_bytes()


def test_an_existing_output_is_kept_in_a_script(movie, tmp_path):
    (tmp_path / "out.mp4").write_bytes(b"precious")
    assert_refused(movie("edit", str(SAMPLE), WINTER, "-o", "out.mp4"), 2, "out.mp4")
    assert (tmp_path / "out.mp4").read_bytes() == b"precious"


def test_an_unwritable_folder(movie, tmp_path):
    if os.geteuid() == 0:
        pytest.skip("the superuser may write anywhere")
    (tmp_path / "locked").mkdir(mode=0o500)
    assert_refused(movie("edit", str(SAMPLE), WINTER, "-o", "locked/out.mp4"), 7, "locked")


def test_a_full_disk(movie, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = [shutil.which("mount") or "mount", "-t", "tmpfs", "-o", "size=40k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode:
        pytest.skip("no small file system can be mounted here")
    try:
        refused = movie(
            "edit", str(SAMPLE), WINTER, "-o", "disk/out.mp4", "--duration", "12f", "--crf", "1", "--no-cache"
        )
        assert_refused_after_messages(refused, 7, "disk/out.mp4")
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run([shutil.which("umount"), disk], check=True)


def assert_refused_after_messages(found, code, said):
    errors = [line for line in found.stderr.splitlines() if line.startswith("error: ")]
    assert found.returncode == code, found.stderr
    assert len(errors) == 1
    assert said in errors[0]
    assert "Traceback" not in found.stderr


def test_ctrl_c_leaves_nothing(tmp_path):
    environment = os.environ | {"MOVIE_HOME": str(tmp_path / "home")}
    (tmp_path / "out.mp4").write_bytes(b"an older edit")
    with subprocess.Popen(
        [*MOVIE, "edit", str(SAMPLE), WINTER, "-o", "out.mp4", "-y", "--progress", "plain", "--no-cache"],
        cwd=tmp_path,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        # The second line is the count of frames: from here on it is editing.
        said = [process.stderr.readline(), process.stderr.readline()]
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        said += process.stderr.readlines()
    assert process.returncode == 130, said
    assert "Traceback" not in "".join(said)
    assert (tmp_path / "out.mp4").read_bytes() == b"an older edit"
    assert left_behind(tmp_path) == ["out.mp4"]


@pytest.mark.skipif(not ODD.is_dir(), reason="the odd files of ../shared/data are not there")
def test_a_damaged_file_is_edited_as_far_as_it_goes(movie, tmp_path, tiny):
    source, small = str(ODD / "decord__corrupted.mp4"), ["--model", str(tiny), "--size", "64x48"]
    small += ["--detail", "0", "--encoder-preset", "ultrafast"]  # its frames are large
    done = movie("edit", source, WINTER, "-o", "out.mp4", "--progress", "none", *small)
    if done.returncode == 0:
        assert len([line for line in done.stderr.splitlines() if line.startswith("warning: ")]) == 1
        strict = movie("edit", source, WINTER, "-o", "strict.mp4", "--strict", "-q", *small)
        assert_refused(strict, 3, "corrupted")
    else:
        assert_refused_after_messages(done, 3, "corrupted")
    assert "strict.mp4" not in left_behind(tmp_path)


def test_the_embedded_model_fits_its_promise():
    files = [path for path in (EMBEDDED / DEFAULT_MODEL).rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= {".json", ".safetensors", ".md"}
    assert sum(path.stat().st_size for path in files) <= 24_000_000


@pytest.mark.parametrize("start", ["99s", "9999f"])
def test_a_start_past_the_end_is_refused_before_anything_else_is_said(movie, start):
    assert_refused(movie("edit", str(SAMPLE), WINTER, "-o", "out.mp4", "--start", start), 3, "choose an earlier")
