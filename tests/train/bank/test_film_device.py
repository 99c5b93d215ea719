"""Film and device edits: the contract of an edit, and what makes each one itself."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from movie_cli.train.bank import film, ops

EDITS = film.EDITS
BY_NAME = {edit.name: edit for edit in EDITS}
PHOTOS = Path(__file__).resolve().parents[3] / ".." / "shared" / "data" / "photos"


def scene(height: int = 96, width: int = 128) -> Tensor:
    """Blue sky over grass, with a face-coloured disc, a grey wall and fine texture."""
    rows = torch.linspace(0, 1, height).view(-1, 1).expand(height, width)
    columns = torch.linspace(0, 1, width).view(1, -1).expand(height, width)
    ground = torch.sigmoid(40 * (rows - 0.5))
    sky = torch.stack((0.35 + 0.3 * rows, 0.55 + 0.2 * rows, 0.9 - 0.1 * rows))
    grain = 0.08 * torch.sin(60 * columns) * torch.sin(45 * rows)
    grass = torch.stack((0.25 + grain, 0.5 + grain, 0.15 + grain))
    image = sky + (grass - sky) * ground
    disc = torch.sigmoid(60 * (0.18 - ((rows - 0.5) ** 2 + (columns - 0.3) ** 2).sqrt()))
    image = image + (torch.tensor([0.85, 0.62, 0.5]).view(3, 1, 1) - image) * disc
    wall = torch.sigmoid(80 * (columns - 0.75))
    image = image + (0.55 + grain - image) * wall
    return image.clamp(0, 1).unsqueeze(0)


def psnr(a: Tensor, b: Tensor) -> float:
    return float(-10 * torch.log10((a - b).square().mean() + 1e-12))


def at(image: Tensor, row: float, column: float) -> Tensor:
    """Mean colour around a place given as fractions of height and width."""
    y, x = int(row * image.shape[-2]), int(column * image.shape[-1])
    return image[0, :, y - 4 : y + 4, x - 4 : x + 4].mean(dim=(1, 2))


def test_names_and_groups():
    assert [edit.name for edit in film.EDITS if edit.group == "film"] == [
        "black_and_white", "sepia", "vintage", "noir", "cyberpunk", "teal_and_orange",
    ]  # fmt: skip
    assert [edit.name for edit in film.EDITS if edit.group == "device"] == ["infrared", "thermal", "blueprint", "vhs"]
    assert {edit.group for edit in film.EDITS} == {"film", "device"}
    assert {edit.name for edit in EDITS if edit.drawn} == {"blueprint", "vhs"}


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.name)
class TestContract:
    @pytest.mark.parametrize("size", [(64, 64), (16, 16), (37, 53), (16, 90), (131, 17)])
    def test_shape_range_and_determinism(self, edit, size):
        image = scene(*size).expand(2, -1, -1, -1)
        out = edit.full(image)
        assert out.shape == image.shape
        assert out.dtype == torch.float32
        assert torch.isfinite(out).all()
        assert out.min() >= 0
        assert out.max() <= 1
        assert torch.equal(out, edit.full(image.clone()))
        assert torch.allclose(out[0], out[1], atol=1e-5)

    def test_leaves_its_input_alone(self, edit):
        image = scene()
        before = image.clone()
        edit.full(image)
        assert torch.equal(image, before)

    @pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
    def test_flat_images_are_finite(self, edit, level):
        out = edit.full(torch.full((1, 3, 40, 40), level))
        assert torch.isfinite(out).all()

    def test_gradient_image_is_finite(self, edit):
        ramp = torch.linspace(0, 1, 64).view(1, 1, 1, 64).expand(1, 3, 48, 64)
        assert torch.isfinite(edit.full(ramp)).all()

    def test_continuous_in_brightness(self, edit):
        image = scene()
        change = (edit.full((image * 1.01).clamp(0, 1)) - edit.full(image)).abs()
        assert change.mean() < 0.012

    def test_continuous_under_noise(self, edit):
        image = scene()
        noise = 0.004 * torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
        change = (edit.full((image + noise).clamp(0, 1)) - edit.full(image)).abs()
        assert change.mean() < 0.02

    def test_far_from_the_source(self, edit):
        image = scene()
        assert psnr(edit.full(image), image) < 20

    def test_does_not_add_much_texture(self, edit):
        image = scene(128, 128)
        out = edit.full(image)
        energy = [torch.cat([g.flatten() for g in ops.gradient(ops.luma(x))]).norm() for x in (image, out)]
        assert energy[1] < 3 * energy[0] or edit.drawn


def test_all_are_distinct():
    results = {edit.name: edit.full(scene()) for edit in EDITS}
    for (first, one), (second, other) in itertools.combinations(results.items(), 2):
        assert psnr(one, other) < 24, (first, second)


def test_black_and_white_and_noir_are_grey_and_noir_is_darker():
    image = scene()
    clean, hard = BY_NAME["black_and_white"].full(image), BY_NAME["noir"].full(image)
    for out in (clean, hard):
        assert torch.equal(out[:, 0], out[:, 1])
        assert torch.equal(out[:, 1], out[:, 2])
    assert hard.mean() < 0.7 * clean.mean()


def test_sepia_is_brown_everywhere():
    red, green, blue = BY_NAME["sepia"].full(scene())[0]
    assert (red > green).all()
    assert (green > blue).all()


def test_vintage_lifts_blacks_and_lowers_contrast():
    image = scene()
    out = BY_NAME["vintage"].full(image)
    assert BY_NAME["vintage"].full(torch.zeros(1, 3, 32, 32)).min() > 0.1
    assert ops.luma(out).std() < ops.luma(image).std()


def test_teal_and_orange_splits_skin_from_sky_and_grass():
    out = BY_NAME["teal_and_orange"].full(scene())
    skin = at(out, 0.5, 0.3)
    assert skin[0] > skin[2] + 0.2
    for place in ((0.15, 0.55), (0.85, 0.55)):
        cold = at(out, *place)
        assert cold[2] > cold[0] + 0.1


def test_infrared_turns_grass_crimson_and_skin_pale():
    out = BY_NAME["infrared"].full(scene())
    grass, sky, skin = at(out, 0.85, 0.55), at(out, 0.15, 0.55), at(out, 0.5, 0.3)
    assert grass[0] > grass[1] + 0.3
    assert sky[2] > sky[0] + 0.2
    assert (skin.max() - skin.min()) < 0.35


def test_thermal_shows_skin_hotter_than_grass_and_sky():
    out = BY_NAME["thermal"].full(scene())
    skin = at(out, 0.5, 0.3).sum()
    assert skin > at(out, 0.85, 0.55).sum() + 0.3
    assert skin > at(out, 0.15, 0.55).sum() + 0.3


def test_blueprint_is_blue_paper_with_a_grid_of_eight():
    out = BY_NAME["blueprint"].full(torch.full((1, 3, 64, 64), 0.5))
    assert (out[:, 2] > out[:, 0] + 0.2).all()
    assert torch.allclose(out[..., 3, 3:27], out[..., 3, 11:35], atol=1e-5)
    assert out[0, 0, 3, 8] > out[0, 0, 3, 9]


def test_vhs_colour_bleeds_to_the_right_only():
    image = torch.full((1, 3, 32, 64), 0.5)
    image[:, 0, :, 24:32], image[:, 2, :, 24:32] = 0.8, 0.2
    plain = BY_NAME["vhs"].full(torch.full_like(image, 0.5))
    redness = (BY_NAME["vhs"].full(image) - plain)[0, 0, 12:20]
    assert redness[:, 36:42].mean() > 0.05
    assert redness[:, 10:18].abs().max() < 0.02


def test_photographs_are_clearly_changed():
    files = [PHOTOS / f"p{number:04d}.webp" for number in (0, 143, 624)]
    if not all(file.is_file() for file in files):
        pytest.skip("the photographs of ../shared/data are not here")
    for edit in EDITS:
        distances = []
        for file in files:
            with Image.open(file) as opened:
                pixels = np.array(opened.convert("RGB").resize((192, 128)))
            image = torch.from_numpy(pixels).permute(2, 0, 1).unsqueeze(0).float() / 255
            distances.append(psnr(edit.full(image), image))
        assert sum(distances) / len(distances) < 20, edit.name
