"""The seasons, weather, light and place edits: range, determinism, calm under small changes, and distinctness."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
from torch import Tensor

from movie_cli.models.region_names import REGIONS
from movie_cli.train.bank import light, outdoors
from movie_cli.train.bank.edit import Edit
from movie_cli.train.bank.scene import Scene

EDITS = {edit.name: edit for edit in (*outdoors.SEASONS, *light.EDITS, *outdoors.PLACES)}
PHOTOS = Path(__file__).resolve().parents[3] / ".." / "shared" / "data" / "photos"
NAMES = {"winter", "snow", "autumn", "spring", "summer"}
NAMES |= {"sunny", "clear_sky", "overcast", "cloudy", "fog", "rain", "storm"}
NAMES |= {"night", "moonlight", "aurora", "sunset", "sunrise", "dusk", "golden_hour", "candle_light", "neon"}
NAMES |= {"brighter", "darker", "warmer", "cooler"}
NAMES |= {"desert", "beach", "jungle", "underwater", "mars", "moon", "lava"}
each = pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())


def landscape(high: int = 96, wide: int = 96) -> Tensor:
    """A blue sky over green, textured grass with a bright and a dark spot."""
    rows = torch.linspace(0, 1, high).view(1, 1, -1, 1).expand(1, 1, high, wide)
    columns = torch.linspace(0, 1, wide).view(1, 1, 1, -1).expand(1, 1, high, wide)
    below = torch.sigmoid((rows - 0.5) * 40)
    sky = torch.cat([0.45 + 0.3 * rows, 0.65 + 0.2 * rows, 0.95 + 0 * rows], dim=1)
    wave = 0.08 * (torch.sin(40 * columns) * torch.sin(55 * rows))
    grass = torch.cat([0.25 + wave, 0.48 + wave, 0.12 + wave], dim=1)
    spot = torch.exp(-((rows - 0.75) ** 2 + (columns - 0.3) ** 2) / 0.003)
    hole = torch.exp(-((rows - 0.75) ** 2 + (columns - 0.7) ** 2) / 0.003)
    return ((sky + (grass - sky) * below) * (1 - 0.8 * hole) + 0.6 * spot).clamp(0, 1)


def regions(*names: str, high: int = 12) -> Tensor:
    """The upper half of a picture is the first region, the lower half the second."""
    planes = torch.zeros(1, len(REGIONS), high, 12)
    for number, name in enumerate(names):
        planes[:, REGIONS.index(name), number * high // 2 : (number + 1) * high // 2] = 1
    return planes


MEADOW = regions("sky", "grass")


def psnr(a: Tensor, b: Tensor) -> float:
    return float(-10 * torch.log10((a - b).square().mean() + 1e-9))


def gradient_energy(image: Tensor) -> float:
    return float(image.diff(dim=-1).abs().mean() + image.diff(dim=-2).abs().mean())


def test_names_and_groups() -> None:
    assert {edit.group for edit in EDITS.values()} == {"season", "light", "place"}
    assert set(EDITS) == NAMES


@each
@pytest.mark.parametrize("size", [(16, 16), (64, 64), (61, 97)])
def test_shape_and_range(edit: Edit, size: tuple[int, int]) -> None:
    image = landscape(*size).repeat(2, 1, 1, 1)
    out = edit.full(image, MEADOW.repeat(2, 1, 1, 1))
    assert out.shape == image.shape
    assert out.dtype == torch.float32
    assert 0 <= float(out.min()) <= float(out.max()) <= 1


@each
def test_a_batch_is_its_pictures(edit: Edit) -> None:
    one, two = landscape(), landscape().flip(-1) * 0.7
    other = regions("building", "water")
    both = edit.full(torch.cat([one, two]), torch.cat([MEADOW, other]))
    torch.testing.assert_close(both, torch.cat([edit.full(one, MEADOW), edit.full(two, other)]), atol=1e-5, rtol=0)


@each
def test_deterministic_and_input_untouched(edit: Edit) -> None:
    image = landscape()
    before = image.clone()
    assert torch.equal(edit.full(image, MEADOW), edit.full(image, MEADOW))
    assert torch.equal(image, before)


@each
def test_calm_under_small_changes(edit: Edit) -> None:
    image = landscape()
    out = edit.full(image, MEADOW)
    noise = 0.01 * torch.randn(image.shape, generator=torch.Generator().manual_seed(3))
    assert float((edit.full((image + noise).clamp(0, 1), MEADOW) - out).abs().mean()) < 0.02
    assert float((edit.full(image * 0.99, MEADOW) - out).abs().mean()) < 0.02
    doubt = 0.98 * MEADOW + 0.02 / len(REGIONS)
    assert float((edit.full(image, doubt) - out).abs().mean()) < 0.02


@each
def test_no_texture_of_its_own(edit: Edit) -> None:
    image = landscape()
    assert gradient_energy(edit.full(image, MEADOW)) < 2.5 * gradient_energy(image)


@each
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_flat_pictures_stay_finite_and_free_of_texture(edit: Edit, value: float) -> None:
    out = edit.full(torch.full((1, 3, 48, 48), value))
    assert bool(out.isfinite().all())
    assert float(out.diff(dim=-1).abs().max()) < 0.01


def test_finite_on_a_gradient() -> None:
    ramp = torch.linspace(0, 1, 64).view(1, 1, 1, -1).expand(1, 3, 40, 64).contiguous()
    assert all(bool(edit.full(ramp).isfinite().all()) for edit in EDITS.values())


def test_distinct_from_the_source_and_from_each_other() -> None:
    image = landscape()
    # The landscape has a clear sky already.
    results = {name: edit.full(image, MEADOW) for name, edit in EDITS.items() if name != "clear_sky"}
    assert all(psnr(image, out) < 25 for out in results.values())
    close = [(a, b) for a, b in itertools.combinations(results, 2) if psnr(results[a], results[b]) > 25]
    assert not close


def test_masks_are_what_regions_say_along_the_pictures_edges() -> None:
    scene = Scene(landscape(), MEADOW)
    assert float(scene.sky[..., :40, :].mean()) > 0.95
    assert float(scene.sky[..., 56:, :].mean()) < 0.05
    assert torch.equal(scene.vegetation, scene.ground)
    assert float(scene.vegetation[..., 56:, :].mean()) > 0.95
    assert float(scene.subject.max()) == 0


@pytest.mark.parametrize("name", ["winter", "snow", "desert", "mars", "beach", "autumn"])
def test_a_season_or_a_place_changes_the_ground_and_leaves_who_stands_there(name: str) -> None:
    image = landscape()
    ground, person = (EDITS[name].full(image, regions("sky", what)) for what in ("grass", "person"))
    low = (..., slice(60, None), slice(None))
    change = [float((out - image)[low].abs().mean()) for out in (ground, person)]
    assert change[1] < 0.6 * change[0]


def test_without_regions_nothing_is_sky() -> None:
    assert float(Scene(landscape()).sky.max()) == 0


def test_photographs_change_as_told() -> None:
    if not PHOTOS.is_dir():
        pytest.skip("no ../shared/data/photos")
    numpy = pytest.importorskip("numpy")
    pil = pytest.importorskip("PIL.Image")
    names = ("p0005", "p0083", "p0124", "p0139")
    arrays = [numpy.asarray(pil.open(PHOTOS / f"{name}.webp").convert("RGB"))[:256, :256] for name in names]
    photos = torch.from_numpy(numpy.stack([array[:256, :256] for array in arrays])).permute(0, 3, 1, 2) / 255.0
    everywhere = regions("sky", "grass").repeat(len(photos), 1, 1, 1)
    calm = ("winter", "snow", "autumn", "spring", "fog", "rain", "storm")
    made = {name: EDITS[name].full(photos, everywhere) for name in (*calm, "night", "mars", "underwater")}
    mean = {name: pictures.mean(dim=(0, 2, 3)) for name, pictures in made.items()}
    source = photos.mean(dim=(0, 2, 3))
    assert mean["night"].mean() < 0.5 * source.mean()
    assert mean["snow"].mean() > mean["winter"].mean() > source.mean()
    assert mean["mars"][0] > 1.5 * mean["mars"][2]
    assert mean["underwater"][2] > 2 * mean["underwater"][0]
    for name in calm:
        assert gradient_energy(made[name]) < 1.5 * gradient_energy(photos)
