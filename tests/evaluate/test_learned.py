"""CLIP, PickScore and LPIPS: with small random weights, and with embeddings whose cosines are known."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from movie_cli.errors import ModelError
from movie_cli.evaluate import measures
from movie_cli.evaluate.measures import Lpips
from tests import tiny


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A CLIP of published layout, small and random."""
    from transformers import CLIPConfig, CLIPModel

    folder = tmp_path_factory.mktemp("clip")
    torch.manual_seed(0)
    words = {
        "vocab_size": 54,
        "bos_token_id": 52,
        "eos_token_id": 53,
        "pad_token_id": 53,
        "max_position_embeddings": 77,
    }
    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    vision = small | {"image_size": 32, "patch_size": 8}
    CLIPModel(CLIPConfig(text_config=small | words, vision_config=vision, projection_dim=8)).save_pretrained(folder)
    tiny.clip_tokenizer(folder / "letters").save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def frames():
    return np.random.default_rng(0).integers(0, 256, (5, 40, 64, 3), dtype=np.uint8)


def test_pictures_are_prepared_as_transformers_does(checkpoint, frames):
    from transformers import CLIPImageProcessorPil, CLIPModel

    processor = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    pixels = torch.as_tensor(np.array(processor(list(frames)).pixel_values))
    with torch.inference_mode():
        wanted = CLIPModel.from_pretrained(checkpoint).eval().get_image_features(pixel_values=pixels).pooler_output
    found = measures.ClipScorer(checkpoint).embed_frames(frames)
    torch.testing.assert_close(found, torch.nn.functional.normalize(wanted, dim=-1), atol=2e-3, rtol=0)


def test_still_clips_are_consistent_and_shuffling_changes_nothing(checkpoint, frames):
    scorer = measures.ClipScorer(checkpoint)
    assert measures.clip_frame(scorer.embed_frames(frames[:1].repeat(4, axis=0))) == pytest.approx(1)
    embedded = scorer.embed_frames(frames)
    assert measures.clip_frame(embedded[[3, 1, 4, 0, 2]]) == pytest.approx(measures.clip_frame(embedded))
    assert measures.clip_frame(embedded) < 1
    assert measures.clip_image(embedded, embedded) == pytest.approx(1)
    assert scorer.embed_text("a cat " * 100).shape == (1, 8)
    assert scorer.scale == pytest.approx(1 / 0.07, rel=0.01)


def test_cosines_of_known_embeddings():
    east, north = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    assert measures.clip_frame(torch.cat([east, east, north])) == pytest.approx(1 / 3)
    assert measures.clip_text(torch.cat([east, north]), north) == pytest.approx(0.5)
    assert measures.pick_score(torch.cat([east, north]), north, 100.0) == pytest.approx(50)
    assert measures.clip_direction(east, north, east, north) == pytest.approx(1)
    assert measures.clip_direction(east, north, north, east) == pytest.approx(-1)


def test_missing_weights_are_told_clearly(tmp_path):
    with pytest.raises(ModelError, match="cannot be loaded"):
        measures.ClipScorer(str(tmp_path), offline=True)
    with pytest.raises(ModelError, match="cannot be loaded"):
        measures.ClipScorer("nobody/no-clip-here", offline=True)
    with pytest.raises(ModelError, match="does not hold the weights of LPIPS"):
        Lpips(tmp_path / "nothing.safetensors")


def test_pickled_weights_are_refused(checkpoint, tmp_path):
    import shutil

    shutil.copytree(checkpoint, tmp_path / "pickled")
    (tmp_path / "pickled" / "model.safetensors").unlink()
    torch.save({}, tmp_path / "pickled" / "pytorch_model.bin")
    with pytest.raises(ModelError):
        measures.ClipScorer(str(tmp_path / "pickled"))


@pytest.fixture
def lpips(tmp_path):
    torch.manual_seed(0)
    shapes = {"net.slice1.0": (64, 3, 11), "net.slice2.3": (192, 64, 5), "net.slice3.6": (384, 192, 3),
              "net.slice4.8": (256, 384, 3), "net.slice5.10": (256, 256, 3)}  # fmt: skip
    weights = {}
    for index, (name, (out, into, side)) in enumerate(shapes.items()):
        weights[f"{name}.weight"] = torch.randn(out, into, side, side) * (into * side * side) ** -0.5
        weights[f"{name}.bias"] = torch.zeros(out)
        weights[f"lin{index}.model.1.weight"] = torch.ones(1, out, 1, 1)
    save_file(weights, tmp_path / "lpips.safetensors")
    return Lpips(tmp_path / "lpips.safetensors")


def test_perceptual_distance_is_a_distance(lpips):
    first, second = np.random.default_rng(0).integers(0, 256, (2, 2, 96, 96, 3), dtype=np.uint8)
    assert lpips.distance(first, first) == 0
    assert lpips.distance(first, second) == pytest.approx(lpips.distance(second, first))
    # With heads of one, each layer adds the squared distance of two unit vectors of features without negatives: 0 to 2.
    assert 0 < lpips.distance(first, second) < 10
    near = np.clip(first.astype(int) + 3, 0, 255).astype(np.uint8)
    assert lpips.distance(first, near) < 0.2 * lpips.distance(first, second)
