"""The bars that a model of the bank must pass, and whether a report's numbers pass them.

Promises one verdict a bar, with the edits that fail it. Knows nothing of how the numbers were made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from movie_cli.evaluation.fidelity import FAR, EditFidelity
from movie_cli.evaluation.flicker import EditFlicker
from movie_cli.evaluation.measures import mean
from movie_cli.evaluation.phrasings import PhrasingSummary
from movie_cli.evaluation.response import EditResponse

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
