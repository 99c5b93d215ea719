"""Measures of edited clips on cases whose values can be worked out, and by networks with small random weights."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from movie_cli.errors import ModelError
from movie_cli.evaluate import measures
from movie_cli.evaluate.measures import Lpips, to_float
from tests import tiny
from tools.measures import gradient_energy

pytest.importorskip("cv2", reason="OpenCV is not installed (the extra `eval`)")


@pytest.fixture(scope="module")
def panning():
    """A textured clip of 12 frames that moves two pixels a frame."""
    import cv2

    noise = np.random.default_rng(0).integers(0, 256, (120, 260, 3)).astype(np.float32)
    wide = cv2.GaussianBlur(noise, (0, 0), 2.5)
    wide = 128 + (wide - wide.mean()) * (45 / wide.std())
    wide = np.clip(wide, 20, 235).astype(np.uint8)
    return np.stack([wide[10:106, 2 * i : 2 * i + 160] for i in range(12)])


def brighter(frames, amounts):
    shifted = frames.astype(int) + np.array(amounts).reshape(-1, 1, 1, 1)
    assert shifted.min() >= 0
    assert shifted.max() <= 255
    return shifted.astype(np.uint8)


def test_identical_clips_score_perfectly(panning):
    assert measures.edit_strength(panning, panning) == 0
    assert measures.video_psnr(panning, panning) == pytest.approx(58.92, abs=0.01)
    assert measures.video_ssim(panning, panning) == pytest.approx(1)
    assert measures.flicker(panning, panning) == 0
    assert measures.colour_drift(panning, panning) == [0] * 12


def test_a_shift_of_brightness_gives_the_computed_values(panning):
    edited = brighter(panning, [10] * 12)
    assert measures.edit_strength(panning, edited) == pytest.approx(10 / 255, rel=1e-5)
    assert measures.video_psnr(edited, panning) == pytest.approx(-20 * np.log10(10 / 255), abs=1e-3)
    assert measures.flicker(panning, edited) == pytest.approx(0, abs=1e-9)


def test_the_similarity_of_even_pictures_is_the_formula():
    dark, light = (np.full((1, 32, 32, 3), value, dtype=np.uint8) for value in (51, 102))
    first = 0.01**2
    assert measures.video_ssim(dark, light) == pytest.approx(
        (2 * 0.2 * 0.4 + first) / (0.2**2 + 0.4**2 + first), rel=1e-4
    )


def test_a_blur_loses_what_its_kernel_takes():
    """A checkerboard of period two, averaged over two pixels, is even: half its range is lost everywhere."""
    rows, columns = np.indices((32, 32))
    board = (((rows + columns) % 2) * 100 + 50).astype(np.uint8)[None, :, :, None].repeat(3, axis=3)
    blurred = np.full_like(board, 100)
    assert measures.edit_strength(board, blurred) == pytest.approx(50 / 255, rel=1e-5)
    assert gradient_energy(to_float(blurred)).absolute == 0
    # Equal means, no variance left in one: only the constant of the second factor stands above the line.
    second = 0.03**2
    assert measures.video_ssim(board, blurred) == pytest.approx(second / ((50 / 255) ** 2 + second), rel=0.01)


def test_alternating_brightness_is_flicker_of_its_size(panning):
    edited = brighter(panning, [6, -6] * 6)
    frequencies, power = measures.flicker_spectrum(panning, edited)
    assert frequencies[np.argmax(power)] == 0.5
    assert measures.flicker(panning, edited) == pytest.approx(6 / 255, rel=0.01)
    slow = brighter(panning, [round(8 * np.sin(2 * np.pi * i / 12)) for i in range(12)])
    assert measures.flicker(panning, slow) < 0.1 * 8 / 255
    assert np.argmax(measures.flicker_spectrum(panning, slow)[1]) == 1


def test_power_adds_up_to_the_variance(panning):
    amounts = np.random.default_rng(1).integers(-9, 10, 11)
    _, power = measures.flicker_spectrum(panning[:11], brighter(panning[:11], amounts))
    assert power.sum() == pytest.approx(np.var(amounts / 255), rel=0.01)


def test_drift_is_the_distance_in_lab():
    import cv2

    source = np.full((3, 8, 8, 3), 128, dtype=np.uint8)
    edited = source.copy()
    edited[2] = (160, 128, 128)
    lab = [cv2.cvtColor(frame[:1, :1].astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[0, 0] for frame in edited]
    assert measures.colour_drift(source, edited) == [0, 0, pytest.approx(np.linalg.norm(lab[2] - lab[0]), rel=1e-5)]


def test_only_the_background_counts_outside_the_mask(panning):
    mask = np.zeros(panning.shape[1:3], dtype=bool)
    mask[:, :80] = True
    edited = panning.copy()
    edited[:, :, :80] = 0
    assert measures.background_psnr(panning, edited, mask) == pytest.approx(58.92, abs=0.01)
    edited[:, :, 80:] = brighter(panning[:, :, 80:], [5] * 12)
    assert measures.background_psnr(panning, edited, mask) == pytest.approx(-20 * np.log10(5 / 255), abs=1e-3)
    assert np.isnan(measures.background_psnr(panning, edited, np.ones_like(mask)))


def test_a_shuffled_clip_is_worse_in_time_and_the_same_per_frame(panning):
    from movie_cli.models.flow import steps_of, warp_error

    order = np.random.default_rng(3).permutation(len(panning))
    edited = brighter(panning, [10] * 12)
    steps = steps_of(panning)
    still, shuffled = warp_error(edited, steps), warp_error(edited[order], steps)
    assert shuffled > 5 * still
    assert measures.flicker(panning, edited[order]) > measures.flicker(panning, edited)
    # Against a reference in the same order every frame is what it was.
    assert measures.video_psnr(edited[order], panning[order]) == pytest.approx(measures.video_psnr(edited, panning))
    assert measures.video_ssim(edited[order], panning[order]) == pytest.approx(measures.video_ssim(edited, panning))


def test_warp_error_of_alternating_brightness_is_twice_its_size(panning):
    from movie_cli.models.flow import steps_of, warp_error

    steps = steps_of(panning)
    assert warp_error(panning, steps) < 0.01
    assert warp_error(brighter(panning, [6, -6] * 6), steps) == pytest.approx(12 / 255, abs=0.01)


def test_frames_and_pictures_are_each_others_inverse():
    frames = np.random.default_rng(0).integers(0, 256, (2, 16, 24, 3), dtype=np.uint8)
    assert np.array_equal(measures.to_frames(measures.to_float(frames)), frames)


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
