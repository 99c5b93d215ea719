"""One object that says what a checkpoint can do, read from its `movie.json` and its parts' configurations.

Every value is checked, and the file and key of the first wrong one are named. Loads no weights
and knows nothing of torch. A published InstructPix2Pix pipeline, which has no `movie.json`, gets a derived one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast, get_args

from movie_cli.checkpoints.exported import Export, is_export, read_export, read_json
from movie_cli.errors import ModelError

FORMAT = 1
"""The only `format` of `movie.json` that this version reads."""

Stage = Literal["base", "guided", "one-step"]
PASSES: Mapping[Stage, int] = {"base": 3, "guided": 1, "one-step": 1}
"""UNet passes a step: the base needs the three of classifier-free guidance, distilled ones take the scales as input."""

INSTRUCT_PIX2PIX = "StableDiffusionInstructPix2PixPipeline"
_UNSTATED_LICENCE = "not stated in the checkpoint"
_KEYS = frozenset(
    {
        "format",
        "name",
        "stage",
        "steps",
        "text_scale_range",
        "image_scale_range",
        "native_area",
        "size_multiple",
        "source_skip",
        "licence",
        "description",
        "edits",
        "latent_channels",
        "scaling_factor",
    }
)


@dataclass(frozen=True)
class Variant:
    """What replaces or joins a checkpoint's own parts: an autoencoder's folder, a scheduler's name, a LoRA's file."""

    vae: Path | None = None
    scheduler: str | None = None
    lora: Path | None = None


@dataclass(frozen=True)
class Descriptor:
    """What a checkpoint is and can do.

    `native_area` is in pixels (width times height); sizes it works at are multiples of `size_multiple`.
    `latent_scaling` is what the autoencoder's latents are multiplied with before the UNet sees them. `edits` names
    the edits it was trained on and is empty for an open vocabulary. `variant` is what is used instead of its own parts.
    `export` is set where the folder holds graphs.
    """

    name: str
    folder: Path
    stage: Stage
    steps: int
    passes: int
    text_scale_range: tuple[float, float]
    image_scale_range: tuple[float, float]
    native_area: int
    size_multiple: int
    source_skip: bool
    latent_channels: int
    latent_scaling: float
    licence: str
    description: str
    edits: tuple[str, ...]
    variant: Variant = field(default_factory=Variant)
    export: Export | None = None

    @property
    def sees(self) -> bool:
        """Whether instructions are looks and places to it: it has regions, or those of nano serve its export."""
        return self.regions_folder.is_dir() or (self.export is not None and bool(self.edits))

    @property
    def regions_folder(self) -> Path:
        """The folder of the network that says what is where, which need not be there."""
        return self.folder / "regions"

    @property
    def vae_folder(self) -> Path:
        """The folder of the autoencoder that is used."""
        return self.variant.vae or self.folder / "vae"


def read_descriptor(folder: Path) -> Descriptor:
    """Read the descriptor of the checkpoint in `folder`.

    Raises:
        ModelError: `movie.json` or a part's `config.json` is missing, broken, or holds a value out of range.
    """
    path = folder / "movie.json"
    values = _Values(path, read_json(path) if path.exists() else _derived(folder))
    found = values.number("format")
    if found != FORMAT:
        raise ModelError(f"{path} has format {found:g}, this version reads format {FORMAT}", "update movie")
    stage = values.stage()
    export = read_export(folder) if is_export(folder) else None
    # An export has no autoencoder's configuration: what it would say stands in movie.json.
    beside = path if export is not None else folder / "vae" / "config.json"
    autoencoder = _Values(beside, read_json(beside))
    # AutoencoderKL's own default, which early published configurations leave out; others work unscaled.
    scaling = 0.18215 if autoencoder.values.get("_class_name") == "AutoencoderKL" else 1.0
    return Descriptor(
        name=values.text("name"),
        folder=folder,
        stage=stage,
        steps=values.whole("steps", 1, 1000),
        passes=PASSES[stage],
        text_scale_range=values.span("text_scale_range"),
        image_scale_range=values.span("image_scale_range"),
        native_area=values.whole("native_area", 64, 2**26),
        size_multiple=values.whole("size_multiple", 1, 512),
        source_skip=values.flag("source_skip"),
        latent_channels=autoencoder.whole("latent_channels", 1, 4096, default=4),
        latent_scaling=autoencoder.number("scaling_factor", 1e-6, 1e6, default=scaling),
        licence=values.text("licence"),
        description=values.text("description", empty=True),
        edits=values.texts("edits"),
        export=export,
    )


def _derived(folder: Path) -> dict[str, Any]:
    """What `movie.json` would say of a published pipeline in diffusers layout (Brooks et al. 2023, section 3.2.1)."""
    kind = read_json(folder / "model_index.json").get("_class_name")
    if "XL" in str(kind):
        raise ModelError(
            f"{folder} is a {kind}: editors of SDXL's kind, with two text encoders, are not run",
            "use one of SD 1.x or 2.x, such as timbrooks/instruct-pix2pix",
        )
    if kind != INSTRUCT_PIX2PIX:
        raise ModelError(
            f"{folder / 'movie.json'} is missing and {folder / 'model_index.json'} is a {kind}, not an editor",
            f"movie runs checkpoints with a movie.json, and pipelines of the class {INSTRUCT_PIX2PIX}",
        )
    unet, vae = (read_json(folder / part / "config.json") for part in ("unet", "vae"))
    channels = unet.get("in_channels", 4), vae.get("latent_channels", 4)
    if channels != (8, 4):
        raise ModelError(
            f"{folder}: its UNet takes {channels[0]} channels and its latents have {channels[1]}, not 8 and 4",
            "an InstructPix2Pix editor takes noisy and source latents side by side; `movie train mobile` adds channels",
        )
    sample_size = unet.get("sample_size")
    side = 8 * sample_size if isinstance(sample_size, int) and 8 <= sample_size <= 512 else 512
    return {
        "format": FORMAT,
        "name": folder.name,
        "stage": "base",
        "steps": 20,
        "text_scale_range": [2, 14],
        "image_scale_range": [1, 3],
        "native_area": side * side,
        "size_multiple": 64,
        "source_skip": False,
        "licence": _UNSTATED_LICENCE,
        "description": "a multi-step InstructPix2Pix pipeline",
        "edits": [],
    }


@dataclass(frozen=True)
class _Values:
    """Typed access to a JSON object that names the file and the key in every complaint."""

    path: Path
    values: Mapping[str, Any]

    def _wrong(self, key: str, wanted: str) -> ModelError:
        if key in self.values:
            return ModelError(f"{self.path}: {key} is {self.values[key]!r}, not {wanted}", self._hint())
        return ModelError(f"{self.path}: {key} is missing", self._hint(key))

    def _hint(self, missing: str = "") -> str:
        strange = sorted(set(self.values) - _KEYS) if missing and self.path.name == "movie.json" else []
        if strange:
            return f"the file has {', '.join(strange)}, which movie does not know: is it a misspelling?"
        return "correct the file, or copy or download the checkpoint again"

    def text(self, key: str, empty: bool = False) -> str:
        value = self.values.get(key)
        if not (isinstance(value, str) and (empty or value.strip())):
            raise self._wrong(key, "a text")
        return value

    def stage(self) -> Stage:
        value = self.values.get("stage")
        for known in get_args(Stage):
            if value == known:
                return cast(Stage, known)
        raise self._wrong("stage", f"one of {', '.join(get_args(Stage))}")

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.values.get(key)
        if not (isinstance(value, list) and all(isinstance(item, str) for item in value)):
            raise self._wrong(key, "a list of texts")
        return tuple(value)

    def flag(self, key: str) -> bool:
        value = self.values.get(key)
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false")
        return value

    def number(self, key: str, low: float = -math.inf, high: float = math.inf, default: float | None = None) -> float:
        value = self.values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            raise self._wrong(key, f"a number from {low:g} to {high:g}")
        return float(value)

    def whole(self, key: str, low: int, high: int, default: int | None = None) -> int:
        value = self.values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self._wrong(key, f"a whole number from {low} to {high}")
        return value

    def span(self, key: str) -> tuple[float, float]:
        value = self.values.get(key)
        wanted = "two numbers above 0, the smaller first"
        if not isinstance(value, list) or len(value) != 2:
            raise self._wrong(key, wanted)
        if any(isinstance(end, bool) or not isinstance(end, (int, float)) for end in value):
            raise self._wrong(key, wanted)
        low, high = float(value[0]), float(value[1])
        if not (0 < low <= high < math.inf):
            raise self._wrong(key, wanted)
        return low, high
