"""The photographic looks: the contract of an edit, and what makes each one itself."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from movie_cli.models.region_names import REGIONS
from movie_cli.train.bank import ops, photographic
from movie_cli.train.bank.edit import Edit

BY_NAME = {edit.name: edit for edit in photographic.EDITS}
each = pytest.mark.parametrize("edit", photographic.EDITS, ids=BY_NAME)


def street(high: int = 72, wide: int = 96) -> Tensor:
    """A blue sky, a sunlit brick wall with a fine pattern, a dark doorway."""
    y = torch.linspace(0, 1, high).view(-1, 1).expand(high, wide)
    x = torch.linspace(0, 1, wide).view(1, -1).expand(high, wide)
    sky = torch.stack([0.45 + 0.3 * y, 0.62 + 0.2 * y, 0.92 + 0 * x])
    bricks = 0.09 * torch.sin(70 * x) * torch.sin(50 * y)
    wall = torch.stack([0.68 + bricks, 0.42 + bricks, 0.30 + bricks])
    door = torch.sigmoid((0.12 - (x - 0.6).abs()) * 60) * torch.sigmoid((y - 0.55) * 60)
    picture = sky + (wall - sky) * torch.sigmoid((y - 0.35) * 50)
    return (picture * (1 - 0.88 * door)).clamp(0, 1).unsqueeze(0)


def energy(image: Tensor) -> float:
    return float(torch.cat([plane.flatten() for plane in ops.gradient(image)]).norm())


def grey(level: float) -> Tensor:
    return torch.full((1, 3, 48, 48), level)


@each
@pytest.mark.parametrize("size", [(16, 16), (37, 53), (72, 96)])
def test_shape_range_and_determinism(edit: Edit, size: tuple[int, int]) -> None:
    one = street(*size)
    image = torch.cat([one, one.flip(-1) * 0.7])
    before = image.clone()
    out = edit.full(image)
    assert out.shape == image.shape and out.dtype == torch.float32
    assert 0 <= float(out.min()) <= float(out.max()) <= 1
    assert torch.equal(image, before) and torch.equal(out, edit.full(image))
    torch.testing.assert_close(out[:1], edit.full(one), atol=1e-5, rtol=0)


@each
def test_calm_under_small_changes(edit: Edit) -> None:
    image = street()
    out = edit.full(image)
    noise = 0.01 * torch.randn(image.shape, generator=torch.Generator().manual_seed(3))
    assert float((edit.full((image + noise).clamp(0, 1)) - out).abs().mean()) < 0.018
    assert float((edit.full(image * 0.99) - out).abs().mean()) < 0.02


@each
@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_flat_pictures_stay_finite_and_smooth(edit: Edit, level: float) -> None:
    out = edit.full(grey(level))
    assert bool(out.isfinite().all())
    assert float(out.diff(dim=-1).diff(dim=-1).abs().max()) < 0.04


def test_all_are_distinct() -> None:
    found = {edit.name: edit.full(street()) for edit in photographic.EDITS}
    found["source"] = street()
    for (first, one), (second, other) in itertools.combinations(found.items(), 2):
        # What changes sharpness alone stays near: its detail tells it.
        detail = abs(energy(one) - energy(other)) / energy(found["source"])
        assert float((one - other).square().mean()) > 10**-2.5 or detail > 0.15, (first, second)


def test_sharpness_goes_as_named() -> None:
    source = energy(street())
    found = [energy(BY_NAME[name].full(street())) for name in ("blur", "soft_focus", "sharpen")]
    assert found[0] < 0.5 * source and found[0] < found[1] < 0.9 * source and found[2] > 1.2 * source


def test_a_blurred_background_does_not_take_the_subject_with_it() -> None:
    image = grey(0.1)
    image[..., :24] = 0.9
    regions = torch.zeros(1, len(REGIONS), 6, 6)
    regions[:, REGIONS.index("person"), :, :3], regions[:, REGIONS.index("other"), :, 3:] = 1, 1
    aware, blind = BY_NAME["blur"].full(image, regions), BY_NAME["blur"].full(image)
    assert float(aware[..., 28:34].mean()) < 0.13
    assert float(blind[..., 28:34].mean()) > 0.16


def test_contrast_and_tone_go_as_named() -> None:
    spread = {name: float(ops.luma(edit.full(street())).std()) for name, edit in BY_NAME.items()}
    source = float(ops.luma(street()).std())
    assert spread["high_contrast"] > 1.2 * source and spread["faded"] < 0.7 * source
    for name in ("faded", "matte", "polaroid", "pastel"):
        assert float(BY_NAME[name].full(grey(0.0)).mean()) > 0.1, name
    assert torch.equal(BY_NAME["negative"].full(grey(0.25)), grey(0.75))


def test_colours_go_as_named() -> None:
    strength = {name: float(ops.saturation(edit.full(street())).mean()) for name, edit in BY_NAME.items()}
    source = float(ops.saturation(street()).mean())
    assert strength["colourful"] > 1.15 * source and strength["enhance"] > source
    for name in ("muted", "faded", "bleach_bypass", "old_film"):
        assert strength[name] < 0.6 * source, name
    brown = BY_NAME["seventies"].full(grey(0.5)).mean(dim=(0, 2, 3))
    assert brown[0] > brown[1] > brown[2] + 0.1


def test_corners_are_dark_where_they_should_be() -> None:
    for name in ("vignette", "old_film"):
        out = BY_NAME[name].full(grey(0.7)).mean(dim=1)[0]
        assert float(out[:4, :4].mean()) < 0.3 * float(out[20:28, 20:28].mean()), name
