"""A few soft chords of sine waves. Plain numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RATE = 44_100
CHORDS = ((220.0, 277.18, 329.63, 440.0), (196.0, 246.94, 293.66, 392.0), (174.61, 220.0, 261.63, 349.23))
"""Frequencies in Hz: A major, G major, F major."""


def chords(seconds: float) -> NDArray[np.float32]:
    """Stereo samples `(2, n)` in [-1, 1]: the chords share the time, each swells and fades."""
    count = round(seconds * RATE)
    time = np.arange(count) / RATE
    total = np.zeros((2, count))
    each = seconds / len(CHORDS)
    for number, notes in enumerate(CHORDS):
        # Each begins a little before the one before has gone.
        place = np.clip((time - number * each) / (1.25 * each), 0, 1)
        swell = np.sin(np.pi * place) ** 2
        for voice, pitch in enumerate(notes):
            wave = np.sin(2 * np.pi * pitch * time) + 0.25 * np.sin(4 * np.pi * pitch * time)
            side = voice / (len(notes) - 1)
            total[0] += (1 - 0.6 * side) * swell * wave
            total[1] += (0.4 + 0.6 * side) * swell * wave
    return (0.09 * total).astype(np.float32)
