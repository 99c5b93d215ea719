"""Masks: where an edit goes, for every frame at its own size, from the regions that a network sees or from a file.

Regions come on a grid of a quarter of what the network sees. They are carried to the frame by a guided filter (He, Sun,
Tang 2010; fast form: He and Sun 2015): in every window the mask is a linear map of the source's luma, which is applied
to the luma at full size. So edges of a mask are edges of the picture, and it is steady where the picture is.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torch import Tensor

from movie_cli.checkpoints.load import load_regions
from movie_cli.checkpoints.store import open_model
from movie_cli.errors import ModelError, UsageError
from movie_cli.media import EncodeOptions, FrameReader, SourceInfo, VideoWriter, WriteReport, probe
from movie_cli.media.outfile import Naming
from movie_cli.models.detail import LUMA, Maps, applied, guided
from movie_cli.models.directions import Directions
from movie_cli.models.region_names import read_place
from movie_cli.models.regions import RegionNetwork, SteadyRegions, input_size, place_map

RADIUS, EPSILON = 6, 1e-4
"""The guided filter's window in pixels of what the network sees, and the variance of luma that is no edge."""
BLACK, WHITE = 0.25, 0.75
"""Probabilities of the place below which a mask is black, and above which it is white."""
SOFTEST = 0.3
"""What the filter leaves of a mask this near to black or white is black or white: no veil far from edges."""
BEFORE = 5.0
"""Seconds before a wanted time from which a mask is read: the picture that is shown then may have begun earlier."""
SLACK = 1e-4
"""Seconds by which times of two files may differ and be the same."""
Pixels = NDArray[np.uint8]


class Masks(Protocol):
    """Masks of one clip's frames in order."""

    def mask(self, frame: Pixels, small: Pixels, seconds: float) -> Pixels:
        """The mask `(H, W)`, 255 where the edit goes, of a frame `(H, W, 3)`.

        Args:
            frame: The frame at the mask's size, uint8 RGB.
            small: The same picture at any smaller size.
            seconds: When it is shown, after the source's first picture.
        """

    def close(self) -> None:
        """Let go of files."""


def network_of(model: str, offline: bool = False) -> RegionNetwork:
    """The region network of a checkpoint, by name, folder or owner/name.

    Raises:
        ModelError: there is no such checkpoint, or it has no regions.
    """
    network = load_regions(open_model(model, offline).folder)
    if network is None:
        raise ModelError(f"the model {model} has no regions", "--model nano has")
    return network


class RegionMasks:
    """Masks of a place: weights of regions, of which those of `spared` are taken away."""

    def __init__(
        self, network: RegionNetwork, weights: Mapping[str, float], spared: Mapping[str, float] | None = None
    ) -> None:
        self._regions = SteadyRegions(network)
        self._weights, self._spared = weights, spared or {}

    def mask(self, frame: Pixels, small: Pixels, seconds: float) -> Pixels:
        """As `Masks.mask`."""
        del seconds
        picture = _planes(small) * 2 - 1
        seen = input_size(frame.shape[1], frame.shape[0])[::-1]
        if picture.shape[-2:] != seen:
            picture = F.interpolate(picture, seen, mode="bilinear", antialias=True)
        regions = self._regions.see(picture)
        place = place_map(regions, self._weights) * (1 - place_map(regions, self._spared))
        guide = _luma((picture + 1) / 2)
        rough = ((F.interpolate(place, seen, mode="bilinear") - BLACK) / (WHITE - BLACK)).clamp(0, 1)
        maps = guided(guide[0, 0].numpy(), rough[0].numpy(), RADIUS, EPSILON)
        assert maps.slope is not None
        span = np.float32(1 - 2 * SOFTEST)
        maps = Maps((maps.offset - np.float32(SOFTEST)) * (255 / span), maps.slope / span)
        return applied(maps, frame, (frame.shape[1], frame.shape[0]))[..., 0]

    def close(self) -> None:
        """Nothing is held."""


class FileMasks:
    """Masks from a video, a picture or numbered pictures: its transparency where it has some, else its luma.

    The file's first picture belongs to the source's first one, whatever part is edited from `seconds` on. It is brought
    to the frame's size, and that picture counts which is shown at the frame's time; the last one stays.

    Raises:
        SourceError: the file cannot be read.
    """

    def __init__(self, path: Path, seconds: float) -> None:
        info = probe(path)
        start = None if is_still(info) else seconds - BEFORE
        self._pictures = _pictures(info, start)
        self._shown = next(self._pictures)
        if start is not None and self._shown[0] > seconds:
            # What is shown then began longer ago.
            self._pictures = _pictures(info, None)
            self._shown = next(self._pictures)
        self._following = next(self._pictures, None)

    def mask(self, frame: Pixels, small: Pixels, seconds: float) -> Pixels:
        """As `Masks.mask`."""
        del small
        while self._following is not None and self._following[0] <= seconds + SLACK:
            self._shown, self._following = self._following, next(self._pictures, None)
        height, width = frame.shape[:2]
        mask = self._shown[1]
        return mask if mask.shape == (height, width) else _resized(mask, (width, height))

    def close(self) -> None:
        """Let go of the file."""
        self._pictures.close()


def check_mask(path: Path, seconds: float | None) -> None:
    """Refuse a mask that ends before `seconds` after the source's first picture; None for as long as it likes.

    Raises:
        UsageError: it is too short.
        SourceError: it cannot be read.
    """
    info = probe(path)
    frame = 1 / float(info.video.average_rate or 25)
    if seconds is not None and not is_still(info) and (info.length or 0) + frame < seconds:
        raise UsageError(
            f"{path} lasts {info.length:.2f} s, and the edited part ends at {seconds:.2f} s",
            "a mask begins with the source's first picture and lasts as long; a single picture is for all frames",
        )


def is_still(info: SourceInfo) -> bool:
    """Whether the file is one picture, which is a mask for as long as one likes."""
    return info.video.frames == 1 or info.length is None


def _pictures(info: SourceInfo, start: float | None) -> Generator[tuple[float, Pixels]]:
    """Times after the first picture, and planes `(h, w)`, from about `start` on."""
    video, begin = info.video, float(info.video.begin)
    since = None if start is None or start <= 0 else begin + start
    alpha = video.presentation_size if video.alpha else None
    with FrameReader(info.path, since, info=info, threads=1, alpha_size=alpha) as reader:
        for frame in reader:
            yield (
                frame.time - begin,
                frame.pixels[..., 0] if alpha else np.asarray(Image.fromarray(frame.pixels).convert("L")),
            )


@dataclass(frozen=True)
class MaskReport:
    """What was written, and the mean share of the frame that is white, in [0, 1]."""

    written: WriteReport
    share: float


def write_mask(
    output: Path,
    info: SourceInfo,
    masks: Masks,
    span: tuple[float | None, float | None] = (None, None),
    advance: Callable[[int], None] = lambda frames: None,
    *,
    replace: bool = True,
) -> MaskReport:
    """Write masks as a grey video of the source's size and times, without sound. `span` is as `FrameReader`'s.

    Raises:
        SourceError: the source cannot be read.
        OutputError: the mask cannot be written.
    """
    start, end = span
    options = EncodeOptions(audio="none", subtitles=False, metadata=False)
    wide, high = input_size(*info.video.presentation_size)
    shares: list[float] = []
    with (
        FrameReader(info.path, start, end, info=info, also_size=(2 * wide, 2 * high)) as reader,
        VideoWriter(output, info, options, start=start, end=end) as writer,
    ):
        for frame in reader:
            mask = masks.mask(frame.pixels, frame.working, frame.time - float(info.video.begin))
            shares.append(float(mask.mean()) / 255)
            writer.write(np.repeat(mask[..., None], 3, axis=-1), frame.pts, frame.duration)
            advance(1)
        damage = reader.damage
        until = damage.time if damage is not None and damage.fatal else None
        written = writer.commit(until, Naming(replace=replace))
    return MaskReport(written, float(np.mean(shares)))


class Bounds:
    """What an edit is bounded by: a place less what is spared in it, or a mask's file; with edges softened.

    `only` and `spared` are places as people name them (see `region_names`), `feather` is in pixels of the output,
    `where` says in words where it goes.

    The network is read when the first frames come: an edit that is only planned needs none.

    Raises:
        UsageError: a place is not known, or nothing is left of it.
    """

    def __init__(
        self,
        folder: Path,
        only: str | None = None,
        spared: str | None = None,
        mask: Path | None = None,
        feather: float = 0.0,
    ) -> None:
        self._folder, self._mask, self._feather = folder, mask, feather
        self.where = "where the mask is white" if mask is not None else Directions("", only, spared).where
        self._weights, self._spared = read_place(only or "everything"), read_place(spared) if spared else {}
        if mask is None and all(self._spared.get(region, 0) >= 1 for region in self._weights):
            raise UsageError(f"nothing is left of {only or 'everything'} without {spared}", "leave out --except")

    @functools.cached_property
    def _network(self) -> RegionNetwork:
        return load_regions(self._folder) or network_of("nano")

    def begin(self, seconds: float, scale: float = 1.0) -> Bound:
        """Bounds for frames in a row, the first one shown so long after the source's first picture.

        `scale` is the frames' size over the output's.
        """
        feather = self._feather * scale
        if self._mask is not None:
            return Bound(FileMasks(self._mask, seconds), feather)
        return Bound(RegionMasks(self._network, self._weights, self._spared), feather)


class Bound:
    """Bounds of one run of frames in order: `apply` to each, or see its `mask`, and `close`."""

    def __init__(self, masks: Masks, feather: float) -> None:
        self._masks, self._feather = masks, feather
        self._last: Pixels | None = None
        self.close = masks.close

    @property
    def share(self) -> float:
        """How much of the last frame the edit goes to, in [0, 1]."""
        return 0.0 if self._last is None else float(self._last.mean()) / 255

    def apply(self, source: Pixels, small: Pixels, edited: Pixels, seconds: float) -> Pixels:
        """An edited frame `(H, W, 3)` with the source's frame, of any size, where the edit does not go."""
        height, width = edited.shape[:2]
        if source.shape != edited.shape:
            source = _resized(source, (width, height), Image.Resampling.LANCZOS)
        return bounded(source, edited, self.mask(source, small, seconds))

    def mask(self, source: Pixels, small: Pixels, seconds: float) -> Pixels:
        """Where the edit goes `(H, W)`, with soft edges; the source's frame is `(H, W, 3)`."""
        self._last = feathered(self._masks.mask(source, small, seconds), self._feather)
        return self._last

    def apply_last(self, source: Pixels, edited: Pixels) -> Pixels:
        """As `apply` for the last frame at another size, which both have."""
        assert self._last is not None
        return bounded(source, edited, _resized(self._last, (source.shape[1], source.shape[0])))


def feathered(mask: Pixels, radius: float) -> Pixels:
    """A mask `(H, W)` whose edges are softened by a Gaussian of `radius` pixels."""
    return np.asarray(Image.fromarray(mask).filter(ImageFilter.GaussianBlur(radius))) if radius > 0 else mask


def bounded(source: Pixels, edited: Pixels, mask: Pixels) -> Pixels:
    """The edit where the mask is white, the source where it is black: `(H, W, 3)` and `(H, W)`, all uint8."""
    before, after = (torch.from_numpy(pixels.astype(np.int16)) for pixels in (source, edited))
    weight = torch.from_numpy(mask.astype(np.int32))[..., None]
    change = ((after - before) * weight * 2 + 255).div_(510, rounding_mode="floor")
    result: Pixels = (before + change).to(torch.uint8).numpy()
    return result


def _resized(pixels: Pixels, size: tuple[int, int], resampling: Image.Resampling = Image.Resampling.BILINEAR) -> Pixels:
    return np.asarray(Image.fromarray(pixels).resize(size, resampling))


def _planes(pixels: Pixels) -> Tensor:
    return torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1)[None] / 255


def _luma(image: Tensor) -> Tensor:
    return (image * image.new_tensor(LUMA).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)
