"""`python -m tools.bank_report`: everything a model of the bank is judged by, in one folder.

Writes `report.json`, `report.md` and `sheet.png` (source, target and result side by side). Every part can be left out;
phrasings and flicker are measured where `--phrasings` and `--clips` are given; `bank_flicker.json` keeps what the
bank itself measures on clips for the next report in the same folder. Needs the extra `eval`.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from movie_cli.evaluate.subjects import Subject, open_subject
from movie_cli.train.photos import load
from tools import fidelity, flicker, phrasings
from tools.options import (
    at_least,
    clip_files,
    end,
    held_out_photographs,
    known_edits,
    parser,
    parts_of,
    pick,
    use_painter,
    write,
)
from tools.report import Report
from tools.sheets import Rows, contact_sheet, save_picture

PHRASING_PHOTOS, PHRASING_SIDE = 3, 192
"""Phrases are judged on that many held_out_photographs, their shorter side at that many pixels, cut square."""
SHEET_PHOTOS = 3
TARGETS_FILE = "bank_flicker.json"
PARTS = ("fidelity", "phrasings", "scales", "flicker")
log = logging.getLogger(__name__)


def small_squares(paths: Sequence[Path]) -> Tensor:
    """Photographs as one batch `(N, 3, S, S)` in [0, 1], reduced and cut square."""
    return torch.cat([_middle(load(path, PHRASING_SIDE)) for path in paths])


def add_fidelity(report: Report, subject: Subject, edits: Sequence[str], photos: Sequence[Tensor]) -> Rows:
    """Measure fidelity; returns the rows of the contact sheet, whose first is the sources'."""
    rows: Rows = [("source", [photo for photo in photos[:SHEET_PHOTOS] for _ in range(2)])]
    for name in edits:
        seen = list(fidelity.samples(subject, name, photos))
        report.fidelity.append(fidelity.measure_edit(name, seen))
        rows.append((name, [image for sample in seen[:SHEET_PHOTOS] for image in (sample.target, sample.result)]))
        log.info("fidelity %s: gain %.2f dB, energy %.2f", name, report.fidelity[-1].gain, report.fidelity[-1].energy)
    return rows


def add_phrasings(report: Report, subject: Subject, file: Path, photos: Sequence[Path]) -> None:
    """Measure phrasings of a CSV file."""
    rows = phrasings.read_phrasings(file)
    squares = small_squares(pick(photos, PHRASING_PHOTOS))

    def progress(done: int, of: int) -> None:
        if done % 100 == 0 or done == of:
            log.info("phrasings: %d of %d", done, of)

    report.phrasings = phrasings.summarize(phrasings.land(subject, rows, squares, progress))


def add_response(report: Report, subject: Subject, edits: Sequence[str], photos: Sequence[Tensor]) -> None:
    """Measure the answer to both scales."""
    report.response_photos = len(photos)
    for name in edits:
        row = fidelity.measure_response(subject, name, photos)
        report.response.append(row)
        log.info("scales %s: rises %.0f %%, falls %.0f %%", name, 100 * row.text_share, 100 * row.image_share)


def add_flicker(report: Report, subject: Subject, edits: Sequence[str], options: argparse.Namespace) -> None:
    """Measure flicker on the clips of a folder, one clip in memory at a time."""
    memory = flicker.TargetMemory(options.output / TARGETS_FILE)
    clips, frames = pick(clip_files(options.clips), options.clips_count), options.clip_frames
    report.clips, report.clip_frames = [path.name for path in clips], frames
    for path in clips:
        clip = flicker.read_clip(path, subject, frames)
        for name in edits:
            report.flicker_clips.append(flicker.measure_clip(subject, name, clip, memory))
        mine = report.flicker_clips[-len(edits) :]
        log.info("flicker %s: mean ratio %.2f", path.name, sum(row.ratio for row in mine) / len(mine))
    for name in edits:
        report.flicker.append(flicker.summarize(name, [row for row in report.flicker_clips if row.edit == name]))


def run(options: argparse.Namespace) -> Report:
    """Measure what `options` (see `main`) ask for and write the files.

    Raises:
        MovieError: anything that is missing or cannot be read or written.
    """
    use_painter(options)
    edits, wanted = known_edits(options.edits), parts_of(options.only, PARTS)
    subject = open_subject(options.model, options.device, options.dtype)
    paths = held_out_photographs(options.photos)
    chosen = pick(paths, options.photos_count)
    report = Report(subject.name, subject.machine, [path.name for path in chosen])

    @contextmanager
    def part(name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        report.seconds[name] = round(time.monotonic() - began, 1)
        write(options.output / "report.json", report.to_json())
        write(options.output / "report.md", report.to_markdown())

    if "fidelity" in wanted:
        with part("fidelity"):
            rows = add_fidelity(report, subject, edits, [load(path) for path in chosen])
            save_picture(contact_sheet(rows, options.tile_height), options.output / "sheet.png")
    if "phrasings" in wanted and options.phrasings is not None:
        with part("phrasings"):
            add_phrasings(report, subject, options.phrasings, paths)
    if "scales" in wanted:
        with part("scales"):
            add_response(report, subject, edits, [load(path) for path in pick(chosen, options.scale_photos)])
    if "flicker" in wanted and options.clips is not None:
        with part("flicker"):
            add_flicker(report, subject, edits, options)
    return report


def _middle(photo: Tensor) -> Tensor:
    height, width = photo.shape[-2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return photo[..., top : top + side, left : left + side]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code, 0 also where bars are not passed."""
    command = parser("Measure a model of the bank and write a report.")
    add = command.add_argument
    add("--model", default="nano", help="a checkpoint's name or folder, or: bank, identity (default: nano)")
    add("-o", "--output", type=Path, required=True, metavar="DIR", help="where report.json, .md and sheet.png go")
    add("--photos-count", type=at_least(1), default=20, metavar="N", help="photographs for fidelity (default: 20)")
    add("--phrasings", type=Path, metavar="CSV", help="rows edit,phrase; 'unknown' is an edit here")
    add("--scale-photos", type=at_least(1), default=6, metavar="N", help="photographs for the scales (default: 6)")
    add("--clips", type=Path, metavar="DIR", help="folder of clips for flicker")
    add("--clips-count", type=at_least(1), default=100, metavar="N", help="how many of them (default: all)")
    add("--clip-frames", type=at_least(2), default=12, metavar="N", help="frames of each, in three runs (default: 12)")
    add("--only", default="", help=f"comma-separated parts of {', '.join(PARTS)} (default: all)")
    add("--tile-height", type=at_least(16), default=128, help="of sheet.png, in pixels (default: 128)")
    options = command.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    return end(lambda: "".join(f"{bar}\n" for bar in run(options).bars()))


if __name__ == "__main__":
    sys.exit(main())
