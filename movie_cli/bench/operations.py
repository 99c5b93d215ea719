"""Operations of one edited frame, first and later, with an anchor and without."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from movie_cli.models.attention import AnchorStore, attach
from movie_cli.models.operations import Operations, count
from movie_cli.models.steady import SteadyLayers


@dataclass(frozen=True)
class FrameCost:
    """Operations of one frame: the UNet's in all its steps and passes for an edit's first frames and for every later
    one, the same with one cached anchor, and the autoencoder's both halves.
    """

    first: Operations
    steady: Operations
    anchored: Operations
    autoencoder: Operations


def frame_cost(
    unet: Callable[[], Any], autoencoder: Callable[[], Any], size: tuple[int, int], passes: int, steps: int, tokens: int
) -> FrameCost:
    """The cost of a frame of `size` (width, height) for networks that the two functions make."""
    with torch.device("meta"):
        network, vae = unet().eval(), autoencoder().eval()
        store, steady = attach(network), SteadyLayers(network)
        width, height = size
        sample = torch.zeros(1, network.config["in_channels"], height // 8, width // 8)
        context = torch.zeros(1, tokens, network.config["cross_attention_dim"])
        picture = torch.zeros(1, 3, height, width)
        latents = torch.zeros(1, vae.config["latent_channels"], height // 8, width // 8)
        timestep = torch.zeros(1)
        extra = {"timestep_cond": torch.ones(1, 2)} if "scale_embedding_dim" in network.config else {}

        def denoise() -> None:
            network(sample, timestep, context, **extra)

        def code() -> None:
            vae.encode(picture)
            if type(vae).__name__ == "PatchAutoencoder":
                vae.decode(latents, picture)
            else:
                vae.decode(latents)

        steady.begin(0)
        first = count(denoise)
        later = count(denoise)
        anchored = _with_anchor(store, denoise)
        runs = passes * steps
        return FrameCost(first * runs, later * runs, anchored * runs, count(code))


def _with_anchor(store: AnchorStore, denoise: Callable[[], None]) -> Operations:
    store.mode = "write"
    denoise()
    store.mode = "read"
    return count(denoise)
