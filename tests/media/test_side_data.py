"""What is in the pictures beside their pixels: closed captions, two views in one."""

from __future__ import annotations

import gc
from fractions import Fraction
from pathlib import Path

import av
import pytest
from PIL import Image, ImageCms

from movie_cli.media import EncodeOptions, FrameReader, VideoWriter, probe, usual_output, what_changes
from movie_cli.media.captions import captions_in, with_captions
from movie_cli.media.segments import SegmentEncoder
from tests.media.clips import SHARED, decodes_cleanly, identity_edit, make_clip, needs_ffmpeg, picture

CODECS = [("h264", ".mp4"), ("h264", ".ts"), ("hevc", ".mov"), ("hevc", ".mkv"), ("mpeg2video", ".ts")]


def said(index: int) -> bytes:
    return bytes([0xFC, 0x20 + index, 0x80]) + b"\xfd\x80\x80\xfa\x00\x00"


def captioned(path: Path, frames: int = 20, codec: str = "libx264", silent: int = 0) -> Path:
    """A clip with B-frames whose frame number n says n, after the first `silent` ones."""
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=25)
        video.width, video.height = 64, 48
        video.codec_context.time_base = video.time_base = Fraction(1, 25)
        name = video.codec.canonical_name

        def mux(packets: list[av.Packet]) -> None:
            for packet in packets:
                words = said((packet.pts - silent) % 64)
                made = av.Packet(with_captions(bytes(packet), name, words) if packet.pts >= silent else bytes(packet))
                made.pts, made.dts, made.time_base = packet.pts, packet.dts, packet.time_base
                made.is_keyframe, made.stream = packet.is_keyframe, video
                container.mux(made)

        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(index))
            frame.pts, frame.time_base = index, Fraction(1, 25)
            mux(video.encode(frame))
        mux(video.encode(None))
    return path


def captions(path: Path) -> list[bytes]:
    """The captions of all frames as ffmpeg's decoder finds them."""
    with av.open(str(path)) as container:
        found = [frame.side_data.get("A53_CC") for frame in container.decode(video=0)]
        return [b"" if each is None else bytes(each) for each in found]


@pytest.mark.parametrize(("codec", "ending"), CODECS)
@pytest.mark.parametrize("start", [None, 0.2])
def test_captions_come_through_whole_and_in_segments(tmp_path, codec, ending, start):
    source = captioned(tmp_path / "in.ts")
    info = probe(source)
    assert info.video.captions
    options = EncodeOptions(codec=codec, preset="medium" if codec == "h264" else "ultrafast")
    first = 0 if start is None else 5
    expected = [said(index) for index in range(first, 20)]
    report = identity_edit(source, tmp_path / f"whole{ending}", options, start=start)
    assert captions(tmp_path / f"whole{ending}") == expected
    assert not any("captions" in message for message in report.messages)
    with FrameReader(source, start, info=info) as reader:
        frames = list(reader)
    out = tmp_path / f"joined{ending}"
    with VideoWriter(out, info, options, start=start) as writer:
        for number, place in enumerate(range(0, len(frames), 6)):
            part = tmp_path / f"{number}"
            encoder = SegmentEncoder(part, out, info, options, info.video.display_size)
            for frame in frames[place : place + 6]:
                encoder.write(frame.pixels, frame.pts, frame.duration)
            writer.write_segment(encoder.finish(0), part)
        writer.commit()
    assert captions(out) == expected


@needs_ffmpeg
@pytest.mark.parametrize("codec", ["mpeg2video", "libx265"])
def test_captions_of_other_codecs_are_found(tmp_path, codec):
    source = captioned(tmp_path / "in.ts", codec=codec)
    identity_edit(source, tmp_path / "out.mp4")
    assert captions(tmp_path / "out.mp4") == [said(index) for index in range(20)]
    assert decodes_cleanly(tmp_path / "out.mp4")


def test_captions_that_a_codec_has_no_place_for_are_told_of(tmp_path):
    source = captioned(tmp_path / "in.ts")
    report = identity_edit(source, tmp_path / "out.webm")
    assert any("captions" in message for message in report.messages)
    assert not probe(make_clip(tmp_path / "plain.mp4")).video.captions


@pytest.mark.parametrize("start", [None, 4.0])
def test_captions_that_begin_late_are_kept_or_told_of(tmp_path, start):
    source = captioned(tmp_path / "in.ts", 130, silent=110)
    assert not probe(source).video.captions
    report = identity_edit(source, tmp_path / "out.mp4", start=start)
    assert captions(tmp_path / "out.mp4")[-21:] == [b"", *map(said, range(20))]
    assert not report.messages
    report = identity_edit(source, tmp_path / "out.webm", start=start)
    assert sum("captions" in message for message in report.messages) == 1


def test_what_only_looks_like_captions():
    assert captions_in(b"GA94\x03") == captions_in(b"GA94\x03\x41\xff\xfc") == b""
    assert captions_in(b"GA94\x03\x41\xff\x00\x00\x01") == b""
    assert with_captions(b"no start code", "h264", said(1)) == b"no start code"


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".ts", ".mkv"])
def test_two_views_in_one_picture_stay_so(tmp_path, ending):
    source = make_clip(tmp_path / "in.mp4", options={"x264-params": "frame-packing=3"})
    assert probe(source).video.stereo == "left_right"
    report = identity_edit(source, tmp_path / f"out{ending}")
    assert probe(tmp_path / f"out{ending}").video.stereo == "left_right"
    assert not report.messages
    again = identity_edit(tmp_path / f"out{ending}", tmp_path / "again.webm")
    assert probe(tmp_path / "again.webm").video.stereo == "left_right"
    assert not again.messages
    told = identity_edit(source, tmp_path / "out.mp4", EncodeOptions(codec="hevc", preset="ultrafast"))
    assert any("left_right" in message for message in told.messages)


def test_a_second_view_is_told_of():
    spatial = SHARED / "odd" / "media__water_180_mvhevc_5frames.mov"
    if not spatial.exists():
        pytest.skip("the optional folder ../shared/data is not here")
    assert any("two views" in note for note in probe(spatial).notes)


def test_what_would_not_be_kept_is_known_before(tmp_path):
    info = probe(captioned(tmp_path / "in.ts"))
    before = sorted(tmp_path.iterdir())
    for ending in (".webm", ".gif", ".mp4"):
        told = what_changes(tmp_path / f"out{ending}", info)
        assert any("captions" in text for text in told) == (ending != ".mp4")
    assert any("captions" in text for text in what_changes(tmp_path / "out_%03d.png", info))
    assert sorted(tmp_path.iterdir()) == before
    assert usual_output(info.path).suffix == ".ts"
    assert usual_output(Path("frame_%03d.png")).suffix == ".mp4"


def test_a_colour_profile_is_told_of(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for number in range(2):
        Image.fromarray(picture(number)).save(tmp_path / f"a{number}.png", icc_profile=profile)
    gc.freeze()  # what other tests have left is not looked through each time
    for _ in range(20):
        assert any("ICC" in note for note in probe(tmp_path / "a%d.png").notes)
        gc.collect()  # crashed the process
    gc.unfreeze()
