"""Numbered pictures as a source and as an output."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from movie_cli.errors import OutputError, SourceError
from movie_cli.media import EncodeOptions, FrameReader, ReadOptions, probe
from movie_cli.media.pictures import file_names, is_pattern
from tests.media.clips import identity_edit, make_clip, picture


def pictures(folder, numbers, ending=".png", size=(64, 48)):
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        Image.fromarray(picture(number, size)).save(folder / f"frame_{number:04d}{ending}")
    return folder / f"frame_%04d{ending}"


def test_names():
    assert is_pattern("a/frame_%04d.png")
    assert not is_pattern("a/frame_%04d_%d.png")
    assert not is_pattern("50%/frame.png")
    names = file_names(__import__("pathlib").Path("x+%03d.png"))
    assert [bool(names.fullmatch(f"x+{n}.png")) for n in ("001", "999", "1000", "01", "0001", "-01")] == [
        *(True, True, True, False, False, False)
    ]


@pytest.mark.parametrize("ending", [".png", ".bmp", ".tif"])
def test_pictures_in_and_out_are_the_same(tmp_path, ending):
    pattern = pictures(tmp_path / "100% d", range(7, 12), ending)
    info = probe(pattern)
    assert info.video.average_rate == 25
    (tmp_path / "out").mkdir()
    report = identity_edit(pattern, tmp_path / "out" / f"o_%03d{ending}")
    assert report.frames == 5
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [f"o_{number:03d}{ending}" for number in range(1, 6)]
    for number, name in enumerate(names, 7):
        with Image.open(tmp_path / "out" / name) as image:
            assert np.array_equal(np.asarray(image.convert("RGB")), picture(number))


def test_the_frame_rate_of_a_sequence(tmp_path):
    pattern = pictures(tmp_path, range(4))
    reading = ReadOptions(frame_rate=Fraction(10))
    with FrameReader(pattern, info=probe(pattern, reading)) as reader:
        assert [frame.time for frame in reader] == pytest.approx([0, 0.1, 0.2, 0.3])


def test_a_gap_ends_it_and_is_told(tmp_path):
    pattern = pictures(tmp_path, [3, 4, 6, 7, 8])
    info = probe(pattern)
    assert any("number 5 is missing" in note and "3 files" in note for note in info.notes)
    assert len(list(FrameReader(pattern))) == 2


def test_pictures_of_several_sizes(tmp_path):
    pictures(tmp_path, [0])
    pattern = pictures(tmp_path, [1], size=(32, 24))
    with FrameReader(pattern) as reader:
        assert [frame.pixels.shape for frame in reader] == [(48, 64, 3)] * 2
    assert reader.resized == 1


def test_a_video_becomes_jpeg_pictures_with_right_colours(tmp_path):
    source = make_clip(tmp_path / "a.mp4", frames=3, options={"crf": "2", "colorspace": "bt709", "color_range": "tv"})
    identity_edit(source, tmp_path / "o_%04d.jpg", EncodeOptions(options=(("qmin", "1"), ("qmax", "2"))))
    with Image.open(tmp_path / "o_0001.jpg") as image, FrameReader(source) as reader:
        assert np.abs(np.asarray(image).astype(int) - next(iter(reader)).pixels).mean() < 4


def test_nothing_is_there_before_all_is(tmp_path):
    source = make_clip(tmp_path / "a.mp4", frames=3)
    from movie_cli.media import VideoWriter

    with VideoWriter(tmp_path / "o_%04d.png", probe(source)) as writer:
        writer.write(picture(0), 0)
        assert not list(tmp_path.glob("o_*"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4"]


def test_pictures_of_a_longer_sequence_are_told_of(tmp_path):
    make_clip(tmp_path / "long.mkv", frames=5, size=(32, 16), codec="ffv1")
    make_clip(tmp_path / "short.mkv", frames=3, size=(32, 16), codec="ffv1")
    first = identity_edit(tmp_path / "long.mkv", tmp_path / "o_%02d.png")
    again = identity_edit(tmp_path / "short.mkv", tmp_path / "o_%02d.png")
    assert not any("older" in message for message in first.messages)
    assert any(message.startswith("2 older pictures") for message in again.messages)


def test_refusals(tmp_path):
    with pytest.raises(SourceError, match="no file has a name like"):
        probe(tmp_path / "frame_%04d.png")
    source = make_clip(tmp_path / "a.mp4", frames=1)
    with pytest.raises(OutputError, match="single picture") as caught:
        identity_edit(source, tmp_path / "o.png")
    assert "o_%04d.png" in caught.value.hint


def test_a_file_that_is_named_like_a_pattern_is_that_file(tmp_path):
    pictures(tmp_path, [0])
    source = make_clip(tmp_path / "frame_%04d.mp4", frames=2)
    assert probe(source).video.codec == "h264"
