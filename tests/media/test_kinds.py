"""Kinds of files that people have, each made on the spot by ffmpeg and put through an edit that changes nothing."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from movie_cli.media import EncodeOptions, FrameReader, probe
from tests.media.clips import (
    decodes_cleanly,
    ffprobe,
    frame_pts,
    identity_edit,
    make_clip,
    needs_ffmpeg,
    picture,
    run_ffmpeg,
)

pytestmark = needs_ffmpeg

BARS = ("-f", "lavfi", "-i", "testsrc2=size=128x96:rate=25:duration=0.6,gblur=sigma=4")
TONE = ("-f", "lavfi", "-i", "sine=frequency=440:duration=0.6")

KINDS = {
    "b-frames.mp4": ("-c:v", "libx264", "-bf", "3", "-g", "10"),
    "open-gop.mp4": ("-c:v", "libx264", "-x264-params", "open-gop=1:keyint=6:bframes=3:b-adapt=0"),
    "open-gop-hevc.mp4": ("-c:v", "libx265", "-x265-params", "log-level=error:open-gop=1:keyint=6"),
    "ten-bit.mkv": ("-c:v", "libx265", "-x265-params", "log-level=error", "-pix_fmt", "yuv420p10le"),
    "four-two-two.mov": ("-c:v", "prores_ks", "-pix_fmt", "yuv422p10le"),
    "four-four-four.mp4": ("-c:v", "libx264", "-pix_fmt", "yuv444p"),
    "full-range.mp4": ("-c:v", "mjpeg", "-pix_fmt", "yuvj420p"),
    "anamorphic.mp4": ("-c:v", "libx264", "-vf", "setsar=4/3"),
    "transport.ts": ("-c:v", "mpeg2video", "-bf", "2"),
    "transport-h264.ts": ("-c:v", "libx264"),
    "vp9.webm": ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"),
    "vp8.webm": ("-c:v", "libvpx", "-deadline", "realtime"),
    "av1.webm": ("-c:v", "libsvtav1", "-preset", "12"),
    "animation.gif": (),
    "delayed.mp4": ("-c:v", "libx264", "-output_ts_offset", "0.4"),
    "nut.nut": ("-c:v", "ffv1"),
    "avi.avi": ("-c:v", "mpeg4"),
    "flash.flv": ("-c:v", "flv1"),
    "windows.wmv": ("-c:v", "wmv2"),
    "theora-like.ogv": ("-c:v", "libtheora"),
    "vob.mpg": ("-c:v", "mpeg2video"),
    "grey.mkv": ("-c:v", "ffv1", "-pix_fmt", "gray"),
    "rgb.mkv": ("-c:v", "libx264rgb", "-crf", "5"),
}


def shown(path: Path, size: tuple[int, int]) -> np.ndarray:
    """All frames as the installed ffmpeg shows them."""
    command = ["ffmpeg", "-v", "error", "-i", f"file:{path}", "-map", "0:v:0", "-fps_mode", "passthrough"]
    raw = subprocess.run(
        [*command, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
        capture_output=True,
        check=True,
        stdin=subprocess.DEVNULL,
    ).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, size[1], size[0], 3)


@pytest.mark.parametrize("name", KINDS)
def test_every_frame_and_its_time_comes_through(tmp_path, name):
    source = tmp_path / name
    try:
        run_ffmpeg(*BARS, *KINDS[name], source)
    except subprocess.CalledProcessError as error:
        if b"Unknown encoder" in error.stderr:
            pytest.skip(f"this ffmpeg cannot make {name}")
        raise
    before = probe(source)
    report = identity_edit(source, tmp_path / "out.mkv", EncodeOptions(preset="ultrafast", crf=4))
    after = probe(tmp_path / "out.mkv")
    assert after.video.presentation_size == before.video.presentation_size
    assert after.video.sample_aspect_ratio == before.video.sample_aspect_ratio
    assert decodes_cleanly(tmp_path / "out.mkv")
    theirs, ours = shown(source, before.video.display_size), shown(tmp_path / "out.mkv", before.video.display_size)
    assert report.frames == len(theirs) == len(ours)
    with FrameReader(source) as one, FrameReader(tmp_path / "out.mkv") as other:
        times, again = ([frame.time for frame in reader] for reader in (one, other))
        assert one.damage is None
    # Matroska counts in milliseconds.
    assert again == pytest.approx(times, abs=1.01e-3)
    # A dithered picture loses its coloured dots where colour is stored at half the size.
    assert np.abs(theirs.astype(int) - ours).mean() < (14 if name.endswith(".gif") else 4)


def test_an_edit_list_hides_what_it_hides(tmp_path):
    whole = make_clip(tmp_path / "whole.mp4", frames=50, options={"g": "25", "bf": "2"}, audio=True)
    # Copied from between two key frames: an edit list says where to begin.
    cut = run_ffmpeg("-ss", "1.2", "-i", whole, "-c", "copy", tmp_path / "cut.mp4")
    with FrameReader(cut) as reader:
        times = [frame.time for frame in reader]
    shown_times = [pts / reader.info.video.time_base.denominator for pts in frame_pts(cut)]
    assert times == pytest.approx(shown_times)
    identity_edit(cut, tmp_path / "out.mp4")
    assert len(frame_pts(tmp_path / "out.mp4")) == len(times)


@pytest.mark.parametrize("ending", [".mp4", ".mov"])
def test_frames_before_zero_are_hidden_as_players_hide_them(tmp_path, ending):
    source = tmp_path / f"a{ending}"
    with av.open(str(source), "w", container_options={"avoid_negative_ts": "disabled"}) as container:
        stream = container.add_stream("libx264", rate=25, options={"bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(20):
            frame = av.VideoFrame.from_ndarray(picture(index), format="rgb24")
            frame.pts, frame.time_base = index - 5, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    report = identity_edit(source, tmp_path / "out.mp4")
    assert report.frames == len(frame_pts(source)) == 15
    assert [frame.time for frame in FrameReader(tmp_path / "out.mp4")][:2] == pytest.approx([0, 0.04])


@pytest.mark.parametrize("top_first", [True, False])
def test_interlaced_video_is_deinterlaced(tmp_path, top_first):
    """A bar that moves between the fields: combed as it lies in the file, whole once deinterlaced."""
    order = "top" if top_first else "bottom"
    source = run_ffmpeg(
        *("-f", "lavfi", "-i", "color=black:size=128x96:rate=50:duration=0.8"),
        *("-f", "lavfi", "-i", "color=white:size=24x96:rate=50:duration=0.8"),
        *("-filter_complex", f"[0][1]overlay=x='4*n':y=0,tinterlace=interleave_{order},setfield={order[0]}ff"),
        *("-c:v", "libx264", "-crf", "4", "-flags", "+ildct+ilme"),
        *("-x264-params", f"{'tff' if top_first else 'bff'}=1", tmp_path / "a.mp4"),
    )
    info = probe(source)
    assert info.video.interlaced
    assert any("deinterlaced" in note for note in info.notes)
    identity_edit(source, tmp_path / "out.mp4")
    assert not probe(tmp_path / "out.mp4").video.interlaced
    assert frame_pts(tmp_path / "out.mp4") == frame_pts(source)
    before, after = (shown(path, (128, 96)).astype(int) for path in (source, tmp_path / "out.mp4"))

    def combing(frames):
        return np.abs(2 * frames[2:-2, 1:-1:2] - frames[2:-2, :-2:2] - frames[2:-2, 2::2]).mean()

    assert combing(before) > 5 * combing(after)
    with FrameReader(source) as reader:
        frames = list(reader)
    assert [frame.pts for frame in frames] == frame_pts(source)
    assert all(frame.duration == frames[0].duration for frame in frames[:-1])


def test_a_matroska_film_keeps_fonts_subtitles_and_all_languages(tmp_path):
    (tmp_path / "font.ttf").write_bytes(b"\0\1\0\0 not a font that anybody reads")
    (tmp_path / "s.srt").write_text("1\n00:00:00,000 --> 00:00:00,400\nhällo\n")
    metadata = ("-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu", "-metadata:s:s:0", "language=swe")
    source = run_ffmpeg(
        *(*BARS, *TONE, *TONE, "-i", tmp_path / "s.srt"),
        *("-map", "0", "-map", "1", "-map", "2", "-map", "3", "-c:a", "libopus", "-c:s", "ass"),
        *(*metadata, "-attach", tmp_path / "font.ttf", "-metadata:s:t", "mimetype=font/ttf"),
        tmp_path / "film.mkv",
    )
    identity_edit(source, tmp_path / "out.mkv")
    after = probe(tmp_path / "out.mkv")
    assert [(stream.kind, stream.language) for stream in after.streams if stream.kind != "attachment"] == [
        ("audio", "eng"),
        ("audio", "deu"),
        ("subtitle", "swe"),
    ]
    (attached,) = (
        s for s in ffprobe(tmp_path / "out.mkv", "-show_streams")["streams"] if s["codec_type"] == "attachment"
    )
    assert attached["tags"]["filename"] == "font.ttf"
    assert attached["extradata_size"] == (tmp_path / "font.ttf").stat().st_size


@pytest.mark.parametrize("size", [(2, 2), (1, 1), (3, 5), (161, 121)])
@pytest.mark.parametrize("ending", [".mp4", ".webm"])
def test_one_frame_of_any_size(tmp_path, size, ending):
    source = tmp_path / "a.png"
    Image.fromarray(picture(0, (64, 48))).resize(size).save(source)
    report = identity_edit(source, tmp_path / f"out{ending}")
    assert report.frames == 1
    assert probe(tmp_path / f"out{ending}").video.display_size == size


@pytest.mark.parametrize(("rotation", "shape"), [(90, (48, 64)), (-90, (48, 64)), (180, (64, 48))])
def test_a_turned_picture_is_turned_for_good_when_asked(tmp_path, rotation, shape):
    source = make_clip(tmp_path / "a.mp4", rotation=rotation, frames=3)
    identity_edit(source, tmp_path / "out.mp4", EncodeOptions(preset="ultrafast", crf=4, rotate="apply"))
    after = probe(tmp_path / "out.mp4").video
    assert after.orientation.is_upright
    assert after.coded_size == shape
    with FrameReader(source) as one, FrameReader(tmp_path / "out.mp4") as other:
        assert np.abs(next(iter(one)).pixels.astype(int) - next(iter(other)).pixels).mean() < 4
