"""What a denoiser computes once and keeps for all frames of an edit: anchors' keys and values, and its conditioning.

Cross-frame attention is self-attention that also attends to anchor frames (MoViE, section 3.1; Fairy):
`softmax(Q [K; K_anchor]^T / sqrt(d)) [V; V_anchor]`, with the anchors' keys and values computed once. Which frames are
anchors is not decided here.

The conditioning is what depends on the instruction, the scales and the timestep alone: the keys and values of the text,
the embeddings of timestep and scales, and their projection in every ResNet block.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import torch
import torch.nn.functional as F
from diffusers.models.attention_processor import Attention
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn

Mode = Literal["off", "write", "read"]
MOST_EDITS = 4
"""Edits that may take turns without being computed anew: those of `--then`."""
Entries = dict[int, dict[str, tuple[Tensor, Tensor]]]


@dataclass
class AnchorStore:
    """Keys and values of the anchor frames, by denoising step and attention layer.

    Every entry is `(groups, anchors * tokens, channels)`: one group a guidance pass, since a frame's pass without
    text must not attend to an anchor's pass with text. `mode` says what attention layers do with it.
    """

    mode: Mode = "off"
    groups: int = 1
    entries: Entries = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.go_to(0)

    def go_to(self, step: int) -> None:
        """Say which denoising step comes next.

        Layers see the entries of that step alone, and never its number, which a compiled network would be compiled for.
        """
        self._here = self.entries.setdefault(step, {})

    def clear(self) -> None:
        """Forget all anchors; whoever keeps `entries` still has them."""
        self.mode = "off"
        self.entries = {}
        self.go_to(0)

    def exchange(self, layer: str, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Keep or append anchors' keys and values for one layer; `key` and `value` are `(groups * n, tokens, c)`."""
        if self.mode == "write":
            self._here[layer] = (self._by_group(key), self._by_group(value))
        elif self.mode == "read":
            anchor_key, anchor_value = self._here[layer]
            frames = key.shape[0] // self.groups
            key = torch.cat([key, anchor_key.repeat_interleave(frames, dim=0)], dim=1)
            value = torch.cat([value, anchor_value.repeat_interleave(frames, dim=0)], dim=1)
        return key, value

    def _by_group(self, tokens: Tensor) -> Tensor:
        return tokens.reshape(self.groups, -1, tokens.shape[-1])


class AnchorAttnProcessor:
    """diffusers' scaled-dot-product processor for self-attention, with an `AnchorStore` between keys and query."""

    def __init__(self, store: AnchorStore, layer: str) -> None:
        self.store = store
        self.layer = layer

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        """Attend within `(N, tokens, channels)` and to the anchors; the UNet passes no mask and no context here."""
        del encoder_hidden_states, attention_mask, temb
        batch, tokens, _ = hidden_states.shape
        key, value = self.store.exchange(self.layer, attn.to_k(hidden_states), attn.to_v(hidden_states))
        query, key, value = (
            states.view(batch, -1, attn.heads, states.shape[-1] // attn.heads).transpose(1, 2)
            for states in (attn.to_q(hidden_states), key, value)
        )
        attended = F.scaled_dot_product_attention(query, key, value, scale=attn.scale)
        attended = attended.transpose(1, 2).reshape(batch, tokens, -1)
        output: Tensor = attn.to_out[0](attended)
        return output


def attach(unet: nn.Module) -> AnchorStore:
    """Give every self-attention layer of a diffusers UNet (`attn1`) an anchor-aware processor; returns their store."""
    store = AnchorStore()
    for name, module in unet.named_modules():
        if isinstance(module, Attention) and name.endswith("attn1"):
            module.set_processor(AnchorAttnProcessor(store, name))
    return store


class ConditioningCache:
    """Keeps the conditioning of a diffusers UNet, by denoising step, layer and number of frames.

    Whoever runs the network says which step comes next. Nothing is kept before `begin` is called.
    """

    def __init__(self, unet: nn.Module) -> None:
        self._edit: tuple[Any, ...] | None = None
        self._edits: list[tuple[tuple[Any, ...], dict[int, dict[tuple[str, int], Tensor]]]] = []
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
        layer.forward = partial(self._cached, layer.forward, name)

    def _cached(self, forward: Callable[..., Tensor], name: str, states: Tensor, *rest: Any, **options: Any) -> Tensor:
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
        """Say what the frames to come are edited with; of the latest `MOST_EDITS` what was kept is kept.

        Tensors are compared by identity and held, so that none takes the place of another.
        """
        if self._edit is not None and _same(self._edit, edit):
            return
        known = next((index for index, (other, _) in enumerate(self._edits) if _same(other, edit)), None)
        self._edit, self._kept = (edit, {}) if known is None else self._edits.pop(known)
        self._edits = [*self._edits[1 - MOST_EDITS :], (self._edit, self._kept)]
        self.go_to(0)

    def forget(self) -> None:
        """Keep nothing from now on."""
        self._edit, self._kept, self._edits = None, {}, []
        self.go_to(0)


def _same(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    return len(one) == len(other) and all(
        a is b if isinstance(a, Tensor) or isinstance(b, Tensor) else a == b for a, b in zip(one, other, strict=True)
    )
