"""Whether a result moved away from its source in the direction that its target did, in pixels and in TAESD's latents.

TAESD's encoder (MIT, github.com/madebyollin/taesd) was trained on other pictures for another purpose, which makes its
latents a feature space that no network here was trained in. Knows nothing of models or edits.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import AutoencoderTiny
from safetensors.torch import load_file
from torch import Tensor

from movie_cli.errors import ModelError
from movie_cli.evaluation.measures import LUMA

Features = Callable[[Tensor], Tensor]
"""Pictures `(N, 3, H, W)` in [0, 1] to features `(N, C, h, w)`."""


def pixels(pictures: Tensor) -> Tensor:
    """The pictures themselves."""
    return pictures


def taesd_features(file: Path) -> Features:
    """The latents of TAESD, from its `taesd_encoder.safetensors`.

    Raises:
        ModelError: the file cannot be read, or is not that.
    """
    encoder = AutoencoderTiny().encoder
    try:
        encoder.layers.load_state_dict(load_file(file))
    except Exception as error:  # safetensors raises its own bare Exception
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(f"{file} cannot be loaded: {first_line}", "give TAESD's taesd_encoder.safetensors") from error
    encoder.requires_grad_(False).eval()

    def features(pictures: Tensor) -> Tensor:
        # Written for pictures in [0, 1]; diffusers' own encoder takes [-1, 1].
        found: Tensor = encoder(pictures * 2 - 1)
        return found

    return features


@torch.inference_mode()
def direction_cosine(source: Tensor, target: Tensor, result: Tensor, features: Features = pixels) -> float:
    """Cosine between target less source and result less source, over all features; 0 if the result is the source."""
    here = features(source)
    asked, made = (features(one) - here for one in (target, result))
    return float(F.cosine_similarity(asked.flatten(), made.flatten(), dim=0))


def structure_kept(source: Tensor, result: Tensor) -> float:
    """Cosine between the luma gradients of two pictures `(N, 3, H, W)`: 1 where every edge stayed as it was."""
    gradients = []
    for picture in (source, result):
        luma = (picture * picture.new_tensor(LUMA).view(3, 1, 1)).sum(dim=-3)
        gradients.append(torch.cat([luma.diff(dim=-1).flatten(), luma.diff(dim=-2).flatten()]))
    return float(F.cosine_similarity(gradients[0], gradients[1], dim=0))
