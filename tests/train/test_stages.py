"""What single stages promise, on small networks and at a quarter of Stable Diffusion 1.5's width."""

import copy
import json

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file

from movie_cli.backends.torch_backend import TorchBackend
from movie_cli.backends.torch_devices import choose_torch
from movie_cli.bench.shapes import INSTRUCT_PIX2PIX
from movie_cli.checkpoints.descriptor import read_descriptor
from movie_cli.editing.editor import Editor
from movie_cli.errors import ModelError, UsageError
from movie_cli.models.sampling import Guidance, three_pass
from movie_cli.recipe import Recipe
from movie_cli.train import objectives, surgery
from movie_cli.train.discriminator import Heads, encoder_features, feature_widths
from movie_cli.train.run import make_stage, train
from movie_cli.train.samples import Draws, Sample, SampleBatch, collate
from movie_cli.train.settings_file import read_settings
from movie_cli.train.stages import Latents
from movie_cli.train.stages.adversarial import DISCRIMINATOR, STUDENT
from movie_cli.train.surgery import plain_copy, train_low_rank
from tests import tiny
from tests.train import small
from tests.train.small import batch_of, stage_of

WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """Folder with `photos`, a base checkpoint and a guided one."""
    return small.run_chain(tmp_path_factory.mktemp("chain"), [("base", small.UNET, ""), ("guidance", "", "")])


def test_the_student_starts_as_the_teachers_conditional_pass(chain):
    stage = stage_of(chain, "guidance", "base")
    batch, draws = batch_of(), Draws(0, [0, 1])
    _, latents = stage.encoded(batch, draws, stage.student)
    tokens, times = stage.conditioning.tokens(batch, draws), torch.tensor([10, 900])
    noised = torch.randn_like(latents.edited)
    ones = torch.ones(2)
    _, conditional = stage.guided_teacher(noised, latents, tokens, 7.5 * ones, 1.5 * ones, times)
    scales = torch.tensor([[2.0, 3.0], [14.0, 1.0]])
    sample = torch.cat([noised, latents.source], dim=1)
    found = stage.student(sample, times, tokens, timestep_cond=scales).sample
    torch.testing.assert_close(found, conditional, atol=1e-5, rtol=1e-5)


def test_the_teacher_is_guided_as_it_is_run(chain):
    stage = stage_of(chain, "guidance", "base")
    batch, draws = batch_of(1), Draws(0, [0])
    _, latents = stage.encoded(batch, draws, stage.student)
    tokens, null, times = stage.conditioning.tokens(batch, draws), stage.conditioning.null(1), torch.tensor([500])
    noised = torch.randn_like(latents.edited)
    found, _ = stage.guided_teacher(noised, latents, tokens, torch.tensor([9.0]), torch.tensor([1.2]), times)
    blank = torch.zeros_like(latents.source)
    with torch.no_grad():
        passes = [
            stage.teacher(torch.cat([noised, image], dim=1), times, text).sample
            for image, text in ((latents.source, tokens), (latents.source, null), (blank, null))
        ]
    expected = three_pass(torch.cat(passes), Guidance(tokens, null, 9.0, 1.2, 3, 1))
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_teachers_and_autoencoders_do_not_learn(chain):
    stage = stage_of(chain, "adversarial", "guidance", "conversion_steps=0")
    before = copy.deepcopy(stage.teacher.state_dict())
    losses = stage.losses(batch_of(), Draws(0, [0, 1]), 0)
    assert stage.active(0) == (DISCRIMINATOR, STUDENT)
    next(losses).total.backward()
    assert any(value.grad is not None for value in stage.heads.parameters())
    assert all(value.grad is None for value in stage.student.parameters())
    next(losses).total.backward()
    assert any(value.grad is not None and value.grad.abs().sum() > 0 for value in stage.student.parameters())
    assert all(value.grad is None for module in stage.frozen.values() for value in module.parameters())
    assert all(torch.equal(value, before[name]) for name, value in stage.teacher.state_dict().items())


def test_the_student_at_the_last_timestep_is_what_is_run(chain):
    stage = stage_of(chain, "adversarial", "guidance", "last_timestep_share=1.0")
    batch, draws = batch_of(), Draws(0, [0, 1])
    _, latents = stage.encoded(batch, draws, stage.student)
    noised, times = stage._student_input(torch.zeros_like(latents.source), draws)
    assert times.tolist() == [999, 999]
    tokens, scales = stage.conditioning.tokens(batch, draws), torch.tensor([[7.5, 1.5]] * 2)
    found = stage.pictures(noised, latents, tokens, scales, times)
    _, scheduler, _ = stage.denoiser()
    scheduler.set_timesteps(1)
    sample = torch.cat([noised, latents.source], dim=1)
    velocity = stage.student(sample, 999, tokens, timestep_cond=scales).sample
    expected = scheduler.step(velocity, scheduler.timesteps[0], noised, return_dict=False)[0]
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_a_converted_teacher_is_a_fixed_point(chain):
    """A student that says exactly what the teacher's noise amounts to has nothing to learn."""
    stage = stage_of(chain, "adversarial", "guidance")
    stage.student = Velocity(stage.teacher, stage._schedule)
    loss = next(stage.losses(batch_of(), Draws(0, [0, 1]), 0))
    assert loss.total.item() == pytest.approx(0, abs=1e-6)


class Velocity(torch.nn.Module):
    def __init__(self, teacher, schedule):
        super().__init__()
        self.teacher, self.schedule, self.config = teacher, schedule, teacher.config

    def forward(self, sample, timesteps, tokens, timestep_cond):
        noise = self.teacher(sample, timesteps, tokens, timestep_cond=timestep_cond)
        noise.sample = self.schedule.velocity_of_noise(noise.sample, sample[:, : noise.sample.shape[1]], timesteps)
        return noise


def test_a_student_that_is_given_needs_no_conversion(chain, tmp_path):
    first = stage_of(chain, "adversarial", "guidance")
    assert first.converting(0)
    first.save(tmp_path / "student", "student")
    stage = stage_of(chain, "adversarial", "guidance", f"student={tmp_path / 'student'}")
    assert not stage.converting(0)
    assert stage.total_steps() == stage.settings.steps


def test_a_student_of_another_shape_is_refused(chain):
    with pytest.raises(ModelError, match="start is none of this teacher's: its denoiser has another shape"):
        stage_of(chain, "adversarial", "guidance", f"student={chain / 'start'}")


@pytest.mark.parametrize("sampler", ["lcm", "ddim"])
def test_teacher_samples_depend_on_the_sample_alone(chain, sampler):
    stage = stage_of(chain, "adversarial", "guidance", f"teacher_sampler={sampler}")
    batch = batch_of(3)
    scales = torch.tensor([[7.5, 1.5]] * 3)

    def samples(rows):
        part = collate([Sample((batch.source[n] + 1) / 2, (batch.edited[n] + 1) / 2, "", ("winter",), n) for n in rows])
        draws = Draws(4, rows)
        _, latents = stage.encoded(part, draws, stage.student)
        tokens = stage.conditioning.tokens(part, draws)
        return stage.teacher_samples(latents, tokens, scales[: len(rows)], draws, 2)

    torch.testing.assert_close(samples([0, 1, 2])[1:2], samples([1]), atol=1e-4, rtol=1e-3)


def test_heads_see_scales_time_and_text(chain):
    stage = stage_of(chain, "adversarial", "guidance")
    generator = torch.Generator().manual_seed(0)
    sample, tokens = torch.randn(1, 16, 8, 8, generator=generator), torch.randn(1, 4, 192, generator=generator)
    times, scales = torch.tensor([300]), torch.tensor([[7.5, 1.5]])
    features = encoder_features(stage.teacher, sample, times, tokens, scales)
    assert [one.shape[1] for one in features] == feature_widths(stage.teacher)
    for scale_heads in (True, False):
        torch.manual_seed(1)
        heads = Heads(feature_widths(stage.teacher), 8, 192, scale_heads)
        usual = heads(features, times, tokens, scales)
        assert len(usual) == len(features)
        assert all(one.shape[1:2] == (1,) for one in usual)
        others = {
            "time": heads(features, torch.tensor([700]), tokens, scales),
            "text": heads(features, times, tokens + 1, scales),
            "text_scale": heads(features, times, tokens, torch.tensor([[3.0, 1.5]])),
            "image_scale": heads(features, times, tokens, torch.tensor([[7.5, 2.5]])),
        }
        for name, other in others.items():
            same = all(torch.equal(a, b) for a, b in zip(usual, other, strict=True))
            assert same == (not scale_heads and name.endswith("scale")), name


def test_features_are_what_the_network_itself_computes(chain):
    stage = stage_of(chain, "adversarial", "guidance")
    seen = []
    handle = stage.teacher.mid_block.register_forward_hook(lambda module, inputs, output: seen.append(output))
    sample, tokens, scales = torch.randn(1, 16, 8, 8), torch.randn(1, 4, 192), torch.tensor([[7.5, 1.5]])
    with torch.no_grad():
        stage.teacher(sample, torch.tensor([300]), tokens, timestep_cond=scales)
        mine = encoder_features(stage.teacher, sample, torch.tensor([300]), tokens, scales)[-1]
    handle.remove()
    assert torch.equal(mine, seen[0])


def test_an_edit_on_the_latents_grid_is_not_moved(chain):
    """Blocks of 8 pixels that are turned and shifted are no pixel art."""
    stage = stage_of(chain, "guidance", "base", "equivariant=0.1")
    pictures = batch_of(3)
    batch = SampleBatch(pictures.source, pictures.edited, [""] * 3, [("winter",), ("pixel_art",), ()], [0, 1, 2])
    found, _ = stage.encoded(batch, Draws(0, batch.numbers), stage.student)
    kept = [torch.allclose(found.edited[row], batch.edited[row], atol=1e-4) for row in range(3)]
    assert kept == [False, True, False]
    assert torch.allclose(found.source[1], batch.source[1], atol=1e-4)


def test_null_text_is_what_the_encoder_makes_of_nothing(chain):
    stage = stage_of(chain, "guidance", "base")
    encoded = stage.start.text.encode("")
    torch.testing.assert_close(stage.conditioning.null(1), encoded.tokens, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "extra", ['mixed_precision = "bf16"', "gradient_checkpointing = true", "equivariant = 0.05", "lora_rank = 2"]
)
def test_switches_train(chain, tmp_path, extra):
    if extra.startswith("lora"):
        pytest.importorskip("peft")
    path = small.config(tmp_path / "mine.toml", "guidance", extra=f"steps = 3\nsample_every = 0\n{extra}")
    changes = [
        f"start={json.dumps(str(chain / 'base' / 'checkpoint'))}",
        f"data.folder={json.dumps(str(chain / 'photos'))}",
    ]
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state()
    train("guidance", read_settings("guidance", str(path), changes), tmp_path / "run", cpu=True, say=lambda text: None)
    assert (tmp_path / "run" / "checkpoint" / "movie.json").exists()
    # Gone on with, and run.
    train(
        "guidance",
        read_settings("guidance", str(path), [*changes, "steps=4"]),
        tmp_path / "run",
        resume=True,
        cpu=True,
        say=lambda text: None,
    )
    AcceleratorState._reset_state()
    both = (tmp_path / "run", chain / "guidance")
    made, plain = (load_file(run / "checkpoint" / "unet" / WEIGHTS) for run in both)
    assert made.keys() == plain.keys()
    backend = TorchBackend(read_descriptor(tmp_path / "run" / "checkpoint"), choose_torch("cpu", "float32"))
    editor = Editor(backend)
    editor.set_recipe(Recipe("make it winter"))
    frames = np.zeros((1, 32, 32, 3), dtype=np.uint8)
    assert editor.edit(frames).shape == frames.shape


def quarter():
    torch.manual_seed(0)
    shape = INSTRUCT_PIX2PIX | {"block_out_channels": (80, 160, 320, 320), "norm_num_groups": 16}
    return UNet2DConditionModel(**shape | {"cross_attention_dim": 64})


def test_low_rank_layers_train_and_merge():
    pytest.importorskip("peft")
    unet = surgery.with_scales(quarter(), 16)
    total = sum(value.numel() for value in unet.parameters())
    sample, tokens, scales = torch.randn(1, 8, 8, 8), torch.randn(1, 5, 64), torch.tensor([[7.5, 1.5]])
    with torch.no_grad():
        before = unet(sample, 10, tokens, timestep_cond=scales).sample
    train_low_rank(unet, 4)
    trained = {name: value for name, value in unet.named_parameters() if value.requires_grad}
    assert sum(value.numel() for value in trained.values()) < 0.2 * total
    assert any("lora_A" in name and "conv1" in name for name in trained)
    assert any(name.startswith("time_embedding.text_scale.") for name in trained)
    optimizer = torch.optim.AdamW(trained.values(), lr=1e-3)
    for _ in range(2):
        objectives.squared_error(unet(sample, 10, tokens, timestep_cond=scales).sample, before + 1).backward()
        optimizer.step()
    plain = plain_copy(unet)
    assert plain.state_dict().keys() == surgery.with_scales(quarter(), 16).state_dict().keys()
    with torch.no_grad():
        merged = plain(sample, 10, tokens, timestep_cond=scales).sample
        torch.testing.assert_close(merged, unet(sample, 10, tokens, timestep_cond=scales).sample, atol=1e-3, rtol=1e-3)
    assert not torch.allclose(merged, before, atol=1e-3)


def test_low_rank_without_peft_says_so(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(UsageError, match="lora_rank needs the package peft"):
        train_low_rank(object(), 4)


def test_every_stages_step_runs_at_a_quarter_of_the_width(tmp_path):
    tiny.instruct_pix2pix(tmp_path / "ip2p")
    shape = INSTRUCT_PIX2PIX | {"block_out_channels": (80, 160, 320, 320), "norm_num_groups": 16}
    UNet2DConditionModel(**shape | {"cross_attention_dim": 24}).save_pretrained(tmp_path / "ip2p" / "unet")
    tiny.tiny_autoencoder(tmp_path / "taesd")
    start = tmp_path / "ip2p"
    for name, change in (
        ("mobile", f"autoencoder={json.dumps(str(tmp_path / 'taesd'))}"),
        ("guidance", "scale_embedding_dim=64"),
        ("adversarial", "conversion_steps=1"),
    ):
        path = small.config(tmp_path / f"{name}.toml", name)
        stage = make_stage(name, read_settings(name, str(path), [f"start={json.dumps(str(start))}", change]), None)
        for step in (0, 1) if name == "adversarial" else (0,):
            for loss in stage.losses(batch_of(1, 64), Draws(0, [step]), step):
                assert torch.isfinite(loss.total)
                loss.total.backward()
        start = tmp_path / name
        stage.save(start, name)
    unet = json.loads((start / "unet" / "config.json").read_text())
    assert unet["down_block_types"] == ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"]
    assert unet["block_out_channels"] == [80, 160, 320, 320]


def test_the_frame_before_is_left_out_now_and_then(tmp_path, chain):
    tiny.one_step(tmp_path / "start")
    path = small.config(tmp_path / "mine.toml", "base", unet=small.UNET, extra="recurrent = true")
    settings = read_settings("base", str(path), [f"start={json.dumps(str(tmp_path / 'start'))}"])
    stage = make_stage("base", settings, None)
    _, latents = stage.encoded(batch_of(16), Draws(0, list(range(16))), stage.unet)
    assert isinstance(latents, Latents)
    empty = (latents.previous.flatten(1).abs().sum(dim=1) == 0).tolist()
    assert 2 < sum(empty) < 14
    kept = latents.previous[~torch.tensor(empty)], latents.edited[~torch.tensor(empty)]
    far = (latents.source[~torch.tensor(empty)] - kept[0]).square().mean()
    assert (kept[0] - kept[1]).square().mean() < far  # the edited picture, moved a little
