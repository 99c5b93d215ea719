"""`VideoWriter`: edited frames in, a whole and checked file out, or nothing at all.

Until `commit` has read it back, the file is a hidden one beside the output. After `abort`, an error or an interruption
the output's old content is untouched and nothing else is left. Whether an existing output may be replaced is not
decided here. To a pipe (`-`) bytes go out as they come: there is nothing to check or rename.
"""

from __future__ import annotations

import contextlib
import io
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from movie_cli.errors import OutputError
from movie_cli.media.encoder import Picture, plan_video
from movie_cli.media.info import SourceInfo
from movie_cli.media.muxer import Muxer
from movie_cli.media.opening import file_url
from movie_cli.media.outfile import (
    Naming,
    PipeFile,
    check_not_same,
    check_written,
    output_errors,
    pad_transport,
    prepare_output,
    prepare_sequence,
    publish,
    remove_temporary,
)
from movie_cli.media.segments import Segment
from movie_cli.options import STREAM, EncodeOptions


@dataclass(frozen=True)
class WriteReport:
    """What was written: `path` (None for a pipe), `frames`, `duration` in seconds, `bytes`, sentences in `messages`."""

    path: Path | None
    frames: int
    duration: float
    bytes: int
    messages: tuple[str, ...]


class VideoWriter:
    """Writes one output.

    Args:
        out_path: Where it goes, or `-` for standard output.
        source: What `probe` said; its streams, tags and time base are carried over.
        options: Codec, container and what to keep.
        size: (width, height) of the upright frames that will come; None for the source's.
        start: As given to the reader: the output then begins at 0 with the first frame written.
        end: As given to the reader: sound and subtitles end there.
        metadata: Additional tags for the file, such as the recipe.
        hidden_in: Folder for the file until `commit`, on the output's file system; None for the output's own folder.

    `messages` are sentences about what is not kept as it is.

    Raises:
        OutputError: the folder is missing or may not be written, the disk is full, codec or container is unknown.
        UsageError: the output is the source, or an option is wrong.
        SourceError: the source has gone.
    """

    def __init__(
        self,
        out_path: str | Path,
        source: SourceInfo,
        options: EncodeOptions | None = None,
        *,
        size: tuple[int, int] | None = None,
        start: float | None = None,
        end: float | None = None,
        metadata: Mapping[str, str] | None = None,
        hidden_in: Path | None = None,
    ) -> None:
        check_not_same(source.path, out_path)
        self._setup = plan_video(out_path, source, options or EncodeOptions(), size or source.video.display_size)
        self.messages = list(self._setup.messages)
        self.frames_written = 0
        self._out = Path(out_path)
        self._done = False
        self._last_end = 0
        self._muxer: Muxer | None = None
        self._pipe = PipeFile(sys.stdout.buffer) if str(out_path) == STREAM else None
        self._temporary: Path | None = None
        try:
            target = self._pipe or self._hide(hidden_in)
            with output_errors(self._out):
                self._muxer = Muxer(target, self._setup, (start, end), metadata or {}, checked=self._pipe is None)
        except BaseException:
            self.abort()
            raise
        self._move_messages(self._muxer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.abort()

    def write(self, picture: Picture, pts: int, duration: int | None = None) -> None:
        """Encode one frame.

        Args:
            picture: `(H, W, 3)` uint8 RGB of the writer's size, upright; or a frame painted on the output's `Canvas`.
            pts: Its timestamp in the source's `time_base`, later than the one before.
            duration: How long it is shown, in the same unit, or None.

        Raises:
            OutputError: it cannot be written. BrokenPipeError: nobody reads standard output any more.
        """
        muxer = self._opened()
        if self.frames_written == 0:
            muxer.begin(pts)
        frame = muxer.encoder.frame(picture, pts, duration)
        with output_errors(self._out):
            muxer.encode(frame, self._setup.source.video.seconds(pts))
        self._last_end = pts + (duration or 0)
        self.frames_written += 1

    def write_segment(self, segment: Segment, path: Path) -> None:
        """Copy the packets of a finished segment from its file. All frames come like this, or none.

        Raises:
            OutputError: it cannot be written or read, or was made by another encoder.
        """
        muxer = self._opened()
        if self.frames_written == 0:
            muxer.begin(segment.times[0][0])
        with output_errors(self._out):
            muxer.join(segment, path)
        self._last_end = segment.times[-1][0] + (segment.times[-1][1] or 0)
        self.frames_written += segment.frames

    def commit(self, until: float | None = None, naming: Naming | None = None) -> WriteReport:
        """Finish, read the result back and put it in its place.

        Args:
            until: Where the source breaks, in seconds on its timeline: sound and subtitles end there too.
            naming: What may happen when the file, whole and checked, gets its name; None may replace another.

        Raises:
            UsageError: the output exists and may not be replaced.
            OutputError: it cannot be finished, or what was written is not what was meant.
        """
        muxer = self._opened()
        if not self.frames_written:
            self.abort()
            raise OutputError(f"there is nothing to write to {self._out}", "choose a range with frames in it")
        try:
            with output_errors(self._out):
                muxer.finish(until)
                if self._setup.plan.container.muxer == "mpegts" and self._temporary is not None:
                    pad_transport(self._temporary)
            self._move_messages(muxer)
            return self._publish(muxer, naming or Naming())
        except BaseException:
            self.abort()
            raise

    def abort(self) -> None:
        """Drop everything that is not committed. Safe to call twice."""
        if self._done:
            return
        self._done = True
        # Gone first: the muxer then fails at once instead of rearranging a file that nobody wants.
        self._remove()
        if self._pipe is not None:
            self._pipe.discard()
        if self._muxer is not None:
            self._muxer.close()
        self._remove()

    def _opened(self) -> Muxer:
        if self._done or self._muxer is None:
            raise ValueError("the writer is closed")
        return self._muxer

    def _hide(self, folder: Path | None) -> str:
        """Make a hidden file, or folder of numbered pictures; the name by which ffmpeg knows it."""
        token = secrets.token_hex(4)
        if not self._setup.plan.container.numbered:
            self._out, self._temporary = prepare_output(self._out, token, folder)
            return file_url(self._temporary)
        self._out, self._temporary = prepare_sequence(self._out, token)
        return file_url(self._temporary.parent).replace("%", "%%") + f"/{self._temporary.name}"

    def _remove(self) -> None:
        if self._temporary is not None:
            remove_temporary(self._temporary, numbered=self._setup.plan.container.numbered)

    def _move_messages(self, muxer: Muxer) -> None:
        self.messages += muxer.messages
        muxer.messages.clear()

    def _publish(self, muxer: Muxer, naming: Naming) -> WriteReport:
        length = float((self._last_end - muxer.encoder.zero) * self._setup.source.video.time_base)
        if self._temporary is None:
            self._done = True
            written = self._pipe.written if self._pipe is not None else 0
            return WriteReport(None, self.frames_written, length, written, tuple(self.messages))
        check_written(self._temporary, self.frames_written, self._setup.stored, self._out)
        numbered = self._setup.plan.container.numbered
        size, messages = publish(self._temporary, self._out, naming, numbered=numbered)
        self._done = True
        self.messages.extend(messages)
        return WriteReport(self._out, self.frames_written, length, size, tuple(self.messages))


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
    """What an output would change or leave out, in the sentences of `VideoWriter.messages`; nothing is written.

    Arguments as for `VideoWriter`, `tagged`: with a recipe.

    Raises:
        MovieError: as `VideoWriter`, but for what the place of the output is to blame for.
    """
    check_not_same(source.path, out)
    setup = plan_video(out, source, options or EncodeOptions(), size or source.video.display_size)
    target: Any = io.BytesIO()
    tags = {"recipe": ""} if tagged else {}
    with output_errors(Path(out)), contextlib.closing(Muxer(target, setup, (start, end), tags)) as muxer:
        return [*setup.messages, *muxer.messages]
