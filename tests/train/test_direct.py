"""The direct start: a one-step student of the bank, made by the trainer from a fitted autoencoder."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from movie_cli.backends.torch_backend import TorchBackend
from movie_cli.backends.torch_devices import choose_torch
from movie_cli.checkpoints.descriptor import read_descriptor
from movie_cli.checkpoints.load import load_checkpoint, save_regions
from movie_cli.editing.editor import Editor
from movie_cli.errors import ModelError, UsageError
from movie_cli.models.scene import SCENE_CHANNELS
from movie_cli.models.text import encode_texts
from movie_cli.models.tokenizer import InstructionTokenizer
from movie_cli.recipe import Recipe
from movie_cli.train.augmentation import grainy, neighbours
from movie_cli.train.bank_samples import BankSamples
from movie_cli.train.run import make_stage, open_data
from movie_cli.train.samples import Draws, collate
from movie_cli.train.settings import DataSettings
from movie_cli.train.settings_file import read_settings
from movie_cli.train.surgery import with_edits
from tests import tiny
from tests.train import small
from tests.train.small import stage_of

WEIGHTS = "diffusion_pytorch_model.safetensors"
UNET = small.UNET + "scale_embedding_dim = 8\ntime_embedding_dim = 32\nsource_residual = true\n"


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """An autoencoder, a student from nothing, and a base that takes the student over."""
    held = 'prediction = "sample"\nheld_scales = [7.5, 1.5]\nheld_share = 0.2'
    learning = "steps = 80\nlog_every = 20\nlearning_rate = 3e-3\nlatent_weight = 0.1"
    stages = [("autoencoder", "", ""), ("direct", UNET, learning), ("base", "", held)]
    return small.run_chain(tmp_path_factory.mktemp("direct"), stages)


def batch_of(chain, count=2):
    drawn = {name: float(not edit.painted) for name, edit in small.bank.BANK.items()}
    settings = DataSettings(folder=str(chain / "photos"), crop=32, combined=0.0, unedited=0.0, weights=drawn)
    data = BankSamples(settings, 3, chain)
    return collate([data.sample(number) for number in range(count)])


def test_it_learns_the_edit_and_is_run_at_once(chain):
    lines = [json.loads(line) for line in (chain / "direct" / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["student/gain"] > lines[0]["student/gain"] + 1
    descriptor = read_descriptor(chain / "direct" / "checkpoint")
    assert (descriptor.stage, descriptor.steps, descriptor.passes) == ("one-step", 1, 1)
    editor = Editor(TorchBackend(descriptor, choose_torch("cpu", "float32")))
    editor.set_recipe(Recipe("make it brighter"))
    frames = np.full((1, 32, 32, 3), 90, np.uint8)
    assert editor.edit(frames).mean() > 95
    assert read_descriptor(chain / "base" / "checkpoint").stage == "base"


def test_the_encoder_stays_and_the_rest_learns(chain):
    stage = stage_of(chain, "direct", "direct", "anchor_share=1.0", "grain=0.02")
    next(stage.losses(batch_of(chain), Draws(0, [0, 1]), 0)).total.backward()
    grads = {name: value.grad for name, value in stage.parts["student"].named_parameters()}
    assert {name for name, grad in grads.items() if grad is None} == {"vae.encoder.weight", "vae.encoder.bias"}
    assert grads["text.codes"].abs().sum() > 0
    assert grads["vae.decoder.weight"].abs().sum() > 0
    before, after = (load_file(chain / run / "checkpoint" / "vae" / WEIGHTS) for run in ("autoencoder", "direct"))
    assert torch.equal(before["encoder.weight"], after["encoder.weight"])


def test_what_is_trained_is_what_is_run(chain):
    stage = stage_of(chain, "direct", "direct")
    batch, draws = batch_of(chain), Draws(0, [0, 1])
    _, latents = stage.encoded(batch, draws, stage.unet)
    tokens, noise = stage.conditioning.tokens(batch, draws), torch.randn_like(latents.source)
    found = stage.latents(noise, latents, tokens, batch.scales)
    _, scheduler, _ = stage.denoiser()
    scheduler.set_timesteps(1)
    sample = torch.cat([noise, latents.source], dim=1)
    prediction = stage.unet(sample, 999, tokens, timestep_cond=batch.scales).sample
    expected = scheduler.step(prediction, scheduler.timesteps[0], noise, return_dict=False)[0]
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_anchors_are_seen_in_training_and_left_out_of_sheets(chain):
    batch = batch_of(chain)
    alone, with_anchor = (
        next(stage_of(chain, "direct", "direct", f"anchor_share={share}").losses(batch, Draws(0, [0, 1]), 0)).total
        for share in (0.0, 1.0)
    )
    assert alone != with_anchor
    stage = stage_of(chain, "direct", "direct", "anchor_share=1.0")
    before = stage.edit(batch, 7.5, 1.5, 0)
    next(stage.losses(batch, Draws(0, [0, 1]), 0))
    assert torch.equal(stage.edit(batch, 7.5, 1.5, 0), before)


def test_grain_is_on_half_of_the_samples_and_neighbours_are_shifted():
    grey = torch.zeros(40, 3, 32, 32)
    found = grainy(grey, 0.05, Draws(0, list(range(40)))).flatten(1).std(dim=1)
    assert 4 < (found == 0).sum() < 16  # each of both kinds of noise is left out of half
    assert found.max() < 2 * 0.05 * 2
    ramp = torch.linspace(-0.9, 0.9, 32).expand(4, 3, 32, 32)
    moved = neighbours(ramp, Draws(0, [0, 1, 2, 3]))
    assert not torch.equal(moved, ramp)
    torch.testing.assert_close(moved.flatten(1).sort().values, ramp.flatten(1).sort().values, atol=0.05, rtol=0.05)


@pytest.mark.parametrize(
    ("start", "changes", "said"),
    [
        ("direct", ["data.strength=0.18"], "drawn scales"),
        ("direct", ['data.kind="pairs"'], "drawn scales"),
        ("autoencoder", [], "edits nothing yet"),
        ("base", [], "starts from one-step"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(chain, start, changes, said):
    with pytest.raises((ModelError, UsageError), match=said):
        stage_of(chain, "direct", start, *changes)


def test_a_wrong_shape_names_its_key(chain):
    path = small.config(chain / "wrong.toml", "direct", unet="[unet]\nlayers = 3\n")
    settings = read_settings("direct", str(path), [f"start={json.dumps(str(chain / 'autoencoder' / 'checkpoint'))}"])
    with pytest.raises(UsageError, match=r"no key unet\.layers"):
        make_stage("direct", settings, None)


@pytest.fixture(scope="module")
def told(tmp_path_factory, chain):
    """A student that is told of the scene from the middle of its training on."""
    folder = tmp_path_factory.mktemp("told")
    start = shutil.copytree(chain / "direct" / "checkpoint", folder / "start")
    save_regions(tiny.sees_sky(), start / "regions")
    return folder


def told_stage(told, chain):
    path = small.config(told / "direct.toml", "direct")
    changes = [f"start={json.dumps(str(told / 'start'))}", f"data.folder={json.dumps(str(chain / 'photos'))}"]
    settings = read_settings("direct", str(path), [*changes, "scene=true"])
    data = open_data(settings, told)
    return make_stage("direct", settings, data), data


def test_a_denoiser_begins_without_minding_the_scene_and_learns_it(told, chain):
    stage, data = told_stage(told, chain)
    batch = collate([data.sample(number) for number in range(4)])
    assert batch.scene.shape == (4, SCENE_CHANNELS, 4, 4)
    assert batch.scene[:, 0].min() > 0.99  # the network takes everything for sky
    assert 0 <= batch.scene[:, -1].min() < batch.scene[:, -1].max() <= 1
    before = stage_of(chain, "direct", "direct").edit(batch, 7.5, 1.5, 0)
    torch.testing.assert_close(stage.edit(batch, 7.5, 1.5, 0), before, atol=1e-4, rtol=1e-4)
    next(stage.losses(batch, Draws(0, batch.numbers), 0)).total.backward()
    channels = slice(8, 8 + SCENE_CHANNELS)
    assert stage.unet.conv_in.weight.grad[:, channels].abs().sum() > 0


def test_the_checkpoint_keeps_its_regions_and_goes_on(told, chain):
    stage, _ = told_stage(told, chain)
    stage.save(told / "saved", "saved")
    again = load_checkpoint(read_descriptor(told / "saved")).autoencoder
    assert again.regions is not None


def test_an_encoder_of_other_edits_keeps_the_codes_that_it_knows(chain):
    encoder = stage_of(chain, "direct", "direct").conditioning.parts()[0]
    fewer = with_edits(encoder, ("night", "a new look", "winter"), seed=0)
    assert fewer.edits == ("night", "a new look", "winter")
    assert torch.equal(fewer.codes[0], encoder.codes[encoder.edits.index("night")])
    assert torch.equal(fewer.edit_head.weight[2], encoder.edit_head.weight[encoder.edits.index("winter")])
    assert not any(torch.equal(fewer.codes[1], code) for code in encoder.codes)
    texts = encode_texts(fewer, InstructionTokenizer.from_pretrained(tiny.NANO / "tokenizer"), ["make it winter"])
    assert fewer.asked_edits(texts) == [("winter",)]


def test_without_regions_a_scene_cannot_be_told(chain):
    with pytest.raises(ModelError, match="has no regions to be told of"):
        stage_of(chain, "direct", "direct", "scene=true")
