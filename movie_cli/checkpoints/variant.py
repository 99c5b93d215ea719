"""Another autoencoder, scheduler or low-rank layers than a checkpoint brings: `--vae`, `--scheduler` and `--lora`.

Promises that what does not fit a checkpoint is refused before any weight is loaded, as far as configurations tell.
Loads nothing and knows nothing of torch.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from movie_cli.checkpoints import hub
from movie_cli.checkpoints.pickles import PICKLES
from movie_cli.errors import ModelError, UsageError

if TYPE_CHECKING:
    from movie_cli.checkpoints.descriptor import Descriptor

TAESD = "madebyollin/taesd"
AUTOENCODERS = ("AutoencoderKL", "AutoencoderTiny")
SCHEDULERS = {
    "ddim": "DDIMScheduler",
    "euler": "EulerDiscreteScheduler",
    "euler-a": "EulerAncestralDiscreteScheduler",
    "dpm++": "DPMSolverMultistepScheduler",
    "unipc": "UniPCMultistepScheduler",
    "lcm": "LCMScheduler",
}
"""By what people call them: diffusers' classes, each made from the checkpoint's own configuration."""
LORA_FILE = "pytorch_lora_weights.safetensors"


@dataclass(frozen=True)
class Variant:
    """What replaces or joins a checkpoint's own parts: an autoencoder's folder, a scheduler's name, a LoRA's file."""

    vae: Path | None = None
    scheduler: str | None = None
    lora: Path | None = None


def find_variant(
    descriptor: Descriptor, vae: str | None, scheduler: str | None, lora: str | None, offline: bool
) -> Variant:
    """Resolve names of what is to be used with a checkpoint.

    Args:
        descriptor: The checkpoint.
        vae: `taesd`, a folder, or `owner/name` on the Hub.
        scheduler: A key of `SCHEDULERS`.
        lora: A safetensors file, a folder with one, or `owner/name` on the Hub.
        offline: Fetch nothing.

    Raises:
        UsageError: the checkpoint takes no other parts, or the scheduler is unknown.
        ModelError: something is missing, is a pickle, or does not fit.
    """
    asked = {"--vae": vae, "--scheduler": scheduler, "--lora": lora}
    given = [option for option, value in asked.items() if value is not None]
    if given and descriptor.stage != "base":
        raise UsageError(
            f"{given[0]} is for checkpoints of many steps, and {descriptor.name} is a {descriptor.stage} one",
            f"leave out {given[0]}, or choose another --model",
        )
    if scheduler is not None and scheduler not in SCHEDULERS:
        raise UsageError(f"there is no scheduler {scheduler}", f"known are {', '.join(SCHEDULERS)}")
    return Variant(
        None if vae is None else _find_autoencoder(vae, descriptor.latent_channels, offline),
        scheduler,
        None if lora is None else _find_lora(lora, offline),
    )


def _find_autoencoder(name: str, channels: int, offline: bool) -> Path:
    folder = Path(name).expanduser()
    if name == "taesd" and not folder.is_dir():
        name = TAESD
    if not folder.is_dir():
        folder = _fetched(name, "an autoencoder", ("config.json", "*.safetensors"), offline)
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        kind, found = config["_class_name"], config.get("latent_channels", 4)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(f"{folder / 'config.json'} does not describe an autoencoder", "name its folder") from error
    if kind not in AUTOENCODERS:
        raise ModelError(f"{folder} is a {kind}, not an autoencoder that is known here", " and ".join(AUTOENCODERS))
    if found != channels:
        raise ModelError(
            f"the autoencoder {folder} has latents of {found} channels, the checkpoint of {channels}",
            "SD 1.x goes with taesd; taesdxl, taesd3 and taef1 belong to other models",
        )
    if not any(folder.glob("*.safetensors")):
        raise ModelError(f"{folder} holds no safetensors weights", _hint_for_pickles(folder))
    return folder


def _find_lora(name: str, offline: bool) -> Path:
    path = Path(name).expanduser()
    if path.suffix.lower() in PICKLES:
        raise ModelError(f"{path} is a pickle, which may run code when it is loaded", "ask for safetensors")
    if path.is_file():
        return path
    folder = path if path.is_dir() else _fetched(name, "a LoRA", ("*.safetensors",), offline)
    found = sorted(folder.glob("*.safetensors"))
    named = [file for file in found if file.name == LORA_FILE]
    if len(named or found) != 1:
        what = "several safetensors files" if found else "no safetensors file"
        raise ModelError(f"{folder} holds {what}", "name the one file" if found else _hint_for_pickles(folder))
    return (named or found)[0]


def _fetched(name: str, what: str, wanted: tuple[str, ...], offline: bool) -> Path:
    if not hub.is_hub_id(name):
        raise ModelError(f"there is no {name}", f"{what} is a folder, or owner/name on the Hub")
    return hub.fetch(name, wanted, offline)


def _hint_for_pickles(folder: Path) -> str:
    pickles = [path.name for path in sorted(folder.glob("*")) if path.suffix.lower() in PICKLES]
    return f"{pickles[0]} is a pickle and is not read: ask for safetensors" if pickles else "download it again"
