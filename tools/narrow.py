"""Makes a smaller one-step checkpoint out of a trained one of the embedded model's kind.

`python -m tools.narrow CHECKPOINT -c CONFIG --data PHOTOS [--set KEY=VALUE] --width 64 --decoder 80 16 -o FOLDER`

The denoiser's highest level keeps one ResNet block on the way down, two on the way up, and `--width` of its channels;
the detail decoder keeps `--decoder` channels at 1/8 and 1/2 of the picture's size, and sees the pictures at 1/2 alone.
`movie train direct` goes on with it.

Kept are the channels that explain most of the others on samples of the training data (pivoted Cholesky decomposition of
their covariance), and what takes channels in is corrected by what those kept tell of those that go, by least squares
(He, Zhang, Sun 2017, arXiv 1707.06168).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import torch
from torch import Tensor, nn

from movie_cli.models.attention import attach
from movie_cli.models.autoencoder import PatchAutoencoder
from movie_cli.models.unet import each_level, waves
from movie_cli.train.objectives import TIMESTEPS
from movie_cli.train.run import open_data
from movie_cli.train.samples import Draws, SampleBatch, SampleSource, collate
from movie_cli.train.settings_file import read_settings
from movie_cli.train.stages.direct import DirectStage, direct_stage
from movie_cli.train.surgery import settings_of

PICTURES = 24
"""Channels of source and linear reconstruction at half of their size, which the decoder is shown."""
RIDGE = 1e-3
"""Of the mean variance: keeps channels that are nearly alike from cancelling each other."""


class Moments:
    """Means and covariances of what the convolutions of a network take in, from when this is made."""

    def __init__(self, network: nn.Module) -> None:
        self._layers = {name: each for name, each in network.named_modules() if isinstance(each, nn.Conv2d)}
        self._sums: dict[str, tuple[Tensor, Tensor, int]] = {}
        self._hooks = [layer.register_forward_pre_hook(self._taker(name)) for name, layer in self._layers.items()]

    def _taker(self, name: str) -> Any:
        def take(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            states = inputs[0].detach().movedim(1, -1).flatten(0, -2).double()
            total, squares, count = self._sums.get(name, (torch.tensor(0.0), torch.tensor(0.0), 0))
            self._sums[name] = total + states.sum(0), squares + states.T @ states, count + len(states)

        return take

    def end(self) -> None:
        """Look no longer."""
        for hook in self._hooks:
            hook.remove()

    def of(self, layer: str) -> tuple[Tensor, Tensor]:
        """Mean `(C,)` and covariance `(C, C)` of a layer's input."""
        total, squares, count = self._sums[layer]
        mean = total / count
        return mean, squares / count - mean[:, None] * mean

    def weighted(self, layer: str, first: int, count: int) -> Tensor:
        """The covariance `(count, count)` of input channels from `first`, by the layer's weights, of trace 1."""
        weight = self._layers[layer].weight.detach().double()
        size = weight.flatten(2).square().sum((0, 2)).sqrt()
        covariance = (self.of(layer)[1] * size[:, None] * size)[first : first + count, first : first + count]
        return covariance / covariance.trace()


def chosen(covariances: Sequence[Tensor], keep: int, groups: int = 1) -> list[int]:
    """The channels, `keep` of them and as many of each group, that leave least of all covariances unexplained."""
    left = torch.stack(list(covariances)).sum(0)
    size, quota = len(left) // groups, keep // groups
    free = [quota] * groups
    open_to_choice = torch.ones(len(left), dtype=torch.bool)
    found: list[int] = []
    while len(found) < keep:
        explained = left.square().sum(0) / left.diagonal().clamp_min(1e-12)
        best = int(torch.where(open_to_choice, explained, -1.0).argmax())
        found.append(best)
        left = left - torch.outer(left[:, best], left[best]) / left[best, best].clamp_min(1e-12)
        open_to_choice[best] = False
        free[best // size] -= 1
        if not free[best // size]:
            open_to_choice[best // size * size :][:size] = False
    return sorted(found)


class Cut:
    """A network's weights on the way to fewer channels."""

    def __init__(self, network: nn.Module, moments: Moments) -> None:
        self.state = {name: value.detach().clone() for name, value in network.state_dict().items()}
        self._moments = moments

    def outputs(self, keep: Sequence[int], *layers: str) -> None:
        """Keep these of what layers give; of a normalization, of what it takes in as well."""
        for layer in layers:
            for name in (f"{layer}.weight", f"{layer}.bias"):
                self.state[name] = self.state[name][list(keep)]

    def inputs(self, keep: Sequence[int], *layers: str) -> None:
        """Keep these of what layers take in, and let them stand for the rest."""
        for layer in layers:
            mean, covariance = self._moments.of(layer)
            kept, gone = torch.tensor(list(keep)), torch.tensor(sorted({*range(len(mean))} - {*keep}), dtype=torch.long)
            within = covariance[kept][:, kept]
            ridge = RIDGE * within.diagonal().mean() * torch.eye(len(kept))
            told = torch.linalg.solve(within + ridge, covariance[kept][:, gone])  # (kept, gone)
            weight = self.state[f"{layer}.weight"].double()
            corrected = weight[:, kept] + torch.einsum("og...,kg->ok...", weight[:, gone], told)
            constant = torch.einsum("og...,g->o", weight[:, gone].flatten(2), mean[gone] - mean[kept] @ told)
            self.state[f"{layer}.weight"] = corrected.float()
            self.state[f"{layer}.bias"] = (self.state[f"{layer}.bias"].double() + constant).float()


def with_fewer_blocks(unet: Any, down: int) -> Any:
    """The denoiser with block `down` on the way down and the first and last on the way up, at its highest level."""
    config = settings_of(unet)
    top = f"up_blocks.{len(config['block_out_channels']) - 1}.resnets."
    layers = each_level(config["layers_per_block"], len(config["block_out_channels"]))
    smaller = type(unet)(**config | {"layers_per_block": [1, *layers[1:]]})
    moved = {f"{top}0.": f"{top}0.", f"{top}{layers[0]}.": f"{top}1."}
    moved[f"down_blocks.0.resnets.{down}."] = "down_blocks.0.resnets.0."
    state = {}
    for name, value in unet.state_dict().items():
        if not name.startswith((top, "down_blocks.0.resnets.")):
            state[name] = value
        for old, new in moved.items():
            if name.startswith(old):
                state[new + name.removeprefix(old)] = value
    smaller.load_state_dict(state)
    return smaller


def narrower(unet: Any, moments: Moments, width: int) -> Any:
    """The denoiser of `with_fewer_blocks` with `width` channels at its highest level; the next has another width."""
    config = settings_of(unet)
    widths, groups = config["block_out_channels"], config["norm_num_groups"]
    old, below, levels = widths[0], widths[1], len(widths)
    down, up, last = (
        "down_blocks.0.resnets.0.",
        f"up_blocks.{levels - 1}.resnets.0.",
        f"up_blocks.{levels - 1}.resnets.1.",
    )
    halving, cut = "down_blocks.0.downsamplers.0.conv", Cut(unet, moments)
    ends = (
        (f"{down}conv1", 0),
        (halving, 0),
        (f"{up}conv1", below),
        (f"{last}conv1", 0),
        (f"{last}conv1", old),
        ("conv_out", 0),
    )
    stream = chosen([moments.weighted(layer, first, old) for layer, first in ends], width, groups)
    skipped = [old + channel for channel in stream]
    cut.outputs(stream, "conv_in", "conv_norm_out")
    cut.inputs(stream, "conv_out", halving)
    for block, taken in (
        (down, stream),
        (up, [*range(below), *(below + channel for channel in stream)]),
        (last, [*stream, *skipped]),
    ):
        hidden = chosen([moments.weighted(f"{block}conv2", 0, old)], width, groups)
        cut.inputs(taken, f"{block}conv1")
        cut.inputs(hidden, f"{block}conv2")
        cut.outputs(taken, f"{block}norm1")
        cut.outputs(hidden, f"{block}conv1", f"{block}time_emb_proj", f"{block}norm2")
        cut.outputs(stream, f"{block}conv2")
        if f"{block}conv_shortcut.weight" in cut.state:
            cut.inputs(taken, f"{block}conv_shortcut")
            cut.outputs(stream, f"{block}conv_shortcut")
    first, second = (
        "down_blocks.1.resnets.0.",
        f"up_blocks.{levels - 2}.resnets.{each_level(config['layers_per_block'], levels)[1]}.",
    )
    skips = [moments.weighted(f"{first}conv1", 0, old), moments.weighted(f"{second}conv1", below, old)]
    halved = chosen(skips, width, groups)
    cut.outputs(halved, halving)
    for block, taken in ((first, halved), (second, [*range(below), *(below + channel for channel in halved)])):
        cut.outputs(taken, f"{block}norm1")
        cut.inputs(taken, f"{block}conv1", f"{block}conv_shortcut")
    # A one-step network is asked for the last timestep alone: what its waves come to is a constant.
    linear = "time_embedding.timestep.linear_1."
    cut.state[f"{linear}bias"] += cut.state[f"{linear}weight"] @ waves(torch.tensor([TIMESTEPS - 1]), old)[0]
    cut.state[f"{linear}weight"] = torch.zeros(len(cut.state[f"{linear}weight"]), width)
    return _loaded(type(unet)(**config | {"block_out_channels": [width, *widths[1:]]}), cut)


def thinner(vae: PatchAutoencoder, moments: Moments, low_width: int, high_width: int) -> PatchAutoencoder:
    """The autoencoder with a decoder of so many channels at 1/8 and 1/2, which sees the pictures at 1/2 alone.

    `moments` are those of its detail decoder, which has one block.
    """
    old_low, middle, old_high = vae.config["decoder_widths"]
    cut = Cut(vae.detail, moments)

    def kept(count: int, old: int, *layers: str) -> list[int]:
        return chosen([moments.weighted(layer, 0, old) for layer in layers], count)

    low, inner = kept(low_width, old_low, "low.conv1", "up_low"), kept(low_width, old_low, "low.conv2")
    cut.inputs(low, "low.conv1", "up_low")
    cut.inputs(inner, "low.conv2")
    cut.outputs(low, "conv_in", "low.conv2")
    cut.outputs(inner, "low.conv1")
    if vae.detail.sees_quarter:
        cut.inputs(range(middle), "middle_in")
    shuffled, high = kept(high_width, old_high, "high_in"), kept(high_width, old_high, "high.0.conv1", "conv_out")
    inner = kept(high_width, old_high, "high.0.conv2")
    cut.inputs([*shuffled, *range(old_high, old_high + PICTURES)], "high_in")
    cut.inputs(high, "high.0.conv1", "conv_out")
    cut.inputs(inner, "high.0.conv2")
    cut.outputs([4 * channel + part for channel in shuffled for part in range(4)], "up_middle")
    cut.outputs(high, "high_in", "high.0.conv2")
    cut.outputs(inner, "high.0.conv1")
    small = PatchAutoencoder.from_config(vae.config)
    small.load_state_dict(vae.state_dict())
    small.renew_detail((low_width, middle, high_width), 1, sees_quarter=False)
    _loaded(small.detail, cut)
    return small


def narrow(
    stage: DirectStage, batches: Sequence[SampleBatch], width: int, low_width: int, high_width: int
) -> list[float]:
    """Put smaller networks into a stage, by samples of its data; the gains in dB over the source before and after."""
    vae, whole = stage.codec.module, stage.unet
    before = gain(stage, batches, whole, vae)
    blocks = each_level(whole.config["layers_per_block"], len(whole.config["block_out_channels"]))[0]
    tried = [with_fewer_blocks(whole, down) for down in range(blocks)]
    unet = max(tried, key=lambda each: gain(stage, batches[:2], each, vae))
    of_unet, of_decoder = Moments(unet), Moments(vae.detail)
    fewer = gain(stage, batches, unet, vae)
    of_unet.end()
    of_decoder.end()
    small, thin = narrower(unet, of_unet, width), thinner(vae, of_decoder, low_width, high_width)
    after = gain(stage, batches, small, thin)
    stage.unet, stage.codec.module = small, thin
    return [before, fewer, after]


@torch.no_grad()
def gain(stage: DirectStage, batches: Sequence[SampleBatch], unet: Any, vae: PatchAutoencoder) -> float:
    """The mean gain in dB over the source that these networks have in a stage."""
    stage.unet, stage._anchors, stage.codec.module = unet, attach(unet), vae
    losses = [loss for batch in batches for loss in stage.losses(batch, Draws(0, batch.numbers), 0)]
    return sum(float(loss.metrics["gain"]) for loss in losses) / len(losses)


def samples(data: SampleSource, batch: int, count: int) -> list[SampleBatch]:
    """`count` batches of training samples."""
    return [collate([data.sample(first + row) for row in range(batch)]) for first in range(0, count * batch, batch)]


def _loaded(network: Any, cut: Cut) -> Any:
    network.load_state_dict(cut.state)
    return network


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Make a smaller checkpoint out of a trained one-step one.")
    parser.add_argument("checkpoint", help="a one-step checkpoint of the embedded model's kind")
    parser.add_argument("-c", "--config", required=True, help="of `movie train direct`, for the data to look at")
    parser.add_argument("--data", required=True, help="folder of photographs")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a setting")
    parser.add_argument("--width", type=int, default=64, help="channels of the denoiser's highest level")
    parser.add_argument("--decoder", type=int, nargs=2, default=(80, 16), help="the decoder's channels at 1/8 and 1/2")
    parser.add_argument("--batches", type=int, default=10, help="batches of samples to look at")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the checkpoint folder to write")
    args = parser.parse_args()
    changes = [f"start={args.checkpoint}", f"data.folder={args.data}", "anchor_share=0.0", *args.set]
    settings: Any = read_settings("direct", args.config, changes)
    data, stage = open_data(settings, args.output.with_suffix(".work")), direct_stage(settings)
    gains = narrow(stage, samples(data, settings.batch, args.batches), args.width, *args.decoder)
    stage.save(args.output, args.output.name)
    click.echo("gain in dB: {:.2f}, with fewer blocks {:.2f}, with fewer channels {:.2f}".format(*gains))


if __name__ == "__main__":
    main()
