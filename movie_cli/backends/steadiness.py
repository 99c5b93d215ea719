"""What a denoiser is told to be where, kept from wavering from frame to frame."""

from __future__ import annotations

from typing import Any

from movie_cli.backends import Carry

COARSE = 4
"""Latents of a cell that tell of a change: the patch code's first components, those with the largest share."""
SLOWEST, QUICK = 0.2, 1.0
"""The share of a new frame's regions where no latent changes, and the change (in deviations) at which all is new."""


def steadied(latents: Any, channels: int, carry: Carry) -> Any:
    """Source conditions `(N, C, h, w)` of frames in a row, the scene in them changing only as fast as the picture does.

    A region network's answers waver by themselves, and with them what is painted by them: snow on a ground. Here a cell
    takes over most of what it had in the frame before, the less the more its latents change, which are the last
    `channels`. Conditions that are latents alone are given back. Any backend's arrays will do.
    """
    scene = latents.shape[1] - channels
    if scene <= 0:
        return latents
    before = carry.condition
    steady = latents + 0  # a copy, in the same order in memory
    for frame in steady:
        if before is not None:
            coarse = slice(scene, scene + COARSE)
            change = abs(frame[coarse] - before[coarse]).mean(0)
            share = (SLOWEST + (1 - SLOWEST) / QUICK * change).clip(None, 1)
            frame[:scene] = before[:scene] + share * (frame[:scene] - before[:scene])
        before = frame
    carry.condition = before
    return steady
