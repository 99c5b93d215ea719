"""Makes the picture of docs/on-device.md: frames edited by torch in float32, and by an export in W8A16.

python -m tools.on_device nano-8gen3 -o docs/images/on-device.jpg
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import movie_cli
from movie_cli.backends import RuntimeRequest
from movie_cli.backends.fidelity import psnr
from movie_cli.backends.registry import choose_runtime, open_backend
from movie_cli.checkpoints.store import open_model
from movie_cli.editing.editor import Editor
from movie_cli.media import FrameReader
from tools.before_after import CLIP, page
from tools.sheets import save_picture

INSTRUCTIONS = ("make it winter", "as a pencil drawing")
MAGNIFIED = 16


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Show an export's edits beside torch's.")
    parser.add_argument("export")
    parser.add_argument("--provider", default="simulator")
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    with FrameReader(CLIP) as reader:
        frame = next(iter(reader)).pixels[None]
    descriptor = open_model(args.export)
    config = choose_runtime(descriptor, RuntimeRequest(provider=args.provider))
    editors = (movie_cli.open_editor(dtype="float32", backend="torch"), Editor(open_backend(descriptor, config)))
    tiles = []
    for instruction in INSTRUCTIONS:
        for editor in editors:
            editor.set_recipe(movie_cli.Recipe(instruction))
        exact, found = (editor.edit(frame) for editor in editors)
        apart = np.clip(128 + MAGNIFIED * (found.astype(int) - exact), 0, 255).astype(np.uint8)
        tiles += [
            (f'"{instruction}": torch, float32', exact),
            (f"the HTP, W8A16: {psnr(exact, found):.1f} dB", found),
            (f"{MAGNIFIED} times the difference", apart),
        ]
    save_picture(page(tiles), args.output)


if __name__ == "__main__":
    main()
