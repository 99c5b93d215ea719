"""A sheet of samples: every row a source, the edited picture of the data, and what the stage makes of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from movie_cli.recipe import DEFAULT_IMAGE_SCALE, DEFAULT_TEXT_SCALE
from movie_cli.training.samples import SampleBatch
from movie_cli.training.stages.stage import Stage


def write_sheet(path: Path, stage: Stage, batch: SampleBatch, seed: int) -> None:
    """Write the sheet as PNG, at the usual scales; beside it a text with the instructions, a line a row."""
    made = stage.edit(batch, DEFAULT_TEXT_SCALE, DEFAULT_IMAGE_SCALE, seed)
    columns = torch.cat([batch.source, batch.edited, made.to(batch.source)], dim=3)
    pixels = ((columns.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(list(pixels))).save(path)
    path.with_suffix(".txt").write_text("".join(f"{text}\n" for text in batch.instructions), encoding="utf-8")
