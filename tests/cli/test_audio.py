"""`--audio` on every way to an edit: the command, its plan, the settings, a batch."""

from __future__ import annotations

import json
from pathlib import Path

import av
import pytest

from tests.cli.running import assert_refused
from tests.media.test_sound import clicking

SHORT = ("--duration", "2f", "--no-cache")


@pytest.fixture
def source():
    return clicking(Path("a.mkv"), "pcm_s16le")


def sounds(path):
    with av.open(str(path)) as container:
        return [stream.codec_context.codec.canonical_name for stream in container.streams.audio]


def test_the_plan_says_what_becomes_of_sound(movie, source):
    plan = ("edit", "a.mkv", "sepia", "-o", "o.mp4", "--dry-run", "--json")
    converted = "audio stream 1 (pcm_s16le) is converted to aac at 192 kb/s"
    for words, environment, said in (
        ((), {}, True),
        (("--audio", "copy"), {}, False),
        (("--audio", "none"), {}, False),
        (("--no-audio",), {}, False),
        ((), {"MOVIE_AUDIO": "copy"}, False),
        (("--audio", "transcode"), {"MOVIE_NO_AUDIO": "true"}, True),
    ):
        done = movie(*plan, *words, **environment)
        assert done.returncode == 0, done.stderr
        assert (converted in json.loads(done.stdout.splitlines()[-1])["not kept as it is"]) == said


def test_what_cannot_be_is_refused_before_the_first_frame(movie, source):
    edit = ("edit", "a.mkv", "sepia", "-o", "o.webm")
    assert_refused(movie(*edit, "--audio", "copy", "--no-audio"), 2, "--no-audio")
    assert_refused(movie(*edit, "--audio", "some"), 2, "some")
    for more in (("--dry-run",), ()):
        assert_refused(movie(*edit, "--audio", "copy", *more), 7, "webm does not hold it")
    assert sorted(path.name for path in Path().iterdir() if path.name != "home") == ["a.mkv"]


def test_a_job_of_a_batch_has_its_own_wish(movie, source):
    jobs = [
        {"source": "a.mkv", "instruction": "sepia", "output": "copied.mp4", "audio": "copy"},
        {"source": "a.mkv", "instruction": "sepia", "output": "usual.webm"},
        {"source": "a.mkv", "instruction": "sepia", "output": "none.mkv", "audio": "none"},
    ]
    Path("jobs.jsonl").write_text("".join(json.dumps(job) + "\n" for job in jobs))
    done = movie("batch", "jobs.jsonl", "--audio", "transcode", *SHORT)
    assert done.returncode == 0, done.stderr
    assert [sounds(name) for name in ("copied.mp4", "usual.webm", "none.mkv")] == [["pcm_s16le"], ["opus"], []]
