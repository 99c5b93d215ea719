"""Looks painted by the style teacher: what is refused without it, and what holds when the real one paints."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import pytest
import torch

from movie_cli.errors import ModelError, UsageError
from movie_cli.models.region_names import REGIONS
from movie_cli.train.bank import ops, paint, painting
from movie_cli.train.bank.edit import Edit
from movie_cli.train.bank.scene import Scene
from movie_cli.train.bank_samples import fingerprint
from tests.train.bank.test_drawn import psnr, scene

DATA = Path(__file__).resolve().parents[3] / ".." / "shared" / "data"
TEACHERS, PAINTINGS = DATA / "teachers", DATA / "paintings"
needs_teacher = pytest.mark.skipif(
    not ((TEACHERS / paint.TRANSFER).is_file() and PAINTINGS.is_dir()), reason="the style teacher is not there"
)
every_edit = pytest.mark.parametrize("edit", painting.EDITS, ids=[edit.name for edit in painting.EDITS])


@pytest.fixture
def teacher():
    paint.use(TEACHERS, PAINTINGS)
    yield
    paint._folders.clear()
    paint._painter.cache_clear()


def test_painted_looks_say_what_they_need():
    assert all(edit.painted and edit.drawn and edit.group == "painting" for edit in painting.EDITS)
    with pytest.raises(UsageError, match="no style teacher is named") as caught:
        painting.munch(Scene(scene(32, 32)))
    assert "data.teachers" in caught.value.hint


@needs_teacher
def test_missing_and_other_files_are_named(tmp_path):
    with pytest.raises(ModelError, match=r"style_predict\.tflite cannot be read"):
        paint.use(tmp_path, PAINTINGS)
    for name in paint.TEACHERS:
        shutil.copy(TEACHERS / name, tmp_path / name)
    with pytest.raises(ModelError, match=r"\.jpg cannot be read") as caught:
        paint.use(tmp_path, tmp_path)
    assert "data.paintings" in caught.value.hint
    (tmp_path / paint.PREDICT).chmod(0o644)
    (tmp_path / paint.PREDICT).write_bytes(b"another")
    with pytest.raises(ModelError, match=r"style_predict\.tflite is another file than expected"):
        paint.use(tmp_path, PAINTINGS)
    with pytest.raises(UsageError):
        paint.check_ready("munch")


@needs_teacher
@every_edit
def test_painted_pictures_are_in_range_repeatable_and_of_any_size(edit: Edit, teacher):
    for size in ((61, 83), (16, 16)):
        image = torch.cat([scene(*size), scene(*size).flip(-1)])
        result = edit.full(image)
        assert result.shape == image.shape
        assert torch.isfinite(result).all()
        assert result.min() >= 0
        assert result.max() <= 1
        assert torch.equal(result, edit.full(image))
    assert psnr(image, result) < 24


@needs_teacher
def test_no_two_painted_looks_are_alike(teacher):
    results = {edit.name: edit.full(scene()) for edit in painting.EDITS}
    alike = [(a, b) for a, b in itertools.combinations(results, 2) if psnr(results[a], results[b]) > 24]
    assert not alike


@needs_teacher
def test_forms_stay_where_they_are_in_a_wide_picture(teacher):
    """A picture is neither stretched nor moved: a bright disc is painted where it is."""
    y, x = torch.meshgrid(torch.arange(96.0), torch.arange(192.0), indexing="ij")
    disc = torch.sigmoid((20 - ((x - 140) ** 2 + (y - 40) ** 2).sqrt()) / 2)
    result = ops.luma(paint.painted(Scene((0.15 + 0.7 * disc).expand(1, 3, -1, -1)), "munch_the_scream.jpg", 0.5, 0.5))
    bright = ops.smoothstep(0.4, 0.8, result)[0, 0]
    assert float((bright * x).sum() / bright.sum()) == pytest.approx(140, abs=3)
    assert float((bright * y).sum() / bright.sum()) == pytest.approx(40, abs=3)


@needs_teacher
def test_faces_are_painted_with_less_of_the_painting(teacher):
    image = scene()
    regions = torch.zeros(1, len(REGIONS), 4, 4)
    regions[:, REGIONS.index("person")] = regions[:, REGIONS.index("face_and_skin"), ..., 2:] = 1

    def distances(faces: float) -> list[float]:
        change = (paint.painted(Scene(image, regions), "marc_yellow_cow.jpg", 0.9, faces) - image).abs()
        return [float(change[..., :40].mean()), float(change[..., -40:].mean())]

    (away, near), (same, more) = distances(0.2), distances(0.9)
    assert near < 0.8 * more
    assert away == pytest.approx(same, abs=1e-4)


@needs_teacher
def test_targets_are_told_apart_by_painting_and_amount(teacher):
    def edit(file: str, amount: float) -> Edit:
        return Edit(f"{file}{amount}", "painting", lambda scene: paint.painted(scene, file, amount, amount))

    first, *others = ("munch_the_scream.jpg", 0.8), ("munch_the_scream.jpg", 0.7), ("klimt_the_kiss.jpg", 0.8)
    digest = fingerprint(edit(*first))
    assert all(fingerprint(edit(*other)) != digest for other in others)
    assert fingerprint(edit(*first)) == digest
