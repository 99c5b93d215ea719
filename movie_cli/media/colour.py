"""Colour tags of a video and the two conversions that must honour them: stored pixels to RGB and back.

RGB comes of the file's own matrix and range: a flat patch is within 1 code value of the exact formula of
ITU-T H.273, in each of BT.601, BT.709 and BT.2020, limited and full. Where a file carries no tags, BT.601 is
assumed below 720 rows and BT.709 from there, and limited range, as players do. HDR (PQ, HLG) is tone-mapped to BT.709;
otherwise transfer curve and primaries are not touched: RGB stays in the source's own, and the tags that say so are
written back.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.filter import Graph
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from movie_cli.media.side_data import NO_MASTERING, Mastering, mastering_of
from movie_cli.media.tonemap import HLG, PQ, ToneMap

UNSPECIFIED = 2
"""H.273's code for "not said", for matrix, primaries and transfer alike."""

LIMITED, FULL = 1, 2
"""ffmpeg's colour ranges; 0 is "not said"."""

HD_ROWS = 720
"""Untagged video with at least so many rows is taken for BT.709."""

_MATRICES = {0: "rgb", 1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "ycgco", 9: "bt2020nc"}
_MATRICES |= {10: "bt2020c", 14: "ictcp"}
_PRIMARIES = {1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film", 9: "bt2020"}
_PRIMARIES |= {10: "smpte428", 11: "smpte431", 12: "smpte432", 22: "ebu3213"}
_TRANSFERS = {1: "bt709", 4: "gamma22", 5: "gamma28", 6: "smpte170m", 7: "smpte240m", 8: "linear", 13: "srgb"}
_TRANSFERS |= {14: "bt2020-10", 15: "bt2020-12", 16: "smpte2084", 17: "smpte428", 18: "arib-std-b67"}
_RANGES = {LIMITED: "limited", FULL: "full"}

SCALER_MATRICES = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}
"""H.273 matrix to the scaler's own numbers. 10 (constant luminance) is close enough to 9 to show."""

_OPAQUE = 128
"""From this transparency value (of 255) on a pixel is drawn; GIF knows only seen and unseen."""

_EXACT = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
"""Without these flags the scaler takes table shortcuts that are up to 3 code values off."""


@dataclass(frozen=True)
class ColourTags:
    """The four tags as H.273 code points (2: not said) and range (0: not said, 1: limited, 2: full).

    `effective_matrix` and `effective_range` are what is used, chosen when the tags say nothing. `peak` is the
    brightness in cd/m2 that an HDR source says it was mastered for, or None; `mastering` all that it says of it.
    """

    range: int
    matrix: int
    primaries: int
    transfer: int
    effective_matrix: int
    effective_range: int
    peak: float | None = None
    mastering: Mastering = NO_MASTERING

    @property
    def hdr(self) -> bool:
        """Whether the transfer curve is PQ or HLG."""
        return self.transfer in {PQ, HLG}

    @property
    def shown(self) -> ColourTags:
        """The tags of the RGB that `ToRgb` gives: BT.709 for HDR, else these."""
        if not self.hdr:
            return self
        return dataclasses.replace(
            self, matrix=1, primaries=1, transfer=1, effective_matrix=1, range=LIMITED, effective_range=LIMITED
        )

    def to_dict(self) -> dict[str, str | None]:
        """The names people know; None for a tag that is not set."""
        return {
            "range": _RANGES.get(self.range),
            "matrix": _MATRICES.get(self.matrix),
            "primaries": _PRIMARIES.get(self.primaries),
            "transfer": _TRANSFERS.get(self.transfer),
            "effective_range": _RANGES[self.effective_range],
            "effective_matrix": _MATRICES.get(self.effective_matrix, str(self.effective_matrix)),
        }


def default_matrix(height: int) -> int:
    """The matrix of an untagged picture with that many rows."""
    return 1 if height >= HD_ROWS else 6


def tags_of(frame: av.VideoFrame, declared: tuple[int, int, int, int] = (0, 2, 2, 2)) -> ColourTags:
    """Choose the tags: what the stream declares, else what the frame says, else the customary.

    Args:
        frame: A decoded frame.
        declared: The stream's range, matrix, primaries and transfer. They go first because some decoders overwrite
            a container's explicit tags with their codec's habit (VP8).
    """
    mastering = mastering_of(frame)
    rgb = frame.format.is_rgb or frame.format.name == "pal8"
    matrix = int(frame.colorspace) if declared[1] == UNSPECIFIED else declared[1]
    colour_range = declared[0] or int(frame.color_range)
    usable = matrix in SCALER_MATRICES and not rgb
    full = colour_range == FULL or frame.format.name.startswith("yuvj") or rgb
    return ColourTags(
        range=FULL if frame.format.name.startswith("yuvj") else colour_range,
        matrix=matrix,
        primaries=int(frame.color_primaries) if declared[2] == UNSPECIFIED else declared[2],
        transfer=int(frame.color_trc) if declared[3] == UNSPECIFIED else declared[3],
        effective_matrix=matrix if usable else default_matrix(frame.height),
        effective_range=FULL if full else LIMITED,
        peak=mastering.peak,
        mastering=mastering,
    )


class ToRgb:
    """Converts decoded frames to RGB at one fixed size, keeping the scaler's set-up between frames."""

    def __init__(self, tags: ColourTags, size: tuple[int, int]) -> None:
        self.tags = tags
        self.size = size
        self._scaler = VideoReformatter()
        self._tone_map = ToneMap(tags.transfer, tags.primaries, tags.peak) if tags.hdr else None

    @property
    def tone_maps(self) -> bool:
        """Whether frames are HDR."""
        return self._tone_map is not None

    def __call__(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        """`(H, W, 3)` uint8 RGB as stored (not turned upright). Transparent pixels are laid on black."""
        if self._tone_map is not None:
            return self._tone_map(np.asarray(self._converted(frame, "rgb48le").to_ndarray(), np.uint16))
        if not has_alpha(frame.format.name):
            return np.ascontiguousarray(self._converted(frame, "rgb24").to_ndarray(), np.uint8)
        return np.ascontiguousarray(_on_black(np.asarray(self._converted(frame, "rgba").to_ndarray(), np.uint8)))

    def _converted(self, frame: av.VideoFrame, pix_fmt: str) -> av.VideoFrame:
        width, height = self.size
        method = _method(frame, self.size)
        if pix_fmt == "rgb48le":
            # At equal heights the scaler gives 4:2:0 other colours in 16 bits by the bilinear kernel and by the areas'.
            method = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
        return self._scaler.reformat(
            frame,
            width=width,
            height=height,
            format=pix_fmt,
            src_colorspace=SCALER_MATRICES[self.tags.effective_matrix],
            dst_colorspace=SCALER_MATRICES[self.tags.effective_matrix],
            src_color_range=self.tags.effective_range,
            dst_color_range=FULL,
            interpolation=method,
            threads=1,
        )


class Scaler:
    """Brings RGB arrays to one size (width, height), by the kernels that decoded frames are brought to theirs."""

    def __init__(self, size: tuple[int, int]) -> None:
        self._size, self._scaler = size, VideoReformatter()

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """`(H, W, 3)` uint8 RGB at the other size."""
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        width, height = self._size
        method = _method(frame, self._size)
        scaled = self._scaler.reformat(frame, width, height, "rgb24", interpolation=method, threads=1)
        return np.ascontiguousarray(scaled.to_ndarray(), np.uint8)


def _method(frame: av.VideoFrame, size: tuple[int, int]) -> int:
    """The scaler's kernel for a frame that becomes one of `size`."""
    if (frame.width, frame.height) == size:
        return _EXACT
    shrinks = frame.width > size[0] or frame.height > size[1]
    kernel = Interpolation.AREA if shrinks else Interpolation.BICUBIC
    return kernel | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT


class ToDeep(ToRgb):
    """Converts decoded frames to 16 bits of their own transfer curve and primaries, at one fixed size."""

    def __call__(self, frame: av.VideoFrame) -> NDArray[Any]:
        """`(H, W, 3)` uint16 R'G'B', full range, as stored."""
        return np.ascontiguousarray(self._converted(frame, "rgb48le").to_ndarray(), np.uint16)


class ToAlpha(ToRgb):
    """Takes the transparency of decoded frames, at one fixed size."""

    def __call__(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        """`(H, W, 1)` uint8 as stored; 255 is opaque."""
        if not has_alpha(frame.format.name):
            return np.full((self.size[1], self.size[0], 1), 255, np.uint8)
        return np.ascontiguousarray(self._converted(frame, "rgba").to_ndarray()[..., 3:], np.uint8)


class FromRgb:
    """Converts RGB arrays to frames of one pixel format with the matrix and range that `tags` say."""

    def __init__(self, tags: ColourTags, pix_fmt: str) -> None:
        self._tags = tags
        self._pix_fmt = pix_fmt
        self._scaler = VideoReformatter()

    def __call__(self, pixels: NDArray[Any]) -> av.VideoFrame:
        """`(H, W, 3)` RGB, uint8 or uint16, or `(H, W, 4)` uint8 with transparency, to a tagged frame."""
        matrix = SCALER_MATRICES[self._tags.effective_matrix]
        layout = "rgb48le" if pixels.dtype == np.uint16 else "rgba" if pixels.shape[-1] == 4 else "rgb24"
        source = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format=layout)
        frame = self._scaler.reformat(
            source,
            format=self._pix_fmt,
            src_colorspace=matrix,
            dst_colorspace=matrix,
            src_color_range=FULL,
            dst_color_range=self._tags.effective_range,
            interpolation=_EXACT,
            threads=1,
        )
        tag(frame, self._tags)
        return frame


def tag(frame: av.VideoFrame, tags: ColourTags) -> None:
    """Say in a frame what its codes mean."""
    frame.color_primaries = tags.primaries
    frame.color_trc = tags.transfer
    if not frame.format.is_rgb:
        frame.colorspace = tags.effective_matrix
        frame.color_range = tags.effective_range


class ToPalette:
    """Converts RGB arrays to `pal8` frames.

    Ordered dithering, because error diffusion makes resting places crawl from frame to frame and the file bigger.
    """

    def __init__(self) -> None:
        self._graph: Graph | None = None

    def __call__(self, pixels: NDArray[np.uint8]) -> av.VideoFrame:
        """`(H, W, 3)` uint8 RGB, or `(H, W, 4)` with transparency, all of one kind and size."""
        layout = "rgba" if pixels.shape[-1] == 4 else "rgb24"
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format=layout)
        if self._graph is None:
            self._graph = _palette_graph(frame)
        self._graph.vpush(frame)
        return self._graph.vpull()


def _palette_graph(frame: av.VideoFrame) -> Graph:
    graph = Graph()
    graph.threads = 1
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1))
    both = graph.add("split")
    palette = graph.add("palettegen", stats_mode="single", reserve_transparent=str(int(frame.format.name == "rgba")))
    use = graph.add("paletteuse", new="1", dither="bayer", bayer_scale="4", alpha_threshold=str(_OPAQUE))
    source.link_to(both)
    both.link_to(use, 0, 0)
    both.link_to(palette, 1, 0)
    palette.link_to(use, 0, 1)
    use.link_to(graph.add("buffersink"))
    graph.configure()
    return graph


def has_alpha(pix_fmt: str) -> bool:
    """Whether a pixel format carries transparency."""
    return pix_fmt == "pal8" or any(part.is_alpha for part in av.VideoFormat(pix_fmt).components)


def off_black(pixels: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Colours `(H, W, 3)` as they lie on black, and their transparency `(H, W, 1)`, to unmixed ones `(H, W, 4)`."""
    if not bool((alpha == 255).all()):
        divisor = np.maximum(alpha, 1).astype(np.uint16)
        pixels = np.minimum((pixels.astype(np.uint16) * 255 + divisor // 2) // divisor, 255).astype(np.uint8)
    return np.concatenate([pixels, alpha], axis=-1)


def _on_black(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Premultiply `(H, W, 4)` by its alpha and drop it; exact where alpha is 255."""
    alpha = pixels[..., 3:]
    if bool((alpha == 255).all()):
        return pixels[..., :3]
    product = pixels[..., :3].astype(np.uint16) * alpha
    return ((product + 127) // 255).astype(np.uint8)
