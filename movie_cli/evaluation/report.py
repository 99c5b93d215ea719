"""A bank report as JSON and as Markdown.

Promises files that hold the same numbers; the JSON has all of them, the Markdown what a person reads. Knows nothing of
how they were measured.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from movie_cli.errors import OutputError
from movie_cli.evaluation import bars
from movie_cli.evaluation.bars import Bar
from movie_cli.evaluation.fidelity import EditFidelity
from movie_cli.evaluation.flicker import ClipFlicker, EditFlicker
from movie_cli.evaluation.measures import mean
from movie_cli.evaluation.phrasings import PhrasingSummary
from movie_cli.evaluation.response import IMAGE_SCALES, TEXT_SCALES, EditResponse


@dataclass
class Report:
    """All that was measured of one subject; a part that was not asked for stays empty.

    `photos` and `clips` are file names; `seconds` is the wall-clock time of each part.
    """

    model: str
    machine: str
    photos: list[str]
    fidelity: list[EditFidelity] = field(default_factory=list)
    phrasings: PhrasingSummary | None = None
    response: list[EditResponse] = field(default_factory=list)
    response_photos: int = 0
    clips: list[str] = field(default_factory=list)
    clip_frames: int = 0
    flicker: list[EditFlicker] = field(default_factory=list)
    flicker_clips: list[ClipFlicker] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def bars(self) -> list[Bar]:
        """The verdicts on the parts that were measured."""
        found: list[Bar] = []
        if self.fidelity:
            found += bars.fidelity_bars(self.fidelity)
        if self.phrasings is not None and self.phrasings.phrases:
            found += bars.phrasing_bars(self.phrasings)
        if self.response:
            found += bars.response_bars(self.response)
        if self.flicker:
            found += bars.flicker_bars(self.flicker)
        return found

    def to_json(self) -> str:
        """All numbers; those that are not finite become null."""
        values = dataclasses.asdict(self) | {"bars": [dataclasses.asdict(bar) for bar in self.bars()]}
        return json.dumps(_finite(values), indent=1, ensure_ascii=False) + "\n"

    def to_markdown(self) -> str:
        """Headed tables: the bars, then each part."""
        lines = [
            f"# Bank report of {self.model}",
            "",
            f"On {self.machine}. {len(self.photos)} held-out photographs.",
            "",
        ]
        lines += _table(
            ("bar", "measured", "passed", "failing"),
            [(bar.asked, bar.value, "yes" if bar.passed else "**no**", ", ".join(bar.failing)) for bar in self.bars()],
        )
        if self.fidelity:
            lines += ["## Fidelity", "", _FIDELITY_TEXT, "", *self._fidelity_table()]
        if self.phrasings is not None:
            lines += ["## Phrasings", "", *self._phrasing_lines(self.phrasings)]
        if self.response:
            lines += ["## Scales", "", *self._response_lines()]
        if self.flicker:
            lines += ["## Flicker", "", *self._flicker_lines()]
        return "\n".join(lines).rstrip() + "\n"

    def _fidelity_table(self) -> list[str]:
        rows: list[Sequence[str]] = [
            (
                row.edit,
                row.group,
                f"{row.before:.2f}",
                f"{row.after:.2f}",
                f"{row.gain:+.2f}",
                f"{row.worst_gain:+.2f}",
                f"{row.energy:.2f}",
                f"{row.energy_squared:.2f}",
            )
            for row in self.fidelity
        ]
        average = [mean([getattr(row, key) for row in self.fidelity]) for key in _FIDELITY_KEYS]
        rows.append(("**mean**", "", *(f"{value:.2f}" for value in average)))
        return _table(("edit", "group", "before", "after", "gain", "worst", "energy", "energy²"), rows)

    def _phrasing_lines(self, summary: PhrasingSummary) -> list[str]:
        lines = [
            f"{summary.phrases} phrases: {summary.picture_accuracy:.1%} land on their edit by the picture, "
            f"{summary.text_accuracy:.1%} by the text encoder alone; {summary.known_flagged:.1%} are wrongly flagged "
            f"as unknown. Of {summary.unknown_phrases} unknown phrases {summary.unknown_detected:.1%} are flagged.",
            "",
        ]
        weak = sorted((share, name) for name, share in summary.per_edit.items() if share < 1)
        lines += _table(("edit", "by picture"), [(name, f"{share:.0%}") for share, name in weak])
        misses = [(miss.meant, miss.picture, miss.text, miss.phrase.replace("|", "/")) for miss in summary.misses]
        return lines + _table(("meant", "picture", "text", "phrase"), misses)

    def _response_lines(self) -> list[str]:
        text = [f"{scale:g}" for scale in TEXT_SCALES]
        image = [f"{scale:g}" for scale in IMAGE_SCALES]
        rows = [
            (
                row.edit,
                *(f"{value:.3f}" for value in row.text_distances),
                f"{row.text_share:.0%}",
                *(f"{value:.3f}" for value in row.image_distances),
                f"{row.image_share:.0%}",
            )
            for row in self.response
        ]
        head = ("edit", *(f"text {scale}" for scale in text), "rises", *(f"image {scale}" for scale in image), "falls")
        return [_RESPONSE_TEXT.format(self.response_photos), "", *_table(head, rows)]

    def _flicker_lines(self) -> list[str]:
        rows = [
            (
                row.edit,
                row.group,
                f"{row.ratio:.2f}",
                f"{row.worst_ratio:.2f}",
                f"{row.target_ratio:.2f}",
                f"{row.energy:.2f}",
            )
            for row in self.flicker
        ]
        groups = dict.fromkeys(row.group for row in self.flicker)
        by_group = [
            (
                f"**{group}**",
                "",
                *(
                    f"{mean([getattr(row, key) for row in self.flicker if row.group == group]):.2f}"
                    for key in ("ratio", "worst_ratio", "target_ratio", "energy")
                ),
            )
            for group in groups
        ]
        head = ("edit", "group", "warp error", "worst clip", "bank's own", "energy")
        text = _FLICKER_TEXT.format(self.clip_frames, ", ".join(self.clips))
        return [text, "", *_table(head, [*rows, *by_group])]


_FIDELITY_KEYS = ("before", "after", "gain", "worst_gain", "energy", "energy_squared")
_FIDELITY_TEXT = (
    "PSNR in dB of the untouched source (before) and of the result (after) to the bank's target at the default scales, "
    "means over the photographs; the gain is their difference. Energy: mean absolute forward difference of luma, "
    "result over target; energy²: mean squared forward difference."
)
_RESPONSE_TEXT = "Mean RMSE from the source on {} photographs, and the share on which it is strictly monotone."
_FLICKER_TEXT = (
    "Warp error along the source's optical flow (DIS, occlusions left out) over the source's own, on {} frames, in "
    "three runs spread evenly, of each of {}; mean over the clips, the worst clip, and the same of the bank's targets "
    "made frame by frame. Energy: mean absolute forward difference of luma, result over target."
)


def write_text(path: Path, text: str) -> None:
    """Write a file of a report.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}", "give a folder you may write to") from error


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    body = ["| " + " | ".join(row) + " |" for row in rows]
    if not body:
        return []
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *body, ""]


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, float):
        return round(value, 5) if math.isfinite(value) else None
    return value
