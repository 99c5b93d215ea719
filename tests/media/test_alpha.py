"""Transparency: kept where codec and container can, laid on black with a sentence where not."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from movie_cli.errors import SourceError
from movie_cli.media import EncodeOptions, FrameReader, ReadOptions, local_source, probe
from tests.media.clips import identity_edit

SIZE = (48, 32)


def picture(index: int) -> np.ndarray:
    """RGBA: a solid square, a half transparent one that moves, nothing around them."""
    pixels = np.zeros((SIZE[1], SIZE[0], 4), np.uint8)
    pixels[4:20, 4:20] = (200, 40, 40, 255)
    pixels[8:24, 24 + index : 36 + index] = (40, 200, 100, 128)
    return pixels


@pytest.fixture
def source(tmp_path) -> Path:
    path = tmp_path / "source.mov"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=10)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "rgba"
        for index in range(5):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(index), format="rgba")))
        container.mux(stream.encode(None))
    return path


def rgba(path: Path, decoder: str | None = None) -> np.ndarray:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = av.CodecContext.create(decoder, "r") if decoder else stream.codec_context
        frames = [frame for packet in container.demux(stream) for frame in context.decode(packet)]
        return np.stack([frame.to_ndarray(format="rgba") for frame in frames])


@pytest.mark.parametrize(
    ("name", "codec", "decoder"),
    [
        ("o.mov", "png", None),
        ("o.mov", "qtrle", None),
        ("o.mov", "prores", None),
        ("o.mkv", "ffv1", None),
        ("o.avi", "utvideo", None),
        ("o.webm", None, "libvpx-vp9"),
        ("o.webm", "vp8", "libvpx"),
    ],
)
def test_transparency_comes_through(tmp_path, source, name, codec, decoder):
    report = identity_edit(source, tmp_path / name, EncodeOptions(codec=codec, crf=4 if decoder else None))
    out = rgba(tmp_path / name, decoder).astype(int)
    assert len(out) == report.frames == 5
    for index, frame in enumerate(out):
        expected = picture(index).astype(int)
        assert np.abs(frame[..., 3] - expected[..., 3]).mean() < 3
        inside = expected[..., 3] > 0
        # Not darker for having been laid on black in between.
        assert np.abs(frame[inside][:, :3] - expected[inside][:, :3]).mean() < (3 if not decoder else 14)
    assert not any("transparency" in message for message in report.messages)


def test_gif_knows_seen_and_unseen(tmp_path, source):
    report = identity_edit(source, tmp_path / "o.gif")
    assert not any("transparency" in message for message in report.messages)
    out = rgba(tmp_path / "o.gif").astype(int)
    assert len(out) == 5
    for index, frame in enumerate(out):
        expected = picture(index).astype(int)
        assert np.array_equal(frame[..., 3] > 0, expected[..., 3] >= 128)
        assert np.abs(frame[expected[..., 3] == 255] - expected[expected[..., 3] == 255]).max() < 12


@pytest.mark.parametrize(("name", "codec"), [("o.mp4", None), ("o.mp4", "vp9"), ("o.mkv", None), ("o.flv", None)])
def test_where_there_is_no_place_for_it_black_is_said(tmp_path, source, name, codec):
    report = identity_edit(source, tmp_path / name, EncodeOptions(codec=codec))
    assert any("laid on black" in message for message in report.messages)
    with FrameReader(tmp_path / name) as reader:
        assert next(iter(reader)).pixels[0, 0].max() < 20


def test_the_transparency_of_webm_is_seen(tmp_path, source):
    identity_edit(source, tmp_path / "a.webm", EncodeOptions(crf=4))
    assert probe(tmp_path / "a.webm").video.alpha
    identity_edit(tmp_path / "a.webm", tmp_path / "b.mkv", EncodeOptions(codec="ffv1"))
    out = rgba(tmp_path / "b.mkv").astype(int)
    assert np.abs(out[0][..., 3] - picture(0)[..., 3]).mean() < 5


def test_a_part_of_a_transparent_clip(tmp_path, source):
    identity_edit(source, tmp_path / "o.mkv", EncodeOptions(codec="ffv1"), start=0.2, end=0.4)
    out = rgba(tmp_path / "o.mkv")
    assert len(out) == 2
    assert np.array_equal(out[0][..., 3], picture(2)[..., 3])


def webp(path: Path) -> Path:
    frames = [Image.fromarray(picture(index)) for index in range(4)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=[40, 80, 200, 120], lossless=True)
    return path


def test_animated_webp(tmp_path):
    path = webp(tmp_path / "a b.webp")
    with local_source(path) as readable:
        identity_edit(readable, tmp_path / "o.mkv", EncodeOptions(codec="ffv1"))
        with FrameReader(readable) as reader:
            frames = list(reader)
    assert [round(frame.time, 3) for frame in frames] == [0, 0.04, 0.12, 0.32]
    assert reader.info.video.alpha
    out = rgba(tmp_path / "o.mkv")
    visible = picture(1)[..., 3] == 255
    assert np.array_equal(out[1][visible], picture(1)[visible])
    assert not readable.exists()


def test_animated_webp_out(tmp_path, source):
    identity_edit(source, tmp_path / "o.webp", EncodeOptions(options=(("lossless", "1"),)))
    with Image.open(tmp_path / "o.webp") as animation:
        assert animation.n_frames == 5
        assert animation.convert("RGBA").getpixel((5, 5)) == (200, 40, 40, 255)


def test_a_damaged_or_huge_webp_is_refused(tmp_path):
    data = webp(tmp_path / "a.webp").read_bytes()
    (tmp_path / "cut.webp").write_bytes(data[:90])
    with pytest.raises(SourceError), local_source(tmp_path / "cut.webp") as readable:
        probe(readable)
    with (
        pytest.raises(SourceError, match="more than 100 pixels"),
        local_source(tmp_path / "a.webp", ReadOptions(max_pixels=100)),
    ):
        pass
    huge = bytearray(data)
    huge[24:30] = b"\xff\xff\xff" * 2
    (tmp_path / "huge.webp").write_bytes(huge)
    with pytest.raises(SourceError, match="16777216x16777216"), local_source(tmp_path / "huge.webp"):
        pass
