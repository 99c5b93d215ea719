"""Which frames `--start`, `--end` and `--duration` mean."""

from __future__ import annotations

from fractions import Fraction

import av
import pytest

import movie_cli
from movie_cli.editing import clip
from movie_cli.editing.request import EditRequest
from movie_cli.errors import SourceError, UsageError
from movie_cli.kinds import TimeValue
from movie_cli.media import FrameReader, probe
from movie_cli.options import ReadOptions
from movie_cli.recipe import Recipe
from tests.media.clips import identity_edit, make_clip, picture

HEADER = b"[Events]\r\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\r\n"
UNEVEN = [0, 7, 20, 21, 22, 50, 90, 91, 100, 140, 290, 300]


def late(path, *, begin=10.0, pts=range(30), rate=25, subtitle=None):
    """A silent film whose first picture is shown at `begin` seconds, after sound that begins at 0."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=rate, options={"g": "10"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000 * rate)
        sound = container.add_stream("aac", rate=44100)
        words = container.add_stream("subrip") if subtitle else None
        if words is not None:
            words.codec_context.subtitle_header = HEADER
            words.time_base = words.codec_context.time_base = Fraction(1, 1000)
        for block in range(int((abs(begin) + 1) * 44100 / 1024)):
            frame = av.AudioFrame(format="fltp", layout="stereo", samples=1024)
            for plane in frame.planes:
                plane.update(bytes(plane.buffer_size))
            frame.sample_rate, frame.pts, frame.time_base = 44100, block * 1024, Fraction(1, 44100)
            container.mux(sound.encode(frame))
        if words is not None:
            packet = av.Packet(b"hello")
            packet.stream, packet.time_base = words, Fraction(1, 1000)
            packet.pts = packet.dts = 200
            packet.duration = subtitle
            container.mux(packet)
        for index, place in enumerate(pts):
            frame = av.VideoFrame.from_ndarray(picture(index), format="rgb24")
            frame.pts, frame.time_base = round(begin * 1000 * rate) + place * 1000, Fraction(1, 1000 * rate)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        container.mux(sound.encode(None))
    return path


def asked(path, reading=None, **times):
    """The range, and the frames in it."""
    info = probe(path, reading)
    request = EditRequest(str(path), "o.mp4", Recipe("sepia"), **{k: TimeValue.parse(v) for k, v in times.items()})
    span = clip.span_of(request, info)
    with FrameReader(path, span.start, span.end, info=info) as reader:
        return span, [frame.pts for frame in reader]


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".ts"])
@pytest.mark.parametrize("begin", [0.0, 10.0])
@pytest.mark.parametrize(
    ("times", "first", "count"),
    [
        ({"duration": "12f"}, 0, 12),
        ({"end": "20f"}, 0, 20),
        ({"end": "1s"}, 0, 25),
        ({"duration": "0.4s"}, 0, 10),
        ({"start": "0s", "duration": "3f"}, 0, 3),
        ({"start": "5f", "duration": "7f"}, 5, 7),
        ({"start": "5f", "end": "20f"}, 5, 15),
        ({"start": "0.2s", "end": "20f"}, 5, 15),
        ({"start": "0.21s", "duration": "4f"}, 6, 4),
        ({"start": "28f", "duration": "12f"}, 28, 2),
        ({"start": "0.4s"}, 10, 20),
    ],
)
def test_times_count_from_the_first_picture(tmp_path, ending, begin, times, first, count):
    path = late(tmp_path / f"a{ending}", begin=begin)
    _, whole = asked(path)
    assert len(whole) == 30
    span, found = asked(path, **times)
    assert found == whole[first : first + count]
    assert span.frames == count


def test_frames_of_an_uneven_film_are_counted(tmp_path):
    path = make_clip(tmp_path / "a.mkv", frames=12, pts=UNEVEN, time_base=Fraction(1, 1000))
    for number in range(1, 12):
        assert asked(path, duration=f"{number}f")[1] == UNEVEN[:number]
        assert asked(path, start=f"{number}f")[1] == UNEVEN[number:]
        assert asked(path, start="8s" if number == 12 else "0.02s", duration=f"{number}f")[1] == UNEVEN[2:][:number]


def test_frames_are_counted_by_decoding_where_packets_do_not_tell(tmp_path):
    path = tmp_path / "a.avi"
    make_clip(path, frames=30, options={"bf": "2"})
    whole = asked(path)[1]
    assert asked(path, duration="12f")[1] == whole[:12]
    assert asked(path, start="3f", end="9f")[1] == whole[3:9]


def test_ranges_that_hold_nothing(tmp_path):
    path = late(tmp_path / "a.mp4")
    with pytest.raises(SourceError, match="only 30 frames"):
        asked(path, start="30f")
    with pytest.raises(UsageError, match="range from 1 s to"):
        asked(path, start="1s", end="5f")


def test_a_part_of_one_frame_has_a_middle_where_times_count_frames(tmp_path):
    path = make_clip(tmp_path / "in.avi", frames=5, options={"qscale": "3"})
    info = probe(path)
    assert info.video.time_base == 1 / info.video.average_rate
    part = {"start": TimeValue(frames=2), "duration": TimeValue(frames=1)}
    span = clip.span_of(EditRequest(str(path), "o", Recipe("sepia"), **part), info)
    assert clip.frame_at(path, info, span, span.middle, (64, 48)) is None
    assert clip.frame_at(path, info, span, span.start, (64, 48)).time == pytest.approx(span.start)
    out = tmp_path / "out.mkv"
    summary = movie_cli.edit(path, Recipe("sepia", size=(64, 48)), out, **part)
    assert summary.frames == 1


def test_a_subtitle_without_an_end_is_not_the_length(tmp_path):
    path = late(tmp_path / "a.mkv", begin=0.0, subtitle=2**32 - 1)
    with av.open(str(path)) as container:
        assert container.duration / av.time_base > 4_000_000
    info = probe(path)
    assert info.duration == pytest.approx(1.2, abs=0.05)
    span, found = asked(path)
    assert span.frames == len(found) == 30
    for name in ("o.mp4", "o.mkv"):
        identity_edit(path, tmp_path / name)
        with av.open(str(tmp_path / name)) as container:
            assert container.duration / av.time_base < 2
            assert sum(bool(packet.size) for packet in container.demux(subtitles=0)) >= 1
    with pytest.raises(SourceError, match="lasts 1 s"):
        asked(path, ReadOptions(max_seconds=0.5))
