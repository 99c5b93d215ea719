"""How a subject answers the two guidance scales: distance from the source must rise with one and fall with the other.

Distances are root mean squared errors between result and source, over all channels. Knows nothing of files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from movie_cli.evaluation.measures import falls, mean, rises, rmse, to_float, to_frames
from movie_cli.evaluation.subjects import Subject
from movie_cli.recipe import DEFAULT_IMAGE_SCALE, DEFAULT_TEXT_SCALE
from movie_cli.training.instructions import canonical

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
    by_text = [_distances(subject, name, scale, DEFAULT_IMAGE_SCALE, photos) for scale in TEXT_SCALES]
    by_image = [_distances(subject, name, DEFAULT_TEXT_SCALE, scale, photos) for scale in IMAGE_SCALES]
    return EditResponse(
        edit=name,
        text_distances=[mean(distances) for distances in by_text],
        image_distances=[mean(distances) for distances in by_image],
        text_share=mean([float(rises(series)) for series in zip(*by_text, strict=True)]),
        image_share=mean([float(falls(series)) for series in zip(*by_image, strict=True)]),
    )


def _distances(
    subject: Subject, name: str, text_scale: float, image_scale: float, photos: Sequence[Tensor]
) -> list[float]:
    run = subject.prepare(canonical(name), text_scale, image_scale)
    return [rmse(to_float(run(to_frames(photo))), photo) for photo in photos]
