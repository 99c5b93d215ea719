"""The graphs that an export consists of, as torch modules with tensors in and out.

They compute, for a batch of one, what `TorchBackend` does in float32: the wrapped networks are the checkpoint's own.
The one denoising step is folded in: scheduler and timestep are constants, and `edited` is the finished latents. Scales
and noise are inputs.

Graphs for the HTP take `log_scales`, natural logarithms, instead of `scales`: its Log gives 0 in 16 bits, which the
same graph on the CPU does not show, and would leave both scales without effect.

| graph | inputs | outputs |
|---|---|---|
| `text_encoder` | `input_ids`, `attention_mask` | `tokens`, `logits`, `nearness` |
| `encode` | `pictures` | `latents` |
| `anchor` | `noise`, `latents`, `tokens`, `scales` | `key_0`, `value_0`, ... of each self-attention layer |
| `frame` | the same, and the anchor's keys and values | `edited` |
| `decode` | `latents`, `source` | `pictures` |

CLIP's `text_encoder` takes `input_ids` and gives `tokens` alone. Pictures are `(1, 3, H, W)` in [-1, 1].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from movie_cli.checkpoints.descriptor import Descriptor
from movie_cli.checkpoints.exported import TextFacts
from movie_cli.checkpoints.load import Parts, load_checkpoint
from movie_cli.errors import ModelError
from movie_cli.models.attention import AnchorAttnProcessor, AnchorStore, attach
from movie_cli.models.autoencoder import AutoencoderAdapter, PatchAdapter
from movie_cli.models.sampling import Scheduler, is_recurrent, latent_channels
from movie_cli.models.scales import ScaleEmbedding
from movie_cli.models.text import ClipConditioner, InstructionConditioner
from movie_cli.models.tokenizer import MAX_TOKENS

PATCH = 8
"""Pixels of a latent's side."""


@dataclass(frozen=True)
class GraphSource:
    """One graph to be made: a module in evaluation mode, example inputs by name, and the names of its outputs."""

    name: str
    module: nn.Module
    inputs: dict[str, Tensor]
    outputs: tuple[str, ...]

    def reference(self, inputs: dict[str, Tensor] | None = None) -> dict[str, Tensor]:
        """What torch computes, in float32."""
        with torch.inference_mode():
            found = self.module(*(inputs or self.inputs).values())
        return dict(zip(self.outputs, found, strict=True))


class TextGraph(nn.Module):
    """The embedded model's encoder, with each instruction's nearness to each edit."""

    def __init__(self, conditioner: InstructionConditioner) -> None:
        super().__init__()
        self.encoder = conditioner.encoder

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, ...]:
        """See the module's table."""
        encoding = self.encoder(input_ids, attention_mask)
        return encoding.tokens, encoding.logits, self.encoder.nearness(encoding)


class ClipGraph(nn.Module):
    """CLIP's last hidden state."""

    def __init__(self, conditioner: ClipConditioner) -> None:
        super().__init__()
        self.encoder = conditioner.encoder

    def forward(self, input_ids: Tensor) -> tuple[Tensor, ...]:
        """See the module's table."""
        return (self.encoder(input_ids)[0],)


class EncodeGraph(nn.Module):
    """A picture's source latents."""

    def __init__(self, adapter: AutoencoderAdapter) -> None:
        super().__init__()
        self.adapter, self.module = adapter, adapter.module

    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """See the module's table."""
        return (self.adapter.condition(pictures),)


class DecodeGraph(nn.Module):
    """Edited latents as a picture; `source` is an input only where the decoder sees it."""

    def __init__(self, adapter: AutoencoderAdapter) -> None:
        super().__init__()
        self.adapter, self.module = adapter, adapter.module

    def forward(self, latents: Tensor, source: Tensor | None = None) -> tuple[Tensor, ...]:
        """See the module's table."""
        return (self.adapter.decode(latents, latents if source is None else source),)


class _Ports(AnchorStore):
    """Keys and values as inputs and outputs of a graph instead of entries of a store."""

    def __init__(self, given: tuple[Tensor, ...]) -> None:
        super().__init__()
        self.given = given
        self.made: list[Tensor] = []

    def exchange(self, layer: str, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Note a layer's keys and values; put the given ones behind them."""
        place = len(self.made)
        self.made += [key, value]
        if not self.given:
            return key, value
        return torch.cat([key, self.given[place]], dim=1), torch.cat([value, self.given[place + 1]], dim=1)


class DenoiserGraph(nn.Module):
    """One denoising step from noise. With `anchor` its outputs are keys and values, else the edited latents."""

    def __init__(
        self, unet: nn.Module, processors: list[AnchorAttnProcessor], scheduler: Scheduler, *, anchor: bool
    ) -> None:
        super().__init__()
        self.unet, self.processors, self.anchor = unet, processors, anchor
        self.timestep, self.input_scale, self.noise_scale, self.prediction_scale = one_step(scheduler)

    def forward(
        self, noise: Tensor, latents: Tensor, tokens: Tensor, scales: Tensor, *anchors: Tensor
    ) -> tuple[Tensor, ...]:
        """See the module's table."""
        ports = _Ports(anchors)
        # At every call: the network may be shared with another graph.
        for processor in self.processors:
            processor.store = ports
        network_input = torch.cat([noise * self.input_scale, latents], dim=1)
        prediction = self.unet(
            network_input, torch.tensor(self.timestep), tokens, timestep_cond=scales, return_dict=False
        )[0]
        if self.anchor:
            return tuple(ports.made)
        edited = prediction * self.prediction_scale
        return (edited if self.noise_scale == 0 else edited + noise * self.noise_scale,)


def one_step(scheduler: Any) -> tuple[float, float, float, float]:
    """The scheduler's single step as numbers: timestep, scale of the noise at the network's input, and in the result
    the scales of noise and prediction.

    They are found by asking the scheduler, so that no formula is repeated here.

    Raises:
        ModelError: the step is not linear in noise and prediction, as with thresholding.
    """
    scheduler.set_timesteps(1)
    timestep = scheduler.timesteps[0]
    zero, one = torch.zeros(1, 1, 1, 1, dtype=torch.float64), torch.ones(1, 1, 1, 1, dtype=torch.float64)

    def step(prediction: Tensor, noise: Tensor) -> float:
        scheduler.set_timesteps(1)
        scheduler.scale_model_input(noise, timestep)
        return float(scheduler.step(prediction, timestep, noise * scheduler.init_noise_sigma, return_dict=False)[0])

    scheduler.set_timesteps(1)
    input_scale = float(scheduler.scale_model_input(one * scheduler.init_noise_sigma, timestep))
    noise_scale, prediction_scale, rest = step(zero, one), step(one, zero), step(zero, zero)
    expected = 3 * noise_scale - 2 * prediction_scale
    if rest != 0 or abs(step(-2 * one, 3 * one) - expected) > 1e-6 * max(1.0, abs(expected)):
        raise ModelError(f"{type(scheduler).__name__} makes no linear step, which an export needs")
    # What is a millionth of the latents is a float32 table's rounding: at zero signal there is no noise in the result.
    return float(timestep), input_scale, noise_scale if abs(noise_scale) > 1e-6 else 0.0, prediction_scale


def check_exportable(descriptor: Descriptor, parts: Parts) -> None:
    """Refuse a checkpoint whose edit is not one pass through the network.

    Raises:
        ModelError: it has several steps or passes, or sees its own last output.
    """
    if descriptor.steps != 1 or descriptor.passes != 1:
        raise ModelError(
            f"{descriptor.name} takes {descriptor.steps} steps of {descriptor.passes} passes; one pass can be exported",
            "distil it to one step first: movie train guidance, then movie train adversarial",
        )
    if is_recurrent(parts.unet):
        raise ModelError(f"{descriptor.name} sees each frame's edit beside the next one, which is not exported")


def text_graph(parts: Parts) -> tuple[GraphSource, TextFacts]:
    """The text encoder with inputs of a fixed length, and how texts are brought to it."""
    text: Any = parts.text
    if isinstance(text, InstructionConditioner):
        ids, mask = text.tokenizer.encode(["make it winter"], MAX_TOKENS)
        facts = TextFacts("instruction", MAX_TOKENS, text.tokenizer.pad_id, text.encoder.config["known_threshold"])
        inputs = {"input_ids": ids, "attention_mask": mask}
        return GraphSource("text_encoder", TextGraph(text).eval(), inputs, ("tokens", "logits", "nearness")), facts
    length = int(text.tokenizer.model_max_length)
    facts = TextFacts("clip", length, int(text.tokenizer.pad_token_id), 0.0)
    ids = text.tokenizer(
        "make it winter", padding="max_length", max_length=length, truncation=True, return_tensors="pt"
    ).input_ids
    return GraphSource("text_encoder", ClipGraph(text).eval(), {"input_ids": ids}, ("tokens",)), facts


class LogScaleEmbedding(nn.Module):
    """A `ScaleEmbedding` that is given the logarithm."""

    def __init__(self, embedding: ScaleEmbedding) -> None:
        super().__init__()
        self.embedding = embedding

    def forward(self, log_scale: Tensor) -> Tensor:
        """Embed `(N,)`."""
        return self.embedding.embed(log_scale)


def frame_graphs(parts: Parts, size: tuple[int, int], tokens: Tensor, *, log_scales: bool = False) -> list[GraphSource]:
    """The graphs of one size (width, height); `tokens` `(1, L, D)` are an embedded instruction.

    Example inputs are random. `log_scales` makes them for the HTP, and changes `parts` for good.
    """
    width, height = size
    generator = torch.Generator().manual_seed(0)
    picture = torch.rand(1, 3, height, width, generator=generator) * 2 - 1
    with torch.inference_mode():
        latents = parts.autoencoder.condition(picture).clone()
    noise = torch.randn(1, latent_channels(parts.unet, latents), *latents.shape[2:], generator=generator)
    scales = torch.tensor([[7.5, 1.5]])
    inputs = {"noise": noise, "latents": latents, "tokens": tokens, "scales": scales}
    if log_scales:
        inputs = {"noise": noise, "latents": latents, "tokens": tokens, "log_scales": scales.log()}
        unet: Any = parts.unet
        unet.residual.log_scales = True
        embedding = unet.time_embedding
        for name in ("text_scale", "image_scale"):
            inner = getattr(embedding, name)
            if isinstance(inner, ScaleEmbedding):
                setattr(embedding, name, LogScaleEmbedding(inner))
    attach(parts.unet)  # it knows which layers; ports take its store's place
    attentions = [getattr(module, "processor", None) for module in parts.unet.modules()]
    processors = [each for each in attentions if isinstance(each, AnchorAttnProcessor)]
    anchor = DenoiserGraph(parts.unet, processors, parts.scheduler, anchor=True).eval()
    with torch.inference_mode():
        made = [tensor.clone() for tensor in anchor(*inputs.values())]
    names = tuple(f"{kind}_{layer}" for layer in range(len(made) // 2) for kind in ("key", "value"))
    frame = DenoiserGraph(parts.unet, processors, parts.scheduler, anchor=False).eval()
    decode = {"latents": latents[:, -latent_channels(parts.unet, latents) :]}
    if isinstance(parts.autoencoder, PatchAdapter):
        decode["source"] = picture
    return [
        GraphSource("encode", EncodeGraph(parts.autoencoder).eval(), {"pictures": picture}, ("latents",)),
        GraphSource("anchor", anchor, inputs, names),
        GraphSource("frame", frame, inputs | dict(zip(names, made, strict=True)), ("edited",)),
        GraphSource("decode", DecodeGraph(parts.autoencoder).eval(), decode, ("pictures",)),
    ]


def load_parts(descriptor: Descriptor) -> Parts:
    """Load a checkpoint for export.

    Raises:
        ModelError: it is damaged, an export itself, or not of one step.
    """
    if descriptor.export is not None:
        raise ModelError(f"{descriptor.folder} is an export already", "name the checkpoint it was made of with --model")
    parts = load_checkpoint(descriptor)
    check_exportable(descriptor, parts)
    return parts
