"""Small photographs, pairs and configurations, so that a stage trains in a second."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from movie_cli.train import bank
from movie_cli.train.run import make_stage, train
from movie_cli.train.samples import Sample, SampleBatch, collate
from movie_cli.train.settings import StageName
from movie_cli.train.settings_file import read_settings
from movie_cli.train.stages import EditorStage
from tests import tiny

EDIT = "brighter"
WEIGHTS = "\n".join(f"{name} = {1.0 if name == EDIT else 0.0}" for name in bank.BANK)
COMMON = """
seed = 3
steps = 10
batch = 4
micro_batch = 2
learning_rate = 1e-3
workers = 0
save_every = 4
sample_every = 10
log_every = 2
"""
DATA = f"""
[data]
crop = 32
combined = 0.0
[data.weights]
{WEIGHTS}
"""
UNET = """
[unet]
block_out_channels = [16, 16]
down_block_types = ["DownBlock2D", "CrossAttnDownBlock2D"]
up_block_types = ["CrossAttnUpBlock2D", "UpBlock2D"]
layers_per_block = 1
cross_attention_dim = 192
attention_head_dim = 2
norm_num_groups = 4
addition_embed_type = "text"
addition_embed_type_num_heads = 2
"""
STAGES = {
    "autoencoder": "latent_channels = 8\ndecoder_widths = [8, 8, 8]\npatches_per_photo = 20\n",
    "direct": "anchor_share = 0.5\ngrain = 0.01\n",
    "base": "sampling_steps = 2\n",
    "mobile": "sampling_steps = 2\n",
    "guidance": "scale_embedding_dim = 8\nsampling_steps = 2\n",
    "adversarial": "conversion_steps = 5\nteacher_steps = 2\nhead_width = 8\n",
}


def picture(seed: int, size: tuple[int, int] = (96, 80)) -> Image.Image:
    """A smooth picture of that width and height."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 7, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def photos(folder: Path, count: int = 4) -> Path:
    """A folder of photographs, one of them held out."""
    folder.mkdir(parents=True)
    for seed in range(count):
        picture(seed).save(folder / f"p{seed}.png")
    return folder


def pairs(folder: Path, count: int = 6) -> Path:
    """A folder in InstructPix2Pix's manner."""
    folder.mkdir(parents=True)
    lines = []
    for seed in range(count):
        picture(seed).save(folder / f"{seed}_0.png")
        picture(seed + 100).save(folder / f"{seed}_1.png")
        row = {"original_image": f"{seed}_0.png", "edited_image": f"{seed}_1.png", "edit_prompt": "make it winter"}
        lines.append(json.dumps(row))
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def config(path: Path, stage: str, extra: str = "", unet: str = "", data: str = DATA) -> Path:
    """A configuration file of a stage. `extra` are top-level keys, which win over the small ones."""
    lines = [*COMMON.splitlines(), *STAGES[stage].splitlines(), *extra.splitlines()]
    values = {line.split("=")[0].strip(): line for line in lines if "=" in line}
    path.write_text("\n".join(values.values()) + "\n" + unet + data)
    return path


def run_chain(folder: Path, stages: Sequence[tuple[StageName, str, str]]) -> Path:
    """Photographs in a folder, and two steps of each stage (name, `unet` and `extra` of its configuration) in a row."""
    photos(folder / "photos")
    start = tiny.one_step(folder / "start")
    for stage, unet, extra in stages:
        path = config(folder / f"{stage}.toml", stage, unet=unet, extra=f"steps = 2\nsample_every = 0\n{extra}")
        changes = [f"start={json.dumps(str(start))}", f"data.folder={json.dumps(str(folder / 'photos'))}"]
        train(stage, read_settings(stage, str(path), changes), folder / stage, cpu=True, say=lambda text: None)
        start = folder / stage / "checkpoint"
    return folder


def batch_of(count: int = 2, side: int = 32) -> SampleBatch:
    """Samples of noise that ask for winter."""
    samples = []
    for number in range(count):
        generator = torch.Generator().manual_seed(number)
        pictures = torch.rand(2, 3, side, side, generator=generator)
        samples.append(Sample(pictures[0], pictures[1], "make it winter", ("winter",), number))
    return collate(samples)


def stage_of(chain: Path, name: str, start: str, *changes: str) -> EditorStage:
    """A stage that starts from the run `start` in a folder of runs."""
    path = config(chain / "mine.toml", name)
    settings = read_settings(name, str(path), [f"start={json.dumps(str(chain / start / 'checkpoint'))}", *changes])
    return make_stage(name, settings, None)
