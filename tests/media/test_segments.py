"""Segments: encoded apart, joined without decoding, the same every time."""

from __future__ import annotations

import itertools

import av
import numpy as np
import pytest

from movie_cli.errors import OutputError
from movie_cli.media import EncodeOptions, FrameReader, VideoWriter, plan_encoding, probe
from movie_cli.media.segments import (
    PacketEntry,
    Segment,
    SegmentEncoder,
    can_be_joined,
    joined_decoding_times,
    mended_decoding_times,
)
from tests.media.clips import decodes_cleanly, identity_edit, make_clip, needs_ffmpeg, packets, picture

UNEVEN = [3, 7, 20, 21, 22, 50, 90, 91, 100, 140, 141, 142, 150, 200, 201, 260, 261, 262, 263, 300]
KINDS = [
    ("o.mp4", {}),
    ("o.mp4", {"preset": "medium"}),
    ("o.mp4", {"options": (("g", "1"),)}),
    ("o.mp4", {"codec": "hevc"}),
    ("o.mkv", {}),
    ("o.mkv", {"codec": "ffv1"}),
    ("o.mkv", {"codec": "av1"}),
    ("o.webm", {}),
    ("o.webm", {"codec": "vp8"}),
    ("o.avi", {"codec": "mpeg4"}),
    ("o.mov", {"codec": "prores"}),
    ("o.ts", {}),
    ("o.nut", {}),
    ("o.y4m", {}),
]
AT_A_START = [kind for kind in KINDS if not kind[1] or kind[1].get("codec") in {"hevc", "mpeg4", "prores"}]
"""One of each container, and of the codecs with delays: what a start matters to."""


def encode(source, out, options, length, start=None):
    """All frames in segments of `length`, and the frames."""
    info, made, frames = probe(source), [], []
    with FrameReader(source, start, info=info) as reader:
        frames = list(reader)
    for number, first in enumerate(range(0, len(frames), length)):
        path = out.with_name(f"{out.name}-{number}")
        encoder = SegmentEncoder(path, out, info, options, info.video.display_size)
        for frame in frames[first : first + length]:
            encoder.write(frame.pixels, frame.pts, frame.duration)
        made.append((encoder.finish(number), path))
    return info, made, frames


def join(out, info, options, made, start=None):
    with VideoWriter(out, info, options, start=start) as writer:
        for segment, path in made:
            writer.write_segment(segment, path)
        return writer.commit()


@needs_ffmpeg
@pytest.mark.parametrize(
    ("start", "name", "values"), [*((None, *kind) for kind in KINDS), *((0.15, *kind) for kind in AT_A_START)]
)
def test_joined_segments_are_what_one_encoder_gives_but_for_key_frames(tmp_path, name, values, start):
    options = EncodeOptions(threads=4, **values)
    uneven = None if name.endswith((".avi", ".y4m", ".ts", ".nut")) else UNEVEN
    source = make_clip(tmp_path / "in.mp4", pts=uneven, audio=True, options={"bf": "0"})
    info, made, frames = encode(source, tmp_path / name, options, 7, start)
    report = join(tmp_path / name, info, options, made, start)
    whole = tmp_path / f"whole-{name}"
    with VideoWriter(whole, info, options, start=start) as writer:
        for frame in frames:
            writer.write(frame.pixels, frame.pts, frame.duration)
        writer.commit()
    ours, theirs = list(FrameReader(tmp_path / name)), list(FrameReader(whole))
    assert report.frames == len(ours) == len(frames)
    assert [frame.time for frame in ours] == [frame.time for frame in theirs]
    error = [np.abs(one.pixels.astype(int) - frame.pixels).mean() for one, frame in zip(ours, frames, strict=True)]
    other = [np.abs(one.pixels.astype(int) - frame.pixels).mean() for one, frame in zip(theirs, frames, strict=True)]
    assert max(error) <= max(other) * 1.3 + 0.5
    assert packets(tmp_path / name, "a") == packets(whole, "a")
    assert decodes_cleanly(tmp_path / name)


def test_a_segment_does_not_depend_on_its_neighbours(tmp_path):
    source = make_clip(tmp_path / "in.mp4", size=(162, 122))
    options = EncodeOptions(threads=4)
    _, made, frames = encode(source, tmp_path / "o.mp4", options, 7)
    info = probe(source)
    encoder = SegmentEncoder(tmp_path / "again", tmp_path / "o.mp4", info, options, info.video.display_size)
    for frame in frames[7:14]:
        encoder.write(frame.pixels, frame.pts, frame.duration)
    assert encoder.finish(1) == made[1][0]
    assert (tmp_path / "again").read_bytes() == made[1][1].read_bytes()


def test_a_segment_survives_json_and_notices_damage(tmp_path):
    source = make_clip(tmp_path / "in.mp4")
    _, ((segment, path), *_), _ = encode(source, tmp_path / "o.mp4", EncodeOptions(), 9)
    assert Segment.from_json(segment.to_json()) == segment
    assert segment.matches(path)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert not segment.matches(path)
    assert not segment.matches(tmp_path / "missing")
    for text in ("", "[]", "{}", '{"times": 3}', segment.to_json().replace('"checksum"', '"sum"')):
        with pytest.raises(ValueError, match=r"not a segment|JSON|value"):
            Segment.from_json(text)


def test_segments_of_another_encoder_are_refused(tmp_path):
    source = make_clip(tmp_path / "in.mp4")
    info, made, _ = encode(source, tmp_path / "o.mp4", EncodeOptions(crf=30), 9)
    with VideoWriter(tmp_path / "o.mp4", info, EncodeOptions(crf=10)) as writer, pytest.raises(OutputError):
        writer.write_segment(*made[0])
    assert not (tmp_path / "o.mp4").exists()


def test_an_unfinished_segment_leaves_nothing(tmp_path):
    source = make_clip(tmp_path / "in.mp4")
    info = probe(source)
    with SegmentEncoder(tmp_path / "part", tmp_path / "o.mp4", info, EncodeOptions(), info.video.display_size) as one:
        one.write(picture(0), 0)
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_decoding_times_go_on_where_the_segment_before_ended():
    encoded = [(10, 8), (13, 9), (11, 10), (12, 11), (14, 12)]
    entries = [PacketEntry(1, pts, dts, 1, False) for pts, dts in encoded]
    assert joined_decoding_times(entries, []) == [8, 9, 10, 11, 12]
    # The frames before were shown at uneven times: 3, 4, then 9.
    assert joined_decoding_times(entries, [3, 4, 9]) == [4, 9, 10, 11, 12]


def test_what_cannot_be_joined():
    assert can_be_joined("libx264", "yuv420p")
    assert can_be_joined("prores_ks", "yuv422p10le")
    assert not can_be_joined("prores_ks", "yuva444p10le")
    assert not can_be_joined("gif", "rgb8")
    assert not can_be_joined("libvpx-vp9", "yuva420p")


def test_x264_gives_the_same_bytes_on_every_machine_and_every_time(tmp_path):
    # 162 pixels are 11 macroblocks: on AVX-512 its macroblock tree read beyond them, and the bytes varied.
    size, data = (162, 122), []
    noise = np.random.default_rng(0).integers(0, 256, (122, 162, 3), dtype=np.uint8)
    frames = [
        np.ascontiguousarray(np.roll(noise, 3 * index, 1) // 2 + picture(index, size) // 2) for index in range(40)
    ]
    info = probe(make_clip(tmp_path / "in.mp4", size=size))
    plan = plan_encoding("o.mp4", EncodeOptions(), size)
    for number, extra in enumerate(itertools.chain([(("x264-params", "asm=ssse3"),)], [()] * 12)):
        encoder = SegmentEncoder(
            tmp_path / str(number), tmp_path / "o.mp4", info, EncodeOptions(threads=4, options=extra), size
        )
        for index, pixels in enumerate(frames):
            encoder.write(pixels, index)
        encoder.finish(0)
        data.append((tmp_path / str(number)).read_bytes())
    assert plan.codec == "libx264"
    assert len(set(data)) == 1


@pytest.mark.parametrize("wrong", [0, 1 << 62, -(1 << 62)])
def test_decoding_times_that_an_encoder_never_set_are_mended(wrong):
    for order in ([0], [0, 1], [0, 2, 1], [0, 4, 2, 1, 3]):
        packets = [PacketEntry(9, pts * 10, index * 10 + wrong, 10, pts == 0) for index, pts in enumerate(order)]
        times = [packet.dts for packet in mended_decoding_times(packets)]
        assert all(one < other for one, other in itertools.pairwise(times))
        assert all(-20 <= dts <= packet.pts for dts, packet in zip(times, packets, strict=True))
    true = [PacketEntry(9, 0, -20, 10, True), PacketEntry(9, 20, -10, 10, False), PacketEntry(9, 10, 0, 10, False)]
    assert mended_decoding_times(true) == tuple(true)
    assert mended_decoding_times([]) == ()


def test_last_segments_of_a_few_hevc_frames(tmp_path):
    source, options = make_clip(tmp_path / "a.mp4", frames=9), EncodeOptions(codec="hevc", preset="ultrafast")
    for length in (8, 7, 6):
        info, made, _ = encode(source, tmp_path / "o.mp4", options, length)
        assert join(tmp_path / "o.mp4", info, options, made).frames == 9


@pytest.mark.parametrize("frames", [1, 2])
def test_the_shortest_films_of_x265_begin_when_they_should_without_segments_too(tmp_path, frames):
    source = make_clip(tmp_path / "in.mp4", frames=frames)
    for number in range(10):  # its decoding times are random then
        out = tmp_path / f"{number}.nut"
        identity_edit(source, out, EncodeOptions(codec="hevc", preset="medium"))
        with av.open(str(out)) as container:
            times = [(p.pts, p.dts) for p in container.demux(video=0) if p.size]
            assert [float(pts * container.streams.video[0].time_base) for pts, _ in times] == [0, 0.04][:frames]
