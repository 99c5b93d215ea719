"""From noise to the picture in a single step, for networks that predict the picture at zero terminal signal.

It is what diffusers' `LCMScheduler` does when it takes one step (arXiv 2310.04378, 2305.08891), with the same calls.
Any other step is for diffusers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

SIGNS = {"sample": 1, "v_prediction": -1}
"""Without a signal a velocity is the negative picture."""
SIGMA_DATA = 0.5
STOCK = {"num_train_timesteps": 1000, "original_inference_steps": 50, "timestep_scaling": 10.0}


class OneStep:
    """A scheduler of one step, of a configuration that `knows` has agreed to."""

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
