"""Writes a checkpoint folder in diffusers' layout, float16 safetensors, with `movie.json` beside `model_index.json`."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import SchedulerMixin

NANO_AREA = 512 * 384


def save_checkpoint(
    folder: Path,
    unet: Any,
    vae: Any,
    text_encoder: Any,
    tokenizer: Any,
    scheduler: SchedulerMixin,
    **facts: Any,
) -> None:
    """Write all parts; `facts` override entries of `movie.json`.

    `text_encoder` and `tokenizer` are movie's own, or CLIP's of transformers; `unet` and `vae` any that load again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in {"unet": unet, "vae": vae, "text_encoder": text_encoder}.items():
        copy.deepcopy(part).to(torch.float16).save_pretrained(folder / name, safe_serialization=True)
    tokenizer.save_pretrained(folder / "tokenizer")
    scheduler.save_pretrained(folder / "scheduler")
    index = {
        "_class_name": "MoviePipeline",
        "_diffusers_version": diffusers.__version__,
        **{
            name: [_library(part), getattr(part, "class_name", type(part).__name__)]
            for name, part in {
                "scheduler": scheduler,
                "text_encoder": text_encoder,
                "tokenizer": tokenizer,
                "unet": unet,
                "vae": vae,
            }.items()
        },
    }
    movie = {
        "format": 1,
        "name": folder.name,
        "stage": "one-step",
        "steps": 1,
        "text_scale_range": [2, 14],
        "image_scale_range": [1, 3],
        "native_area": NANO_AREA,
        "size_multiple": 16,
        "source_skip": True,
        "licence": "Apache-2.0",
        "description": "",
        "edits": list(getattr(text_encoder, "edits", ())),
    }
    write_json(folder / "model_index.json", index)
    write_json(folder / "movie.json", movie | facts)


def _library(part: Any) -> str:
    """What `model_index.json` says a part comes from: the library, or the module where it is movie's own."""
    module = type(part).__module__
    library = module.partition(".")[0]
    return library if library in {"diffusers", "transformers"} else module


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write a JSON file as people like to read it."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
