"""What photographers do: focus and glow, contrast and colour, prints and film of their time.

Blur, sharpness, soft focus, glow, vignette; contrast, fading, HDR, matt and pastel tones, two inks, more and less
colour, the negative; instant film, a print of the 1970s, silent film, bleach bypass. Nothing lies upon the picture
that stands still while it moves: no grain, no scratches, no frames.
"""

from __future__ import annotations

import torch
from torch import Tensor

from movie_cli.train.bank import film, ops, strokes
from movie_cli.train.bank.edit import Edit
from movie_cli.train.bank.scene import Scene


def recoloured(image: Tensor, tone: Tensor, saturation: float = 1.0) -> Tensor:
    """`image` with the brightness `tone` `(N, 1, H, W)` and its distance from grey times `saturation`.

    Colour follows brightness halfway, as between a film, whose shadows gain colour with light, and a grade.
    """
    luma = ops.luma(image)
    ratio = ((tone + 0.12) / (luma + 0.12)).clamp(0.3, 2.0)
    return tone + (image - luma) * saturation * ratio


def livened(image: Tensor, factor: Tensor | float) -> Tensor:
    """Scale the distance from grey by `factor`, but not its finest detail, which in a video is mostly noise."""
    tint = image - ops.luma(image)
    return image + (factor - 1) * ops.blur(tint, 1.2)


def split_toned(image: Tensor, shadows: tuple[float, ...], lights: tuple[float, ...]) -> Tensor:
    """`image` with a tint added in its shadows and another in its lights, as darkroom toners do."""
    luma = ops.luma(image)
    low, high = (1 - luma).clamp(0, 1) ** 2, luma.clamp(0, 1) ** 1.5
    return image + low * ops.colour(shadows, image) + high * ops.colour(lights, image)


def corners(image: Tensor) -> Tensor:
    """0 in the middle of the picture, 1 in its corners, `(1, 1, H, W)`."""
    across = torch.linspace(-1, 1, image.shape[-1], device=image.device, dtype=image.dtype).view(1, 1, 1, -1)
    down = 2 * ops.height(image) - 1
    return ((across * across + down * down) / 2).clamp(0, 1)


def _blur(scene: Scene) -> Tensor:
    """Out of focus; the subject does not run into its surroundings, so that these can be blurred alone."""
    image, inside = scene.image, scene.subject
    near = ops.blur(image * inside, 5.0) / (ops.blur(inside, 5.0) + 1e-3)
    far = ops.blur(image * (1 - inside), 5.0) / (ops.blur(1 - inside, 5.0) + 1e-3)
    return ops.mix(far, near, ops.blur(inside, 2.0))


def _sharpen(scene: Scene) -> Tensor:
    """Crisp: fine detail raised in brightness, not in colour; the noise of flat places is left."""
    luma = scene.luma
    fine, wide = luma - ops.blur(luma, 0.9), luma - ops.blur(luma, 2.2)
    worth = ops.smoothstep(0.004, 0.03, ops.local_contrast(luma, 2.0))
    return scene.image + worth * torch.tanh((0.85 * fine + 0.55 * wide) / 0.35) * 0.35


def _soft_focus(scene: Scene) -> Tensor:
    """A soft lens: a sharp picture under its own blurred one, gentle, without glow in the shadows."""
    image = scene.image
    soft = ops.mix(image, ops.blur(image, 5.0), 0.58)
    return ops.mix(soft, ops.screen(soft, 0.4 * ops.blur(image, 5.0) ** 2), 0.8)


def _dreamy(scene: Scene) -> Tensor:
    """A dream: all glows, lights bleed rosy into the shadows, colours are light and full."""
    image = scene.image
    glow = ops.saturate(ops.blur(image.clamp_min(0) ** 1.3, 8.0), 1.6)
    lit = ops.screen(0.86 * image + 0.02, 0.74 * glow * ops.colour((1.08, 0.94, 1.06), image))
    return ops.mix(lit, ops.colour((1.0, 0.88, 0.95), image), 0.10)


def _vignette(scene: Scene) -> Tensor:
    """Dark corners and edges around a clear middle."""
    return scene.image * (1 - 0.92 * ops.smoothstep(0.12, 0.85, corners(scene.image)))


def _cinematic(scene: Scene) -> Tensor:
    """A film's grade: low key, soft shoulders, blue-green shadows and warm lights, less colour, a slight vignette."""
    tone = film.sigmoid_contrast(film.clarity(scene.luma, 0.2), 4.2, 0.56) * 0.86
    graded = recoloured(scene.image, tone, 0.72)
    graded = split_toned(graded, (-0.02, 0.045, 0.075), (0.07, 0.015, -0.07))
    glow = film.bloom(tone, 0.55, 0.9, 6.0) * ops.colour((0.30, 0.20, 0.12), tone)
    return ops.screen(graded.clamp(0, 1), glow) * (1 - 0.5 * ops.smoothstep(0.25, 1.0, corners(scene.image)))


def _high_contrast(scene: Scene) -> Tensor:
    """Deep blacks and bright lights, about what is usual around."""
    around = ops.blur(scene.luma, 24.0)
    tone = film.sigmoid_contrast(scene.luma, 7.0, 0.48)
    own = torch.sigmoid(8.0 * (scene.luma - 0.27 - 0.40 * around))
    return recoloured(scene.image, ops.mix(tone, own, 0.45), 1.1)


def _faded(scene: Scene) -> Tensor:
    """Washed out by the sun: milky blacks, pale and thin colours."""
    milk = 0.40 + 0.50 * scene.luma + 0.25 * (scene.luma - scene.wide_luma)
    return recoloured(scene.image, milk, 0.42) + ops.colour((0.015, 0.01, -0.01), milk)


def _hdr(scene: Scene) -> Tensor:
    """Tone-mapped: shadows opened, skies held, every small form with hard contrast and full colour."""
    luma = scene.luma
    base = film.base_layer(luma, 16, 0.03)
    fine = luma - ops.blur(luma, 1.0)
    tone = 0.24 + 0.42 * base.clamp(0, 1) ** 0.8 + 2.0 * (luma - base - fine) + 1.3 * fine
    return livened(recoloured(scene.image, tone.clamp(0, 1)), 1.65)


def _polaroid(scene: Scene) -> Tensor:
    """Instant film: soft, cream lights, blue-green shadows, milky blacks, brown towards the edges."""
    image = ops.mix(scene.image, ops.blur(scene.image, 1.2), 0.6)
    tone = 0.17 + 0.74 * film.sigmoid_contrast(ops.luma(image), 3.6, 0.44)
    print_ = split_toned(recoloured(image, tone, 0.72), (-0.05, 0.04, 0.07), (0.05, 0.02, -0.14))
    print_ = ops.screen(print_.clamp(0, 1), 0.16 * (1 - corners(image)))
    edge = ops.smoothstep(0.25, 1.0, corners(image))
    return print_ * ops.mix(torch.ones_like(print_), ops.colour((0.66, 0.55, 0.46), image), edge)


def _seventies(scene: Scene) -> Tensor:
    """A snapshot of the 1970s: all in brown, orange and mustard, as the dyes have turned; reds full, blues gone."""
    image = ops.mix(scene.image, ops.blur(scene.image, 1.0), 0.4)
    tone = 0.08 + 0.80 * film.sigmoid_contrast(ops.luma(image), 4.0, 0.46)
    warm = recoloured(image, tone, 0.9)
    aged = ops.gradient_map(
        tone,
        ((0.0, (0.16, 0.05, 0.03)), (0.35, (0.47, 0.25, 0.10)), (0.7, (0.90, 0.63, 0.27)), (1.0, (1.0, 0.90, 0.60))),
    )
    return ops.mix(warm * ops.colour((1.12, 0.92, 0.60), image) + ops.colour((0.05, 0.015, 0.0), image), aged, 0.55)


def _old_film(scene: Scene) -> Tensor:
    """Silent film: grey from blind red, soft, blooming whites, a round fall of light to black corners."""
    grey = film.panchromatic(scene.image, (0.06, 0.42, 0.52))
    grey = ops.mix(grey, ops.blur(grey, 1.4), 0.7)
    grey = film.sigmoid_contrast(grey, 5.5, 0.45)
    grey = ops.screen(grey, 0.5 * film.bloom(grey, 0.55, 0.95, 8.0))
    lamp = 1 - 0.97 * ops.smoothstep(0.28, 0.85, corners(scene.image))
    return ops.gradient_map(
        (0.05 + 0.92 * grey) * lamp, ((0.0, (0.03, 0.03, 0.027)), (0.5, (0.51, 0.50, 0.46)), (1.0, (0.99, 0.98, 0.91)))
    )


def _bleach_bypass(scene: Scene) -> Tensor:
    """Silver left in the film: hard, metallic contrast and little colour, cold."""
    tone = film.sigmoid_contrast(film.clarity(scene.luma, 0.25), 5.6, 0.45)
    return recoloured(scene.image, tone, 0.30) * ops.colour((0.97, 1.0, 1.01), tone)


def _matte(scene: Scene) -> Tensor:
    """A matt print: blacks end in slate grey, whites below paper, the middle as clear as before."""
    tone = ops.tone_curve(scene.luma, ((0.0, 0.23), (0.18, 0.27), (0.45, 0.50), (0.8, 0.78), (1.0, 0.85)))
    return split_toned(recoloured(scene.image, tone, 0.82), (-0.015, 0.0, 0.035), (0.0, 0.0, 0.0))


def _pastel(scene: Scene) -> Tensor:
    """Sugar colours: all light, each hue soft and even, greys a little rosy."""
    luma = scene.luma
    tone = 0.58 + 0.36 * film.base_layer(luma, 10, 0.01).clamp(0, 1) + 0.75 * (luma - film.base_layer(luma, 10, 0.01))
    tint = scene.image - luma
    size = torch.sqrt((tint * tint).sum(dim=1, keepdim=True) + 1e-4)
    return tone + tint * 0.26 / (size + 0.16) + ops.colour((0.035, -0.015, 0.015), luma)


def _duotone(scene: Scene) -> Tensor:
    """Printed in two inks: violet blue in the shadows, coral and pale yellow in the lights."""
    tone = film.sigmoid_contrast(film.clarity(scene.luma, 0.2), 4.5, 0.46)
    return ops.gradient_map(
        tone,
        ((0.0, (0.11, 0.03, 0.36)), (0.4, (0.50, 0.14, 0.56)), (0.72, (0.98, 0.42, 0.42)), (1.0, (1.0, 0.90, 0.58))),
    )


def _enhance(scene: Scene) -> Tensor:
    """The same, at its best: shadows opened, haze gone, clear forms, livelier colours where they were dull."""
    luma = scene.luma
    around = ops.blur(luma, 24.0)
    # A dim picture is brought up to the middle, and what lies in shadow opened; small forms stand out a little.
    tone = luma + 0.30 * (0.55 - around) * (4 * luma * (1 - luma)).clamp(0, 1)
    tone = film.clarity(tone + 0.22 * luma * (1 - luma) ** 3, 0.45)
    dull = ops.smoothstep(0.75, 0.25, ops.saturation(scene.soft))
    return livened(recoloured(scene.image, tone), 1.08 + 0.32 * dull)


def _colourful(scene: Scene) -> Tensor:
    """Vivid: every colour as strong as it goes, greys and brightness kept."""
    tint = scene.soft - ops.luma(scene.soft)
    size = torch.sqrt((tint * tint).sum(dim=1, keepdim=True) + 1e-5)
    return livened(scene.image, 1.0 + 1.9 / (1 + 3.0 * size))


def _muted(scene: Scene) -> Tensor:
    """Quiet colours: mostly grey, brightness kept."""
    return ops.saturate(scene.image, 0.30)


def _negative(scene: Scene) -> Tensor:
    """The negative: light is dark and every colour its opposite."""
    return 1 - scene.image


def _posterise(scene: Scene) -> Tensor:
    """A poster of few, flat, strong colours with clear borders."""
    smooth = strokes.patches(strokes.patches(scene.image, 1), 2)
    return strokes.flat_colours(ops.saturate(smooth, 1.8), 5.0, 4.0, 0.4)


EDITS: tuple[Edit, ...] = (
    Edit("blur", "photographic", _blur),
    Edit("sharpen", "photographic", _sharpen),
    Edit("soft_focus", "photographic", _soft_focus),
    Edit("dreamy", "photographic", _dreamy),
    Edit("vignette", "photographic", _vignette),
    Edit("cinematic", "photographic", _cinematic),
    Edit("high_contrast", "photographic", _high_contrast),
    Edit("faded", "photographic", _faded),
    Edit("hdr", "photographic", _hdr),
    Edit("polaroid", "photographic", _polaroid),
    Edit("seventies", "photographic", _seventies),
    Edit("old_film", "photographic", _old_film),
    Edit("bleach_bypass", "photographic", _bleach_bypass),
    Edit("matte", "photographic", _matte),
    Edit("pastel", "photographic", _pastel),
    Edit("duotone", "photographic", _duotone),
    Edit("enhance", "photographic", _enhance),
    Edit("colourful", "photographic", _colourful),
    Edit("muted", "photographic", _muted),
    Edit("negative", "photographic", _negative),
    Edit("posterise", "photographic", _posterise, drawn=True),
)
