"""Rows of `movie eval` as JSON lines and as Markdown: one table of means a model, one of all edits."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
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
