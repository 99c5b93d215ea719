"""Small videos made on the spot, and what ffprobe says of a file."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from movie_cli.media import EncodeOptions, FrameReader, VideoWriter, WriteReport, WriterThread, prefetch, probe

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"
CLIPS = sorted((SHARED / "clips").glob("*.[mw][kpe][4vb]*")) if SHARED.exists() else []
ODD = sorted(path for path in (SHARED / "odd").glob("*") if path.suffix != ".csv") if SHARED.exists() else []

needs_shared = pytest.mark.skipif(not CLIPS, reason="the optional folder ../shared/data is not here")
needs_ffmpeg = pytest.mark.skipif(shutil.which("ffprobe") is None, reason="ffmpeg is not installed")


def picture(index: int, size: tuple[int, int] = (64, 48)) -> np.ndarray:
    """A smooth RGB picture with one bright square that moves; top-left is red, so that turns show."""
    width, height = size
    rows, columns = np.mgrid[0:height, 0:width]
    pixels = np.stack([rows * 200 // height + 20, columns * 200 // width + 20, np.full_like(rows, 90)], -1)
    pixels[: height // 3, : width // 3] = (230, 20, 20)
    pixels[height // 2 : height // 2 + 8, (index * 4) % max(1, width - 8) :][:, :8] = 250
    return pixels.astype(np.uint8)


def pixels(path: Path) -> np.ndarray:
    """All frames of a film or of numbered pictures `(N, H, W, 3)`, RGB as whole numbers that may be subtracted."""
    with FrameReader(path) as reader:
        return np.stack([frame.pixels for frame in reader]).astype(int)


def make_clip(
    path: Path,
    *,
    frames: int = 20,
    size: tuple[int, int] = (64, 48),
    pts: Sequence[int] | None = None,
    time_base: Fraction = Fraction(1, 25),
    audio: bool = False,
    codec: str = "libx264",
    rotation: int | None = None,
    chapters: bool = False,
    faststart: bool = True,
    options: dict[str, str] | None = None,
) -> Path:
    """Write a clip with PyAV alone, so that the writer under test is not its own witness."""
    with av.open(str(path), "w", container_options={"movflags": "faststart"} if faststart else {}) as container:
        video = container.add_stream(codec, rate=Fraction(25), options={"g": "10", **(options or {})})
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        video.codec_context.time_base = video.time_base = time_base
        if rotation is not None:
            video.set_display_rotation(rotation)
        sound = container.add_stream("aac", rate=44100) if audio else None
        container.metadata["title"] = "A clip"
        if chapters:
            container.set_chapters(
                [
                    {"id": 0, "start": 0, "end": 400, "time_base": Fraction(1, 1000), "metadata": {"title": "one"}},
                    {"id": 1, "start": 400, "end": 800, "time_base": Fraction(1, 1000), "metadata": {"title": "two"}},
                ]
            )
        if sound is not None:
            for block in range(frames * 44100 // 25 // 1024):
                wave = np.sin(np.arange(1024)[None] * 0.05 + block).astype(np.float32) * 0.2
                frame = av.AudioFrame.from_ndarray(np.repeat(wave, 2, 0), format="fltp", layout="stereo")
                frame.sample_rate, frame.pts, frame.time_base = 44100, block * 1024, Fraction(1, 44100)
                container.mux(sound.encode(frame))
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(index, size), format="rgb24")
            frame.pts, frame.time_base = (pts[index] if pts else index), time_base
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if sound is not None:
            container.mux(sound.encode(None))
    return path


def shrink(source: Path, path: Path, size: tuple[int, int]) -> Path:
    """Write a film with smaller pictures and the same sound."""
    with av.open(str(source)) as container, av.open(str(path), "w") as output:
        video, sound = container.streams.video[0], container.streams.audio[0]
        made = output.add_stream("libx264", rate=video.average_rate)
        made.width, made.height, made.pix_fmt = *size, "yuv420p"
        made.codec_context.time_base = video.time_base
        copied = output.add_stream_from_template(sound)
        for packet in container.demux(video, sound):
            if packet.stream is video:
                for frame in packet.decode():
                    output.mux(made.encode(frame.reformat(*size)))
            elif packet.size:
                packet.stream = copied
                output.mux(packet)
        output.mux(made.encode(None))
    return path


def run_ffmpeg(*arguments: str | Path) -> Path:
    """Make the file named last with ffmpeg."""
    command = ["ffmpeg", "-v", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    return Path(arguments[-1])


def identity_edit(
    source: Path,
    out: Path,
    options: EncodeOptions | None = None,
    start: float | None = None,
    end: float | None = None,
    **more: Any,
) -> WriteReport:
    """Read and write again, as an edit does that changes nothing; `more` is the writer's."""
    info = probe(source)
    with (
        VideoWriter(out, info, options or EncodeOptions(preset="ultrafast"), start=start, end=end, **more) as writer,
        FrameReader(source, start, end, info=info) as reader,
        prefetch(reader, 4) as frames,
        WriterThread(lambda item: writer.write(*item), 4) as sink,
    ):
        for frame in frames:
            sink.put((frame.pixels, frame.pts, frame.duration))
        sink.finish()
        return writer.commit(until=reader.damage.time if reader.damage and reader.damage.fatal else None)


def ffprobe(path: Path, *arguments: str) -> dict:
    """ffprobe's JSON."""
    command = ["ffprobe", "-v", "error", "-of", "json", *arguments, f"file:{path}"]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def frame_pts(path: Path, stream: str = "v:0", first: int | None = None) -> list[int]:
    """The timestamps of all frames, or of the `first` ones, as ffprobe decodes them."""
    # The interval counts packets, and reordered frames need some that come later.
    some = ("-read_intervals", f"%+#{first + 64}") if first else ()
    shown = ffprobe(path, "-select_streams", stream, *some, "-show_entries", "frame=pts")["frames"]
    return [frame["pts"] for frame in shown][:first]


def packets(path: Path, kind: str) -> list[list[tuple[str, str]]]:
    """(content hash, presentation time) of each packet, one list for each stream of that kind."""
    entries = "packet=stream_index,data_hash,pts_time"
    found: dict[int, list[tuple[str, str]]] = {}
    shown = ffprobe(path, "-select_streams", kind, "-show_packets", "-show_data_hash", "md5", "-show_entries", entries)
    for packet in shown["packets"]:
        found.setdefault(packet["stream_index"], []).append((packet["data_hash"], packet["pts_time"]))
    return list(found.values())


def decodes_cleanly(path: Path) -> bool:
    """Whether ffmpeg decodes all of it without a word."""
    command = ["ffmpeg", "-v", "error", "-xerror", "-i", f"file:{path}", "-f", "rawvideo", "-fps_mode", "passthrough"]
    done = subprocess.run([*command, "-map", "0:v:0", "-y", "/dev/null"], capture_output=True, check=False)
    return done.returncode == 0 and not done.stderr
