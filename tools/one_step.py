"""Trains the embedded model directly as a one-step student: noise, source, text and scales in, edited picture out.

The UNet is conditioned on edit codes: one learned `(tokens, width)` matrix an edit, mixed by how much of each edit is
asked for. The text encoder is trained on its own (`movie_cli.training.text_distillation`) to say how much that is, so
neither training waits for the other; codes and encoder meet in the checkpoint. Run it as
`python -m tools.one_step --photos DIR --text DIR -o RUN`.
"""

from __future__ import annotations

import argparse
import copy
import json
import logging
import math
import time
import tomllib
from pathlib import Path
from typing import Any

import torch
from diffusers import LCMScheduler
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.utils.data import DataLoader

from movie_cli.models.attention import AnchorStore, attach
from movie_cli.models.autoencoder import PatchAutoencoder
from movie_cli.models.denoiser import GuidedUNet2DConditionModel
from movie_cli.training import bank, photos
from movie_cli.training.objectives import LossWeights, reconstruction_loss
from movie_cli.training.triplets import BankTriplets, TargetCache, collate
from tools.assemble import CODES, assemble

LAST_TIMESTEP = 999
CODE_TOKENS = 4
PATCHES_PER_PHOTO = 200
log = logging.getLogger(__name__)


class OneStepStudent(nn.Module):
    """The networks that are trained: denoiser and decoder. The encoder half of the autoencoder stays as fitted."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        channels = config["autoencoder"]["latent_channels"]
        self.vae = PatchAutoencoder(**config["autoencoder"])
        self.vae.encoder.requires_grad_(False)
        self.unet = GuidedUNet2DConditionModel(in_channels=2 * channels, out_channels=channels, **config["unet"])
        nn.init.zeros_(self.unet.conv_out.weight)
        nn.init.zeros_(self.unet.conv_out.bias)
        self.codes = nn.Parameter(torch.randn(len(bank.BANK), CODE_TOKENS, config["unet"]["cross_attention_dim"]))
        self.anchors: AnchorStore = attach(self.unet)

    def tokens(self, amounts: Tensor) -> Tensor:
        """What cross-attention sees, `(N, tokens, width)`, for amounts `(N, edits)` of each edit in [0, 1]."""
        return torch.einsum("ne,etw->ntw", amounts, self.codes)

    def latents(self, source: Tensor, noise: Tensor, tokens: Tensor, scales: Tensor) -> Tensor:
        """Edited latents in one step: at zero signal, v-prediction means `x0 = -v`."""
        sample = torch.cat([noise, source], dim=1)
        return -self.unet(sample, LAST_TIMESTEP, tokens, timestep_cond=scales).sample

    def forward(self, image: Tensor, tokens: Tensor, scales: Tensor, anchor: Tensor | None) -> tuple[Tensor, Tensor]:
        """Edit images `(N, 3, H, W)` in [-1, 1]; returns latents and pictures. `anchor` is attended to if given."""
        source = self.vae.encode(image).latents
        noise = torch.randn_like(source)
        self.anchors.clear()
        if anchor is not None:
            self.anchors.groups = len(image)
            self.anchors.mode = "write"
            with torch.no_grad():
                self.latents(self.vae.encode(anchor).latents, noise, tokens, scales)
            self.anchors.mode = "read"
        latents = self.latents(source, noise, tokens, scales)
        return latents, self.vae.decode(latents, image).sample


def moved(image: Tensor, generator: torch.Generator) -> Tensor:
    """A picture as a neighbouring frame might show it: shifted by up to 24 pixels, slightly brighter or darker."""
    dy, dx = (int(value) for value in torch.randint(-24, 25, (2,), generator=generator))
    gain = 1 + 0.1 * (torch.rand(1, generator=generator).item() - 0.5)
    return (image.roll((dy, dx), dims=(2, 3)) * gain).clamp(-1, 1)


def grainy(image: Tensor, deviation: float, generator: torch.Generator) -> Tensor:
    """Pictures `(N, 3, H, W)` in [0, 1] as a camera or a codec might have left them; half of them stay clean.

    Adds white noise and noise in blotches of 4 pixels, each of a standard deviation up to `deviation`. A student that
    must answer them with the clean picture's target does not carry a video's noise into its edits.
    """
    amount = (torch.rand(2, len(image), 1, 1, 1, generator=generator) - 0.5).clamp_min(0) * (2 * deviation)
    fine = torch.randn(image.shape, generator=generator)
    blotches = torch.randn(*image.shape[:2], image.shape[2] // 4, image.shape[3] // 4, generator=generator)
    blotches = nn.functional.interpolate(blotches, size=image.shape[2:], mode="bilinear")
    return (image + amount[0] * fine + amount[1] * blotches).clamp(0, 1)


def amounts_of(edits: list[tuple[str, ...]], generator: torch.Generator) -> Tensor:
    """Amounts `(N, edits)` as a text encoder would give them: nearly one for what is asked for, nearly zero else."""
    names = {name: index for index, name in enumerate(bank.BANK)}
    doubt = torch.rand(len(edits), len(names), generator=generator) ** 6 * 0.15
    certain = 1 - torch.rand(len(edits), len(names), generator=generator) ** 3 * 0.3
    for row, asked in enumerate(edits):
        for name in asked:
            doubt[row, names[name]] = certain[row, names[name]]
    return doubt


def learning_rate(step: int, warmup: int, progress: float) -> float:
    """Linear warm-up, then a cosine over `progress` from 0 to 1, down to 2 % of the peak."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def fit_autoencoder(vae: PatchAutoencoder, paths: list[Path], seed: int) -> None:
    """Fit the patch code to the training photographs."""
    generator = torch.Generator().manual_seed(seed)
    vae.fit(torch.cat(list(photos.patches(paths, PATCHES_PER_PHOTO, generator))))


class Run:
    """A training run: networks, their averaged copy, optimizer, data, and a folder with log and checkpoints."""

    def __init__(self, config: dict[str, Any], args: argparse.Namespace) -> None:
        torch.manual_seed(config["seed"])
        self.config, self.folder = config, args.output
        self.folder.mkdir(parents=True, exist_ok=True)
        paths = photos.PhotoFolder(args.photos).paths(held_out=False)
        self.text_folder: Path | None = args.text
        self.student = OneStepStudent(config)
        if args.init is None:
            fit_autoencoder(self.student.vae, paths, config["seed"])
        else:
            vae = PatchAutoencoder.from_pretrained(args.init / "vae").float()
            self.student.vae.load_state_dict(vae.state_dict())
            unet = GuidedUNet2DConditionModel.from_pretrained(args.init / "unet").float()
            self.student.unet.load_state_dict(unet.state_dict())
            self.student.codes.data.copy_(load_file(args.init / CODES)["codes"].float())
        self.student.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.trained = [value for value in self.student.parameters() if value.requires_grad]
        self.average = torch.optim.swa_utils.AveragedModel(
            self.student, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(config["ema"])
        )
        self.optimizer = torch.optim.AdamW(self.trained, lr=config["learning_rate"], weight_decay=0.01, fused=True)
        data = BankTriplets(
            paths,
            TargetCache(args.targets),
            config["crop"],
            config["seed"] + args.data_seed,
            weights=config.get("weights"),
            share=config["photo_share"],
        )
        self.batches = iter(
            DataLoader(data, config["batch"], collate_fn=collate, num_workers=args.workers, prefetch_factor=8)
        )
        self.generator = torch.Generator().manual_seed(config["seed"])
        self.loss_weights = LossWeights(**config["loss"])
        self.errors: dict[str, tuple[float, float]] = {}

    def step(self, index: int, progress: float) -> float:
        """Optimizer step number `index`, at `progress` in [0, 1] of the run; returns the loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.config["learning_rate"] * learning_rate(index, self.config["warmup"], progress)
        batch = next(self.batches)
        source, target = batch.source, batch.edited
        image = grainy(source, self.config["source_noise"], self.generator) * 2 - 1
        image = image.contiguous(memory_format=torch.channels_last)
        tokens = self.student.tokens(amounts_of(batch.edits, self.generator))
        anchored = torch.rand(1, generator=self.generator).item() < self.config["anchor_share"]
        anchor = moved(image, self.generator) if anchored else None
        with torch.autocast("cpu", torch.bfloat16):
            latents, output = self.student(image, tokens, batch.scales, anchor)
            wanted = self.student.vae.encode(target * 2 - 1).latents
        output = (output.float() + 1) / 2
        loss = reconstruction_loss(output, target, self.loss_weights)
        loss = loss + self.config["latent_weight"] * nn.functional.mse_loss(latents.float(), wanted.float())
        if not torch.isfinite(loss):
            raise FloatingPointError("the loss is not finite")
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.trained, 1.0)
        self.optimizer.step()
        self.average.update_parameters(self.student)
        self._count(output.detach(), target, source, batch.edits)
        return float(loss.detach())

    def _count(self, output: Tensor, target: Tensor, source: Tensor, edits: list[tuple[str, ...]]) -> None:
        got = (output - target).square().mean(dim=(1, 2, 3)).tolist()
        untouched = (source - target).square().mean(dim=(1, 2, 3)).tolist()
        for asked, error, distance in zip(edits, got, untouched, strict=True):
            name = "+".join(asked)
            before = self.errors.get(name, (error, distance))
            self.errors[name] = (0.97 * before[0] + 0.03 * error, 0.97 * before[1] + 0.03 * distance)

    def gains(self) -> dict[str, float]:
        """How much closer to its target than the source each edit is, in dB, over the latest samples."""
        pairs = {name: pair for name, pair in self.errors.items() if name and "+" not in name}
        return {name: 10 * math.log10((far + 1e-9) / (near + 1e-9)) for name, (near, far) in sorted(pairs.items())}

    def save(self, name: str) -> Path:
        """Write the averaged networks as a checkpoint folder."""
        student = self.average.module
        assert isinstance(student, OneStepStudent)
        scheduler = LCMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            prediction_type="v_prediction",
            rescale_betas_zero_snr=True,
            clip_sample=False,
        )
        folder: Path = self.folder / name
        codes = student.codes.detach().half()
        folder.mkdir(parents=True, exist_ok=True)
        save_file({"codes": codes}, folder / CODES)
        for part, module in {"unet": student.unet, "vae": student.vae}.items():
            copy.deepcopy(module).half().save_pretrained(folder / part)
        scheduler.save_pretrained(folder / "scheduler")
        if self.text_folder is not None:
            assemble(folder, self.text_folder, self.folder / "movie")
        return folder


def train(run: Run, save_every: int) -> None:
    """Run until `steps` or `minutes` are over; writes `log.jsonl`, and a checkpoint every `save_every` steps."""
    began = time.monotonic()
    steps: int = run.config["steps"]
    loss_average = 0.0
    with (run.folder / "log.jsonl").open("a", encoding="utf-8") as stream:
        for step in range(steps):
            progress = max(step / steps, (time.monotonic() - began) / (60 * run.config["minutes"]))
            last = step + 1 == steps or progress >= 1
            loss = run.step(step, progress)
            loss_average = loss if step == 0 else 0.98 * loss_average + 0.02 * loss
            if (step + 1) % 50 == 0 or last:
                gains = run.gains()
                entry = {
                    "step": step + 1,
                    "loss": round(loss_average, 5),
                    "gain_db": round(sum(gains.values()) / max(1, len(gains)), 2),
                    "seconds": round(time.monotonic() - began, 1),
                    "gains": {name: round(value, 1) for name, value in gains.items()},
                }
                stream.write(json.dumps(entry) + "\n")
                stream.flush()
                log.info("step %d loss %.4f gain %.2f dB", entry["step"], entry["loss"], entry["gain_db"])
            if (step + 1) % save_every == 0 or last:
                run.save("checkpoint")
            if last:
                break


def main() -> None:
    """The training command."""
    parser = argparse.ArgumentParser(description="Train the embedded one-step model on the procedural bank.")
    parser.add_argument("--photos", type=Path, required=True, help="folder of photographs")
    parser.add_argument("--text", type=Path, help="text encoder, to write a whole checkpoint, too")
    parser.add_argument("--targets", type=Path, default=Path("runs/targets"), help="where targets are kept")
    parser.add_argument("--config", type=Path, default=Path(__file__).with_name("nano.toml"))
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="change top-level numbers")
    parser.add_argument("--init", type=Path, help="go on from this checkpoint's weights")
    parser.add_argument("--data-seed", type=int, default=0, help="added to the seed of the data order")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--save-every", type=int, default=500)
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the run")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(args.threads)
    config = tomllib.loads(args.config.read_text(encoding="utf-8"))
    for item in args.set:
        key, value = item.split("=", 1)
        config[key] = type(config[key])(float(value))
    run = Run(config, args)
    (run.folder / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    train(run, args.save_every)


if __name__ == "__main__":
    main()
