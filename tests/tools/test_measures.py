import math

import pytest
import torch
from diffusers import AutoencoderTiny
from safetensors.torch import save_file

from movie_cli.errors import ModelError
from movie_cli.evaluate.measures import psnr
from tests.tools.pictures import picture
from tools import measures
from tools.measures import direction_cosine, structure_kept, taesd_features


def test_identical_pictures_are_perfect():
    picture = torch.rand(2, 3, 16, 24)
    assert measures.rmse(picture, picture) == 0
    assert psnr(picture, picture) == pytest.approx(58.92, abs=0.01)
    assert measures.gradient_energy(picture).over(measures.gradient_energy(picture)) == (1.0, 1.0)


def test_psnr_of_a_known_error():
    black = torch.zeros(1, 3, 8, 8)
    assert psnr(black, black + 0.1) == pytest.approx(20.0, abs=1e-4)
    assert measures.rmse(black, black + 0.1) == pytest.approx(0.1)


def test_gradient_energy_of_a_ramp():
    ramp = (torch.arange(16.0) / 100).expand(1, 3, 8, 16)
    energy = measures.gradient_energy(ramp)
    assert energy.absolute == pytest.approx(0.01, rel=1e-4)
    assert energy.squared == pytest.approx(0.0001, rel=1e-3)
    double = measures.gradient_energy(2 * ramp)
    assert double.over(energy) == pytest.approx((2.0, 4.0), rel=1e-4)


def test_blur_lowers_and_noise_raises_gradient_energy():
    picture = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    blurred = torch.nn.functional.avg_pool2d(picture, 3, stride=1, padding=1)
    energy = measures.gradient_energy(picture)
    assert measures.gradient_energy(blurred).over(energy)[0] < 0.7
    noisy = blurred + 0.3 * (torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1)) - 0.5)
    assert measures.gradient_energy(noisy).absolute > measures.gradient_energy(blurred).absolute


def test_energy_over_a_flat_picture():
    flat = measures.gradient_energy(torch.full((1, 3, 8, 8), 0.5))
    some = measures.gradient_energy(torch.rand(1, 3, 8, 8))
    assert flat.over(flat) == (1.0, 1.0)
    assert some.over(flat) == (math.inf, math.inf)


def test_energies_add_up():
    one, two = measures.GradientEnergy(1.0, 2.0), measures.GradientEnergy(3.0, 4.0)
    assert sum((one, two), measures.NO_ENERGY) == measures.GradientEnergy(4.0, 6.0)


@pytest.mark.parametrize(
    ("values", "rising", "falling"),
    [
        ((1, 2, 3), True, False),
        ((3, 2, 1), False, True),
        ((1, 2, 2), False, False),
        ((1, 3, 2), False, False),
        ((1,), True, True),
    ],
)
def test_monotone(values, rising, falling):
    assert measures.rises(values) is rising
    assert measures.falls(values) is falling


def test_mean_of_nothing_is_not_a_number():
    assert math.isnan(measures.mean([]))
    assert measures.mean([1.0, 2.0]) == 1.5


def test_directions_by_hand():
    source = torch.zeros(1, 3, 1, 1)
    east, north = torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1), torch.tensor([0, 1.0, 0]).view(1, 3, 1, 1)
    assert direction_cosine(source, east, 0.3 * east) == pytest.approx(1)
    assert direction_cosine(source, east, -east) == pytest.approx(-1)
    assert direction_cosine(source, east, north) == pytest.approx(0)
    assert direction_cosine(source, east, east + north) == pytest.approx(0.5**0.5)
    assert direction_cosine(source, east, source) == 0


def test_structure_is_kept_by_brightness_and_lost_by_turning():
    image = picture(1)
    assert structure_kept(image, image) == pytest.approx(1)
    assert structure_kept(image, 0.5 * image + 0.2) == pytest.approx(1, abs=1e-5)
    assert structure_kept(image, 1 - image) == pytest.approx(-1, abs=1e-5)
    assert abs(structure_kept(image, picture(2))) < 0.3


def test_features_are_those_of_the_file(tmp_path):
    torch.manual_seed(0)
    encoder = AutoencoderTiny().encoder
    save_file(encoder.layers.state_dict(), tmp_path / "taesd_encoder.safetensors")
    features = taesd_features(tmp_path / "taesd_encoder.safetensors")
    image = picture(1)
    with torch.inference_mode():
        torch.testing.assert_close(features(image), encoder.layers(image))
    assert direction_cosine(image, 1 - image, 1 - image, features) == pytest.approx(1, abs=1e-5)


def test_another_file_is_refused(tmp_path):
    (tmp_path / "x.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="cannot be loaded"):
        taesd_features(tmp_path / "x.safetensors")
