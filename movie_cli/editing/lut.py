"""Colour look-up tables: what an edit does to colours, as a cube of them that other programs read; and grading by one.

A table knows a pixel's colour and nothing else of it. So an edit that is a matter of colour can be handed on as a file,
and one that draws cannot: `difference` says which it is. Files are those of Adobe's Cube LUT Specification 1.0.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from movie_cli.checkpoints.store import open_model
from movie_cli.editing.directing import directions_of, places_of
from movie_cli.editing.preview import Previewer
from movie_cli.editing.request import PreviewRequest, Reporter
from movie_cli.errors import SourceError, UsageError
from movie_cli.files import write_whole
from movie_cli.kinds import TimeValue
from movie_cli.media import FrameReader, VideoWriter, local_source, prefetch, probe
from movie_cli.media.outfile import Naming

NODES = 33
"""Colours along each side of a table, as programs for grading have them."""
MOST_NODES, MOST_BYTES = 129, 128 << 20
SMOOTHNESS = 0.02
"""What a bend of the table counts beside the mean colour's error: fills colours that no frame had."""
PALE = 13.0
"""By how many dB less than its PSNR a table may be below the contrast of its edit: faint lines on paper differ little
from paper."""
STEPS = 300
"""Steps of conjugate gradients at most; fewer where they no longer change anything."""
_BINS = 64
Pixels = NDArray[np.uint8]


def fit(sources: Sequence[Pixels], edits: Sequence[Pixels], nodes: int = NODES) -> Tensor:
    """The table that comes nearest to edits of sources, both `(H, W, 3)` uint8, in the mean of squares.

    Gives `(3, nodes, nodes, nodes)` float32, the channels' values at blue, green and red: unknown colours are moved as
    their neighbours are. The sum of squared second differences along each side is kept small beside the error.
    """
    colours, wanted, counts = _means(sources, edits)
    corners, weights = _corners(colours, nodes)
    counts = counts / counts.mean()

    def looked_up(table: Tensor) -> Tensor:
        return (table[:, corners] * weights).sum(dim=-1)

    def spread(values: Tensor) -> Tensor:
        flat = torch.zeros(3, nodes**3)
        return flat.index_add_(1, corners.flatten(), (values[..., None] * weights).flatten(1))

    def system(table: Tensor) -> Tensor:
        return spread(looked_up(table) * counts) + SMOOTHNESS * _bending(table.view(3, nodes, nodes, nodes)).flatten(1)

    # From the nearest affine map on, which also says most of what becomes of colours far from those that are known.
    affine = _affine(colours, wanted, counts, identity(nodes).flatten(1))
    moved = _solved(system, spread((wanted - looked_up(affine)) * counts))
    return (affine + moved).clamp(0, 1).view(3, nodes, nodes, nodes)


def _means(sources: Sequence[Pixels], edits: Sequence[Pixels]) -> tuple[Tensor, Tensor, Tensor]:
    """Mean colours `(3, M)` in [0, 1] of sources and edits in bins of source colours, and how many pixels each has."""
    before, after = (
        torch.from_numpy(np.concatenate([one.reshape(-1, 3) for one in some])) for some in (sources, edits)
    )
    step = 256 // _BINS
    key = (before // step).long() @ torch.tensor([1, _BINS, _BINS**2])
    counts = torch.zeros(_BINS**3).index_add_(0, key, torch.ones(len(key)))
    used = counts > 0
    sums = [torch.zeros(_BINS**3, 3).index_add_(0, key, one.float() / 255)[used] for one in (before, after)]
    return sums[0].T / counts[used], sums[1].T / counts[used], counts[used]


def _affine(colours: Tensor, wanted: Tensor, counts: Tensor, of: Tensor) -> Tensor:
    """The affine map from colours to those wanted, all `(3, M)`, by least squares, of other colours `(3, K)`."""
    with_one, others = (torch.cat([one, torch.ones(1, one.shape[1])]) for one in (colours, of))
    weight = counts.sqrt()
    # A little of the identity decides where colours of one kind alone leave it open.
    known = torch.cat([with_one * weight, 0.01 * torch.eye(4)], dim=1)
    right = torch.cat([wanted * weight, 0.01 * torch.eye(3, 4)], dim=1)
    return torch.linalg.lstsq(known.T, right.T).solution.T @ others


def _corners(colours: Tensor, nodes: int) -> tuple[Tensor, Tensor]:
    """For colours `(3, M)` the eight nodes around each, `(M, 8)`, and how much each of them counts."""
    place = colours.T * (nodes - 1)
    base = place.floor().clamp_max(nodes - 2)
    share = place - base
    indices, weights = [], []
    for corner in itertools.product((0, 1), repeat=3):
        offset = torch.tensor(corner)
        indices.append(((base + offset).long() * torch.tensor([1, nodes, nodes**2])).sum(dim=1))
        weights.append(torch.where(offset.bool(), share, 1 - share).prod(dim=1))
    return torch.stack(indices, dim=1), torch.stack(weights, dim=1)


def _bending(table: Tensor) -> Tensor:
    """The gradient of half the sum of squared second differences along each side."""
    result = torch.zeros_like(table)
    for side in (1, 2, 3):
        bend = table.diff(n=2, dim=side)
        for shift, factor in ((0, 1.0), (1, -2.0), (2, 1.0)):
            result.narrow(side, shift, bend.shape[side]).add_(bend, alpha=factor)
    return result


def _solved(system: Callable[[Tensor], Tensor], right: Tensor) -> Tensor:
    """Conjugate gradients for a symmetric positive `system`."""
    solution, residual = torch.zeros_like(right), right.clone()
    direction, square = residual.clone(), residual.square().sum()
    enough = 1e-8 * float(square)
    for _ in range(STEPS):
        if float(square) <= enough:
            break
        image = system(direction)
        length = square / (direction * image).sum()
        solution += length * direction
        residual -= length * image
        square, before = residual.square().sum(), square
        direction = residual + (square / before) * direction
    return solution


def identity(nodes: int = NODES) -> Tensor:
    """The table that changes nothing, `(3, nodes, nodes, nodes)`."""
    line = torch.linspace(0, 1, nodes)
    blue, green, red = torch.meshgrid(line, line, line, indexing="ij")
    return torch.stack([red, green, blue])


def graded(pixels: Pixels, table: Tensor) -> Pixels:
    """A frame `(H, W, 3)` uint8 with a table's colours, linear between its nodes."""
    places = torch.from_numpy(pixels)[None, None].float() / 127.5 - 1
    colours = F.grid_sample(table[None], places, padding_mode="border", align_corners=True)
    result: Pixels = colours[0, :, 0].mul(255).round_().clamp_(0, 255).to(torch.uint8).permute(1, 2, 0).numpy()
    return np.ascontiguousarray(result)


def difference(table: Tensor, sources: Sequence[Pixels], edits: Sequence[Pixels]) -> float:
    """How near the table comes to edits of sources: PSNR in dB, infinite where nothing is different."""
    squares = [
        np.square(graded(source, table).astype(np.float32) - edit).mean()
        for source, edit in zip(sources, edits, strict=True)
    ]
    mean = float(np.mean(squares))
    return math.inf if mean == 0 else 10 * math.log10(255**2 / mean)


def contrast(table: Tensor, sources: Sequence[Pixels], edits: Sequence[Pixels]) -> float:
    """As `difference`, with the edits' own contrast (their variance) in place of white's square, if they have any."""
    variance = float(np.var(np.stack([np.asarray(edit, np.float32) for edit in edits])))
    own = 10 * math.log10(255**2 / variance) if variance else 0.0
    return difference(table, sources, edits) - own


def write_cube(path: Path, table: Tensor, title: str, *, replace: bool = True) -> None:
    """Write a table as a `.cube` file, red changing fastest; a file of that name only if `replace`.

    Raises:
        UsageError: something has its name, and not `replace`.
        OutputError: it cannot be written.
    """
    plain = re.sub(r"[^\x20-\x7e]|\"", "?", title)
    lines = [f'TITLE "{plain}"', f"LUT_3D_SIZE {table.shape[1]}", "DOMAIN_MIN 0 0 0", "DOMAIN_MAX 1 1 1"]
    lines += ["{:.6f} {:.6f} {:.6f}".format(*colour) for colour in table.flatten(1).T.tolist()]
    write_whole(path, ("\n".join(lines) + "\n").encode(), replace=replace)


def read_cube(path: Path) -> Tensor:
    """The table of a `.cube` file, `(3, N, N, N)`.

    Raises:
        SourceError: the file cannot be read, or is no three-dimensional table for colours from 0 to 1.
    """
    hint = "a .cube file of LUT_3D_SIZE is wanted, as `movie lut` writes it"
    try:
        if path.stat().st_size > MOST_BYTES:
            raise SourceError(f"{path} is too large for a table of colours", hint)
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}", "check its name and permissions") from error
    nodes, numbers = 0, []
    for count, line in enumerate(lines, 1):
        words = line.split()
        if not words or words[0].startswith("#") or words[0] == "TITLE":
            continue
        try:
            if words[0] == "LUT_3D_SIZE":
                nodes = int(words[1])
            elif words[0] in {"DOMAIN_MIN", "DOMAIN_MAX"}:
                if [float(word) for word in words[1:4]] != [float(words[0] == "DOMAIN_MAX")] * 3:
                    raise SourceError(f"{path} is for other colours than those from 0 to 1", hint)
            else:
                red, green, blue = (float(word) for word in words)
                numbers.append((red, green, blue))
        except (ValueError, IndexError) as error:
            raise SourceError(f"{path} has a line that is no colour: line {count}", hint) from error
    if not 2 <= nodes <= MOST_NODES or len(numbers) != nodes**3:
        raise SourceError(f"{path} is no table of colours: it has {len(numbers)} of {nodes}x{nodes}x{nodes}", hint)
    table = torch.tensor(numbers)
    if not bool(table.isfinite().all()):
        raise SourceError(f"{path} has colours that are no numbers", hint)
    return table.T.reshape(3, nodes, nodes, nodes).contiguous()


@dataclass(frozen=True)
class Table:
    """A table `(3, NODES, NODES, NODES)`, its PSNR to the edit in dB on frames it was not fitted on, the same against
    the edit's own contrast (see `contrast`), and how many frames were edited for it.
    """

    values: Tensor
    psnr: float
    contrast: float
    frames: int

    def holds(self, least: float) -> bool:
        """Whether the edit is a matter of colour: its table is as near as `least`, and a pale one's is nearer."""
        return self.psnr >= least and self.contrast >= least - PALE


def make_table(request: PreviewRequest, count: int, least: float, reporter: Reporter) -> Table:
    """Edit `count` frames from all over the source, and fit a table to what became of their colours.

    Raises:
        UsageError: the table comes no nearer to the edit than `least`, in dB; or the instruction names a place.
        MovieError: the source, the checkpoint or the device cannot be used.
    """
    descriptor = open_model(request.recipe.model, request.offline)
    if any(places_of(descriptor, request.recipe)):
        look = directions_of(descriptor, request.recipe.instruction).look
        raise UsageError(
            f'"{request.recipe.instruction}" is for a place, and a table of colours is for the whole picture',
            f'ask for the look alone: "{look}"',
        )
    with local_source(request.source) as path:
        info = probe(path)
        shares = [(number + 0.5) / count for number in range(count)]
        at: tuple[TimeValue, ...] = ()
        if info.video.frames:
            numbers = dict.fromkeys(int(share * info.video.frames) for share in shares)
            at = tuple(TimeValue(frames=number) for number in numbers)
        elif info.length:
            at = tuple(TimeValue.parse(f"{share * info.length:.3f}") for share in shares)
        previewer = Previewer(dataclasses.replace(request, at=at), path, reporter)
        reporter.start(len(previewer.places), Path(request.source).name)
        made = previewer.tiles()
    sources = [pixels for _, pixels in made.sources]
    edits = [tile.pixels for tile in made.tiles]
    judges = slice(1 if len(sources) > 1 else 0, None, 2)
    half, seen = fit(sources[::2], edits[::2]), (sources[judges], edits[judges])
    table = Table(fit(sources, edits), difference(half, *seen), contrast(half, *seen), len(sources))
    if table.holds(least):
        return table
    near = f"{table.psnr:.1f} dB from the edit, {least:g} are wanted"
    if table.psnr >= least:
        near = f"{table.contrast:.1f} dB below the edit's own contrast, {least - PALE:g} are wanted"
    raise UsageError(
        f'"{request.recipe.instruction}" is more than a table of colours holds: {near}',
        "edit the video itself, or lower --least",
    )


def grade_video(source: str, cube: Path, output: str, reporter: Reporter, *, replace: bool = True) -> int:
    """Write the source with a table's colours, and all else as it is; the number of frames.

    Raises:
        SourceError: the source or the table cannot be read.
        UsageError: something has the output's name by now, and not `replace`.
        OutputError: the output cannot be written.
    """
    table = read_cube(cube)
    with local_source(source) as path:
        info = probe(path)
        reporter.start(info.video.frames, Path(source).name)
        with FrameReader(path, info=info) as reader, VideoWriter(output, info) as writer:
            with prefetch(reader) as frames:
                for frame in frames:
                    writer.write(graded(frame.pixels, table), frame.pts, frame.duration)
                    reporter.advance(1)
            damage = reader.damage
            until = damage.time if damage is not None and damage.fatal else None
            report = writer.commit(until, Naming(replace=replace))
    if damage is not None:
        reporter.message("warning", f"{source}: {damage.message}; graded what could be read")
    for message in report.messages:
        reporter.message("info", message)
    return report.frames
