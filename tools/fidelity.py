"""How near results are to the bank's targets on photographs, and how they answer the two guidance scales.

At the photographs' own size. Distance from the source, the root mean squared error, must rise with the text scale and
fall with the image scale.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from movie_cli.evaluate.measures import psnr, to_float, to_frames
from movie_cli.evaluate.subjects import Subject, regions_in
from movie_cli.recipe import DEFAULT_IMAGE_SCALE, DEFAULT_TEXT_SCALE, Recipe
from movie_cli.train import bank
from movie_cli.train.instructions import canonical
from tools.measures import NO_ENERGY, falls, gradient_energy, mean, rises, rmse


@dataclass(frozen=True)
class EditFidelity:
    """One edit's means over the photographs, in dB, and gradient energies as multiples of the target's.

    `before` is the PSNR of the untouched source to the target, `after` that of the result, `gain` the difference;
    `worst_gain` is that of the worst photograph. `energy` is by absolute, `energy_squared` by squared differences, each
    the ratio of sums over all photographs.
    """

    edit: str
    group: str
    drawn: bool
    before: float
    after: float
    gain: float
    worst_gain: float
    energy: float
    energy_squared: float


@dataclass(frozen=True)
class Sample:
    """What was seen of one edit on one photograph, each `(1, 3, H, W)` in [0, 1]."""

    source: Tensor
    target: Tensor
    result: Tensor


def target_of(edit: bank.Edit, pictures: Tensor) -> Tensor:
    """The bank's target at the default scales, for `(N, 3, H, W)`, in [0, 1]."""
    with torch.inference_mode():
        strength = bank.amount_of(DEFAULT_TEXT_SCALE, DEFAULT_IMAGE_SCALE)
        return edit.apply(pictures, strength, regions_in(pictures))


def samples(subject: Subject, name: str, photos: Sequence[Tensor]) -> Iterator[Sample]:
    """The edit's target and the subject's result on each photograph `(1, 3, H, W)`."""
    edit = bank.get(name)
    run = subject.prepare(Recipe(canonical(name)))
    for photo in photos:
        yield Sample(photo, target_of(edit, photo), to_float(run(to_frames(photo))))


def measure_edit(name: str, seen: Sequence[Sample]) -> EditFidelity:
    """Sum up what was seen of one edit, at least one sample."""
    before = [psnr(sample.source, sample.target) for sample in seen]
    after = [psnr(sample.result, sample.target) for sample in seen]
    gains = [late - early for early, late in zip(before, after, strict=True)]
    result = sum((gradient_energy(sample.result) for sample in seen), NO_ENERGY)
    target = sum((gradient_energy(sample.target) for sample in seen), NO_ENERGY)
    energy, squared = result.over(target)
    edit = bank.get(name)
    return EditFidelity(
        name, edit.group, edit.drawn, mean(before), mean(after), mean(gains), min(gains), energy, squared
    )


FAR = 22.0
"""PSNR of source to target, in dB, under which an edit changes a picture much."""


TEXT_SCALES = (2.0, 4.0, 8.0, 12.0)
IMAGE_SCALES = (1.0, 1.5, 2.0, 2.5)


@dataclass(frozen=True)
class EditResponse:
    """One edit: mean distances at `TEXT_SCALES` and at `IMAGE_SCALES`, and on how many photographs they are in order.

    `text_share` and `image_share`, in [0, 1], count those on which distances strictly rise or fall.
    """

    edit: str
    text_distances: list[float]
    image_distances: list[float]
    text_share: float
    image_share: float


def measure_response(subject: Subject, name: str, photos: Sequence[Tensor]) -> EditResponse:
    """Measure one edit on photographs, each `(1, 3, H, W)` in [0, 1]: one scale swept, the other at its default."""
    by_text = [distances(subject, name, scale, DEFAULT_IMAGE_SCALE, photos) for scale in TEXT_SCALES]
    by_image = [distances(subject, name, DEFAULT_TEXT_SCALE, scale, photos) for scale in IMAGE_SCALES]
    return EditResponse(
        edit=name,
        text_distances=[mean(found) for found in by_text],
        image_distances=[mean(found) for found in by_image],
        text_share=mean([float(rises(series)) for series in zip(*by_text, strict=True)]),
        image_share=mean([float(falls(series)) for series in zip(*by_image, strict=True)]),
    )


def distances(
    subject: Subject, name: str, text_scale: float, image_scale: float, photos: Sequence[Tensor]
) -> list[float]:
    """Distance from the source of each photograph's result, at these scales."""
    run = subject.prepare(Recipe(canonical(name), text_scale, image_scale))
    return [rmse(to_float(run(to_frames(photo))), photo) for photo in photos]
