"""From noise to edited latents: the one loop that teacher and student share.

One step or many, one UNet pass a step or the three of classifier-free guidance with two conditions
(InstructPix2Pix, eq. 3): `e(0,0) + s_I (e(I,0) - e(0,0)) + s_T (e(I,T) - e(I,0))`. Schedulers are diffusers' own, or
have their calls, as `OneStep` has, which the embedded model is run by.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from movie_cli.models.attention import AnchorStore, ConditioningCache
from movie_cli.models.scales import SourceResidual

THREE_PASSES = 3
SIGNS = {"sample": 1, "v_prediction": -1}
"""Without a signal a velocity is the negative picture."""
SIGMA_DATA = 0.5
STOCK = {"num_train_timesteps": 1000, "original_inference_steps": 50, "timestep_scaling": 10.0}


class Scheduler(Protocol):
    """What sampling needs of diffusers' schedulers."""

    timesteps: Any
    init_noise_sigma: Any

    def set_timesteps(self, steps: int, device: Any = None) -> None:
        """Say how many steps there will be."""
        ...

    def scale_model_input(self, sample: Tensor, timestep: Any) -> Tensor:
        """What the network is given of `sample`."""
        ...

    def step(self, prediction: Tensor, timestep: Any, sample: Tensor, return_dict: bool = False) -> Any:
        """The next sample, the first of a tuple."""
        ...


class OneStep:
    """A scheduler of one step, of a configuration that `knows` has agreed to.

    It does what diffusers' `LCMScheduler` does when it takes one step (arXiv 2310.04378, 2305.08891), with the same
    calls: a network predicts the picture at zero terminal signal. Any other step is for diffusers.
    """

    init_noise_sigma = 1.0

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = {**STOCK, **config}
        self.timesteps = torch.tensor([self.config["num_train_timesteps"] - 1])
        # A consistency model's boundary condition, which hardly matters this far from it.
        scaled = self.timesteps[0] * self.config["timestep_scaling"]
        self._skip = float(SIGMA_DATA**2 / (scaled**2 + SIGMA_DATA**2))
        self._out = float(scaled / (scaled**2 + SIGMA_DATA**2) ** 0.5) * SIGNS[self.config["prediction_type"]]

    @staticmethod
    def knows(config: Mapping[str, Any]) -> bool:
        """Whether the first of one step of this scheduler is at zero signal, and nothing is done to the picture."""
        settings = {**STOCK, **config}
        return (
            settings.get("_class_name") == "LCMScheduler"
            and settings.get("rescale_betas_zero_snr") is True
            and settings.get("prediction_type") in SIGNS
            and not settings.get("thresholding")
            and not settings.get("clip_sample")
            and all(isinstance(settings[key], int | float) and settings[key] >= 1 for key in STOCK)
            and settings["num_train_timesteps"] % settings["original_inference_steps"] == 0
        )

    def set_timesteps(self, steps: int, device: torch.device | str | None = None) -> None:
        """Bring the one timestep to a device.

        Raises:
            ValueError: more than one step.
        """
        if steps != 1:
            raise ValueError(f"{steps} steps are not one")
        self.timesteps = self.timesteps.to(device)

    def scale_model_input(self, sample: Tensor, timestep: Tensor) -> Tensor:
        """The noise itself."""
        del timestep
        return sample

    def step(self, prediction: Tensor, timestep: Tensor, sample: Tensor, return_dict: bool = False) -> tuple[Tensor]:
        """The latents of the picture, all there is in the tuple, from a prediction and the noise `sample`."""
        del timestep, return_dict
        return (self._out * prediction + self._skip * sample,)


@dataclass(frozen=True)
class Guidance:
    """What an edit asks of the network.

    `tokens` and `null_tokens` are `(1, L, D)`, the instruction and the empty text as the UNet's cross-attention takes
    them; `passes` is 3 for a network guided from outside, 1 for one that takes the scales as embeddings.
    """

    tokens: Tensor
    null_tokens: Tensor
    text_scale: float
    image_scale: float
    passes: int
    steps: int


def initial_noise(seed: int, shape: tuple[int, int, int]) -> tuple[Tensor, torch.Generator]:
    """The noise `(1, C, h, w)` that all frames start from, and its generator for a stochastic scheduler's next draws.

    Drawn on the CPU in float32, so that every device starts from the same.
    """
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((1, *shape), generator=generator), generator


def three_pass(prediction: Tensor, guidance: Guidance) -> Tensor:
    """Combine `(3N, C, h, w)`, ordered text and image, image alone, neither, into the guided `(N, C, h, w)`."""
    full, image, none = prediction.chunk(THREE_PASSES)
    return none + guidance.text_scale * (full - image) + guidance.image_scale * (image - none)


def is_recurrent(unet: nn.Module) -> bool:
    """Whether a network has input channels for the edited frame before: noisy latents, that frame, the source."""
    config: Any = getattr(unet, "config", {})
    return "in_channels" in config and bool(config["in_channels"] == 3 * config["out_channels"])


def latent_channels(unet: nn.Module, source: Tensor) -> int:
    """Channels of the latents that a network makes; those of the source condition if it does not say."""
    config: Any = getattr(unet, "config", {})
    return int(config["out_channels"]) if "out_channels" in config else source.shape[1]


@torch.no_grad()
def sample(
    unet: nn.Module,
    scheduler: Scheduler,
    source: Tensor,
    seed: int,
    guidance: Guidance,
    anchors: AnchorStore,
    previous: Tensor | None = None,
    conditioning: ConditioningCache | None = None,
) -> Tensor:
    """Edited latents for a source condition `(N, C, h, w)`, float32; every frame starts from the same noise.

    `anchors.mode` decides whether attention writes, reads or ignores the anchors; their step is set here. A recurrent
    network (see `is_recurrent`) also sees the edited latents of the frame before, `previous`; None stands for a
    first frame. Other networks do not take it. `conditioning` keeps what is the same for every frame.
    """
    frames, device, dtype = len(source), source.device, next(unet.parameters()).dtype
    if guidance.passes == THREE_PASSES:
        tokens = torch.cat([guidance.tokens, guidance.null_tokens, guidance.null_tokens])
        condition = torch.cat([source, source, torch.zeros_like(source)])
        extra: dict[str, Tensor] = {}
    else:
        tokens, condition = guidance.tokens, source
        scales = torch.tensor([[guidance.text_scale, guidance.image_scale]], device=device)
        extra = {"timestep_cond": scales.expand(frames, 2)}
    if is_recurrent(unet):
        before = torch.zeros_like(source) if previous is None else previous.to(source)
        condition = torch.cat([before.repeat(guidance.passes, 1, 1, 1), condition], dim=1)
    tokens = tokens.repeat_interleave(frames, dim=0)
    anchors.groups = guidance.passes
    if conditioning is not None:
        conditioning.begin(*(getattr(guidance, item.name) for item in fields(guidance)))
    scheduler.set_timesteps(guidance.steps, device=device)
    noise, generator = initial_noise(seed, (latent_channels(unet, source), source.shape[2], source.shape[3]))
    step_arguments = _step_arguments(scheduler, generator, frames)
    latents = noise.to(device).expand(frames, -1, -1, -1) * scheduler.init_noise_sigma
    for index, timestep in enumerate(scheduler.timesteps):
        anchors.go_to(index)
        if conditioning is not None:
            conditioning.go_to(index)
        scaled = scheduler.scale_model_input(latents.repeat(guidance.passes, 1, 1, 1), timestep)
        network_input = torch.cat([scaled, condition.float()], dim=1)
        if not isinstance(getattr(unet, "residual", None), SourceResidual):
            network_input = network_input.to(dtype)
        prediction = unet(network_input, timestep, tokens, return_dict=False, **extra)[0].float()
        if guidance.passes == THREE_PASSES:
            prediction = three_pass(prediction, guidance)
        latents = scheduler.step(prediction, timestep, latents, return_dict=False, **step_arguments)[0]
    return latents


def _step_arguments(scheduler: Scheduler, generator: torch.Generator, frames: int) -> dict[str, Any]:
    """For schedulers that draw noise between steps: one generator a frame, all in the same state."""
    if "generator" not in inspect.signature(scheduler.step).parameters:
        return {}
    copies = [torch.Generator() for _ in range(frames)]
    for copy in copies:
        copy.set_state(generator.get_state())
    return {"generator": copies}
