"""Chains whose networks predict the picture: a base from a one-step denoiser, its guided student, one step again."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from movie_cli.backends.torch_backend import TorchBackend
from movie_cli.backends.torch_devices import choose_torch
from movie_cli.checkpoints.descriptor import read_descriptor
from movie_cli.editing.editor import Editor
from movie_cli.errors import ModelError, UsageError
from movie_cli.models.attention import AnchorStore
from movie_cli.models.sampling import Guidance, initial_noise, sample
from movie_cli.recipe import Recipe
from movie_cli.train import objectives
from movie_cli.train.bank.edit import blend
from movie_cli.train.bank_samples import BankSamples
from movie_cli.train.run import make_stage, train
from movie_cli.train.samples import Draws, SampleBatch, collate
from movie_cli.train.settings import DataSettings
from movie_cli.train.settings_file import read_settings
from movie_cli.train.stages import pixel_scale
from movie_cli.train.start import training_scheduler
from tests import tiny
from tests.train import small
from tests.train.small import batch_of, stage_of

WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def picture_chain(tmp_path_factory):
    """A chain from a one-step network whose scales are held: all stages predict the picture."""
    held = 'prediction = "sample"\nheld_scales = [2.0, 3.0]\nnull_text = "source"\ndecoded_weight = 1.0'
    stages = [("base", "", held), ("guidance", "", ""), ("adversarial", "", "decoded_weight = 1.0")]
    return small.run_chain(tmp_path_factory.mktemp("picture"), stages)


def test_a_chain_of_pictures_is_run_at_once(picture_chain):
    frames = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    for stage, passes in (("base", 3), ("guidance", 1), ("adversarial", 1)):
        descriptor = read_descriptor(picture_chain / stage / "checkpoint")
        assert descriptor.passes == passes
        scheduler = json.loads((descriptor.folder / "scheduler" / "scheduler_config.json").read_text())
        assert (scheduler["prediction_type"], scheduler["rescale_betas_zero_snr"]) == ("sample", True)
        editor = Editor(TorchBackend(descriptor, choose_torch("cpu", "float32")))
        editor.set_recipe(Recipe("make it brighter"))
        assert editor.edit(frames).shape == frames.shape


def test_a_released_student_is_the_teachers_conditional_pass_at_the_held_scales(picture_chain):
    stage = stage_of(picture_chain, "guidance", "base")
    batch, draws = batch_of(), Draws(0, [0, 1])
    _, latents = stage.encoded(batch, draws, stage.student)
    tokens, times = stage.conditioning.tokens(batch, draws), torch.tensor([10, 900])
    noised, ones = torch.randn_like(latents.edited), torch.ones(2)
    _, conditional = stage.guided_teacher(noised, latents, tokens, 7.5 * ones, 1.5 * ones, times)
    sample = torch.cat([noised, latents.source], dim=1)
    found = stage.student(sample, times, tokens, timestep_cond=torch.tensor([[2.0, 3.0]] * 2)).sample
    guess = stage.scheduler.alphas_cumprod[times].sqrt().view(-1, 1, 1, 1) * noised
    guided = conditional + (3.0 - 1) * (latents.source - guess)  # the residual is what guidance makes of both
    torch.testing.assert_close(found, guided, atol=1e-4, rtol=1e-4)


def test_held_scale_layers_keep_what_they_know(picture_chain):
    before, after = (load_file(picture_chain / stage / "unet" / WEIGHTS) for stage in ("start", "base/checkpoint"))
    layers = [name for name in before if "_scale." in name]
    assert layers
    assert all(torch.equal(before[name], after[name]) for name in layers)
    assert not torch.equal(before["conv_in.weight"], after["conv_in.weight"])


def test_a_teacher_of_pictures_needs_no_conversion(picture_chain):
    stage = stage_of(picture_chain, "adversarial", "guidance", "conversion_steps=50")
    assert stage.total_steps() == stage.settings.steps
    batch, draws = batch_of(), Draws(0, [0, 1])
    _, latents = stage.encoded(batch, draws, stage.student)
    tokens, scales = stage.conditioning.tokens(batch, draws), torch.tensor([[7.5, 1.5]] * 2)
    noise, times = torch.randn_like(latents.source), torch.tensor([999, 999])
    found = stage.pictures(noise, latents, tokens, scales, times)
    _, scheduler, _ = stage.denoiser()
    scheduler.set_timesteps(1)
    sample = torch.cat([noise, latents.source], dim=1)
    prediction = stage.student(sample, 999, tokens, timestep_cond=scales).sample
    expected = scheduler.step(prediction, scheduler.timesteps[0], noise, return_dict=False)[0]
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


class Ideal(torch.nn.Module):
    """What a perfect base gives: source and small edit where it sees the source, else what lies under the noise."""

    def __init__(self, source, change, noise_free):
        super().__init__()
        self.source, self.change, self.noise_free = source, change, noise_free
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.config = {"in_channels": 2, "out_channels": 1}

    def forward(self, sample, timestep, tokens, return_dict):
        none = sample.chunk(3)[2]
        under = self.noise_free(none[:, :1], timestep)
        return (torch.cat([self.source + self.change, self.source, under]),)


@pytest.mark.parametrize("scales", [(7.5, 1.5), (4.0, 1.25), (3.0, 1.75)])
def test_guided_steps_come_to_show_the_ratio_of_the_scales_times_the_edit(scales):
    """The fixed point of `objectives.multiplied`, with the noise known."""
    source, change = torch.full((1, 1, 4, 4), 0.3), torch.full((1, 1, 4, 4), 0.1)
    noise = initial_noise(0, (1, 4, 4))[0]
    scheduler = training_scheduler(None, "sample")

    def noise_free(noised, timestep):
        cumulative = scheduler.alphas_cumprod[timestep]
        return (noised - (1 - cumulative).sqrt() * noise) / cumulative.sqrt().clamp_min(0.05)

    text_scale, image_scale = scales
    guidance = Guidance(torch.zeros(1, 1, 1), torch.zeros(1, 1, 1), text_scale, image_scale, 3, 60)
    found = sample(Ideal(source, change, noise_free), scheduler, source, 0, guidance, AnchorStore())
    shown = ((found - source) / change).mean().item()
    assert shown == pytest.approx(text_scale / image_scale, rel=0.05)


def test_two_denoisers_for_one_base_are_refused(tmp_path):
    tiny.one_step(tmp_path / "start")
    path = small.config(tmp_path / "mine.toml", "base", unet=small.UNET, extra="held_scales = [2.0, 3.0]")
    settings = read_settings("base", str(path), [f"start={json.dumps(str(tmp_path / 'start'))}"])
    with pytest.raises(UsageError, match="held_scales"):
        make_stage("base", settings, None)


def test_a_network_that_edits_nothing_is_not_taken_over(tmp_path):
    tiny.one_step(tmp_path / "start")
    small.photos(tmp_path / "photos")
    path = small.config(tmp_path / "code.toml", "autoencoder", extra="steps = 1\nsample_every = 0")
    changes = [f"start={json.dumps(str(tmp_path / 'start'))}", f"data.folder={json.dumps(str(tmp_path / 'photos'))}"]
    train("autoencoder", read_settings("autoencoder", str(path), changes), tmp_path / "code", cpu=True, say=print)
    path = small.config(tmp_path / "mine.toml", "base", extra="held_scales = [2.0, 3.0]")
    settings = read_settings("base", str(path), [f"start={json.dumps(str(tmp_path / 'code' / 'checkpoint'))}"])
    with pytest.raises(ModelError, match="edits nothing yet"):
        make_stage("base", settings, None)


def test_latent_errors_in_pixels_are_those_of_the_linear_picture(picture_chain):
    stage = stage_of(picture_chain, "guidance", "base")
    first, second = torch.randn(2, 3, 8, 4, 4)
    decoder = stage.codec.module.decoder
    with torch.no_grad():
        # Rows of the fitted code are orthogonal; those of a random one are not.
        flat = torch.linalg.qr(decoder.weight.flatten(1).T).Q.T
        decoder.weight.copy_((flat * torch.arange(1.0, 9.0).view(-1, 1)).view_as(decoder.weight))
        stage._pixel_scale = pixel_scale(stage.codec.module)
        apart = (decoder(first) - decoder(second)).square().flatten(1).mean(dim=1)
    found = stage.pixel_errors(first, second)
    torch.testing.assert_close(found / found[0], apart / apart[0])


def test_what_lies_under_the_noise_may_stray_from_the_target(tmp_path, monkeypatch):
    """With the source in view the target stays; without it, it is what lies under the noise."""
    tiny.one_step(tmp_path / "start")
    extra = 'prediction = "sample"\nheld_scales = [2.0, 3.0]\nnull_text = "source"\nstray = 6.0'
    path = small.config(tmp_path / "mine.toml", "base", extra=extra)
    settings = read_settings("base", str(path), [f"start={json.dumps(str(tmp_path / 'start'))}"])
    stage = make_stage("base", settings, None)
    batch, numbers = batch_of(4), [40, 41, 42, 43]
    seen = {}
    monkeypatch.setattr(type(stage._schedule), "noised", lambda self, under, *rest: seen.setdefault("under", under))
    original = objectives.squared_errors

    def errors(made, target):
        seen.setdefault("target", target)
        return original(made, target)

    kinds = torch.tensor([False, True, False, True]), torch.tensor([False, False, True, True])
    monkeypatch.setattr(objectives, "dropped", lambda draws, shares: kinds)
    monkeypatch.setattr(objectives, "squared_errors", errors)
    next(stage.losses(batch, Draws(0, numbers), 0))
    source, edited = (stage.codec.encode(one) for one in (batch.source, batch.edited))
    wanted = [edited[0], source[1], seen["under"][2], seen["under"][3]]
    torch.testing.assert_close(seen["target"], torch.stack(wanted))
    share = ((seen["under"] - source) / (edited - source)).flatten(1)
    torch.testing.assert_close(share, share[:, :1].expand_as(share), atol=1e-3, rtol=1e-3)
    assert 0 <= share.min() < 1 < share.max() <= 6


def data_stage(chain, *changes):
    """A one-step stage that learns from data, whose teacher is as strong as a fifth of the scales' ratio."""
    stage = stage_of(chain, "adversarial", "guidance", "data_weight=1.0", "data.strength=0.18", *changes)
    stage.strengths = lambda scales: 0.18 * scales[:, 0] / scales[:, 1]
    return stage


def test_a_student_of_the_data_is_told_how_far_to_go(picture_chain, monkeypatch):
    """The target is the bank's small edit times what the strengths say; a student that draws it has no loss."""
    stage, batch = data_stage(picture_chain), batch_of()
    scales = torch.tensor([[7.5, 1.5], [2.0, 2.0]])
    target = batch.source + torch.tensor([5.0, 1.0]).view(-1, 1, 1, 1) * (batch.edited - batch.source)
    loss, metrics = stage._data_loss(target.clamp(-1, 1), batch, scales)
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert metrics["data_gain"] > 50
    losses = stage.losses(batch, Draws(0, [0, 1]), 0)
    next(losses)
    assert next(losses).metrics["data"] > 0.01


def test_colour_goes_first_where_the_data_is_drawn(picture_chain):
    source, full = 0.3 + 0.4 * torch.rand(2, 3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    edits = [("winter",), ("pencil",), ()]
    batch = SampleBatch(source, source + 0.18 * (full - source), [""] * 3, edits, [0, 1, 2])
    expected = [blend(source[n : n + 1], full[n : n + 1], 0.9, drawn=n == 1) for n in range(3)]
    loss, _ = data_stage(picture_chain)._data_loss(torch.cat(expected), batch, torch.tensor([[7.5, 1.5]] * 3))
    assert loss.item() == pytest.approx(0, abs=1e-4)


def test_strengths_are_the_teachers_on_samples(picture_chain, tmp_path, monkeypatch):
    """A teacher that makes half of the full edit at the ends of the ranges sets the strength to a half there."""
    drawn = {name: float(not edit.painted) for name, edit in small.bank.BANK.items()}
    folder = str(small.photos(tmp_path / "photos"))
    settings = DataSettings(folder=folder, crop=32, strength=0.18, unedited=0.5, weights=drawn)
    data = BankSamples(settings, 3, tmp_path / "work")
    stage = stage_of(picture_chain, "adversarial", "guidance", "data_weight=1.0", "data.strength=0.18")
    samples = [collate([data.sample(number)]) for number in range(24)]
    asked, steps = [], set()

    def teacher_samples(latents, tokens, scales, draws, count):
        steps.add(count)
        return latents.source

    def half_of_the_edit(codec, latents, source):
        asked.append(next(sample for sample in samples if torch.equal(sample.source, source)))
        return source + 0.5 / 0.18 * (asked[-1].edited - source)

    monkeypatch.setattr(stage, "teacher_samples", teacher_samples)
    monkeypatch.setattr(type(stage.codec), "decode", half_of_the_edit)
    stage.prepare(data)
    found = stage.strengths(torch.tensor([[2.0, 1.0], [7.5, 1.5], [14.0, 3.0]]))
    assert found.tolist() == pytest.approx([0.5, 0.9, 0.5], abs=0.02)
    assert steps == {stage.start.descriptor.steps}
    assert all(edits for sample in asked for edits in sample.edits)


def test_the_teacher_is_asked_now_and_then(picture_chain, monkeypatch):
    """Where it is not, the student alone learns, from noise, by the data; where it is, it weighs as often again."""
    stage, batch = data_stage(picture_chain, "teacher_every=3"), batch_of()
    assert [stage.active(step) for step in range(4)] == [
        ("discriminator", "student"),
        ("student",),
        ("student",),
        ("discriminator", "student"),
    ]
    losses = list(stage.losses(batch, Draws(0, [0, 1]), 1))
    assert [set(loss.metrics) for loss in losses] == [{"data", "data_gain"}]
    always = data_stage(picture_chain)
    for one in (stage, always):
        monkeypatch.setattr(one, "_data_loss", lambda picture, batch, scales: (0 * picture.sum(), {}))
    lazy, often = (list(one.losses(batch, Draws(0, [0, 1]), 0))[1].total.item() for one in (stage, always))
    assert lazy == pytest.approx(3 * often, rel=1e-4)


def test_steps_without_the_teacher_need_data(picture_chain):
    with pytest.raises(UsageError, match="teacher_every is 3"):
        stage_of(picture_chain, "adversarial", "guidance", "teacher_every=3")


def test_a_student_goes_on_from_a_one_step_checkpoint(picture_chain, tmp_path):
    before = picture_chain / "adversarial" / "checkpoint"
    stage = stage_of(picture_chain, "adversarial", "guidance", f"student={before}")
    weights = load_file(before / "unet" / WEIGHTS)
    for name, value in stage.student.state_dict().items():
        torch.testing.assert_close(value, weights[name].float())
    assert not all(torch.equal(value, stage.teacher.state_dict()[n]) for n, value in stage.student.state_dict().items())
    tiny.one_step(tmp_path / "other")
    with pytest.raises(ModelError, match=r"other is none of this teacher's: it predicts v_prediction, not sample"):
        stage_of(picture_chain, "adversarial", "guidance", f"student={tmp_path / 'other'}")
    with pytest.raises(ModelError, match="is a guided checkpoint"):
        stage_of(picture_chain, "adversarial", "guidance", f"student={picture_chain / 'guidance' / 'checkpoint'}")


def test_guidance_that_saturates_moves_the_text_scale_alone(picture_chain):
    plain = stage_of(picture_chain, "guidance", "base")
    full = stage_of(picture_chain, "guidance", "base", "full_ratio=5.0")
    batch, draws = batch_of(), Draws(0, [0, 1])
    _, latents = plain.encoded(batch, draws, plain.student)
    tokens, times, ones = plain.conditioning.tokens(batch, draws), torch.tensor([10, 900]), torch.ones(2)
    noised = torch.randn_like(latents.edited)
    scale = objectives.saturated(14 * ones, ones, 5.0)
    wanted, _ = plain.guided_teacher(noised, latents, tokens, scale, ones, times)
    found, _ = full.guided_teacher(noised, latents, tokens, 14 * ones, ones, times)
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("share", "usual"), [(0.0, 0), (0.5, 4), (1.0, 8)])
def test_a_share_of_samples_is_at_the_usual_scales(picture_chain, monkeypatch, share, usual):
    stage = stage_of(picture_chain, "adversarial", "guidance", f"usual_share={share}")
    seen = []
    monkeypatch.setattr(stage, "teacher_samples", lambda latents, tokens, scales, *rest: seen.append(scales) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        next(stage.losses(batch_of(8), Draws(1, list(range(8))), 0))
    found = (seen[0] == torch.tensor([7.5, 1.5])).all(dim=1).sum().item()
    assert abs(found - usual) <= (2 if 0 < share < 1 else 0)


def test_data_of_unknown_strength_are_refused(picture_chain):
    with pytest.raises(UsageError, match="one small strength"):
        stage_of(picture_chain, "adversarial", "guidance", "data_weight=1.0")
