"""What of a source an output would change or leave out, before anything is written.

Promises the very sentences that the writer will say, as it is the writer that says them.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from movie_cli.media.containers import CONTAINERS, EncodeOptions
from movie_cli.media.info import SourceInfo
from movie_cli.media.writer import VideoWriter

DEFAULT_ENDING = ".mp4"


class _Rehearsal(VideoWriter):
    """A writer that opens everything but a file."""

    def _target(self) -> Any:
        return io.BytesIO()


def what_changes(
    out: str | Path,
    source: SourceInfo,
    options: EncodeOptions | None = None,
    *,
    size: tuple[int, int] | None = None,
    start: float | None = None,
    end: float | None = None,
    tagged: bool = True,
) -> list[str]:
    """Sentences about what an output would not keep as it is; arguments as for `VideoWriter`, `tagged`: with a recipe.

    Raises:
        MovieError: as `VideoWriter`.
    """
    metadata = {"recipe": ""} if tagged else {}
    with _Rehearsal(out, source, options, size=size, start=start, end=end, metadata=metadata) as writer:
        return writer.messages


def usual_output(source: Path) -> Path:
    """A name for an output beside a source: of the same kind where that is a video's, else `.mp4`."""
    known = CONTAINERS.get(source.suffix.lower())
    ending = DEFAULT_ENDING if known is None or known.only_video else source.suffix
    return source.with_name(f"{source.stem}-edited{ending}")
