"""Times are read exactly; requests that cannot be meant are refused before anything is opened."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import pytest

from movie_cli.editing.clip import span_of
from movie_cli.editing.request import EditRequest, check_output, check_source
from movie_cli.errors import MovieError, OutputError, SourceError, UsageError
from movie_cli.kinds import TimeValue
from movie_cli.media import probe
from movie_cli.options import EncodeOptions
from movie_cli.recipe import Recipe
from tests.media.clips import make_clip


@pytest.mark.parametrize(
    ("text", "frames", "seconds", "shown"),
    [
        ("90f", 90, None, "90f"),
        ("0f", 0, None, "0f"),
        ("1.5s", None, Fraction(3, 2), "1.5s"),
        ("1.5", None, Fraction(3, 2), "1.5s"),
        (" 2s ", None, Fraction(2), "2s"),
        (".25", None, Fraction(1, 4), "0.25s"),
        ("90", None, Fraction(90), "90s"),
        ("01:02:03.004", None, Fraction(3723004, 1000), "3723.004s"),
        ("2:03", None, Fraction(123), "123s"),
        ("100:00:00", None, Fraction(360000), "360000s"),
        ("75:30", None, Fraction(4530), "4530s"),
        ("0.1", None, Fraction(1, 10), "0.1s"),
    ],
)
def test_times(text, frames, seconds, shown):
    value = TimeValue.parse(text)
    assert (value.frames, value.seconds) == (frames, seconds)
    assert str(value) == shown
    assert TimeValue.parse(shown) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "f",
        "s",
        "-1",
        "-1s",
        "1.5f",
        "nan",
        "inf",
        "1e3",
        "1:60",
        "1:60:00",
        "1:2:3:4",
        "1:02s",
        "1m",
        "٣s",
        "1,5",
        ".",
    ],
)
def test_what_is_no_time(text):
    with pytest.raises(UsageError) as caught:
        TimeValue.parse(text)
    assert "90f" in caught.value.hint


def test_a_third_of_a_second_has_a_spelling_too():
    assert str(TimeValue(seconds=Fraction(1, 3))) == "1/3s"
    with pytest.raises(UsageError):
        TimeValue()
    with pytest.raises(UsageError):
        TimeValue(frames=1, seconds=Fraction(1))


def request(**changes) -> EditRequest:
    return EditRequest(source="a.mp4", output="b.mp4", recipe=Recipe("make it winter"), **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"end": TimeValue(frames=5), "duration": TimeValue(frames=5)},
        {"duration": TimeValue(frames=0)},
        {"end": TimeValue(seconds=Fraction(0))},
        {"start": TimeValue(frames=5), "end": TimeValue(frames=5)},
        {"start": TimeValue(seconds=Fraction(2)), "end": TimeValue(seconds=Fraction(1))},
        {"batch_size": 0},
    ],
)
def test_contradictions_are_refused(changes):
    with pytest.raises(UsageError):
        request(**changes)


@pytest.mark.parametrize(("start", "end", "frames"), [("5f", "0.6s", 10), ("0.2s", "9f", 4), ("0f", "0.4s", 10)])
def test_frames_and_seconds_can_be_mixed(tmp_path, start, end, frames):
    info = probe(make_clip(tmp_path / "a.mp4", frames=20))  # 25 a second
    asked = request(start=TimeValue.parse(start), end=TimeValue.parse(end))
    assert span_of(asked, info).frames == frames


@pytest.mark.parametrize("name", ["start", "end", "duration"])
def test_a_time_from_python_is_no_text(name):
    with pytest.raises(MovieError) as raised:
        EditRequest("a.mp4", "b.mp4", Recipe("sepia"), **{name: "2f"})
    assert "TimeValue.parse" in raised.value.hint


@pytest.mark.parametrize("crf", [float("nan"), float("inf"), -1.0, 64.0])
def test_quality_out_of_range(crf):
    with pytest.raises(UsageError, match="crf"):
        EncodeOptions(crf=crf)


def test_sources_that_are_none(tmp_path):
    empty = tmp_path / "empty.mp4"
    empty.touch()
    for source in (
        str(tmp_path),
        str(empty),
        str(tmp_path / "none.mp4"),
        "https://example.org/a.mp4",
        "",
        "a\x00b",
        "x" * 5000,
    ):
        with pytest.raises(SourceError) as caught:
            check_source(source)
        assert caught.value.hint
    check_source("-")


def test_outputs_that_cannot_be(tmp_path):
    source = tmp_path / "in.mp4"
    source.write_bytes(b"x")
    (tmp_path / "link.mp4").symlink_to(source)
    os.link(source, tmp_path / "hard.mp4")
    (tmp_path / "sub").mkdir()
    for name in ("in.mp4", "./in.mp4", "sub/../in.mp4", "link.mp4", "hard.mp4"):
        with pytest.raises(UsageError, match="source itself"):
            check_output(str(source), f"{tmp_path}/{name}")
    for name in ("sub", "none/out.mp4", "in.mp4/out.mp4", "x" * 5000):
        with pytest.raises(OutputError):
            check_output(str(source), f"{tmp_path}/{name}")
    for name in ("", "a\x00b"):
        with pytest.raises(MovieError):
            check_output(str(source), name)
    with pytest.raises(OutputError, match="regular"):
        check_output(str(source), os.devnull)
    check_output(str(source), f"{tmp_path}/out.mp4")
    check_output("-", str(source))
    check_output(str(source), "-")


def test_the_current_folder_is_meant_by_a_bare_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("in.mp4").write_bytes(b"x")
    check_output("in.mp4", "out.mp4")
    with pytest.raises(UsageError):
        check_output("in.mp4", str(tmp_path / "in.mp4"))
