"""TAESD's real weights, in the layout of its author, as diffusers' network; and a photograph to try it on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny
from PIL import Image
from safetensors.torch import load_file


def real_taesd(folder: Path) -> AutoencoderTiny:
    """The network. The author's decoder begins with a clamp, which diffusers does outside its layers."""
    encoder = load_file(folder / "taesd_encoder.safetensors")
    encoder = {f"encoder.layers.{name}": value for name, value in encoder.items()}
    decoder = {}
    for name, value in load_file(folder / "taesd_decoder.safetensors").items():
        number, _, rest = name.partition(".")
        decoder[f"decoder.layers.{int(number) - 1}.{rest}"] = value
    network = AutoencoderTiny()
    network.load_state_dict(encoder | decoder)
    return network.eval()


def photograph(shared: Path) -> torch.Tensor:
    """`(1, 3, 256, 256)` in [-1, 1]."""
    path = sorted((shared / "photos").glob("*.webp"))[0]
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB").resize((256, 256)))
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
