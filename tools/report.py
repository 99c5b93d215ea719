"""A bank report as JSON and as Markdown, and the bars that a model of the bank must pass.

The JSON has all numbers, the Markdown what a person reads.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tools.fidelity import FAR, IMAGE_SCALES, TEXT_SCALES, EditFidelity, EditResponse
from tools.flicker import ClipFlicker, EditFlicker
from tools.measures import mean
from tools.phrasings import PhrasingSummary

MEAN_GAIN = 9.0
FAR_GAIN = 4.0
ENERGY = (0.8, 1.2)
PHRASINGS = 0.95
MONOTONE = 0.9
FLICKER = {False: 1.2, True: 1.8}
"""Most times the source's own warp error: edits of colour, light and season, and drawn and painted ones."""


@dataclass(frozen=True)
class Bar:
    """One bar: what is asked in words, the value in words, and the edits to blame where it fails."""

    asked: str
    value: str
    passed: bool
    failing: list[str]

    def __str__(self) -> str:
        failing = f" ({', '.join(self.failing)})" if self.failing and not self.passed else ""
        return f"{'pass' if self.passed else 'FAIL'}  {self.asked}: {self.value}{failing}"


def fidelity_bars(rows: Sequence[EditFidelity]) -> list[Bar]:
    """Gain over the bank, gain of the edits that change much, gradient energy of each."""
    gain = mean([row.gain for row in rows])
    far = [row for row in rows if row.before < FAR]
    least = min((row.gain for row in far), default=FAR_GAIN)
    energies = [row.energy for row in rows]
    return [
        Bar(f"mean gain at least {MEAN_GAIN:g} dB", f"{gain:.2f} dB", gain >= MEAN_GAIN, []),
        _each(
            f"gain at least {FAR_GAIN:g} dB where the target is under {FAR:g} dB from the source",
            f"least {least:.2f} dB of {len(far)} edits",
            [row.edit for row in far if row.gain < FAR_GAIN],
        ),
        _each(
            f"gradient energy {ENERGY[0]:g} to {ENERGY[1]:g} of the target's",
            f"{min(energies):.2f} to {max(energies):.2f}",
            [row.edit for row in rows if not ENERGY[0] <= row.energy <= ENERGY[1]],
        ),
    ]


def phrasing_bars(summary: PhrasingSummary) -> list[Bar]:
    """Unseen phrasings that land on their edit."""
    share = summary.picture_accuracy
    weak = [name for name, accuracy in summary.per_edit.items() if accuracy < PHRASINGS]
    return [_share(f"unseen phrasings land on their edit, at least {PHRASINGS:.0%}", share, PHRASINGS, weak)]


def response_bars(rows: Sequence[EditResponse]) -> list[Bar]:
    """Both scales: the share of (edit, photograph) pairs that answer monotonically."""
    text = mean([row.text_share for row in rows])
    image = mean([row.image_share for row in rows])
    return [
        _share(
            f"distance rises with the text scale in at least {MONOTONE:.0%} of pairs",
            text,
            MONOTONE,
            [row.edit for row in rows if row.text_share < MONOTONE],
        ),
        _share(
            f"distance falls with the image scale in at least {MONOTONE:.0%} of pairs",
            image,
            MONOTONE,
            [row.edit for row in rows if row.image_share < MONOTONE],
        ),
    ]


def flicker_bars(rows: Sequence[EditFlicker]) -> list[Bar]:
    """Warp error over the source's, mean over the clips, for each edit of either kind; gradient energy likewise."""
    bars = []
    for drawn, kind in ((False, "edits that are not drawn"), (True, "drawn edits")):
        mine = [row for row in rows if row.drawn is drawn]
        if mine:
            worst = max(row.ratio for row in mine)
            bars.append(
                _each(
                    f"warp error at most {FLICKER[drawn]:g} x the source's, {kind}",
                    f"mean {mean([row.ratio for row in mine]):.2f}, worst {worst:.2f}",
                    [row.edit for row in mine if row.ratio > FLICKER[drawn]],
                )
            )
    energies = [row.energy for row in rows]
    bars.append(
        _each(
            f"gradient energy on clips {ENERGY[0]:g} to {ENERGY[1]:g} of the target's",
            f"{min(energies):.2f} to {max(energies):.2f}",
            [row.edit for row in rows if not ENERGY[0] <= row.energy <= ENERGY[1]],
        )
    )
    return bars


def _share(asked: str, share: float, least: float, weak: list[str]) -> Bar:
    """A bar on a share of all; where it is not reached, the edits that pull it down."""
    passed = share >= least
    return Bar(asked, f"{share:.1%}", passed, [] if passed else weak)


def _each(asked: str, value: str, failing: list[str]) -> Bar:
    return Bar(asked, value, not failing, failing)


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
            found += fidelity_bars(self.fidelity)
        if self.phrasings is not None and self.phrasings.phrases:
            found += phrasing_bars(self.phrasings)
        if self.response:
            found += response_bars(self.response)
        if self.flicker:
            found += flicker_bars(self.flicker)
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
