"""The region network of a checkpoint: its folder `regions` with the weights and a small configuration.

Promises that nothing but safetensors is read, that a file which does not fit is refused by name, and that a checkpoint
without regions gives None.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from movie_cli.checkpoints.exported import read_json
from movie_cli.checkpoints.folder import check_safetensors
from movie_cli.errors import ModelError
from movie_cli.models.region_names import REGIONS
from movie_cli.models.regions import RegionNetwork, RegionShape

FOLDER, CONFIG, WEIGHTS = "regions", "config.json", "model.safetensors"
CLASS_NAME = "RegionNetwork"
SCALE = ".scale"
WIDEST, DEEPEST = 4096, 64
_AGAIN = "copy or download the checkpoint again"


def save_regions(network: RegionNetwork, folder: Path, packed: bool = False) -> None:
    """Write a region network into `folder`; `packed` for publishing: convolutions' weights in eight bits."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"_class_name": CLASS_NAME, **network.config()}
    (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    tensors = {
        name: value.detach().cpu().contiguous() for name, value in network.state_dict().items() if _is_stored(name)
    }
    save_file(_packed(tensors) if packed else tensors, folder / WEIGHTS)


def load_regions(checkpoint: Path) -> RegionNetwork | None:
    """The region network of the checkpoint folder, folded to run, in float32 on the CPU; None if it has none.

    Raises:
        ModelError: the network's files are damaged, or are of another kind.
    """
    folder = checkpoint / FOLDER
    if not folder.exists():
        return None
    return read_regions(folder).folded()


def read_regions(folder: Path) -> RegionNetwork:
    """The region network in a folder of its own, as it was trained.

    Raises:
        ModelError: the network's files are missing, damaged, or are of another kind.
    """
    path = folder / CONFIG
    config = read_json(path)
    if config.get("_class_name") != CLASS_NAME:
        raise ModelError(f"{path} is not of a {CLASS_NAME}", _AGAIN)
    if config.get("regions") != list(REGIONS):
        raise ModelError(f"{path} has other regions than this version knows", "it knows " + ", ".join(REGIONS))
    shape = _shape(path, config)
    weights = folder / WEIGHTS
    check_safetensors(weights)
    try:
        tensors = _unpacked(load_file(weights))
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{weights} cannot be loaded: {error}", _AGAIN) from error
    # Compared without memory first: a configuration may ask for any amount.
    with torch.device("meta"):
        wanted = {name: value for name, value in RegionNetwork(shape).state_dict().items() if _is_stored(name)}
    for name in sorted(wanted.keys() ^ tensors.keys()):
        raise ModelError(f"{weights} {'lacks' if name in wanted else 'has a tensor too many,'} {name}", _AGAIN)
    for name, value in wanted.items():
        if value.shape != tensors[name].shape:
            sizes = f"{list(tensors[name].shape)}, not {list(value.shape)}"
            raise ModelError(f"{weights}: {name} is of {sizes} as {path} says", _AGAIN)
    network = RegionNetwork(shape)
    network.load_state_dict({name: value.float() for name, value in tensors.items()}, strict=False)
    return network.eval()


def _shape(path: Path, config: dict[str, Any]) -> RegionShape:
    values: dict[str, Any] = {}
    for field in dataclasses.fields(RegionShape):
        value, usual = config.get(field.name), field.default
        most = WIDEST if field.name in ("widths", "decoder") else DEEPEST
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
            packed[name + SCALE] = scale
            packed[name] = (value / scale.view(-1, 1, 1, 1)).round().to(torch.int8)
    return packed


def _unpacked(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """What `_packed` made, in float32 again; a scale that fits no weights stays a tensor too many."""
    values = dict(tensors)
    for name, value in tensors.items():
        scale = tensors.get(name + SCALE)
        if scale is not None and value.dim() == 4 and scale.shape == value.shape[:1]:
            values[name] = value.float() * scale.view(-1, 1, 1, 1)
            del values[name + SCALE]
    return values
