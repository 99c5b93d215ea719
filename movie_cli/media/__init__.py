"""Reading and writing video.

What is in a file is found out before anything is edited (`probe`), frames stream in constant memory with their own
timestamps (`FrameReader`, `VideoWriter`), and everything beside the picture is carried over.
"""

from __future__ import annotations

from movie_cli.media.colour import ColourTags
from movie_cli.media.containers import usual_output
from movie_cli.media.decoding import Damage
from movie_cli.media.deep import depth_wanted
from movie_cli.media.encoding import plan_encoding
from movie_cli.media.hardware import NVENC_OPTIONS, Hardware, find_hardware
from movie_cli.media.info import Chapter, SourceInfo, StreamInfo, VideoInfo
from movie_cli.media.opening import local_source
from movie_cli.media.orientation import Orientation
from movie_cli.media.outfile import check_not_same
from movie_cli.media.probe import probe
from movie_cli.media.reader import Frame, FrameReader
from movie_cli.media.threads import WriterThread, prefetch, queue_depth
from movie_cli.media.writer import VideoWriter, WriteReport, what_changes
from movie_cli.options import EncodeOptions, ReadOptions

__all__ = [
    "NVENC_OPTIONS",
    "Chapter",
    "ColourTags",
    "Damage",
    "EncodeOptions",
    "Frame",
    "FrameReader",
    "Hardware",
    "Orientation",
    "ReadOptions",
    "SourceInfo",
    "StreamInfo",
    "VideoInfo",
    "VideoWriter",
    "WriteReport",
    "WriterThread",
    "check_not_same",
    "depth_wanted",
    "find_hardware",
    "local_source",
    "plan_encoding",
    "prefetch",
    "probe",
    "queue_depth",
    "usual_output",
    "what_changes",
]
