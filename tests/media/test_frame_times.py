"""When frames are shown where the container says it badly or not at all."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path

import av
import pytest

from movie_cli.media import FrameReader, probe
from tests.media.clips import SHARED, identity_edit, make_clip, picture

REPORTS = SHARED / "reports"


def film(path: Path, codec: str, rate: Fraction | int = 25, *, frames: int = 30, bf: int = 2, begin: int = 0) -> Path:
    """A film with a few B-frames, `begin` milliseconds late, of an even rate."""
    formats = {".m4v": "m4v", ".m2v": "mpeg2video", ".flv": "flv"}
    with av.open(str(path), "w", format=formats.get(path.suffix)) as container:
        video = container.add_stream(codec, rate=rate, options={"g": "12", "bf": str(bf)})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        fine = 1 / Fraction(rate) / 1001
        video.codec_context.time_base = fine if begin else 1 / Fraction(rate)
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(index), format="rgb24")
            frame.pts, frame.time_base = index, 1 / Fraction(rate)
            if begin:
                frame.pts, frame.time_base = index * 1001 + round(Fraction(begin, 1000) / fine), fine
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path


def read(path: Path, **options) -> tuple[list[Fraction], FrameReader]:
    with FrameReader(path, **options) as reader:
        found = [frame.pts * reader.info.video.time_base for frame in reader]
    assert reader.repaired == 0
    assert reader.notes == ()
    return found, reader


def steps(times: list[Fraction]) -> set[Fraction]:
    return {later - earlier for earlier, later in itertools.pairwise(times)}


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.avi", "libx264"),
        ("b.avi", "mpeg4"),
        ("c.h264", "libx264"),
        ("d.m4v", "mpeg4"),
        ("e.m2v", "mpeg2video"),
    ],
)
@pytest.mark.parametrize("bf", [0, 2])
def test_frames_are_even_where_only_their_order_is_stored(tmp_path, name, codec, bf):
    path = film(tmp_path / name, codec, bf=bf)
    whole, reader = read(path)
    assert len(whole) == 30
    assert steps(whole) == {Fraction(1, 25)}
    assert whole[0] == reader.info.video.start * reader.info.video.time_base
    if bf == 0 or not name.endswith(".avi"):
        assert whole[0] == 0
    start = whole[13]
    assert read(path, start=float(start), info=reader.info)[0] == whole[13:]


@pytest.mark.parametrize(
    ("name", "first", "count"),
    [("avi_h264.avi", [0, 2, 3], 15), ("avi_h264b.avi", [2, 3, 4], 15), ("avi_xvid.avi", [4, 5, 6], 13)],
)
def test_reported_films(name, first, count):
    if not REPORTS.exists():
        pytest.skip("the optional folder ../shared/data is not here")
    whole, _ = read(REPORTS / name)
    assert whole[:3] == [Fraction(place, 25) for place in first]
    assert steps(whole[1:]) == {Fraction(1, 25)}
    assert len(whole) == count


@pytest.mark.parametrize(
    "rate", [Fraction(60), Fraction(30000, 1001), Fraction(24000, 1001), Fraction(15), Fraction(25)]
)
@pytest.mark.parametrize("ending", [".mkv", ".flv"])
def test_a_coarse_clock_does_not_lose_the_rate(tmp_path, rate, ending):
    path = film(tmp_path / f"a{ending}", "libx264", rate, frames=150, begin=21)
    whole, reader = read(path)
    assert steps(whole) == {1 / rate}
    assert reader.info.video.average_rate == rate
    assert read(path, start=float(whole[70]), info=reader.info)[0] == whole[70:]
    out = tmp_path / "o.mp4"
    identity_edit(path, out)
    with av.open(str(out)) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == rate
        assert stream.duration * stream.time_base == 150 / rate
    back = tmp_path / "o.mkv"
    assert not identity_edit(path, back).messages
    with av.open(str(back)) as container, av.open(str(path)) as source:
        assert [frame.time for frame in container.decode(video=0)] == [frame.time for frame in source.decode(video=0)]


def test_uneven_times_of_a_coarse_clock_stay(tmp_path):
    pts = [0, 17, 33, 50, 70, 83, 100, 121, 133, 150]
    path = make_clip(tmp_path / "a.mkv", frames=10, pts=pts, time_base=Fraction(1, 1000))
    assert read(path)[0] == [Fraction(value, 1000) for value in pts]


def test_the_reported_film_of_60_frames():
    if not REPORTS.exists():
        pytest.skip("the optional folder ../shared/data is not here")
    info = probe(REPORTS / "f60.mkv")
    whole, _ = read(REPORTS / "f60.mkv", info=info)
    assert steps(whole) == {Fraction(1, 60)}
    assert whole[0] == Fraction(21, 1000)


def telecined(path: Path) -> Path:
    """24 pictures of 3, 2, 3, 2 ... fields: the flags of a film on DVD, set in a bare MPEG-2 stream."""
    data = bytearray(film(path, "mpeg2video", Fraction(30000, 1001), frames=24).read_bytes())
    place, group, count, order = 0, 0, 0, 0
    while (place := data.find(b"\0\0\1", place)) >= 0:
        kind, body = data[place + 3], place + 4
        if kind == 0xB8:
            group = count
        elif kind == 0:
            order, count = group + (data[body] << 2 | data[body + 1] >> 6), count + 1
        elif kind == 0xB5 and data[body] >> 4 == 1:
            data[body + 1] &= ~0x08
        elif kind == 0xB5 and data[body] >> 4 == 8:
            top, repeat = ((1, 1), (0, 0), (0, 1), (1, 0))[order % 4]
            data[body + 3] = data[body + 3] & ~0x82 | top << 7 | repeat << 1
            data[body + 4] |= 0x80
        place = body
    path.write_bytes(data)
    return path


def test_pictures_of_three_fields_are_shown_longer(tmp_path):
    whole, reader = read(telecined(tmp_path / "a.m2v"))
    field = Fraction(1001, 60000)
    assert whole == [index // 2 * 5 * field + index % 2 * 3 * field for index in range(24)]
    assert not reader.info.video.interlaced
    assert reader.info.video.average_rate == Fraction(24000, 1001)


def test_bare_streams_have_their_own_rate(tmp_path):
    whole, reader = read(film(tmp_path / "a.h264", "libx264", 30))
    assert reader.info.video.average_rate == 30
    assert steps(whole) == {Fraction(1, 30)}


def test_pictures_before_the_first_key_frame(tmp_path):
    source = tmp_path / "a.ts"
    make_clip(source, frames=60, audio=True, options={"x264-params": "open-gop=1", "bf": "2"})
    data = source.read_bytes()
    source.write_bytes(data[: 188 * 3] + data[len(data) // 188 // 3 * 188 :])
    info = probe(source)
    whole, _ = read(source, info=info)
    with av.open(str(source)) as container:
        heard = next(float(packet.pts * packet.time_base) for packet in container.demux(audio=0))
    identity_edit(source, tmp_path / "o.mp4")
    with av.open(str(tmp_path / "o.mp4")) as container:
        sound = next(float(packet.pts * packet.time_base) for packet in container.demux(audio=0))
        shown = next(container.decode(video=0)).time
    distance = float(whole[0]) - heard
    assert shown - sound == pytest.approx(distance, abs=0.001)
    assert 10 < len(whole) < 60
