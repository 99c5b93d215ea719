"""Paint, hair, skin and materials: the contract of an edit, and that anything takes the colour that was asked for."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from movie_cli.models.region_names import REGIONS
from movie_cli.train.bank import materials, ops
from movie_cli.train.bank.edit import Edit

EDITS = (*materials.COLOURS, *materials.MATERIALS)
BY_NAME = {edit.name: edit for edit in EDITS}
each = pytest.mark.parametrize("edit", EDITS, ids=BY_NAME)
HUES = {"red": 0, "orange": 30, "yellow": 50, "green": 125, "turquoise": 180, "blue": 225, "purple": 275, "pink": 335}


def things(high: int = 64, wide: int = 96) -> Tensor:
    """A ball with a highlight on a blue wall, with a fine pattern below."""
    y = torch.linspace(-1, 1, high).view(-1, 1).expand(high, wide)
    x = torch.linspace(-1.5, 1.5, wide).view(1, -1).expand(high, wide)
    round_ = (0.64 - x * x - y * y).clamp_min(0).sqrt()
    light = (0.25 + 0.7 * (round_ - 0.4 * x - 0.4 * y)).clamp(0, 1)
    ball = torch.stack([light, 0.7 * light, 0.5 * light])
    wall = torch.stack([0.3 + 0 * x, 0.45 + 0.1 * y, 0.75 + 0.1 * x])
    inside = torch.sigmoid((0.8 - (x * x + y * y).sqrt()) * 40)
    pattern = 0.06 * torch.sin(30 * x) * torch.sigmoid((y - 0.4) * 20)
    return (wall + (ball - wall) * inside + pattern).clamp(0, 1).unsqueeze(0)


def of(*names: str) -> Tensor:
    """Regions of a picture that shows nothing else; a part of a person is on one."""
    planes = torch.zeros(1, len(REGIONS), 2, 2)
    for name in names:
        planes[:, REGIONS.index(name)] = 1
    return planes


HEAD = of("person", "hair", "face_and_skin")


@each
@pytest.mark.parametrize("size", [(16, 16), (37, 53), (64, 96)])
def test_shape_range_and_determinism(edit: Edit, size: tuple[int, int]) -> None:
    one = things(*size)
    image = torch.cat([one, one.flip(-1) * 0.7])
    before = image.clone()
    out = edit.full(image, HEAD.expand(2, -1, -1, -1))
    assert out.shape == image.shape and out.dtype == torch.float32
    assert 0 <= float(out.min()) <= float(out.max()) <= 1
    assert torch.equal(image, before) and torch.equal(out, edit.full(image, HEAD.expand(2, -1, -1, -1)))
    torch.testing.assert_close(out[:1], edit.full(one, HEAD), atol=1e-5, rtol=0)


@each
def test_calm_under_small_changes(edit: Edit) -> None:
    image = things()
    out = edit.full(image, HEAD)
    noise = 0.01 * torch.randn(image.shape, generator=torch.Generator().manual_seed(3))
    assert float((edit.full((image + noise).clamp(0, 1), HEAD) - out).abs().mean()) < 0.02
    assert float((edit.full(image * 0.99, HEAD) - out).abs().mean()) < 0.02


@each
@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_flat_pictures_stay_flat(edit: Edit, level: float) -> None:
    out = edit.full(torch.full((1, 3, 48, 48), level), HEAD)
    assert bool(out.isfinite().all())
    assert float(out.diff(dim=-1).abs().max()) < 0.01


def test_all_are_distinct() -> None:
    found = {edit.name: edit.full(things(), HEAD) for edit in EDITS}
    found["source"] = things()
    for (first, one), (second, other) in itertools.combinations(found.items(), 2):
        assert float((one - other).square().mean()) > 10**-2.55, (first, second)


@pytest.mark.parametrize("name", HUES)
@pytest.mark.parametrize("thing", [(0.95, 0.95, 0.95), (0.05, 0.05, 0.05), (0.1, 0.7, 0.2), (0.8, 0.2, 0.6)])
def test_anything_takes_a_colour(name: str, thing: tuple[float, float, float]) -> None:
    out = BY_NAME[name].full(torch.tensor(thing).view(1, 3, 1, 1).expand(1, 3, 32, 32))
    assert float(ops.hue_weight(out, HUES[name], 25.0).mean()) > 0.4
    assert float(out.amax(dim=1).mean()) > 0.3


def test_black_is_dark_white_is_light_and_both_are_grey() -> None:
    white = torch.full((1, 3, 32, 32), 0.95)
    green = torch.tensor([0.1, 0.7, 0.2]).view(1, 3, 1, 1).expand(1, 3, 32, 32)
    assert float(BY_NAME["black"].full(white).mean()) < 0.25
    assert float(BY_NAME["white"].full(1 - white).mean()) > 0.55
    assert 0.3 < float(BY_NAME["grey"].full(1 - white).mean()) < float(BY_NAME["grey"].full(white).mean()) < 0.75
    for name in ("black", "white", "grey"):
        assert float(ops.saturation(BY_NAME[name].full(green)).max()) < 0.08


def test_paint_keeps_light_and_shade() -> None:
    source = ops.luma(things())
    for name in materials.PAINTS:
        both = torch.stack([source.flatten(), ops.luma(BY_NAME[name].full(things())).flatten()])
        assert float(torch.corrcoef(both)[0, 1]) > 0.85, name


def test_tyres_and_car_windows_stay() -> None:
    car = torch.full((1, 3, 64, 64), 0.8)
    car[..., 40:56, 8:24] = 0.06
    car[..., 8:24, 36:56] = torch.tensor([0.55, 0.68, 0.82]).view(3, 1, 1)
    change = (BY_NAME["red"].full(car, of("vehicle")) - car).abs().mean(dim=1)[0]
    assert float(change[46:50, 14:18].mean()) < 0.06
    assert float(change[12:20, 42:50].mean()) < 0.2
    assert float(change[28:34, 24:34].mean()) > 0.3
    # What is black all over is a black car.
    dark = torch.full((1, 3, 64, 64), 0.08)
    assert float((BY_NAME["red"].full(dark, of("vehicle")) - dark)[:, 0].mean()) > 0.2


def test_blonde_is_golden_and_pale_is_bloodless_everywhere() -> None:
    golden, bloodless = (BY_NAME[name].full(things() * 0.4).mean(dim=(0, 2, 3)) for name in ("blonde", "pale"))
    assert golden[0] > golden[1] > golden[2] + 0.1
    assert bloodless.min() > 0.4 and float(bloodless.max() - bloodless.min()) < 0.08


def test_materials_have_their_colours() -> None:
    mean = {edit.name: edit.full(things()).mean(dim=(0, 2, 3)) for edit in materials.MATERIALS}
    for name in ("bronze", "gold", "wood", "clay"):
        assert mean[name][0] > mean[name][1] > mean[name][2] + 0.05, name
    for name in ("silver", "marble", "stone", "paper"):
        assert float(mean[name].max() - mean[name].min()) < 0.06, name
    assert mean["ice"][2] > mean["ice"][0] + 0.1
    assert mean["gold"].sum() > mean["bronze"].sum() and mean["marble"].sum() > mean["stone"].sum()
