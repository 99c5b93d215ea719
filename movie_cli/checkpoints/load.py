"""Loads a checked checkpoint folder's parts: UNet, autoencoder, text encoder, scheduler, a LoRA, regions.

Everything comes on the CPU in float32. Nothing but safetensors is read, and a file that does not fit is refused by
name. The region network, in the folder `regions` with a small configuration, is saved here, too; a checkpoint without
one gives None.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from movie_cli.checkpoints.descriptor import Descriptor
from movie_cli.checkpoints.exported import read_json
from movie_cli.checkpoints.folder import check_safetensors
from movie_cli.checkpoints.store import SCHEDULERS
from movie_cli.errors import ModelError, first_line
from movie_cli.models.autoencoder import AutoencoderAdapter, PatchAutoencoder, adapter_of
from movie_cli.models.network import without_memory
from movie_cli.models.region_names import REGIONS
from movie_cli.models.regions import RegionNetwork, RegionShape
from movie_cli.models.sampling import OneStep, Scheduler
from movie_cli.models.scene import sees_scene
from movie_cli.models.text import ClipConditioner, InstructionConditioner, TextConditioner
from movie_cli.models.unet import DOWN, UP, UNet

_AGAIN = "copy or download the checkpoint again"
_UNET_FIXED: dict[str, Any] = {
    "act_fn": "silu",
    "addition_time_embed_dim": None,
    "attention_type": "default",
    "center_input_sample": False,
    "class_embed_type": None,
    "class_embeddings_concat": False,
    "conv_in_kernel": 3,
    "conv_out_kernel": 3,
    "cross_attention_norm": None,
    "downsample_padding": 1,
    "dropout": 0.0,
    "dual_cross_attention": False,
    "encoder_hid_dim": None,
    "encoder_hid_dim_type": None,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "mid_block_only_cross_attention": None,
    "mid_block_scale_factor": 1,
    "num_attention_heads": None,
    "num_class_embeds": None,
    "only_cross_attention": False,
    "projection_class_embeddings_input_dim": None,
    "resnet_out_scale_factor": 1.0,
    "resnet_skip_time_act": False,
    "resnet_time_scale_shift": "default",
    "reverse_transformer_layers_per_block": None,
    "sample_size": None,
    "time_cond_proj_dim": None,
    "time_embedding_act_fn": None,
    "time_embedding_type": "positional",
    "timestep_post_act": None,
    "transformer_layers_per_block": 1,
    "upcast_attention": False,
}
"""Settings of diffusers' UNet that have this one value here, which is also diffusers' default."""
_UNET_CHOICES: dict[str, tuple[Any, ...]] = {
    "_class_name": (UNet.class_name,),
    "addition_embed_type": (None, "text"),
    "mid_block_type": (None, "UNetMidBlock2DCrossAttn"),
    "use_linear_projection": (True,),
}
_UNET_BLOCKS = {"down_block_types": DOWN, "up_block_types": UP}
_UNET_ARGUMENTS = inspect.signature(UNet).parameters


@dataclass(frozen=True)
class Parts:
    """A checkpoint's networks, on the CPU in float32, in evaluation mode, and the scheduler of its number of steps."""

    unet: nn.Module
    autoencoder: AutoencoderAdapter
    text: TextConditioner
    scheduler: Scheduler


def load_checkpoint(descriptor: Descriptor, *, as_diffusers: bool = False) -> Parts:
    """Load all parts of the checkpoint in `descriptor.folder`.

    `as_diffusers` is for what works on denoisers and schedulers of diffusers' classes alone, such as training.

    Raises:
        ModelError: a part is missing, damaged, or of a class this version does not know.
        DeviceError: a LoRA is asked for, and peft is not installed.
    """
    folder, lora = descriptor.folder, descriptor.variant.lora
    kind = network_class(folder / "unet", as_diffusers=as_diffusers or lora is not None)
    unet = _load(folder / "unet", kind.from_pretrained, use_safetensors=True)
    place = descriptor.vae_folder
    vae = _load(place, network_class(place).from_pretrained, use_safetensors=True)
    if lora is not None:
        _theirs().merge_lora(unet, lora)
    scheduler = load_scheduler(descriptor, descriptor.steps, as_diffusers=as_diffusers)
    return Parts(unet.eval(), adapter_of(vae.eval(), _regions(folder, unet)), load_text(folder), scheduler)


def network_class(path: Path, *, as_diffusers: bool = False) -> Any:
    """The class of the denoiser or the autoencoder in the folder `path`: the project's own where that knows it.

    Raises:
        ModelError: the configuration is missing, or names no class that is known.
    """
    config = _config(path, "config.json")
    name = config["_class_name"]
    if name == PatchAutoencoder.class_name:
        return PatchAutoencoder
    if not as_diffusers and is_plain_unet(config):
        return UNet
    known = _theirs().NETWORKS
    if name not in known:
        names = ", ".join(sorted({*known, PatchAutoencoder.class_name}))
        raise ModelError(f"{path} is a {name}, which cannot edit here", f"known classes are {names}")
    return known[name]


def is_plain_unet(config: Mapping[str, Any]) -> bool:
    """Whether a `UNet` computes what diffusers would for this configuration; any other is for diffusers."""
    blocks = [(config.get(key), known) for key, known in _UNET_BLOCKS.items()]
    return (
        all(config.get(key) in allowed for key, allowed in _UNET_CHOICES.items())
        and all(isinstance(names, list) and all(name in known for name in names) for names, known in blocks)
        and all(
            key.startswith("_") or key in _UNET_ARGUMENTS or (key in _UNET_FIXED and _UNET_FIXED[key] == value)
            for key, value in config.items()
        )
    )


def load_scheduler(descriptor: Descriptor, steps: int, *, as_diffusers: bool = False) -> Scheduler:
    """The checkpoint's scheduler, for so many steps.

    Raises:
        ModelError: its configuration is damaged, or names no scheduler.
    """
    path, wanted = descriptor.folder / "scheduler", descriptor.variant.scheduler
    config = _config(path, "scheduler_config.json")
    if steps == 1 and wanted is None and not as_diffusers and OneStep.knows(config):
        return OneStep(config)
    found: Scheduler = _theirs().read_scheduler(path, config["_class_name"] if wanted is None else SCHEDULERS[wanted])
    return found


def _theirs() -> Any:
    from movie_cli.checkpoints import diffusers_parts  # takes a second

    return diffusers_parts


def _regions(folder: Path, unet: Any) -> RegionNetwork | None:
    """The region network of a denoiser that is told what is where."""
    if not sees_scene(unet.config["in_channels"], unet.config["out_channels"]):
        return None
    network = load_regions(folder)
    if network is None:
        raise ModelError(f"{folder / 'regions'} is missing, which the denoiser needs", _AGAIN)
    return network


def _load(path: Path, load: Callable[..., Any], **options: Any) -> Any:
    try:
        return load(path, local_files_only=True, torch_dtype=torch.float32, **options)
    except (OSError, ValueError, LookupError, TypeError, RuntimeError, ArithmeticError, AttributeError) as error:
        raise ModelError(f"{path} cannot be loaded: {first_line(error)}", _AGAIN) from error


def _config(path: Path, file: str) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads((path / file).read_text(encoding="utf-8"))
        return {**config, "_class_name": str(config["_class_name"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path / file} does not say its class", _AGAIN) from error


def load_text(folder: Path) -> TextConditioner:
    """The text encoder of a checkpoint alone.

    Raises:
        ModelError: it is damaged or of no known kind.
    """
    path = folder / "text_encoder"
    config = json.loads((path / "config.json").read_text(encoding="utf-8"))
    if config.get("_class_name") == "InstructionEncoder":
        result: TextConditioner = _load(folder, InstructionConditioner.from_folder)
        return result
    if "CLIPTextModel" in (config.get("architectures") or ()):
        clip: TextConditioner = _load(folder, ClipConditioner.from_folder)
        return clip
    raise ModelError(f"{path} is no text encoder that is known here", "InstructionEncoder and CLIPTextModel are")


REGIONS_FOLDER, REGIONS_CONFIG, REGIONS_WEIGHTS = "regions", "config.json", "model.safetensors"
REGIONS_CLASS = "RegionNetwork"
_SCALE = ".scale"
_WIDEST, _DEEPEST = 4096, 64


def save_regions(network: RegionNetwork, folder: Path, packed: bool = False) -> None:
    """Write a region network into `folder`; `packed` for publishing: convolutions' weights in eight bits."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"_class_name": REGIONS_CLASS, **network.config()}
    (folder / REGIONS_CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    tensors = {
        name: value.detach().cpu().contiguous() for name, value in network.state_dict().items() if _is_stored(name)
    }
    save_file(_packed(tensors) if packed else tensors, folder / REGIONS_WEIGHTS)


def load_regions(checkpoint: Path) -> RegionNetwork | None:
    """The region network of the checkpoint folder, folded to run, in float32 on the CPU; None if it has none.

    Raises:
        ModelError: the network's files are damaged, or are of another kind.
    """
    folder = checkpoint / REGIONS_FOLDER
    if not folder.exists():
        return None
    return read_regions(folder).folded()


def read_regions(folder: Path) -> RegionNetwork:
    """The region network in a folder of its own, as it was trained.

    Raises:
        ModelError: the network's files are missing, damaged, or are of another kind.
    """
    path = folder / REGIONS_CONFIG
    config = read_json(path)
    if config.get("_class_name") != REGIONS_CLASS:
        raise ModelError(f"{path} is not of a {REGIONS_CLASS}", _AGAIN)
    if config.get("regions") != list(REGIONS):
        raise ModelError(f"{path} has other regions than this version knows", "it knows " + ", ".join(REGIONS))
    shape = _shape(path, config)
    weights = folder / REGIONS_WEIGHTS
    check_safetensors(weights)
    try:
        tensors = _unpacked(load_file(weights))
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{weights} cannot be loaded: {error}", _AGAIN) from error
    # Compared without memory first: a configuration may ask for any amount.
    with without_memory():
        network = RegionNetwork(shape)
    wanted = {name: value for name, value in network.state_dict().items() if _is_stored(name)}
    for name in sorted(wanted.keys() ^ tensors.keys()):
        raise ModelError(f"{weights} {'lacks' if name in wanted else 'has a tensor too many,'} {name}", _AGAIN)
    for name, value in wanted.items():
        if value.shape != tensors[name].shape:
            sizes = f"{list(tensors[name].shape)}, not {list(value.shape)}"
            raise ModelError(f"{weights}: {name} is of {sizes} as {path} says", _AGAIN)
    seen = {name: torch.zeros((), dtype=torch.int64) for name in network.state_dict() if not _is_stored(name)}
    network.load_state_dict(seen | {name: value.float() for name, value in tensors.items()}, assign=True)
    return network.eval()


def _shape(path: Path, config: dict[str, Any]) -> RegionShape:
    values: dict[str, Any] = {}
    for field in dataclasses.fields(RegionShape):
        value, usual = config.get(field.name), field.default
        most = _WIDEST if field.name in ("widths", "decoder") else _DEEPEST
        numbers = value if isinstance(value, list) else [value]
        length = len(usual) if isinstance(usual, tuple) else 1
        if len(numbers) != length or not all(type(one) is int and 0 < one <= most for one in numbers):
            raise ModelError(f"{path}: {field.name} is {value!r}, not {length} whole numbers up to {most}", _AGAIN)
        values[field.name] = tuple(numbers) if isinstance(usual, tuple) else numbers[0]
    return RegionShape(**values)


def _is_stored(name: str) -> bool:
    """Whether a file holds it: normalizations also count what they have seen, which nobody needs."""
    return not name.endswith("num_batches_tracked")


def _packed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights of convolutions as int8, each output channel with a scale of its own beside them."""
    packed = dict(tensors)
    for name, value in tensors.items():
        if value.dim() == 4:
            scale = value.abs().amax(dim=(1, 2, 3)).clamp_min(1e-12) / 127
            packed[name + _SCALE] = scale
            packed[name] = (value / scale.view(-1, 1, 1, 1)).round().to(torch.int8)
    return packed


def _unpacked(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """What `_packed` made, in float32 again; a scale that fits no weights stays a tensor too many."""
    values = dict(tensors)
    for name, value in tensors.items():
        scale = tensors.get(name + _SCALE)
        if scale is not None and value.dim() == 4 and scale.shape == value.shape[:1]:
            values[name] = value.float() * scale.view(-1, 1, 1, 1)
            del values[name + _SCALE]
    return values
