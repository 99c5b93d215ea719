"""More than eight bits: what an edit did to pictures of eight bits, done to the source's own of sixteen.

The networks see 8 bits of BT.709. Of HDR what they make is a gain on the source's light, channel by channel in BT.709
primaries: where the edit halves what was seen of a highlight it halves the highlight, whose place above white the eight
bits have never held. What a gain cannot give, light where there was none, is added as SDR shows it (203 cd/m2 for
white). Of SDR the difference is added. Where the edit changes nothing the source's own codes come back.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from movie_cli.media.colour import ColourTags
from movie_cli.media.encoding import Deep, Plan
from movie_cli.media.info import SourceInfo
from movie_cli.media.probe import HDR_NAMES
from movie_cli.media.reader import Frame, FrameReader
from movie_cli.media.side_data import NO_MASTERING, Mastering
from movie_cli.media.tonemap import HLG, REFERENCE_WHITE, USUAL_PEAK, Light

Pixels = NDArray[np.uint8]
Codes = NDArray[np.uint16]
AddEdit = Callable[[Codes, Pixels, Pixels], Codes]
FAINT = 1e-3
"""Of white: light that is not told from black by a gain, which would multiply its noise."""
MOST_GAIN = 16.0


def depth_wanted(source: SourceInfo) -> Deep:
    """Whether more than 8 bits of a source are to be kept."""
    video = source.video
    if video.colour.hdr and not video.alpha:
        return {"auto": "may", "keep": "must"}.get(source.reading.hdr, "no")  # type: ignore[return-value]
    return "may" if video.bit_depth > 8 and not video.alpha else "no"


def hdr_plan(source: SourceInfo, plan: Plan) -> tuple[Plan, list[str]]:
    """How an HDR source is encoded, with what it says of its mastering, and sentences about what becomes of that."""
    name = HDR_NAMES[source.video.colour.transfer]
    if not plan.deep:
        if source.reading.hdr == "tonemap":
            return plan, []
        return plan, [f"HDR ({name}) becomes BT.709: {plan.codec} makes 8 bits here (--hdr keep keeps it)"]
    told = [f"HDR ({name}) is kept: the edit is a gain on the source's light"]
    mastering = source.video.colour.mastering
    if mastering == NO_MASTERING:
        return plan, told
    params = {"libx265": "x265-params", "libx264": "x264-params", "libsvtav1": "svtav1-params"}.get(plan.codec)
    if params is None:
        return plan, [*told, f"{plan.codec} has no place for what it says of its mastering display"]
    words = ":".join(filter(None, (plan.codec_options.get(params), *_mastering_words(mastering, plan.codec))))
    return dataclasses.replace(plan, codec_options={**plan.codec_options, params: words}), told


def _mastering_words(mastering: Mastering, codec: str) -> list[str]:
    """The encoder's options for it: x264 and x265 count in the units of the standard, SVT-AV1 in what these mean."""
    exact = codec == "libsvtav1"
    display, light = {
        "libx265": ("master-display", "max-cll"),
        "libx264": ("mastering-display", "cll"),
        "libsvtav1": ("mastering-display", "content-light"),
    }[codec]
    words = []
    if mastering.primaries is not None and mastering.luminance is not None:
        places = [f"{value:.5f}" if exact else str(round(value * 50000)) for value in mastering.primaries]
        low, high = (f"{value:.4f}" if exact else str(round(value * 10000)) for value in mastering.luminance)
        red, green, blue, white = (",".join(places[index : index + 2]) for index in (0, 2, 4, 6))
        words.append(f"{display}=G({green})B({blue})R({red})WP({white})L({high},{low})")
    if mastering.light is not None:
        words.append(f"{light}={mastering.light[0]},{mastering.light[1]}")
    return words


class DeepCopier:
    """Carries edits of (width, height) `size` back to the source's own depth. A second reader keeps step with them.

    It opens the source with the first frame, wherever that is.
    """

    def __init__(self, source: SourceInfo, size: tuple[int, int]) -> None:
        self._source, self._size = source, size
        self._add_edit: AddEdit = AddHdrEdit(source.video.colour) if source.video.colour.hdr else added
        self._reader: FrameReader | None = None
        self._frames: Iterator[Frame] = iter(())
        self._waiting: Frame | None = None

    def add(self, edited: Pixels, pts: int) -> Codes:
        """An edited frame `(H, W, 3)` and its timestamp to 16-bit codes of the source's own curve and primaries."""
        if self._reader is None:
            video = self._source.video
            # Half a unit early: the instant must not round to after the frame.
            self._open(float((pts - video.origin - 0.5) * video.time_base) if pts > video.start else None)
            if self._waiting is None or self._waiting.pts != pts:
                self._open(None)
        while self._waiting is not None and self._waiting.pts < pts:
            self._waiting = next(self._frames, self._waiting)
        assert self._waiting is not None
        assert self._waiting.scaled is not None
        codes: NDArray[Any] = self._waiting.pixels
        return self._add_edit(codes, self._waiting.scaled, edited)

    def _open(self, start: float | None) -> None:
        self.close()
        self._reader = FrameReader(self._source.path, start, info=self._source, threads=1, deep_size=self._size)
        self._frames = iter(self._reader)
        self._waiting = next(self._frames, None)

    def close(self) -> None:
        """Let go of the source."""
        if self._reader is not None:
            self._reader.close()


def added(codes: Codes, seen: Pixels, edited: Pixels) -> Codes:
    """SDR: what the edit added to the 8 bits that were seen, added to codes of 16; all `(H, W, 3)`."""
    change = (edited.astype(np.int32) - seen) * 257
    return np.clip(codes + change, 0, 65535).astype(np.uint16)


class AddHdrEdit:
    """Carries an edit of tone-mapped pictures back to the light of PQ or HLG."""

    def __init__(self, tags: ColourTags) -> None:
        self._light = Light(tags.transfer, tags.primaries)
        self._peak = np.float32(USUAL_PEAK if tags.transfer == HLG else tags.peak or USUAL_PEAK)
        self._linear = np.power(np.arange(256, dtype=np.float32) / 255, 2.4)

    def __call__(self, codes: Codes, seen: Pixels, edited: Pixels) -> Codes:
        """As `added`, for codes of PQ or HLG and what `ToneMap` made of them."""
        before, after = self._linear[seen], self._linear[edited]
        gain = np.clip((after + FAINT) / (before + FAINT), 1 / MOST_GAIN, MOST_GAIN)
        light = self._light.of(codes)
        most = np.maximum(light.max(axis=-1, keepdims=True), self._peak)
        light *= gain
        light += np.float32(REFERENCE_WHITE) * (after - before * gain)
        changed = self._light.codes(np.minimum(light, most))
        return np.where((seen == edited).all(axis=-1, keepdims=True), codes, changed)
