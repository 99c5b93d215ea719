import pytest
import torch
from diffusers import AutoencoderTiny
from safetensors.torch import save_file

from movie_cli.errors import ModelError
from movie_cli.evaluation.direction import direction_cosine, structure_kept, taesd_features
from tests.evaluation.pictures import picture


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
