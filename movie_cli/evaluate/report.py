"""What `movie eval` writes: rows as JSON lines, tables in Markdown, and plots as SVG.

Plots are plain SVG without scripts or fonts, readable on light and dark paper: colour drift over time, the spectrum of
flicker, strength against steadiness.
"""

from __future__ import annotations

import html
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from movie_cli.errors import UsageError

Row = dict[str, Any]
COLUMNS = {
    "edit_strength": ("strength", "distance to the source, 0 to 1"),
    "warp_error": ("warp error", "along the source's motion, 0 to 1; lower is steadier"),
    "warp_ratio": ("warp ratio", "warp error over the source's own"),
    "flicker": ("flicker", "brightness that turns round within two frames, 0 to 1; lower is steadier"),
    "colour_drift": ("colour drift", "mean move of the edit's colour since the first frame, in CIELAB units"),
    "background_psnr": ("background", "PSNR outside the mask, dB"),
    "psnr": ("PSNR", "against the reference, dB"),
    "ssim": ("SSIM", "against the reference"),
    "lpips": ("LPIPS", "against the source"),
    "clip_frame": ("CLIPFrame", "mean cosine of all pairs of frames"),
    "clip_image": ("CLIP image", "cosine to the source"),
    "clip_text": ("CLIP text", "cosine to the edited caption"),
    "clip_direction": ("CLIP direction", "cosine of the changes of picture and caption"),
    "pick_score": ("PickScore", "scaled cosine to the edited caption"),
}


def read_rows(path: Path) -> list[Row]:
    """The rows of an earlier run; a last line that was cut off is left out.

    Raises:
        UsageError: the file holds something else.
    """
    if not path.exists():
        return []
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(keepends=True), 1):
        try:
            row = json.loads(line)
            rows.append({**row, "key": (row["clip"], row["edit"], row["model"])})
        except (ValueError, KeyError, TypeError) as error:
            if not line.endswith("\n"):
                break
            raise UsageError(f"{path}, line {number}, is not a row of movie eval", "choose another folder") from error
    return rows


def to_line(row: Row) -> str:
    """One row as a line of JSON."""
    return json.dumps({name: value for name, value in row.items() if name != "key"}, ensure_ascii=False) + "\n"


def to_markdown(rows: Sequence[Row], command: str) -> str:
    """What the measures mean, means over all edits of a model, and every edit."""
    present = [name for name in COLUMNS if any(row.get(name) is not None for row in rows)]
    heads = [COLUMNS[name][0] for name in present]
    models = list(dict.fromkeys(row["model"] for row in rows))
    means = [
        [model, str(sum(row["model"] == model for row in rows))]
        + [_mean([row.get(name) for row in rows if row["model"] == model]) for name in present]
        for model in models
    ]
    single = [
        [row["clip"], row["edit"], row["model"], str(row["frames"]), *(_text(row.get(name)) for name in present)]
        for row in rows
    ]
    lines = ["# Quality of edits", "", f"Made by `{command}`.", ""]
    lines += [f"- {COLUMNS[name][0]}: {COLUMNS[name][1]}" for name in present]
    lines += ["", "## Means", "", *_table(["model", "edits", *heads], means)]
    lines += ["", "## Every edit", "", *_table(["clip", "edit", "model", "frames", *heads], single)]
    return "\n".join(lines) + "\n"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return lines + ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]


def _mean(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return _text(sum(known) / len(known)) if known else ""


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}" if abs(value) < 1 else f"{value:.2f}"


Points = Sequence[tuple[float, float]]
WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 84, 24, 34, 44
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9")
"""Okabe and Ito's, which also colour-blind readers tell apart."""
TICKS = 4


def plots(rows: Sequence[Row]) -> dict[str, str]:
    """File names and SVG texts; means over all edits of a model."""
    models = list(dict.fromkeys(row["model"] for row in rows))
    of = {model: [row for row in rows if row["model"] == model] for model in models}
    drift = {model: _mean_curve([row["curves"]["drift"] for row in own]) for model, own in of.items()}
    spectrum = {model: _spectrum(own) for model, own in of.items()}
    strength = {
        model: [(row["edit_strength"], row["warp_ratio"]) for row in own if row["warp_ratio"] is not None]
        for model, own in of.items()
    }
    return {
        "colour-drift.svg": draw("Colour drift since the first frame", "frame", "CIELAB units", drift),
        "flicker-spectrum.svg": draw("Brightness of edits by frequency", "cycles a frame", "root of power", spectrum),
        "strength-steadiness.svg": draw(
            "Strength against steadiness", "distance to the source", "warp error over the source's", strength, dots=True
        ),
    }


def draw(title: str, across: str, up: str, series: Mapping[str, Points], *, dots: bool = False) -> str:
    """One plot from zero, with a line or dots a series."""
    points = [point for line in series.values() for point in line]
    most_x = max((x for x, _ in points), default=1.0) or 1.0
    most_y = (max((y for _, y in points), default=1.0) or 1.0) * 1.05
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        return LEFT + wide * x / most_x, TOP + high * (1 - y / most_y)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" font-family="sans-serif" '
        f'font-size="13"><title>{html.escape(title)}</title>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        _label(LEFT, 20, title, weight="bold"),
        _label(LEFT + wide / 2, HEIGHT - 8, across, anchor="middle"),
        f'<g transform="translate(16 {TOP + high / 2}) rotate(-90)">{_label(0, 0, up, anchor="middle")}</g>',
    ]
    for tick in range(TICKS + 1):
        x, y = most_x * tick / TICKS, most_y * tick / TICKS
        (px, _), (_, py) = place(x, 0), place(0, y)
        parts.append(f'<path d="M{LEFT} {py:.1f}H{LEFT + wide}" stroke="#ccc"/>')
        parts.append(_label(LEFT - 6, py + 4, f"{y:.3g}", anchor="end"))
        parts.append(_label(px, TOP + high + 18, f"{x:.3g}", anchor="middle"))
    for number, (name, line) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        placed = [place(x, y) for x, y in line]
        if dots:
            parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>' for x, y in placed]
        elif placed:
            path = "L".join(f"{x:.1f} {y:.1f}" for x, y in placed)
            parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(_label(WIDTH - RIGHT, 20 + 16 * number, name, anchor="end", fill=colour))
    return "\n".join([*parts, "</svg>\n"])


def _label(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal", fill: str = "#222") -> str:
    style = f'text-anchor="{anchor}" font-weight="{weight}" fill="{fill}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{html.escape(text)}</text>'


def _mean_curve(curves: Sequence[Sequence[float]]) -> list[tuple[float, float]]:
    longest = max((len(curve) for curve in curves), default=0)
    found = []
    for index in range(longest):
        there = [curve[index] for curve in curves if index < len(curve)]
        found.append((float(index), sum(there) / len(there)))
    return found


def _spectrum(rows: Sequence[Row]) -> list[tuple[float, float]]:
    """Root of the mean power of the clips that have the longest spectrum's frequencies."""
    longest = max((len(row["curves"]["power"]) for row in rows), default=0)
    own = [row["curves"] for row in rows if len(row["curves"]["power"]) == longest]
    return [
        (own[0]["frequencies"][i], math.sqrt(sum(curves["power"][i] for curves in own) / len(own)))
        for i in range(1, longest)
    ]
