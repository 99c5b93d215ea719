"""What a denoiser computes of the instruction, the scales and the timestep: the same for every frame of an edit.

The keys and values of the text, the embeddings of timestep and scales, and their projection in every ResNet block are
computed for the first frames and kept. Knows nothing of what an edit is: whoever runs the network says when one begins.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from diffusers.models.attention_processor import Attention
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn


class SteadyLayers:
    """Keeps what the steady layers of a diffusers UNet gave, by denoising step, layer and number of frames.

    Whoever runs the network says which step comes next. Nothing is kept before `begin` is called.
    """

    def __init__(self, unet: nn.Module) -> None:
        self._edit: tuple[Any, ...] | None = None
        self._kept: dict[int, dict[tuple[str, int], Tensor]] = {}
        self.go_to(0)
        for name, module in unet.named_modules():
            if isinstance(module, Attention) and name.endswith("attn2"):
                for part in ("to_k", "to_v"):
                    self._attach(getattr(module, part), f"{name}.{part}")
            elif isinstance(module, ResnetBlock2D) and module.time_emb_proj is not None:
                self._attach(module.time_emb_proj, f"{name}.time_emb_proj")
            elif name in {"time_embedding", "add_embedding"}:
                self._attach(module, name)

    def _attach(self, layer: Any, name: str) -> None:
        # The instance's own `forward`, so that names of weights stay as they are.
        layer.forward = partial(self._remembered, layer.forward, name)

    def _remembered(
        self, forward: Callable[..., Tensor], name: str, states: Tensor, *rest: Any, **options: Any
    ) -> Tensor:
        if self._edit is None:
            return forward(states, *rest, **options)
        key = (name, len(states))
        found = self._here.get(key)
        if found is None:
            found = self._here.setdefault(key, forward(states, *rest, **options))
        return found

    def go_to(self, step: int) -> None:
        """Say which denoising step comes next. As with anchors, layers never see its number."""
        self._here = self._kept.setdefault(step, {})

    def holds(self, frames: int) -> bool:
        """Whether the next step's layers have been computed for a batch of `frames`."""
        return any(count == frames for _, count in self._here)

    def begin(self, *edit: Any) -> None:
        """Say what the frames to come are edited with; another edit than before forgets what was kept of that.

        Tensors are compared by identity and held, so that none takes the place of another.
        """
        if self._edit is None or not _same(self._edit, edit):
            self._clear()
            self._edit = edit

    def forget(self) -> None:
        """Keep nothing from now on."""
        self._clear()
        self._edit = None

    def _clear(self) -> None:
        self._kept.clear()
        self.go_to(0)


def _same(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    return len(one) == len(other) and all(
        a is b if isinstance(a, Tensor) or isinstance(b, Tensor) else a == b for a, b in zip(one, other, strict=True)
    )
