"""Writing an export's folder: hidden until it is whole, with a manifest that names every file.

Nothing stays behind where an export fails, also on a full disk, and no folder is replaced that
is not an export.
"""

from __future__ import annotations

import contextlib
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import movie_cli
from movie_cli.checkpoints.descriptor import Descriptor
from movie_cli.checkpoints.exported import FORMAT, MANIFEST, TextFacts, digest_of, is_export, weights_digest
from movie_cli.errors import OutputError, UsageError, output_error

TOOLS = ("torch", "diffusers", "onnx", "onnxscript", "onnxruntime")
"""Packages whose versions every manifest has."""


@contextlib.contextmanager
def new_folder(target: Path, *, overwrite: bool) -> Iterator[Path]:
    """A hidden folder beside `target` that gets its name if all goes well, and is removed otherwise.

    Raises:
        UsageError: `target` exists and may not be replaced.
        OutputError: it cannot be made.
    """
    check_target(target, overwrite=overwrite)
    hidden = target.parent / f".{target.name}.{uuid.uuid4().hex[:8]}.part"
    try:
        hidden.mkdir(parents=True)
        yield hidden
        if target.exists():
            old = hidden.with_suffix(".old")
            target.rename(old)
            hidden.rename(target)
            shutil.rmtree(old, ignore_errors=True)
        else:
            hidden.rename(target)
    except OSError as error:
        raise output_error(target, error) from error
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def check_target(target: Path, *, overwrite: bool) -> None:
    """Refuse a folder that must not be replaced, before any work is done.

    Raises:
        UsageError: it is an export, and `overwrite` is not set.
        OutputError: it is something else than an export or an empty folder.
    """
    if not target.exists():
        return
    empty = target.is_dir() and not any(target.iterdir())
    if not empty and not (target.is_dir() and is_export(target)):
        raise OutputError(f"{target} exists and is not an export", "choose another folder with -o")
    if not empty and not overwrite:
        raise UsageError(f"{target} exists", "-y replaces it; or choose another folder with -o")


def write_manifest(
    folder: Path,
    descriptor: Descriptor,
    *,
    kind: str,
    precision: str,
    sizes: tuple[tuple[int, int], ...],
    text: TextFacts,
    graphs: dict[str, str],
    parameters: int,
    tools: tuple[str, ...] = (),
    **facts: Any,
) -> None:
    """Write `movie.json` and, last, `manifest.json` with the digest of every file. `facts` are further entries.

    Raises:
        OSError: they cannot be written.
    """
    from movie_cli.checkpoints.diffusers_parts import write_json

    write_json(folder / "movie.json", movie_json(descriptor))
    files = {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "blake2b": digest_of(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }
    versions = {"movie": movie_cli.__version__} | {name: metadata.version(name) for name in (*TOOLS, *tools)}
    write_json(
        folder / MANIFEST,
        {
            "format": FORMAT,
            "kind": kind,
            "precision": precision,
            "made_from": {"name": descriptor.name, "weights": weights_digest(descriptor.folder)},
            "sizes": [list(size) for size in sizes],
            "text": asdict(text),
            "graphs": graphs,
            "parameters": parameters,
            "tools": versions,
            **facts,
            "files": files,
        },
    )


def movie_json(descriptor: Descriptor) -> dict[str, Any]:
    """A descriptor as the `movie.json` of an export, which also says what is in the autoencoder's configuration."""
    return {
        "format": 1,
        "name": descriptor.name,
        "stage": descriptor.stage,
        "steps": descriptor.steps,
        "text_scale_range": list(descriptor.text_scale_range),
        "image_scale_range": list(descriptor.image_scale_range),
        "native_area": descriptor.native_area,
        "size_multiple": descriptor.size_multiple,
        "source_skip": descriptor.source_skip,
        "licence": descriptor.licence,
        "description": descriptor.description,
        "edits": list(descriptor.edits),
        "latent_channels": descriptor.latent_channels,
        "scaling_factor": descriptor.latent_scaling,
    }
