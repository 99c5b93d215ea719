"""Pictures of which a container shows only a part."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from movie_cli.media import FrameReader, probe
from tests.media.clips import identity_edit, make_clip, needs_ffmpeg, picture, run_ffmpeg


def with_aperture(path: Path, width: int, height: int, across: int, down: int) -> Path:
    """An mp4 of 64x48 with a clean aperture; `across` and `down` move its centre, in halves of a pixel."""
    data = bytearray(make_clip(path, frames=6, faststart=False).read_bytes())
    box = struct.pack(">I4s8i", 40, b"clap", width, 1, height, 1, across, 2, down, 2)
    for kind in (b"avc1", b"stsd", b"stbl", b"minf", b"mdia", b"trak", b"moov"):
        at = data.find(kind, data.find(b"moov")) - 4
        size = struct.unpack_from(">I", data, at)[0]
        struct.pack_into(">I", data, at, size + 40)
        if kind == b"avc1":
            end = at + size
    data[end:end] = box
    path.write_bytes(data)
    return path


def with_pixel_crop(path: Path, left: int, top: int) -> Path:
    """A Matroska file whose shape is replaced by cropping."""
    clip = make_clip(path.with_suffix(".nut"), frames=6)
    data = run_ffmpeg("-i", clip, "-c", "copy", "-aspect", "3:2", path).read_bytes()
    for old, new, value in ((b"\x54\xb0", b"\x54\xcc", left), (b"\x54\xba", b"\x54\xbb", top)):
        at = data.find(old + b"\x81")
        data = data[:at] + new + bytes([0x81, value]) + data[at + 4 :]
    path.write_bytes(data)
    return path


@needs_ffmpeg
@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
@pytest.mark.parametrize("start", [None, 0.08])
def test_the_part_that_players_show_is_edited(tmp_path, ending, start):
    if ending == ".mp4":
        source = with_aperture(tmp_path / "in.mp4", 56, 44, 8, 4)
    else:
        source = with_pixel_crop(tmp_path / "in.mkv", 8, 4)
    info = probe(source)
    assert info.video.coded_size == info.video.display_size == (56, 44)
    with FrameReader(source, start, info=info, also_size=(28, 22)) as reader:
        frames = list(reader)
    first = 0 if start is None else 2
    assert len(frames) == 6 - first
    for number, frame in enumerate(frames, first):
        assert np.abs(frame.pixels.astype(int) - picture(number)[4:, 8:]).mean() < 4
        assert frame.scaled is not None
        assert frame.scaled.shape == (22, 28, 3)
    assert identity_edit(source, tmp_path / "out.mp4").frames == 6
    assert probe(tmp_path / "out.mp4").video.coded_size == (56, 44)


@pytest.mark.parametrize("rule", [(64, 48, 0, 0), (0, 48, 0, 0), (80, 48, 0, 0), (32, 24, 90, 0), (-9, -9, 0, 0)])
def test_a_rule_without_sense_is_none(tmp_path, rule):
    assert probe(with_aperture(tmp_path / "in.mp4", *rule)).video.coded_size == (64, 48)
