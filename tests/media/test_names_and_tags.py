"""What a file is called, and what it says of itself beside the picture."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from movie_cli.media import EncodeOptions, VideoWriter, probe
from movie_cli.media.outfile import prepare_output, remove_temporary
from movie_cli.media.segments import SegmentEncoder
from tests.media.clips import identity_edit, make_clip, picture


def test_a_name_with_a_number_s_place_is_literal_unless_it_is_a_picture_s(tmp_path):
    source = make_clip(tmp_path / "in%03d.mp4", frames=3).rename(tmp_path / "a%03d.mp4")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious.txt").write_text("kept")
    for ending in (".mp4", ".mkv", ".webp"):
        assert identity_edit(source, tmp_path / "out" / f"b%03d{ending}").frames == 3
        assert (tmp_path / "out" / f"b%03d{ending}").exists()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "b%03d.mkv",
        "b%03d.mp4",
        "b%03d.webp",
        "precious.txt",
    ]


@pytest.mark.parametrize("name", ["a%03d.mp4", "a%03d.webp", "a%03d.gif"])
def test_giving_up_removes_nothing_but_the_hidden_file(tmp_path, name):
    (tmp_path / "precious.txt").write_text("kept")
    source = probe(make_clip(tmp_path / "in.mp4", frames=2))
    VideoWriter(tmp_path / name, source).abort()
    _, temporary = prepare_output(tmp_path / name, "0")
    for _ in range(2):
        remove_temporary(temporary, numbered=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "precious.txt"]


def test_names_that_are_not_utf8(tmp_path):
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9 \xff" + b"x" * 190))
    source = make_clip(tmp_path / "in.mp4", frames=3).rename(f"{odd}.mp4")
    assert probe(source).video.frames == 3
    out = odd.with_name(f"{odd.name}-out.mp4")
    assert identity_edit(source, out).frames == 3
    assert probe(out).video.frames == 3


@pytest.mark.parametrize("ending", [".mp4", ".mov"])
def test_hevc_has_the_tag_that_apple_s_players_take(tmp_path, ending):
    source = make_clip(tmp_path / "in.mp4", frames=4)
    options = EncodeOptions(codec="hevc", preset="ultrafast")
    identity_edit(source, tmp_path / f"whole{ending}", options)
    info = probe(source)
    encoder = SegmentEncoder(tmp_path / "part", tmp_path / f"o{ending}", info, options, info.video.display_size)
    for index in range(4):
        encoder.write(picture(index), info.video.start + index * 512)
    segment = encoder.finish(0)
    with VideoWriter(tmp_path / f"o{ending}", info, options) as writer:
        writer.write_segment(segment, tmp_path / "part")
        writer.commit()
    for name in ("whole", "o"):
        with av.open(str(tmp_path / f"{name}{ending}")) as container:
            assert container.streams.video[0].codec_context.codec_tag == "hvc1"


@pytest.mark.parametrize("flags", [av.stream.Disposition(0), av.stream.Disposition.default])
def test_the_video_s_disposition_is_kept(tmp_path, flags):
    with av.open(str(tmp_path / "in.mkv"), "w") as container:
        video, sound = container.add_stream("libx264", rate=25), container.add_stream("aac", rate=44100)
        video.width, video.height, video.disposition, sound.disposition = 64, 48, flags, flags
        container.mux(video.encode(av.VideoFrame.from_ndarray(picture(0))))
        container.mux(video.encode(None))
    flag = probe(tmp_path / "in.mkv").video.disposition
    assert flag == flags.value
    identity_edit(tmp_path / "in.mkv", tmp_path / "out.mkv")
    assert probe(tmp_path / "out.mkv").video.disposition == flag


def tagged(path: Path, chapters: list[tuple[int, int]] = (), **tags: str) -> Path:
    """A second of picture and sound whose streams have these tags; chapters in milliseconds."""
    with av.open(str(path), "w") as container:
        video, sound = container.add_stream("libx264", rate=25), container.add_stream("aac", rate=44100)
        video.width, video.height = 64, 48
        for stream in (video, sound):
            stream.metadata.update(tags)
        container.set_chapters(
            [
                {"id": n, "start": begin, "end": end, "time_base": Fraction(1, 1000), "metadata": {"title": f"c{n}"}}
                for n, (begin, end) in enumerate(chapters)
            ]
        )
        for block in range(43):
            frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
            frame.sample_rate, frame.pts = 44100, block * 1024
            container.mux(sound.encode(frame))
        for index in range(25):
            frame = av.VideoFrame.from_ndarray(picture(index))
            frame.pts = index
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        container.mux(sound.encode(None))
    return path


LANGUAGES = [
    (".mp4", "zh-TW", "zho"),
    (".mp4", "deu", "deu"),
    (".mov", "zh-TW", "chi"),
    (".mov", "de", "ger"),
    (".mov", "hr", "hr"),
    (".3gp", "en_US", "eng"),
    (".ts", "sv", "swe"),
    (".mkv", "zh-TW", "zh-TW"),
]


@pytest.mark.parametrize(("ending", "language", "kept"), LANGUAGES)
def test_language_and_title_are_kept_in_the_container_s_own_way(tmp_path, ending, language, kept):
    source = tagged(tmp_path / "in.mkv", language=language, title="Ton 🎧")
    report = identity_edit(source, tmp_path / f"out{ending}")
    with av.open(str(tmp_path / f"out{ending}")) as container:
        for stream in container.streams:
            tags = stream.metadata
            if ending == ".ts" and stream.type == "video":
                continue
            assert tags["language"].strip() == kept
            told = [message for message in report.messages if "title" in message]
            assert {*told, tags.get("title"), tags.get("name"), tags.get("handler_name")} & {*told, "Ton 🎧"}
            assert bool(told) == (ending == ".ts")
    # And back again.
    identity_edit(tmp_path / f"out{ending}", tmp_path / "again.mkv")
    if ending in {".mp4", ".mov", ".mkv"}:
        assert {stream.title for stream in probe(tmp_path / "again.mkv").streams} == {"Ton 🎧"}


def test_a_language_that_a_container_has_no_place_for_is_told(tmp_path):
    source = tagged(tmp_path / "in.mkv", language="yue-HK")
    for ending, told in ((".mov", 2), (".flv", 2), (".avi", 2), (".mp4", 0), (".mkv", 0)):
        report = identity_edit(source, tmp_path / f"out{ending}")
        assert sum("language yue-HK" in message for message in report.messages) == told


@pytest.mark.parametrize(("start", "end", "kept"), [(None, None, [(0, 0.4), (0.4, 1)]), (0.5, 0.8, [(0, 0.3)])])
def test_chapters_end_with_the_film(tmp_path, start, end, kept):
    source = tagged(tmp_path / "in.mkv", [(0, 400), (400, 5000), (500, 500), (3000, 4000)])
    report = identity_edit(source, tmp_path / "out.mp4", start=start, end=end)
    after = probe(tmp_path / "out.mp4")
    found = [(float(c.start * c.time_base), float(c.end * c.time_base)) for c in after.chapters]
    assert np.allclose(found, kept, atol=0.03)
    assert after.duration < 1.1
    assert not report.messages


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".3gp", ".mkv", ".webm", ".nut", ".avi", ".flv", ".ts", ".gif"])
def test_chapters_are_kept_or_told_of(tmp_path, ending):
    source = tagged(tmp_path / "in.mkv", [(0, 400), (400, 1000)])
    report = identity_edit(source, tmp_path / f"out{ending}")
    told = any("chapters" in message for message in report.messages)
    assert told != (len(probe(tmp_path / f"out{ending}").chapters) == 2)
