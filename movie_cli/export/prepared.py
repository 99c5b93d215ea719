"""Graphs of checkpoints that are not exports, made when a backend needs them and kept on this machine.

Promises that graphs of another checkpoint, or made by another version, are never taken for these; and a measured
distance from torch before `auto` relies on them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import movie_cli
from movie_cli.backends.base import Pixels
from movie_cli.backends.opening import open_backend
from movie_cli.backends.select import Choice, version_of
from movie_cli.checkpoints.descriptor import Descriptor, read_json
from movie_cli.checkpoints.exported import FORMAT, graph_name, int8_file, read_export
from movie_cli.editing.editor import Editor
from movie_cli.errors import ModelError
from movie_cli.export.folder import weights_digest
from movie_cli.export.pictures import draw_clip
from movie_cli.places import graphs_folder
from movie_cli.recipe import Recipe

if TYPE_CHECKING:
    from movie_cli.export.build import Tell

INSTRUCTIONS = ("make it winter", "make it night", "as a pencil drawing")
FRAMES = 2
FIDELITY = "fidelity.json"


def can_prepare(descriptor: Descriptor) -> bool:
    """Whether graphs can be made of a checkpoint, as far as its configuration tells."""
    config: dict[str, Any] = read_json(descriptor.folder / "unet" / "config.json")
    channels = (config.get("in_channels"), config.get("out_channels"))
    recurrent = channels[0] == 3 * (channels[1] or 1)
    return descriptor.steps == 1 and descriptor.passes == 1 and not recurrent


def find(descriptor: Descriptor, size: tuple[int, int]) -> Path | None:
    """The folder of a checkpoint's graphs at a size (width, height), if they are there whole."""
    folder = _folder(descriptor, size)
    try:
        read_export(folder)
    except ModelError:
        return None
    return folder


def prepare(descriptor: Descriptor, size: tuple[int, int], tell: Tell | None) -> Path:
    """The folder of a checkpoint's graphs, which are made if need be. Without `tell` nothing is made.

    Raises:
        ModelError: the checkpoint cannot be exported.
        OutputError: there is no room for them.
    """
    folder = _folder(descriptor, size)
    if find(descriptor, size) is None and tell is not None:
        # Looked at whenever `auto` chooses: what makes graphs is imported when they are made.
        from movie_cli.export.to_onnx import export_onnx

        tell(
            f"making graphs of {descriptor.name} at {size[0]}x{size[1]}, once, in about half a minute; "
            f"they are kept in {folder}"
        )
        folder.parent.mkdir(parents=True, exist_ok=True)
        export_onnx(descriptor, folder, (size,), lambda text: None, overwrite=True)
    return folder


def prepare_int8(descriptor: Descriptor, size: tuple[int, int], tell: Tell | None) -> None:
    """Make the int8 decoder of graphs that are there, if need be. Without `tell` nothing is made.

    Raises:
        ModelError: NNCF fails.
    """
    folder = _folder(descriptor, size)
    if has_int8(descriptor, size) or tell is None:
        return
    from movie_cli.export.int8_decoder import write_int8_decoder

    tell("fitting an int8 decoder, once, in about half a minute")
    write_int8_decoder(folder, size)


def has_int8(descriptor: Descriptor, size: tuple[int, int]) -> bool:
    """Whether the graphs of a checkpoint have an int8 decoder."""
    return int8_file(_folder(descriptor, size) / f"{graph_name(size, 'decode')}.onnx").is_file()


def fidelity(descriptor: Descriptor, size: tuple[int, int], dtype: str, tell: Tell | None) -> float:
    """PSNR in dB of OpenVINO's edits in `dtype` against torch's in float32: the least of some instructions.

    Measured on drawn pictures once for each version of OpenVINO, and kept beside the graphs. 0 where it is not known
    and `tell` is not given.
    """
    folder = _folder(descriptor, size)
    path, key = folder / FIDELITY, f"openvino {version_of('openvino')} {dtype}"
    known: dict[str, float] = {}
    with contextlib.suppress(OSError, ValueError):
        known = json.loads(path.read_text(encoding="utf-8"))
    if key not in known:
        if tell is None:
            return 0.0
        tell("comparing OpenVINO with torch, once")
        known[key] = measure(
            descriptor,
            Choice("cpu", "float32", ""),
            Choice("cpu", dtype, "", "openvino", graphs=str(folder)),
            size,
        )
        with contextlib.suppress(OSError):
            path.write_text(json.dumps(known), encoding="utf-8")
    return float(known[key])


def measure(descriptor: Descriptor, exact: Choice, other: Choice, size: tuple[int, int]) -> float:
    """PSNR in dB between the edits of two choices for one checkpoint: the least of `INSTRUCTIONS`."""
    frames = draw_clip(FRAMES, size)
    wanted, found = (_edits(Editor(open_backend(descriptor, choice)), frames) for choice in (exact, other))
    return min(psnr(a, b) for a, b in zip(wanted, found, strict=True))


def psnr(wanted: Pixels, found: Pixels) -> float:
    """Peak signal-to-noise ratio in dB of 8-bit pictures; 99 where they are equal."""
    error = float(np.square(wanted.astype(np.float32) - found).mean())
    return 99.0 if error == 0 else min(99.0, 10 * float(np.log10(255**2 / error)))


def _edits(editor: Editor, frames: Pixels) -> list[Pixels]:
    edited = []
    latents = editor.encode(frames)
    for instruction in INSTRUCTIONS:
        editor.set_recipe(Recipe(instruction))
        editor.set_anchors(latents[:1])
        edited.append(editor.edit(frames, latents))
    return edited


def _folder(descriptor: Descriptor, size: tuple[int, int]) -> Path:
    parts = [movie_cli.__version__, FORMAT, weights_digest(descriptor)]
    digest = hashlib.blake2b(json.dumps(parts).encode(), digest_size=8).hexdigest()
    return graphs_folder() / f"{descriptor.name}-{size[0]}x{size[1]}-{digest}"
