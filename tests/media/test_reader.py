from __future__ import annotations

import subprocess
from fractions import Fraction

import numpy as np
import pytest

from movie_cli.errors import SourceError, UsageError
from movie_cli.media import FrameReader, prefetch, probe
from tests.media.clips import ODD, SHARED, make_clip, needs_ffmpeg, needs_shared, picture

UNEVEN = [0, 7, 20, 21, 22, 50, 90, 91, 100, 140]


def read(path, **options):
    with FrameReader(path, **options) as reader:
        return list(reader), reader


def test_uneven_timestamps_are_kept(tmp_path):
    path = make_clip(tmp_path / "a.mkv", frames=10, pts=UNEVEN, time_base=Fraction(1, 1000))
    frames, reader = read(path)
    assert [frame.pts for frame in frames] == UNEVEN
    assert [frame.index for frame in frames] == list(range(10))
    assert frames[3].time == pytest.approx(0.021)
    assert reader.info.video.variable
    assert reader.damage is None
    assert reader.notes == ()


def test_pixels_are_the_picture(tmp_path):
    frames, _ = read(make_clip(tmp_path / "a.mp4", options={"crf": "1"}), also_size=(32, 24))
    assert frames[0].pixels.dtype == np.uint8
    assert frames[0].pixels.flags.c_contiguous
    assert np.abs(frames[0].pixels.astype(int) - picture(0)).mean() < 4
    assert frames[0].scaled.shape == (24, 32, 3)
    assert np.abs(frames[0].scaled[2:6, 2:8].astype(int) - (230, 20, 20)).max() < 12


@pytest.mark.parametrize(("rotation", "red_corner"), [(-90, (0, -1)), (90, (-1, 0)), (180, (-1, -1)), (0, (0, 0))])
def test_frames_stand_upright(tmp_path, rotation, red_corner):
    frames, _ = read(make_clip(tmp_path / "a.mp4", rotation=rotation), also_size=(20, 30))
    for pixels in (frames[0].pixels, frames[0].scaled):
        assert pixels[red_corner].astype(int) @ (1, -1, -1) > 120
    assert frames[0].pixels.shape[:2] == ((48, 64) if rotation in {0, 180} else (64, 48))
    assert frames[0].scaled.shape == (30, 20, 3)


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".ts"])
def test_a_range_is_cut_at_the_right_frames(tmp_path, ending):
    path = make_clip(tmp_path / f"a{ending}", frames=60)
    whole = [frame.time for frame in read(path)[0]]
    cut = [frame.time for frame in read(path, start=1.0, end=1.6)[0]]
    assert cut == [time for time in whole if 1.0 - 1e-6 <= time < 1.6 - 1e-6]
    assert len(cut) == 15


def test_ranges_without_frames(tmp_path):
    path = make_clip(tmp_path / "a.mp4")
    with pytest.raises(UsageError, match="is empty"):
        read(path, start=0.5, end=0.5)
    with pytest.raises(SourceError, match=r"0\.80 s long"):
        read(path, start=5.0)


def test_a_cut_off_file_gives_what_it_has(tmp_path):
    whole = make_clip(tmp_path / "whole.mp4", frames=100, options={"crf": "5"})
    data = whole.read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(data[: len(data) * 6 // 10])
    frames, reader = read(path)
    assert 30 < len(frames) < 90
    assert reader.damage is not None
    assert reader.damage.fatal
    assert reader.damage.time == pytest.approx(frames[-1].time + 0.04, abs=0.2)
    with pytest.raises(SourceError, match=r"breaks at|cannot be decoded"):
        read(path, strict=True)


def test_a_scratch_in_the_middle_is_passed_over(tmp_path):
    path = make_clip(tmp_path / "a.mp4", frames=100, size=(320, 240), options={"crf": "5", "slices": "1"})
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 6000] = bytes(6000)
    path.write_bytes(data)
    frames, reader = read(path)
    assert len(frames) > 60
    assert frames[-1].time > 3.8
    if reader.damage is not None:
        assert not reader.damage.fatal
    pts = [frame.pts for frame in frames]
    assert pts == sorted(set(pts))


def test_a_source_that_changed_is_noticed(tmp_path):
    path = make_clip(tmp_path / "a.mp4")
    info = probe(path)
    path.write_bytes(b"")
    with pytest.raises(SourceError):
        read(path, info=info)


def test_reading_in_a_thread_and_stopping_early(tmp_path):
    path = make_clip(tmp_path / "a.mp4", frames=60)
    with FrameReader(path) as reader, prefetch(reader, 2) as frames:
        assert next(frames).index == 0
        assert next(frames).index == 1


@needs_shared
@needs_ffmpeg
@pytest.mark.parametrize(
    "name", ["decord__video_90.mov", "decord__video_270.mov", "torchcodec__nasa_13013_rotated.mp4"]
)
def test_upright_agrees_with_ffmpeg(name):
    path = SHARED / "odd" / name
    frames, reader = read(path)
    width, height = reader.info.video.display_size
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    expected = np.frombuffer(raw, np.uint8).reshape(height, width, 3).astype(int)
    assert np.abs(frames[0].pixels - expected).mean() < 8


@needs_shared
@pytest.mark.timeout(60)
@pytest.mark.parametrize("path", ODD, ids=lambda path: path.name)
def test_every_odd_file_gives_frames_or_a_clear_error(path):
    try:
        with FrameReader(path) as reader:
            count = 0
            last = None
            for frame in reader:
                assert frame.pixels.shape == (*reader.info.video.display_size[::-1], 3)
                assert last is None or frame.pts > last
                last, count = frame.pts, count + 1
                if count == 8:
                    break
            assert count > 0
    except SourceError as error:
        assert error.hint


@needs_shared
def test_frames_behind_a_broken_last_packet_are_not_lost():
    frames, reader = read(SHARED / "odd" / "media__sample_with_invalid_nalu.mp4")
    assert len(frames) == 29
    assert reader.damage.packets == 1
