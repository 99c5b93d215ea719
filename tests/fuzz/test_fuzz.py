"""The damage is the same each time, and cases that once failed end well."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from movie_cli.media import EncodeOptions, probe
from tests.fuzz.__main__ import faults
from tests.fuzz.cases import find_sources, make_case
from tests.fuzz.mutate import _parts, mutate
from tests.media.clips import decodes_cleanly, identity_edit, make_clip, needs_ffmpeg

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.flv", "a.gif"])
def test_damage_follows_from_the_seed(tmp_path, name):
    codec = {"a.flv": "flv1", "a.gif": "gif"}.get(name, "libx264")
    if codec == "gif":
        source = tmp_path / name
        identity_edit(make_clip(tmp_path / "b.mp4", frames=3), source)
    else:
        source = make_clip(tmp_path / name, frames=5, codec=codec.replace("flv1", "flv"))
    data = source.read_bytes()
    assert bool(_parts(data)) == (codec != "gif")
    for seed in range(60):
        one, other = (mutate(data, random.Random(seed), [data]) for _ in range(2))
        assert one == other
        assert one[1]
    case = make_case([source], 1, 5)
    assert case == make_case([source], 1, 5)
    assert case != make_case([source], 2, 5)


def test_what_counts_as_a_failure():
    good = {"exit_code": 3, "seconds": 0.1, "mebibytes": 10, "left": [], "output": False, "error": ""}
    assert faults(good) == []
    for bad in ({"exit_code": -11}, {"exit_code": 1}, {"exit_code": None}, {"seconds": 61}, {"mebibytes": 2049}):
        assert faults(good | bad)
    assert faults(good | {"left": ["x"]})
    assert faults(good | {"output": True})


def test_the_command_runs():
    samples = find_sources([ROOT / "samples"])
    assert [path.suffix for path in samples] == [".mp4"]
    command = [sys.executable, "-m", "tests.fuzz", "samples", "--cases", "4"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 cases of 1 files" in done.stdout


@needs_ffmpeg
def test_a_transport_stream_of_ten_packets(tmp_path):
    """ffmpeg cannot open one of exactly that length: null packets are added."""
    source = make_clip(tmp_path / "a.mp4", frames=3)
    for end in (0.04, 0.08, 0.12):
        identity_edit(source, tmp_path / "o.ts", EncodeOptions(preset="ultrafast"), end=end)
        assert (tmp_path / "o.ts").stat().st_size >= 16 * 188
        assert probe(tmp_path / "o.ts").video.coded_size == (64, 48)
        assert decodes_cleanly(tmp_path / "o.ts")
