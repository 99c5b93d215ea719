"""`SegmentEncoder`: frames in, one segment's file out.

Promises that encoding the same frames again gives the same segment, whatever stands before and after it, with the very
set-up that `VideoWriter` gives its own encoder. `VideoWriter.write_segment` joins what is written here.
"""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path
from typing import Any, BinaryIO

import av

from movie_cli.media.containers import EncodeOptions
from movie_cli.media.info import SourceInfo
from movie_cli.media.outfile import output_error
from movie_cli.media.segments import CHECKSUM_BYTES, PacketEntry, Segment, mended_decoding_times
from movie_cli.media.writer import VideoWriter


class SegmentEncoder(VideoWriter):
    """Encodes frames into one segment's file, exactly as a `VideoWriter` with the same arguments would set them up.

    Args:
        path: The segment's file, which is made or replaced.
        out_path: The output that the segment is for; its ending decides as it does for the output itself.
        source: As for `VideoWriter`; so are `options` and `size`.

    Raises:
        OutputError: the file cannot be written.
    """

    def __init__(
        self, path: Path, out_path: str | Path, source: SourceInfo, options: EncodeOptions, size: tuple[int, int]
    ) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._digest = hashlib.blake2b(digest_size=CHECKSUM_BYTES)
        self._entries: list[PacketEntry] = []
        self._times: list[tuple[int, int | None]] = []
        super().__init__(out_path, source, options, size=size)

    def write(self, pixels: Any, pts: int, duration: int | None = None) -> None:
        """Encode one frame; see `VideoWriter.write`."""
        super().write(pixels, pts, duration)
        self._times.append((pts, duration))

    def finish(self, last_picture: int) -> Segment:
        """Write the rest, make the file safe on the disk, and say what is in it.

        Raises:
            OutputError: it cannot be written.
        """
        extradata = bytes(self._stream.codec_context.extradata or b"")
        self._guard(lambda: self._encode(None))
        self._guard(self._sync)
        self.abort(keep=True)
        packets = mended_decoding_times(self._entries)
        return Segment(tuple(self._times), packets, extradata, self._digest.hexdigest(), last_picture)

    def abort(self, keep: bool = False) -> None:
        """Close everything; the file goes unless it is to be kept. Safe to call twice."""
        super().abort()
        if self._file is not None:
            self._file.close()
            self._file = None
            if not keep:
                self._path.unlink(missing_ok=True)

    def _open(self, start: float | None, extra_tags: dict[str, str]) -> None:
        try:
            self._file = self._path.open("wb")
        except OSError as error:
            raise output_error(self._out, error) from error
        # Never written to: it only tells the encoder what the container wants, such as headers of its own.
        output = self._output = av.open(io.BytesIO(), "w", format=self._plan.container.muxer)
        self._stream = self._guard(lambda: self._picture.add_stream(output, self._source, self._options))
        self._guard(lambda: self._stream.codec_context.open(strict=False))

    def _encode(self, frame: av.VideoFrame | None) -> None:
        assert self._file is not None
        for packet in self._stream.codec_context.encode(frame):
            data = bytes(packet)
            self._file.write(data)
            self._digest.update(data)
            pts = packet.pts if packet.pts is not None else packet.dts or 0
            dts = packet.dts if packet.dts is not None else pts
            self._entries.append(PacketEntry(len(data), pts, dts, packet.duration or 0, packet.is_keyframe))

    def _sync(self) -> None:
        assert self._file is not None
        self._file.flush()
        os.fsync(self._file.fileno())
