"""How near one backend's edits are to another's, and how much faster it is, measured on drawn pictures.

Pictures are dead leaves (Lee, Mumford and Huang 2001): discs of all sizes that cover each other have the statistics of
photographs, edges and flat parts at every scale. Each leaf has a shade and a grain, and each picture a light from one
side.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from movie_cli.backends import Backend, Carry, Pixels, Settings
from movie_cli.recipe import Recipe

SMALLEST, LARGEST = 0.01, 0.5
"""Radii of leaves, as shares of the picture's shorter side."""
LEAVES = 900
INSTRUCTIONS = ("make it winter", "make it night", "as a pencil drawing")
FRAMES, BATCHES, ROUNDS = 2, 3, 3


class Comparison(NamedTuple):
    """A backend beside torch: `decibels` (PSNR) near to its edits in float32, and `times` as fast as it usually is."""

    decibels: float
    times: float


def nearness(exact: Backend, other: Backend, size: tuple[int, int]) -> float:
    """PSNR in dB between the edits of two backends at a size (width, height): the least of `INSTRUCTIONS`."""
    frames = draw_clip(FRAMES, size)
    recipes = [Recipe(instruction) for instruction in INSTRUCTIONS]
    return min(psnr(edit_clip(exact, recipe, frames), edit_clip(other, recipe, frames)) for recipe in recipes)


def times_as_fast(usual: Backend, other: Backend, size: tuple[int, int]) -> float:
    """How many times as fast another backend edits frames of a size (width, height).

    Both take turns, and the best of each counts: what else the machine does only makes one slower.
    """
    frames, best = draw_clip(FRAMES, size), [math.inf, math.inf]
    runs = [_run(usual, frames), _run(other, frames)]
    for _ in range(ROUNDS):
        for number, run in enumerate(runs):
            began = time.perf_counter()
            run()
            best[number] = min(best[number], time.perf_counter() - began)
    return best[0] / best[1]


def _run(backend: Backend, frames: Pixels) -> Callable[[], None]:
    """Some batches of `frames` as an edit has them: each is decoded while the next one is denoised, where that goes."""
    settings = _settings(backend, Recipe(INSTRUCTIONS[0]))

    def run() -> None:
        fetch = None
        for _ in range(BATCHES):
            latents = backend.encode_frames(frames)
            if backend.edit_later is None:
                backend.decode_latents(backend.denoise(latents, settings), frames)
                continue
            following = backend.edit_later(latents, frames, settings, Carry())
            if fetch is not None:
                fetch()
            fetch = following
        if fetch is not None:
            fetch()

    run()  # what is made with the first frames does not count
    return run


def edit_clip(backend: Backend, recipe: Recipe, frames: Pixels) -> Pixels:
    """Frames `(N, H, W, 3)` at the working size, edited with the first one as their anchor."""
    settings = _settings(backend, recipe)
    latents = backend.encode_frames(frames)
    backend.set_anchors(latents[:1], settings)
    return backend.decode_latents(backend.denoise(latents, settings), frames)


def _settings(backend: Backend, recipe: Recipe) -> Settings:
    text = backend.embed_text(recipe.instruction)
    return Settings(text, *recipe.scales, recipe.seed, backend.descriptor.steps)


def psnr(wanted: Pixels, found: Pixels) -> float:
    """Peak signal-to-noise ratio in dB of 8-bit pictures; 99 where they are equal."""
    error = float(np.square(wanted.astype(np.float32) - found).mean())
    return 99.0 if error == 0 else min(99.0, 10 * float(np.log10(255**2 / error)))


def draw_pictures(count: int, size: tuple[int, int], seed: int = 0) -> Pixels:
    """Pictures `(count, H, W, 3)`; `size` is width and height. The same for the same seed, count and size."""
    generator = np.random.default_rng(seed)
    return np.stack([_draw(size, generator) for _ in range(count)])


def draw_clip(count: int, size: tuple[int, int], seed: int = 0) -> Pixels:
    """Frames `(count, H, W, 3)` of one picture that is slowly panned over."""
    width, height = size
    wide = draw_pictures(1, (width + 4 * count, height), seed)[0]
    return np.stack([wide[:, 4 * number : 4 * number + width] for number in range(count)])


def _draw(size: tuple[int, int], generator: np.random.Generator) -> Pixels:
    width, height = size
    short = min(size)
    picture = Image.new("RGB", size)
    draw = ImageDraw.Draw(picture)
    base = generator.uniform(40, 200, 3)
    # Areas fall with the third power of the radius, largest leaves first, so that small ones stay visible.
    shares = generator.uniform(0, 1, LEAVES)
    radii = np.sort(short * (shares * SMALLEST**-2 + (1 - shares) * LARGEST**-2) ** -0.5)[::-1]
    for radius in radii:
        x, y = generator.uniform(0, width), generator.uniform(0, height)
        colour = np.clip(base + generator.normal(0, 60, 3) + generator.normal(0, 40), 0, 255).astype(int)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=tuple(int(each) for each in colour))
    pixels = np.asarray(picture, np.float32)
    left, right = generator.uniform(0.6, 1.2, 2)
    light = np.linspace(left, right, width)[None, :, None]
    grain = generator.normal(0, generator.uniform(0, 8), (height, width, 1))
    return np.clip(pixels * light + grain, 0, 255).astype(np.uint8)
