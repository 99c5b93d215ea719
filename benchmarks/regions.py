r"""What the region network sees, against its teachers, and how steady it is.

    python benchmarks/regions.py CHECKPOINT --photos ../shared/data/photos --teachers ../shared/data/teachers \
        --labels runs/regions/labels --clips ../shared/data/clips --sheet regions.png

Photographs whose number ends in 0 were kept out of training. `agreement` and the intersections over union are over the
cells in which the teachers' merged label counts half or more (`believed`, their share); `agreement_certain` is over
those in which it counts 0.9 or more, `agreement_everywhere` over all. `changing` is the share of cells whose likeliest
region is another one than where the source's optical flow says that they were a frame before.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import harness
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from movie_cli.checkpoints.load import load_regions, read_regions
from movie_cli.errors import MovieError
from movie_cli.media import FrameReader, probe
from movie_cli.models.flow import Step, steps_of
from movie_cli.models.region_names import REGIONS, SCENE
from movie_cli.models.regions import RegionNetwork, SteadyRegions, input_size, probabilities
from movie_cli.train.photos import PhotoFolder
from movie_cli.train.regions.labels import coloured, label_planes
from movie_cli.train.regions.opinions import Opinions
from movie_cli.train.regions.teachers import Teachers

GROUPS = {
    "sky": ("sky",),
    "person": ("person",),
    "plants": ("tree", "grass"),
    "building": ("building",),
    "water": ("water",),
    "vehicle": ("vehicle",),
    **{name: (name,) for name in ("tree", "grass", "mountain_and_earth", "road_and_floor", "animal")},
    "wall_and_furniture": ("wall_and_furniture",),
}
BELIEVED, CERTAIN = 0.5, 0.9
COLUMNS = 6


def main() -> None:
    """The command."""
    parser = harness.parser("Measure the region network.")
    parser.add_argument("checkpoint", type=Path, help="a checkpoint with regions, or the network's own folder")
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--teachers", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True, help="where the teachers' answers are, or will be, kept")
    parser.add_argument("--clips", type=Path, help="a folder of clips")
    parser.add_argument("--frames", type=int, default=24, help="neighbouring frames of each clip (default: 24)")
    parser.add_argument("--sheet", type=Path, metavar="PNG", help="write a sheet of photographs")
    parser.add_argument("--count", type=int, default=24, help="photographs on the sheet (default: 24)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    try:
        network = load_regions(options.checkpoint) or read_regions(options.checkpoint).folded()
        network = network.to(memory_format=torch.channels_last)
        photos = PhotoFolder(options.photos)
        paths = sorted(photos.paths(held_out=False) + photos.paths(held_out=True))
        opinions = Opinions(options.labels, paths)
        if not opinions.complete():
            opinions.fill(Teachers(options.teachers))
        rows = [row for row, path in enumerate(paths) if path in set(photos.paths(held_out=True))]
        values = agreement(network, opinions, rows) | cost(network)
        if options.clips:
            values |= steadiness(network, options.clips, options.frames)
        if options.sheet:
            sheet(network, opinions, rows, options.count).save(options.sheet)
    except MovieError as error:
        sys.exit(f"error: {error}\nhint: {error.hint}")
    harness.show(values, options.json)


def agreement(network: RegionNetwork, opinions: Opinions, rows: list[int]) -> dict[str, float]:
    """Shares of cells in which network and teachers name the same region, and intersections over union."""
    pairs = np.zeros((len(SCENE), len(SCENE)))
    everywhere, certain, parts = np.zeros(2), np.zeros(2), np.zeros(2)
    for row in rows:
        seen = probabilities(network(picture_of(opinions, row)))
        label = label_of(opinions, row, seen)
        named, wanted = (one[:, : len(SCENE)].argmax(dim=1).flatten() for one in (seen, label))
        sure = (label[:, -2] >= BELIEVED).flatten()
        np.add.at(pairs, (wanted[sure].numpy(), named[sure].numpy()), 1)
        everywhere += int((named == wanted).sum()), len(named)
        known = (label[:, -2] >= CERTAIN).flatten()
        certain += int((named == wanted)[known].sum()), int(known.sum())
        inside = ((label[:, -1] >= BELIEVED) & (label[:, SCENE.index("person")] > 0.5)).flatten()
        count = len(SCENE), len(REGIONS)
        mine, theirs = (one[:, count[0] : count[1]].argmax(dim=1).flatten()[inside] for one in (seen, label))
        parts += int((mine == theirs).sum()), len(mine)
    values = {
        "photographs": len(rows),
        "agreement": np.trace(pairs) / pairs.sum(),
        "agreement_everywhere": everywhere[0] / everywhere[1],
        "agreement_certain": certain[0] / max(1, certain[1]),
        "believed": pairs.sum() / everywhere[1],
        "parts_agreement": parts[0] / max(1, parts[1]),
    }
    for name, members in GROUPS.items():
        index = [SCENE.index(member) for member in members]
        both = pairs[np.ix_(index, index)].sum()
        values[f"iou_{name}"] = both / max(1, pairs[index].sum() + pairs[:, index].sum() - both)
    return values


def cost(network: RegionNetwork) -> dict[str, float]:
    """Operations (two a multiply-add), weights, and time of a frame at 256x192."""
    image = torch.zeros(1, 3, 192, 256).contiguous(memory_format=torch.channels_last)
    with FlopCounterMode(display=False) as counter:
        network(image)
    times = []
    for _ in range(30):
        began = time.perf_counter()
        network(image)
        times.append(time.perf_counter() - began)
    weights = sum(value.numel() for value in network.parameters())
    return {
        "gflops": counter.get_total_flops() / 1e9,
        "million_parameters": weights / 1e6,
        "median_ms": sorted(times)[15] * 1e3,
        "least_ms": min(times) * 1e3,
    }


def steadiness(network: RegionNetwork, folder: Path, frames: int) -> dict[str, float]:
    """The share of cells that change along the flow a frame, of each clip and the mean; `changing_alone` without
    the averaging over time that clips are seen with.
    """
    values, alone = {}, []
    for path in sorted(path for path in folder.iterdir() if path.suffix in {".mp4", ".mkv", ".webm"}):
        pixels = np.stack(list(clip_frames(path, frames)))
        pictures = [scaled(Image.fromarray(frame)) for frame in pixels]
        steps = steps_of(pixels)
        steady = SteadyRegions(network)
        values[f"changing {path.stem}"] = changing([named(steady.see(picture)) for picture in pictures], steps)
        alone.append(changing([named(network.regions(picture)) for picture in pictures], steps))
    return values | {"changing": float(np.mean(list(values.values()))), "changing_alone": float(np.mean(alone))}


def named(regions: Tensor) -> NDArray[np.int64]:
    """The likeliest region of every cell, `(h, w)`."""
    return regions[0, : len(SCENE)].argmax(dim=0).numpy()


def changing(seen: list[NDArray[np.int64]], steps: list[Step]) -> float:
    """The share of cells of frames `(h, w)` that are another region than where they were a frame before."""
    changed, counted = 0, 0
    height, width = seen[0].shape
    for step, before, after in zip(steps, seen[:-1], seen[1:], strict=True):
        lines, columns = step.valid.shape
        places = np.ix_(_middles(height, lines), _middles(width, columns))
        origin, valid = step.origin[places], step.valid[places]
        x = (origin[..., 0] * width / columns).astype(int).clip(0, width - 1)
        y = (origin[..., 1] * height / lines).astype(int).clip(0, height - 1)
        changed += int((before[y, x] != after)[valid].sum())
        counted += int(valid.sum())
    return changed / max(1, counted)


def _middles(cells: int, pixels: int) -> NDArray[np.int64]:
    return ((np.arange(cells) + 0.5) * pixels / cells).astype(int)


def clip_frames(path: Path, count: int) -> Iterator[NDArray[np.uint8]]:
    """Neighbouring frames from a clip's middle, at about the size that the network sees, twice as large."""
    info = probe(path)
    width, height = info.video.presentation_size
    wide, high = input_size(width, height)
    size = (2 * wide, 2 * high)
    start = float(info.video.duration or info.duration or 0) * 0.4
    with FrameReader(path, start=start or None, info=info, also_size=size) as reader:
        for frame in itertools.islice(reader, count):
            yield frame.working


def picture_of(opinions: Opinions, row: int) -> Tensor:
    """A photograph at the size of the network's input, `(1, 3, H, W)` in [-1, 1]."""
    return scaled(Image.open(opinions.paths[row]).convert("RGB"))


def scaled(image: Image.Image) -> Tensor:
    """A picture at the size of the network's input."""
    size = input_size(*image.size)
    small = size[0] < 0.6 * image.width
    pixels = np.array(image.resize(size, Image.Resampling.BOX if small else Image.Resampling.LANCZOS))
    planes = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1
    return planes.contiguous(memory_format=torch.channels_last)


def label_of(opinions: Opinions, row: int, seen: Tensor) -> Tensor:
    """The teachers' merged label on the network's grid, `(1, 17, h, w)` in [0, 1]."""
    planes = torch.from_numpy(label_planes(opinions, row))[None].float() / 255
    return F.interpolate(planes, seen.shape[-2:], mode="bilinear", antialias=True)


def sheet(network: RegionNetwork, opinions: Opinions, rows: list[int], count: int) -> Image.Image:
    """Photographs, each beside what the network and what the teachers see."""
    tiles = []
    for row in rows[:: max(1, len(rows) // count)][:count]:
        image = picture_of(opinions, row)
        seen = probabilities(network(image))
        label = label_of(opinions, row, seen)
        panels = [image, coloured(image, seen), coloured(image, label[:, : len(REGIONS)])]
        tile = F.interpolate(torch.cat(panels, dim=3), (192, 3 * 224), mode="area")
        tiles.append((tile[0].permute(1, 2, 0) + 1) * 127.5)
    across = max(1, COLUMNS // 3)
    tiles += [torch.zeros_like(tiles[0])] * (-len(tiles) % across)
    lines = [torch.cat(tiles[at : at + across], dim=1) for at in range(0, len(tiles), across)]
    return Image.fromarray(torch.cat(lines).round().clamp(0, 255).to(torch.uint8).numpy())


if __name__ == "__main__":
    main()
