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
from torch import Tensor, nn

Mode = Literal["off", "write", "read"]
MOST_EDITS = 4
"""Edits that may take turns without being computed anew: those of `--then`."""
CONDITIONING, EMBEDDINGS = ("attn2.to_k", "attn2.to_v", ".time_emb_proj"), ("time_embedding", "add_embedding")
"""How names of layers of diffusers' UNet end that do not depend on the frames, and the names of others."""
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
    """A self-attention layer's place in an `AnchorStore`; also diffusers' processor of such a layer."""

    def __init__(self, store: AnchorStore, layer: str) -> None:
        self.store = store
        self.layer = layer

    def exchange(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """As `AnchorStore.exchange`, for this layer."""
        return self.store.exchange(self.layer, key, value)

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        """Attend within `(N, tokens, channels)` and to the anchors; the UNet passes no mask and no context here."""
        del encoder_hidden_states, attention_mask, temb
        key, value = self.exchange(attn.to_k(hidden_states), attn.to_v(hidden_states))
        output: Tensor = attn.to_out[0](attended(attn.to_q(hidden_states), key, value, attn.heads))
        return output


def attended(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """Scaled-dot-product attention of queries `(N, tokens, C)` to keys and values `(N, others, C)`."""
    query, key, value = (states.unflatten(-1, (heads, -1)).transpose(1, 2) for states in (query, key, value))
    found = F.scaled_dot_product_attention(query, key, value, scale=query.shape[-1] ** -0.5)
    return found.transpose(1, 2).flatten(2)


def attach(unet: nn.Module) -> AnchorStore:
    """Give every self-attention layer of a UNet (`attn1`) an anchor-aware processor; returns their store."""
    store = AnchorStore()
    for name, module in unet.named_modules():
        if name.endswith("attn1"):
            layer: Any = module
            layer.set_processor(AnchorAttnProcessor(store, name))
    return store


class ConditioningCache:
    """Keeps the conditioning of a UNet, by denoising step, layer and number of frames.

    The embedded model's UNet asks for what is kept. Layers of diffusers' know nothing of it: their `forward` is
    replaced. Whoever runs the network says which step comes next. Nothing is kept before `begin` is called.
    """

    def __init__(self, unet: nn.Module) -> None:
        self._edit: tuple[Any, ...] | None = None
        self._edits: list[tuple[tuple[Any, ...], dict[int, dict[tuple[str, int], Any]]]] = []
        self._kept: dict[int, dict[tuple[str, int], Any]] = {}
        self.go_to(0)
        if hasattr(unet, "conditioning_cache"):
            asks: Any = unet
            asks.conditioning_cache = self
            return
        for name, module in unet.named_modules():
            if name.endswith(CONDITIONING) or name in EMBEDDINGS:
                layer: Any = module
                # The instance's own `forward`, so that names of weights stay as they are.
                layer.forward = partial(self._cached, layer.forward, name)

    def _cached(self, forward: Callable[..., Tensor], name: str, states: Tensor, *rest: Any, **options: Any) -> Tensor:
        found: Tensor = self.kept(name, len(states), partial(forward, states, *rest, **options))
        return found

    def kept(self, name: str, frames: int, make: Callable[[], Any]) -> Any:
        """What `make` gave in this step for as many frames."""
        if self._edit is None:
            return make()
        key = (name, frames)
        found = self._here.get(key)
        if found is None:
            found = self._here.setdefault(key, make())
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


def _same(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    return len(one) == len(other) and all(
        a is b if isinstance(a, Tensor) or isinstance(b, Tensor) else a == b for a, b in zip(one, other, strict=True)
    )
