from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from movie_cli.errors import OutputError, UsageError
from movie_cli.media import EncodeOptions, FrameReader, VideoWriter, check_not_same, probe
from tests.media.clips import (
    CLIPS,
    SHARED,
    decodes_cleanly,
    ffprobe,
    frame_pts,
    identity_edit,
    make_clip,
    needs_ffmpeg,
    needs_shared,
    packets,
    picture,
)

FAST = EncodeOptions(preset="ultrafast")
UNEVEN = [3, 7, 20, 21, 22, 50, 90, 91, 100, 140]


def left(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


@needs_shared
@needs_ffmpeg
@pytest.mark.parametrize("path", CLIPS, ids=lambda path: path.name)
def test_an_identity_edit_of_every_clip(tmp_path, path):
    out = tmp_path / "out.mp4"
    info = probe(path)
    # The large clips only for their first seconds: a test has to be quick.
    part = {"end": 1.5} if info.video.coded_size[0] > 640 else {}
    report = identity_edit(path, out, metadata={"movie_recipe": '{"instruction": "wär"}'}, **part)
    video = str(info.video.index)
    entries = ("-show_entries", "packet=pts")
    written = sorted(packet["pts"] for packet in ffprobe(out, "-select_streams", "v:0", *entries)["packets"])
    stored = [pts * info.video.stored_time_base for pts in frame_pts(path, video, report.frames if part else None)]
    # What a coarse clock has rounded may be less than its unit off.
    off = info.video.stored_time_base if info.video.time_base < info.video.stored_time_base else 0
    assert len(written) == len(stored)
    assert all(abs(pts * info.video.time_base - time) <= off for pts, time in zip(written, stored, strict=True))
    for theirs, ours in zip(packets(path, "a"), packets(out, "a"), strict=True):
        assert len(theirs) == len(ours) or part
        for one, other in zip(theirs, ours, strict=not part):
            assert one[0] == other[0]
            assert abs(float(one[1]) - float(other[1])) < 5e-5
    assert packets(path, "s") == packets(out, "s")
    before = ffprobe(path, "-show_streams", "-select_streams", video)["streams"][0]
    after = ffprobe(out, "-show_streams", "-show_format", "-select_streams", "v:0")
    for key in ("width", "height", "color_space", "color_transfer", "color_primaries", "color_range"):
        assert after["streams"][0].get(key) == before.get(key), key
    assert after["streams"][0].get("sample_aspect_ratio") == before.get("sample_aspect_ratio")
    assert after["format"]["tags"]["movie_recipe"] == '{"instruction": "wär"}'
    assert decodes_cleanly(out)
    assert report.frames == len(written)
    assert not left(tmp_path)


@needs_ffmpeg
@pytest.mark.parametrize("time_base", [Fraction(1, 1000), Fraction(1, 90000), Fraction(1, 30), Fraction(1001, 30000)])
def test_uneven_timestamps_survive_b_frames(tmp_path, time_base):
    source = make_clip(tmp_path / "a.nut", frames=10, pts=UNEVEN, time_base=time_base, options={"bf": "0"})
    out = tmp_path / "out.mp4"
    identity_edit(source, out, EncodeOptions())
    read = [frame.time for frame in FrameReader(out)]
    assert read == pytest.approx([frame.time for frame in FrameReader(source)], abs=1e-9)


@needs_ffmpeg
def test_tags_chapters_aspect_and_rotation_survive(tmp_path):
    source = make_clip(tmp_path / "a.mp4", chapters=True, rotation=-90, audio=True, options={"aspect": "4:3"})
    out = tmp_path / "out.mp4"
    identity_edit(source, out, metadata={"movie_recipe": "x"})
    before, after = probe(source), probe(out)
    assert after.video.orientation == before.video.orientation
    assert after.video.display_size == before.video.display_size == (48, 64)
    assert after.metadata["title"] == "A clip"
    assert after.metadata["movie_recipe"] == "x"
    assert [chapter.metadata for chapter in after.chapters] == [chapter.metadata for chapter in before.chapters]
    assert [float(c.start * c.time_base) for c in after.chapters] == [0.0, 0.4]
    one, other = next(iter(FrameReader(source))).pixels, next(iter(FrameReader(out))).pixels
    assert np.abs(one.astype(int) - other).mean() < 4


def test_a_container_without_rotation_gets_upright_pixels(tmp_path):
    source = make_clip(tmp_path / "a.mp4", rotation=90)
    identity_edit(source, tmp_path / "out.mkv")
    after = probe(tmp_path / "out.mkv")
    assert after.video.orientation.is_upright
    assert after.video.coded_size == (48, 64)


def test_nothing_but_the_picture_when_asked(tmp_path):
    source = make_clip(tmp_path / "a.mp4", audio=True, chapters=True)
    identity_edit(
        source, tmp_path / "out.mp4", EncodeOptions(preset="ultrafast", audio="none", subtitles=False, metadata=False)
    )
    after = probe(tmp_path / "out.mp4")
    assert not after.audio
    assert not after.chapters
    assert "title" not in after.metadata


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_a_part_begins_at_zero_with_its_sound(tmp_path, ending):
    source = make_clip(tmp_path / "a.mp4", frames=100, audio=True, chapters=True)
    report = identity_edit(source, tmp_path / f"out{ending}", start=1.0, end=3.0)
    after = probe(tmp_path / f"out{ending}")
    assert report.frames == 50
    assert after.video.start == 0
    assert after.duration == pytest.approx(2.0, abs=0.06)
    import av

    with av.open(str(tmp_path / f"out{ending}")) as container:
        times = [float(packet.pts * packet.time_base) for packet in container.demux(audio=0) if packet.pts is not None]
    assert 0 <= times[0] < 0.03
    assert 1.9 < times[-1] < 2.0


@needs_ffmpeg
@pytest.mark.parametrize(("out", "codec"), [("o.mp4", None), ("o.mp4", "vp9"), ("o.webm", None), ("o.mkv", "ffv1")])
def test_an_odd_size_is_kept(tmp_path, out, codec):
    source = make_clip(tmp_path / "a.mp4", frames=4)
    info = probe(source)
    with VideoWriter(tmp_path / out, info, EncodeOptions(codec=codec), size=(161, 121)) as writer:
        for index in range(4):
            writer.write(picture(index, (161, 121)), index)
        writer.commit()
    stream = ffprobe(tmp_path / out, "-show_streams", "-select_streams", "v")["streams"][0]
    assert (stream["width"], stream["height"]) == (161, 121)
    assert decodes_cleanly(tmp_path / out)
    told = any("odd side" in message for message in writer.messages)
    assert told == (stream["codec_name"] == "h264")


@pytest.mark.parametrize("ending", [".mov", ".mkv", ".webm", ".avi", ".flv", ".ts", ".nut", ".y4m", ".gif"])
def test_every_container(tmp_path, ending):
    source = make_clip(tmp_path / "a.mp4", frames=12, audio=True)
    report = identity_edit(source, tmp_path / f"out{ending}")
    assert report.frames == 12
    after = probe(tmp_path / f"out{ending}")
    assert after.video.display_size == (64, 48)
    kept = bool(after.audio)
    assert kept or any("left out" in message for message in report.messages)


@needs_ffmpeg
@pytest.mark.parametrize(("ending", "codec"), [(".mp4", "mov_text"), (".mkv", "subrip"), (".webm", "webvtt")])
def test_text_subtitles_are_converted_where_needed(tmp_path, ending, codec):
    (tmp_path / "s.srt").write_text("1\n00:00:00,200 --> 00:00:00,600\nHello there\n")
    (tmp_path / "font.ttf").write_bytes(b"not really a font")
    plain = make_clip(tmp_path / "plain.mp4")
    kind = "mov_text" if ending != ".mp4" else "ass"
    source = tmp_path / ("a.mp4" if ending != ".mp4" else "a.mkv")
    attach = ["-attach", str(tmp_path / "font.ttf"), "-metadata:s:t", "mimetype=font/ttf"] if kind == "ass" else []
    subprocess.run(
        [
            "ffmpeg",
            "-v",
            "error",
            "-i",
            plain,
            "-i",
            tmp_path / "s.srt",
            "-c:v",
            "copy",
            "-c:s",
            kind,
            *attach,
            "-y",
            source,
        ],
        check=True,
    )
    out = tmp_path / f"out{ending}"
    report = identity_edit(source, out)
    assert any("converted" in message for message in report.messages)
    found = ffprobe(out, "-show_streams", "-select_streams", "s")["streams"]
    assert [stream["codec_name"] for stream in found] == [codec]
    text = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", out, "-map", "0:s", "-f", "srt", "-"], capture_output=True, check=True
    )
    assert b"00:00:00,200 --> 00:00:00,600" in text.stdout
    assert b"Hello there" in text.stdout
    if kind == "ass":
        assert any("attachment" in message for message in report.messages)
        identity_edit(source, tmp_path / "again.mkv")
        again = probe(tmp_path / "again.mkv")
        assert [stream.kind for stream in again.streams] == ["subtitle", "attachment"]
        assert packets(source, "s") == packets(tmp_path / "again.mkv", "s")


@needs_shared
@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
@pytest.mark.parametrize("name", ["auto-editor__h264-png.mp4", "auto-editor__h264-mjpeg.mkv"])
def test_a_cover_picture_comes_along(tmp_path, name, ending):
    out = tmp_path / f"out{ending}"
    identity_edit(SHARED / "odd" / name, out)
    assert len(probe(out).of_kind("cover")) == 1
    report = identity_edit(SHARED / "odd" / name, out, metadata={"movie_recipe": "x"})
    told = any("cover picture" in message for message in report.messages)
    assert told == (ending == ".mp4")
    assert "x" in {value for key, value in probe(out).metadata.items() if key.lower() == "movie_recipe"}


def test_colour_tags_are_kept_and_honoured(tmp_path):
    source = make_clip(
        tmp_path / "a.mp4",
        options={"color_range": "pc", "colorspace": "bt709", "color_primaries": "bt2020", "color_trc": "bt2020-10"},
    )
    identity_edit(source, tmp_path / "out.mp4")
    before, after = probe(source).video.colour, probe(tmp_path / "out.mp4").video.colour
    assert after == before
    assert before.to_dict()["range"] == "full"
    assert before.to_dict()["transfer"] == "bt2020-10"


def test_an_untagged_clip_made_larger_says_its_matrix(tmp_path):
    source = make_clip(tmp_path / "a.mp4", frames=2)
    with VideoWriter(tmp_path / "o.mp4", probe(source), FAST, size=(960, 720)) as writer:
        writer.write(picture(0, (960, 720)), 0)
        writer.commit()
    assert probe(tmp_path / "o.mp4").video.colour.to_dict()["matrix"] == "smpte170m"


BAD_OPTIONS = [
    ("o.mp4", {"codec": "libx265x"}, UsageError, "did you mean libx265?"),
    ("o.mp4", {"codec": "h266x"}, UsageError, "h264, hevc, av1, vp9, prores"),
    ("o.mp4", {"codec": "aac"}, UsageError, "not for video"),
    ("o.mpx", {}, OutputError, "mp"),
    ("o", {}, OutputError, "no ending"),
    ("o.webm", {"codec": "h264"}, OutputError, "cannot hold"),
    ("o.mp4", {"preset": "veryfats"}, UsageError, "veryfast"),
    ("o.mp4", {"crf": 60}, UsageError, "between 0 and 51"),
    ("o.mp4", {"options": (("tuen", "film"),)}, UsageError, "tune"),
    ("o.mp4", {"pix_fmt": "yuv999"}, UsageError, "yuv420p"),
    ("o.mp4", {"options": (("profile", "nonsense"),)}, OutputError, "cannot be written"),
    ("missing/o.mp4", {}, OutputError, "does not exist"),
    ("folder.mp4", {}, OutputError, "is a folder"),
]


@pytest.mark.parametrize(("out", "options", "kind", "words"), BAD_OPTIONS)
def test_each_bad_option_has_its_sentence(tmp_path, out, options, kind, words):
    (tmp_path / "folder.mp4").mkdir()
    info = probe(make_clip(tmp_path / "a.mp4", frames=2))
    with pytest.raises(kind) as caught:
        VideoWriter(tmp_path / out, info, EncodeOptions(**options))
    assert words in f"{caught.value} {caught.value.hint}"
    assert caught.value.hint
    assert not left(tmp_path)


def test_the_source_is_never_the_output(tmp_path):
    source = make_clip(tmp_path / "a.mp4", frames=2)
    (tmp_path / "soft.mp4").symlink_to(source)
    os.link(source, tmp_path / "hard.mp4")
    for out in ("a.mp4", "soft.mp4", "hard.mp4", "../" + tmp_path.name + "/a.mp4"):
        with pytest.raises(UsageError, match="source itself"):
            check_not_same(source, tmp_path / out)
        with pytest.raises(UsageError):
            VideoWriter(tmp_path / out, probe(source))
    check_not_same(source, tmp_path / "b.mp4")
    check_not_same("-", "-")


def test_an_error_leaves_the_old_output(tmp_path):
    source = make_clip(tmp_path / "a.mp4")
    out = tmp_path / "out.mp4"
    out.write_text("old")
    for problem in (RuntimeError, KeyboardInterrupt):
        with pytest.raises(problem), VideoWriter(out, probe(source), FAST) as writer:
            writer.write(picture(0), 0)
            writer.write(picture(1), 1)
            raise problem
    with pytest.raises(ValueError, match="expected"), VideoWriter(out, probe(source), FAST) as writer:
        writer.write(picture(0, (8, 8)), 0)
    with pytest.raises(OutputError, match="nothing to write"), VideoWriter(out, probe(source), FAST) as writer:
        writer.commit()
    assert out.read_text() == "old"
    assert not left(tmp_path)


def test_a_link_is_written_through(tmp_path):
    source = make_clip(tmp_path / "a.mp4", frames=3)
    (tmp_path / "real.mp4").write_text("old")
    (tmp_path / "real.mp4").chmod(0o640)
    (tmp_path / "link.mp4").symlink_to("real.mp4")
    identity_edit(source, tmp_path / "link.mp4")
    assert (tmp_path / "link.mp4").is_symlink()
    assert probe(tmp_path / "real.mp4").video.frames == 3
    assert (tmp_path / "real.mp4").stat().st_mode & 0o777 == 0o640


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, check=False)
    if mount.returncode:
        pytest.skip("mounting is not permitted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv"])
def test_a_full_disk(tmp_path, small_disk, name):
    source = make_clip(tmp_path / "a.mp4", frames=4, size=(320, 240))
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    info = probe(source)
    with (
        pytest.raises(OutputError, match="disk is full") as caught,
        VideoWriter(small_disk / name, info, EncodeOptions(crf=1)) as writer,
    ):
        for index in range(60):
            writer.write(np.roll(noise, index * 7, 1), index * 512)
        writer.commit()
    assert caught.value.exit_code == 7
    assert list(small_disk.iterdir()) == []


PIPE = """
import sys
from movie_cli.media import *
with local_source(sys.argv[1]) as path:
    info = probe(path)
    with VideoWriter("-", info, EncodeOptions(container=sys.argv[2] or None, preset="ultrafast")) as writer:
        try:
            for frame in FrameReader(path, info=info):
                writer.write(frame.pixels, frame.pts, frame.duration)
            report = writer.commit()
            print(report.frames, report.bytes, file=sys.stderr)
        except BrokenPipeError:
            print("broken pipe", file=sys.stderr)
"""


@pytest.mark.parametrize("container", ["", "nut", "y4m"])
def test_from_a_pipe_to_a_pipe(tmp_path, container):
    source = make_clip(tmp_path / "a.mp4", audio=True, faststart=False)
    command = [sys.executable, "-c", PIPE, "-", container]
    done = subprocess.run(
        command, input=source.read_bytes(), capture_output=True, check=True, cwd=Path(__file__).parents[2]
    )
    frames, size = done.stderr.split()
    assert (int(frames), int(size)) == (20, len(done.stdout))
    ending = {"": ".mkv", "nut": ".nut", "y4m": ".y4m"}[container]
    (tmp_path / f"out{ending}").write_bytes(done.stdout)
    assert len(list(FrameReader(tmp_path / f"out{ending}"))) == 20


def test_a_broken_pipe_ends_quietly(tmp_path):
    source = make_clip(tmp_path / "a.mp4", frames=200, size=(320, 240))
    command = [sys.executable, "-c", PIPE, str(source), "y4m"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=Path(__file__).parents[2])
    process.stdout.read(1000)
    process.stdout.close()
    assert process.stderr.read() == b"broken pipe\n"
    assert process.wait() == 0


def test_mp4_to_a_pipe_is_refused(tmp_path):
    info = probe(make_clip(tmp_path / "a.mp4", frames=2))
    with pytest.raises(OutputError, match="pipe"):
        VideoWriter("-", info, EncodeOptions(container="mp4"))
