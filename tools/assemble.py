"""Puts a trained denoiser and a trained text encoder together into a checkpoint folder that `movie edit` runs.

`python -m tools.assemble --networks RUN/checkpoint --text DIR -o FOLDER`

Of several networks, of which one went on from the other, the mean of the denoisers' weights is taken: it lies between
them in what they do, and is often better than either (model soups, arXiv 2203.05482).
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers import LCMScheduler

from movie_cli.checkpoints.diffusers_parts import save_checkpoint
from movie_cli.checkpoints.load import REGIONS_FOLDER
from movie_cli.models.autoencoder import PatchAutoencoder
from movie_cli.models.denoiser import GuidedUNet2DConditionModel
from movie_cli.models.text import InstructionEncoder
from movie_cli.models.tokenizer import InstructionTokenizer

DESCRIPTION = (
    "One-step editor of {} looks (seasons, weather, light, places, colours, materials, drawing, painting, photography, "
    "film), small enough for a laptop's CPU: it restyles what is there and adds, removes or moves nothing."
)


def assemble(networks: Path, text: Path, output: Path, *others: Path) -> None:
    """Write the checkpoint folder `output` from `networks` (unet, vae, scheduler, codes) and `text`.

    `others` are networks of the same shape whose denoisers are averaged with the first one. The codes are those of
    the networks' own text encoder, the regions those of the first.
    """
    encoder = InstructionEncoder.from_pretrained(text / "text_encoder", torch_dtype=torch.float32)
    trained = InstructionEncoder.from_pretrained(networks / "text_encoder", torch_dtype=torch.float32)
    if trained.edits != encoder.edits:
        raise ValueError(f"{networks} was trained on other edits than {text}")
    encoder.codes.copy_(trained.codes)
    save_checkpoint(
        output,
        _rounded(
            _mean([GuidedUNet2DConditionModel.from_pretrained(folder / "unet") for folder in (networks, *others)])
        ),
        _rounded(PatchAutoencoder.from_pretrained(networks / "vae")),
        encoder,
        InstructionTokenizer.from_pretrained(text / "tokenizer"),
        LCMScheduler.from_pretrained(networks / "scheduler"),
        description=DESCRIPTION.format(len(encoder.edits)),
    )
    if (networks / REGIONS_FOLDER).is_dir():
        shutil.copytree(networks / REGIONS_FOLDER, output / REGIONS_FOLDER, dirs_exist_ok=True)


@torch.no_grad()
def _mean(denoisers: Sequence[Any]) -> Any:
    states = [denoiser.float().state_dict() for denoiser in denoisers]
    mean = {name: torch.stack([state[name] for state in states]).mean(dim=0) for name in states[0]}
    denoisers[0].load_state_dict(mean)
    return denoisers[0]


@torch.no_grad()
def _rounded(network: Any) -> Any:
    """Weights that bfloat16 holds exactly, so that they are the same in every number type."""
    for weight in network.parameters():
        weight.copy_(weight.bfloat16())
    return network


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Make a checkpoint folder from trained parts.")
    parser.add_argument("--networks", type=Path, nargs="+", required=True, help="checkpoint folders of training runs")
    parser.add_argument("--text", type=Path, required=True, help="folder with text_encoder/ and tokenizer/")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the checkpoint folder to write")
    args = parser.parse_args()
    assemble(args.networks[0], args.text, args.output, *args.networks[1:])


if __name__ == "__main__":
    main()
