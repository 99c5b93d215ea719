"""Clocks that restart, jump or are wrong inside a file."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from movie_cli.media import FrameReader, probe
from tests.fuzz.films import Film, make
from tests.media.clips import SHARED, identity_edit, picture

REPORTS = SHARED / "reports"


def recording(
    path: Path,
    *,
    frames: int = 10,
    begin: float = 0.0,
    codec: str = "libx264",
    sound: str = "mp2",
    chapters: Sequence[tuple[int, int]] = (),
) -> Path:
    """A film of 10 frames a second with sound, whose clock begins at `begin` seconds and the muxer's own delay.

    `chapters` are in milliseconds.
    """
    muxers = {".vob": "vob", ".flv": "flv", ".mkv": "matroska", ".ogv": "ogg"}
    with av.open(str(path), "w", format=muxers.get(path.suffix, "mpegts")) as container:
        rate = 25 if codec == "mpeg2video" else 10
        video = container.add_stream(codec, rate=rate, options={"g": "5", "bf": "0" if path.suffix == ".flv" else "2"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = container.add_stream(sound, rate=48000 if sound == "libopus" else 44100, layout="stereo")
        container.set_chapters(
            [
                {"id": n, "start": start, "end": end, "time_base": Fraction(1, 1000), "metadata": {"title": f"{n}"}}
                for n, (start, end) in enumerate(chapters)
            ]
        )
        size = audio.codec_context.frame_size or 1152
        for number in range(frames * 44100 // rate // size):
            wave = np.full((1, size * 2), 1000, np.int16)
            block = av.AudioFrame.from_ndarray(wave, format="s16", layout="stereo")
            block.sample_rate, block.pts = 44100, number * size + int(begin * 44100)
            block.time_base = Fraction(1, 44100)
            for resampled in av.AudioResampler(audio.codec_context.format, "stereo", audio.rate).resample(block):
                container.mux(audio.encode(resampled))
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(index), format="rgb24")
            frame.pts, frame.time_base = index + int(begin * rate), Fraction(1, rate)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    return path


def joined(path: Path, *parts: Path) -> Path:
    # Tools that join FLV leave out the second header.
    skipped = 13 if path.suffix == ".flv" else 0
    path.write_bytes(parts[0].read_bytes() + b"".join(part.read_bytes()[skipped:] for part in parts[1:]))
    return path


def times(path: Path, **options) -> list[float]:
    with FrameReader(path, **options) as reader:
        found = [frame.time for frame in reader]
    assert reader.repaired == 0
    return found


def gaps(values: list[float]) -> set[float]:
    return {round(later - earlier, 3) for earlier, later in itertools.pairwise(values)}


def sound_times(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [float(packet.pts * packet.time_base) for packet in container.demux(audio=0) if packet.size]


def sound_packets(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(bool(packet.size) for packet in container.demux(audio=0))


@pytest.mark.parametrize("frames", [[10, 10], [3, 10], [26, 10]])
@pytest.mark.parametrize("ending", [".ts", ".vob", ".mkv", ".flv"])
def test_two_recordings_become_one(tmp_path, frames, ending):
    kind = {".vob": {"codec": "mpeg2video"}, ".flv": {"sound": "aac"}}.get(ending, {})
    parts = [recording(tmp_path / f"{n}{ending}", frames=count, **kind) for n, count in enumerate(frames)]
    source = joined(tmp_path / f"a{ending}", *parts)
    info = probe(source)
    step = float(1 / info.video.average_rate)
    assert len(info.splices) == len(frames) - 1
    assert any("restarts" in note for note in info.notes)
    whole = times(source, info=info)
    assert len(whole) == sum(frames)
    # The picture may wait for the sound, by less than a packet of it.
    assert all(step - 1e-3 <= gap <= step + 0.1 for gap in gaps(whole))
    assert info.duration == pytest.approx(whole[-1] - whole[0] + step, abs=0.01)
    out = tmp_path / "o.mp4"
    report = identity_edit(source, out)
    assert not [text for text in report.messages if "damaged" in text or "before 0" in text]
    assert sound_packets(out) == sound_packets(source)
    heard = sound_times(out)
    assert all(0 < gap < 0.2 for gap in gaps(heard))
    assert abs(heard[-1] - whole[-1]) < 0.3


def test_a_picture_that_begins_after_the_sound(tmp_path):
    source = recording(tmp_path / "a.ts", frames=70)
    data = source.read_bytes()
    # All of the picture's packets before 5 s are taken out.
    places = range(0, len(data), 188)
    kept = [data[at : at + 188] for at in places if (data[at + 1] & 31, data[at + 2]) != (1, 0) or at > len(data) * 0.7]
    source.write_bytes(b"".join(kept))
    info = probe(source)
    assert info.video.begin > 4
    out = tmp_path / "o.mp4"
    identity_edit(source, out)
    with av.open(str(out)) as container:
        assert next(container.decode(video=0)).time - sound_times(out)[0] == pytest.approx(
            float(info.video.begin), abs=0.001
        )


def test_a_part_of_a_joined_film(tmp_path):
    one = recording(tmp_path / "1.ts", frames=20)
    source = joined(tmp_path / "a.ts", one, recording(tmp_path / "2.ts", frames=20), one)
    info = probe(source)
    whole = times(source, info=info)
    for start in (whole[7], whole[19], whole[20], whole[33], whole[45]):
        assert times(source, start=start, info=info) == [time for time in whole if time >= start]
    out = tmp_path / "o.mp4"
    identity_edit(source, out, start=whole[33], end=whole[45])
    heard = sound_times(out)
    assert heard[0] < 0.03
    assert heard[-1] == pytest.approx(1.2, abs=0.1)
    assert all(0.01 < gap < 0.05 for gap in gaps(heard))


@pytest.mark.parametrize("ending", [".mkv", ".ogv"])
def test_chapters_past_a_restart_stay_at_their_pictures(tmp_path, ending):
    """They are those of the first part's header, and count on; in Ogg they have no ends."""
    kind = {"codec": "libvpx", "sound": "libopus"} if ending == ".ogv" else {}
    chapters = [(0, 1400), (1400, 2400), (2400, 4000)]
    first = recording(tmp_path / f"1{ending}", frames=20, chapters=chapters, **kind)
    source = joined(tmp_path / f"a{ending}", first, first)
    whole = times(source)
    assert len(whole) == 40
    for start in (None, whole[20]):
        out = tmp_path / "o.mkv"
        identity_edit(source, out, start=start)
        info, shown = probe(out), times(out)
        found = [(float(c.start * c.time_base), float(c.end * c.time_base)) for c in info.chapters]
        expected = [(max(0, begin - (start or 0)), end - (start or 0)) for begin, end in ((0, 1.4), (1.4, 2.4))]
        expected = [each for each in expected if each[1] > 0] + [(2.4 - (start or 0), shown[-1] + 0.1)]
        assert found == [pytest.approx(each, abs=0.11) for each in expected]
        # As many pictures are shown before each chapter as in the source.
        last = sum(time < found[-1][0] - 1e-6 for time in shown)
        assert last == sum(start is None or time >= start for time in whole if time < 2.4 - 1e-6)


def test_a_clock_that_jumps_ahead(tmp_path):
    source = joined(tmp_path / "a.ts", recording(tmp_path / "1.ts"), recording(tmp_path / "2.ts", begin=3600))
    info = probe(source)
    assert "its clock jumps ahead once by more than 10 s: the gaps are closed" in info.notes
    whole = times(source, info=info)
    assert len(whole) == 20
    assert whole[-1] - whole[0] < 2.1
    out = tmp_path / "o.mp4"
    identity_edit(source, out)
    assert sound_times(out)[-1] < 2.2
    assert sound_packets(out) == sound_packets(source)


def test_a_clock_of_33_bits_begins_anew(tmp_path):
    before = 2**33 / 90000 - 200
    parts = [recording(tmp_path / "1.ts", begin=before), recording(tmp_path / "2.ts", begin=1)]
    whole = times(joined(tmp_path / "a.ts", *parts))
    assert len(whole) == 20
    assert whole[-1] - whole[0] < 2.1


def test_a_restart_to_before_the_beginning(tmp_path):
    source = joined(tmp_path / "a.ts", recording(tmp_path / "1.ts", begin=500), recording(tmp_path / "2.ts"))
    info = probe(source)
    assert any("restarts" in note for note in info.notes)
    whole = times(source, info=info)
    assert len(whole) == 20
    assert whole[-1] - whole[0] < 2.1


def test_long_pictures_of_other_formats_stay(tmp_path):
    source = tmp_path / "a.mkv"
    with av.open(str(source), "w") as container:
        video = container.add_stream("libx264", rate=1)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for index, second in enumerate((0, 30, 3700)):
            frame = av.VideoFrame.from_ndarray(picture(index), format="rgb24")
            frame.pts, frame.time_base = second, Fraction(1, 1)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    assert times(source) == [0, 30, 3700]


def test_uneven_pictures_whose_packets_have_no_length_are_no_restart(tmp_path):
    path = tmp_path / "uneven.ts"
    make(Film(".ts", "mpeg4", frames=7, rate="24000/1001", gaps=(1, 1, 3)), path)
    assert (probe(path).splices, probe(path).notes) == ((), ())
    assert gaps(times(path)) == {0.042, 0.125}


def test_a_single_wrong_timestamp_moves_nothing_else(tmp_path):
    source = recording(tmp_path / "a.ts", frames=20)
    data = bytearray(source.read_bytes())
    found = [
        place
        for place in range(0, len(data), 188)
        if data[place + 1] & 0x40 and bytes(data[place + 4 : place + 188]).find(b"\0\0\1\xe0") >= 0
    ]
    place = data.index(b"\0\0\1\xe0", found[9])
    data[place + 9] |= 0x0E
    if data[place + 7] & 0x40:
        data[place + 14] |= 0x0E
    source.write_bytes(data)
    info = probe(source)
    assert any("single timestamps" in note for note in info.notes)
    whole = times(source, info=info)
    assert len(whole) == 20
    assert whole[-1] - whole[0] == pytest.approx(1.9, abs=0.01)
    plain = dataclasses.replace(info, splices=())
    assert max(frame.time for frame in FrameReader(source, info=plain)) > 100


@pytest.mark.parametrize(("name", "length"), [("jump_back.ts", 2.0), ("jump_back3.ts", 5.2)])
def test_reported_films(tmp_path, name, length):
    if not REPORTS.exists():
        pytest.skip("the optional folder ../shared/data is not here")
    info = probe(REPORTS / name)
    assert info.duration == pytest.approx(length)
    whole = times(REPORTS / name, info=info)
    assert len(gaps(whole)) == 1
    out = tmp_path / "o.mp4"
    identity_edit(REPORTS / name, out)
    assert sound_packets(out) == sound_packets(REPORTS / name)
    assert sound_times(out)[-1] == pytest.approx(length, abs=0.05)
