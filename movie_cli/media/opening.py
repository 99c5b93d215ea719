"""Opening a source for reading: nothing but local files, and a plain sentence for whatever is wrong with one.

No name inside a file (playlist, concat script, reference movie) makes ffmpeg open anything else, and any file name
works (leading dashes, colons, newlines). Standard input and pipes are first copied to a temporary file, because an mp4
may carry its index at the end and because sound is copied by a second reader.
"""

from __future__ import annotations

import contextlib
import difflib
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import av.error
from av.codec.hwaccel import HWAccel

from movie_cli import remote
from movie_cli.errors import OutputError, SourceError, reason_of
from movie_cli.media import pictures
from movie_cli.media.boxes import diagnose
from movie_cli.options import STREAM, ReadOptions

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.video.stream import VideoStream

_INDIRECT = {"hls", "concat", "dash", "rtsp", "rtp", "sdp", "sap", "lavfi", "tee", "webm_dash_manifest", "hds"}
_INDIRECT |= {"smoothstreaming", "alsa", "fbdev", "x11grab", "kmsgrab", "oss", "pulse", "video4linux2,v4l2", "imf"}
_INDIRECT |= {"image2", "vobsub", "rtp_mpegts", "avisynth", "vapoursynth", "libgme", "dshow", "gdigrab", "vfwcap"}
_INDIRECT |= {"avfoundation", "sndio", "jack", "openal", "iec61883", "decklink", "libcdio", "xcbgrab", "android_camera"}
"""Demuxers that open other names, networks or devices. They are left out of the list ffmpeg may try."""

_DRAWN_TEXT = {"tty", "ansi", "xbin", "adf", "idf", "bin"}
"""Demuxers that draw plain text as pictures: any text file would be a video."""


def file_url(path: Path) -> str:
    """A name that ffmpeg takes literally, whatever characters the path holds."""
    return f"file:{path.absolute()}"


@contextlib.contextmanager
def local_source(path: str | Path, reading: ReadOptions | None = None) -> Iterator[Path]:
    """A path that ffmpeg can open twice and search in: the path itself, or a copy.

    Standard input (`-`), pipes and what a URL names are copied; an animated WebP is converted.

    Raises:
        SourceError: standard input is a terminal or empty; or as `pictures.webp_to_video`.
        OutputError: there is no room for the copy.
        DeviceError: what speaks the URL's protocol is not installed.
    """
    if remote.is_url(str(path)):
        with remote.local_copy(str(path)) as fetched, _converted(fetched, reading or ReadOptions()) as readable:
            yield readable
        return
    if str(path) != STREAM and not _is_pipe(Path(path)):
        with _converted(Path(path), reading or ReadOptions()) as readable:
            yield readable
        return
    with tempfile.NamedTemporaryFile(prefix="movie-stdin-", suffix=".media") as copy:
        try:
            if str(path) == STREAM:
                if sys.stdin is None or sys.stdin.isatty():
                    raise SourceError(
                        "standard input is a terminal, not a video", "pipe a video in: cat in.mp4 | movie ..."
                    )
                shutil.copyfileobj(sys.stdin.buffer, copy, 1 << 20)
            else:
                with Path(path).open("rb") as pipe:
                    shutil.copyfileobj(pipe, copy, 1 << 20)
            copy.flush()
        except OSError as error:
            raise OutputError(
                f"the input from a pipe cannot be kept in {tempfile.gettempdir()}: {error.strerror}",
                "set TMPDIR to a folder with room for the whole input",
            ) from error
        with _converted(Path(copy.name), reading or ReadOptions()) as readable:
            yield readable


def _is_pipe(path: Path) -> bool:
    try:
        return stat.S_ISFIFO(path.stat().st_mode)
    except (OSError, ValueError):
        return False


@contextlib.contextmanager
def _converted(path: Path, reading: ReadOptions) -> Iterator[Path]:
    """The path, or a lossless video of what ffmpeg does not decode."""
    if not pictures.is_animated(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="movie-webp-") as folder:
        video = Path(folder) / f"{path.stem[:80]}.mkv"
        try:
            pictures.webp_to_video(path, video, reading)
        except OSError as error:
            raise OutputError(
                f"{path} cannot be unpacked to {folder}: {error.strerror or error}",
                "set TMPDIR to a folder with room for all its frames",
            ) from error
        yield video


def open_source(path: Path, reading: ReadOptions | None = None, decode_on: str = "") -> InputContainer:
    """Open a local file for demuxing, or the files of an image sequence.

    `decode_on` is the number of the GPU that is to decode it; where that fails, software does.

    Raises:
        SourceError: it is missing, a folder, empty, unreadable, not a video, damaged or encrypted.
    """
    reading = reading or ReadOptions()
    # The decoders refuse larger pictures themselves, before they ask for memory.
    limit = {"max_pixels": reading.decoder_limit}
    try:
        if pictures.is_pattern(path):
            return _open_sequence(path, reading, limit)
        _check_file(path)
        if decode_on:
            with contextlib.suppress(av.error.FFmpegError, OSError):
                return _open_file(path, limit, HWAccel("cuda", decode_on))
        return _open_file(path, limit)
    except PermissionError as error:
        raise SourceError(f"{path} may not be read", "change its permissions or copy it") from error
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise diagnose(path, reason_of(error)) from error


def _open_file(path: Path, limit: dict[str, str], hwaccel: HWAccel | None = None) -> InputContainer:
    return av.open(
        file_url(path),
        "r",
        options=limit,
        container_options={"protocol_whitelist": "file", "format_whitelist": _allowed_formats()},
        metadata_errors="ignore",
        hwaccel=hwaccel,
    )


def _open_sequence(path: Path, reading: ReadOptions, limit: dict[str, str]) -> InputContainer:
    found = pictures.find_sequence(path)
    # Only the name is a pattern: a % in the folder stands for itself.
    url = file_url(path.absolute().parent).replace("%", "%%") + f"/{path.name}"
    rate = reading.frame_rate or pictures.DEFAULT_RATE
    where = {"start_number": str(found.start), "framerate": str(rate)}
    return av.open(
        url,
        "r",
        format="image2",
        options=limit,
        container_options={"protocol_whitelist": "file", "pattern_type": "sequence", **where},
    )


def demuxed(container: InputContainer, streams: Stream | Sequence[Stream] = ()) -> Iterator[Packet[Any]]:
    """The packets of streams, or of all, as `container.demux`; a stream that turns up midway is passed over."""
    packets = container.demux(*([streams] if streams else []))
    while True:
        try:
            packet = next(packets, None)
        except IndexError:
            # PyAV knows the streams that were there when the file was opened.
            packets = container.demux(*([streams] if streams else []))
            continue
        if packet is None:
            return
        yield packet


def only_stream(container: InputContainer, index: int) -> Stream:
    """The stream of that index; the packets of all others will not come."""
    for stream in container.streams:
        if stream.index != index:
            stream.discard = av.stream.Discard.all
    return container.streams[index]


def main_video(container: InputContainer, path: Path) -> VideoStream:
    """The stream to edit: the first one marked as default, else the first; cover pictures do not count.

    Raises:
        SourceError: there is none, or no decoder for it.
    """
    candidates = [stream for stream in container.streams.video if not is_cover(stream)]
    if not candidates:
        kinds = sorted({stream.type for stream in container.streams} - {"video"})
        if not kinds:
            raise diagnose(path, "nothing is in it")
        what = " and ".join(kinds)
        raise SourceError(f"{path} holds only {what}, no video", "give a file that shows moving pictures")
    marked = [stream for stream in candidates if stream.disposition & 1]
    stream = (marked or candidates)[0]
    if stream.codec_context is None:
        raise diagnose(path, "there is no decoder for its video stream")
    return stream


def is_cover(stream: VideoStream) -> bool:
    """Whether a video stream is only a cover picture or a thumbnail."""
    return bool(stream.disposition & (av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails))


def _check_file(path: Path) -> None:
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise SourceError(f"{path} does not exist", _similar_name(path)) from error
    except (OSError, ValueError) as error:
        raise SourceError(f"{path} cannot be read: {reason_of(error)}", "check the name and its permissions") from error
    if stat.S_ISDIR(status.st_mode):
        raise SourceError(f"{path} is a folder, not a video", "name one file in it")
    if not stat.S_ISREG(status.st_mode):
        raise SourceError(f"{path} is a device or a socket, not a file", "use - to read from standard input")
    if status.st_size == 0:
        raise SourceError(f"{path} is empty (0 bytes)", "the copy or download that made it may have failed")


def _similar_name(path: Path) -> str:
    try:
        names = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return f"the folder {path.parent} cannot be read either"
    close = difflib.get_close_matches(path.name, names, n=1)
    return f"did you mean {path.parent / close[0]}?" if close else "check the spelling"


def _allowed_formats() -> str:
    return ",".join(sorted(av.formats_available - _INDIRECT - _DRAWN_TEXT))
