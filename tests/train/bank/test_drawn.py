"""The drawn edits: what each promises of shape, range, stability and likeness to the others."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from movie_cli.train.bank import cartoon, drawing, handmade, ops, strokes
from movie_cli.train.bank.edit import Edit
from movie_cli.train.bank.scene import Scene

EDITS = (*drawing.EDITS, *cartoon.EDITS, *handmade.EDITS)
NAMES = [edit.name for edit in EDITS]
every_edit = pytest.mark.parametrize("edit", EDITS, ids=NAMES)


def scene(height: int = 96, width: int = 128) -> Tensor:
    """A made-up landscape: a graded sky with a sun, blue hills, a green meadow with ripples, a red house."""
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1.3, width), indexing="ij")
    ridge = 0.45 + 0.1 * torch.sin(5 * x) + 0.04 * torch.sin(17 * x)
    hill, grass = torch.sigmoid((y - ridge) * 60), torch.sigmoid((y - 0.65) * 60)
    sun = torch.exp(-((x - 0.95) ** 2 + (y - 0.2) ** 2) * 120)
    house = torch.sigmoid((0.16 - (x - 0.4).abs()) * 80) * torch.sigmoid((0.13 - (y - 0.62).abs()) * 80)
    ripple = 0.12 * torch.sin(60 * x + 25 * y) * grass

    def over(below: Tensor, colour: tuple[float, float, float], mask: Tensor) -> Tensor:
        return below + (torch.tensor(colour).view(3, 1, 1) - below) * mask

    picture = torch.stack([0.45 + 0.35 * y, 0.62 + 0.25 * y, 0.92 - 0.1 * y])
    for colour, mask in (
        ((1.0, 0.95, 0.7), sun),
        ((0.25, 0.35, 0.5), hill),
        ((0.3, 0.5, 0.15), grass),
        ((0.7, 0.2, 0.15), house),
    ):
        picture = over(picture, colour, mask)
    return (picture + ripple).clamp(0, 1).unsqueeze(0)


def psnr(a: Tensor, b: Tensor) -> float:
    return -10 * math.log10(float(((a - b) ** 2).mean()) + 1e-12)


def test_the_modules_export_the_drawn_edits():
    assert [edit.name for edit in drawing.EDITS if edit.group == "drawing"] == [
        "pencil", "charcoal", "pop_art", "pixel_art", "ukiyo_e",
    ]  # fmt: skip
    assert [edit.name for edit in cartoon.EDITS] == ["anime", "cartoon", "comic", "line_art", "ink", "chalkboard"]
    assert [edit.name for edit in handmade.EDITS] == [
        "claymation", "paper_cut", "embroidery", "crayon", "mosaic", "chinese_ink",
    ]  # fmt: skip
    assert all(edit.drawn for edit in EDITS)
    assert {edit.group for edit in EDITS} == {"drawing", "painting"}
    assert {edit.name for edit in EDITS if edit.gridded} == {"pixel_art", "mosaic"}


@every_edit
@pytest.mark.parametrize("size", [(16, 16), (17, 45), (64, 64), (61, 83)])
def test_any_size_and_batch_in_range_and_repeatable(edit: Edit, size: tuple[int, int]):
    image = torch.cat([scene(*size), scene(*size).flip(-1)])
    result = edit.full(image)
    assert result.shape == image.shape
    assert result.dtype == torch.float32
    assert torch.isfinite(result).all()
    assert result.min() >= 0
    assert result.max() <= 1
    assert torch.equal(result, edit.full(image))
    assert torch.allclose(result[:1], edit.full(image[:1]), atol=2e-3)


@every_edit
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_flat_pictures_stay_finite_and_in_range(edit: Edit, value: float):
    result = edit.full(torch.full((1, 3, 40, 40), value))
    assert torch.isfinite(result).all()
    assert result.min() >= 0
    assert result.max() <= 1


@every_edit
def test_a_plain_ramp_stays_finite(edit: Edit):
    ramp = torch.linspace(0, 1, 80).expand(1, 3, 48, 80).contiguous()
    assert torch.isfinite(edit.full(ramp)).all()


@every_edit
def test_a_small_change_changes_little(edit: Edit):
    image = scene()
    result = edit.full(image)
    darker = edit.full(image * 0.99)
    assert float((darker - result).abs().mean()) < 0.025
    noise = 0.004 * torch.randn(image.shape, generator=torch.Generator().manual_seed(1))
    assert float((edit.full((image + noise).clamp(0, 1)) - result).abs().mean()) < 0.025


@every_edit
def test_the_change_is_plain_to_see(edit: Edit):
    image = scene()
    assert psnr(image, edit.full(image)) < 21


def test_no_two_edits_look_alike():
    image = scene()
    results = {edit.name: edit.full(image) for edit in EDITS}
    alike = [(a, b) for a, b in itertools.combinations(results, 2) if psnr(results[a], results[b]) > 24]
    assert not alike


@pytest.mark.parametrize("name", ["pencil", "charcoal", "ink", "line_art"])
def test_drawings_in_one_colour_have_no_hue(name: str):
    result = next(edit for edit in EDITS if edit.name == name).full(scene())
    assert float((result.amax(dim=1) - result.amin(dim=1)).max()) < 0.08


def test_pixel_art_is_flat_inside_blocks_from_the_top_left():
    result = drawing.pixel_art(Scene(scene(44, 60)))
    block = result[:, :, 8:16, 24:32]
    assert torch.equal(block, block[:, :, :1, :1].expand_as(block))
    assert len(torch.unique(result[0, 0])) > 4


def test_ink_is_mostly_black_or_white():
    light = ops.luma(cartoon.ink(Scene(scene())))
    assert float(((light < 0.15) | (light > 0.85)).float().mean()) > 0.75


def test_strokes_run_along_the_edges():
    stripes = (0.5 + 0.4 * torch.sin(torch.arange(64.0) * 0.5)).expand(1, 3, 64, 64)
    for picture, vertical in ((stripes, True), (stripes.transpose(2, 3), False)):
        way = strokes.field(picture.contiguous())
        middle = way.ty if vertical else way.tx
        assert float(middle[..., 16:48, 16:48].abs().mean()) > 0.95


def test_smoothing_along_strokes_keeps_stripes_and_removes_what_crosses_them():
    stripes = (0.5 + 0.4 * torch.sin(torch.arange(64.0) * 0.5)).expand(1, 1, 64, 64)
    way = strokes.field(stripes.expand(1, 3, 64, 64))
    rough = stripes + 0.1 * torch.cos(torch.arange(64.0) * 2.0).view(1, 1, 64, 1)
    smooth = strokes.along(rough, way)
    inner = (..., slice(12, 52), slice(12, 52))
    assert float((smooth - stripes)[inner].abs().mean()) < 0.3 * float((rough - stripes)[inner].abs().mean())


def test_steps_are_continuous_and_flat_in_between():
    value = torch.linspace(0, 1, 4001)
    stairs = strokes.steps(value, 4.0, 0.25)
    assert float(stairs.diff().abs().max()) < 0.002
    assert torch.allclose(stairs[::1000], value[::1000])
    assert float((stairs.diff() < 1e-7).float().mean()) > 0.4


def test_screens_repeat_every_eight_pixels_and_cover_evenly():
    plane = torch.zeros(1, 1, 64, 64)
    for screen in (strokes.dots(plane), strokes.screen_wave(plane, 2, -1), strokes.grain(plane)):
        assert torch.allclose(screen[..., :8, :8], screen[..., 8:16, 16:24], atol=1e-5)
    covers = [float(strokes.printed(torch.full_like(plane, k / 10), strokes.dots(plane)).mean()) for k in range(11)]
    assert covers[0] == 0
    assert covers[5] == pytest.approx(0.5, abs=0.02)
    assert covers[10] == 1
    assert covers == sorted(covers)
