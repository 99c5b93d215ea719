"""What the bank's own targets measure on clips, remembered in a JSON file between reports.

Making targets takes longer than running a model, and they change only with the bank. Promises numbers of this bank and
of these very frames: a key holds a digest of both. Knows nothing of models.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from movie_cli.backends.base import Pixels
from movie_cli.evaluation.fidelity import target_of
from movie_cli.evaluation.flow import Step, warp_error
from movie_cli.evaluation.measures import GradientEnergy, clip_energy, to_float, to_frames
from movie_cli.training import bank
from movie_cli.training.triplets import fingerprint


@dataclass(frozen=True)
class TargetFacts:
    """Warp error in [0, 1] and summed gradient energies of one edit's targets, made frame by frame."""

    warp_error: float
    absolute: float
    squared: float

    @property
    def energy(self) -> GradientEnergy:
        """Summed over the frames, as `clip_energy` gives it."""
        return GradientEnergy(self.absolute, self.squared)


class TargetMemory:
    """Facts by edit and clip. `path` may be missing, damaged or unwritable; None remembers nothing on disk."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._known: dict[str, list[float]] = {}
        if path is not None:
            with contextlib.suppress(OSError, ValueError):
                self._known = json.loads(path.read_text(encoding="utf-8"))

    def facts(self, name: str, frames: Pixels, steps: Sequence[Step | None]) -> TargetFacts:
        """Measure the targets of an edit on frames `(N, H, W, 3)`, or recall it."""
        edit = bank.get(name)
        digest = hashlib.blake2b(frames.tobytes(), digest_size=12).hexdigest()
        key = f"{name} {fingerprint(edit)} {digest}"
        if key not in self._known:
            target = in_ones(edit, frames)
            energy = clip_energy(target)
            self._known[key] = list(astuple(TargetFacts(warp_error(target, steps), energy.absolute, energy.squared)))
            self._write()
        return TargetFacts(*self._known[key])

    def _write(self) -> None:
        # It only saves time, so failing to write it is no failure.
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._path.write_text(json.dumps(self._known), encoding="utf-8")


def in_ones(edit: bank.Edit, frames: Pixels) -> Pixels:
    """The edit's targets, one frame at a time to bound memory."""
    targets = frames.copy()
    for number, frame in enumerate(frames):
        targets[number] = to_frames(target_of(edit, to_float(frame[None])))[0]
    return targets
