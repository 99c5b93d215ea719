"""What a decoded frame says beside its pixels: two views in one picture, a sphere, a colour profile, its mastering."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Mapping
from dataclasses import dataclass

import av
from av.buffer import Buffer

_STEREO = {1: ("left_right", "right_left"), 2: ("top_bottom", "bottom_top"), 3: ("block_lr", "block_rl")}
_STEREO |= {4: ("checkerboard_lr", "checkerboard_rl"), 6: ("row_interleaved_lr", "row_interleaved_rl")}
_STEREO |= {7: ("col_interleaved_lr", "col_interleaved_rl")}
"""ffmpeg's AVStereo3DType to Matroska's words, as stored and with the views swapped."""

FRAME_PACKING = {"checkerboard_lr": 0, "col_interleaved_lr": 1, "row_interleaved_lr": 2}
FRAME_PACKING |= {"left_right": 3, "top_bottom": 4, "block_lr": 5}
"""The numbers that H.264 has for them (frame packing arrangement); x264 says the left view comes first."""

_UNKEPT = {
    "SPHERICAL": "it is a spherical picture (360 degrees), which the output does not say",
    "ICC_PROFILE": "it has a colour profile (ICC), which is left out",
}
_SECOND_VIEW = "29"
"""ffmpeg's AV_FRAME_DATA_VIEW_ID, which PyAV does not know."""


def side_data(frame: av.VideoFrame, name: str) -> bytes | None:
    """The frame's side data of that name (ffmpeg's, as `DISPLAYMATRIX`); None without.

    Raises:
        ValueError: PyAV cannot read any, because some is of a kind that it does not know.
    """
    found = frame.side_data
    if found.get("ICC_PROFILE") is not None:
        # PyAV frees a profile's name, which the frame frees again: it must outlive the process.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(found))
    data = found.get(name)
    return bytes(data) if isinstance(data, Buffer) else None


@dataclass(frozen=True)
class Mastering:
    """What HDR says of the display it was made on, and of its light; None for what it does not.

    `primaries` are x and y of red, green, blue and white; `luminance` the least and the most in cd/m2; `light` the
    brightest pixel and the brightest mean of a frame in cd/m2 (MaxCLL and MaxFALL).
    """

    primaries: tuple[float, ...] | None = None
    luminance: tuple[float, float] | None = None
    light: tuple[int, int] | None = None

    @property
    def peak(self) -> float | None:
        """The most light of the display in cd/m2."""
        return self.luminance[1] if self.luminance else None


NO_MASTERING = Mastering()


def mastering_of(frame: av.VideoFrame) -> Mastering:
    """What the frame says (ffmpeg's AVMasteringDisplayMetadata and AVContentLightMetadata)."""
    try:
        display = side_data(frame, "MASTERING_DISPLAY_METADATA")
        levels = side_data(frame, "CONTENT_LIGHT_LEVEL")
    except ValueError:
        # PyAV refuses all side data of a frame that has a kind it does not know.
        return NO_MASTERING
    primaries = luminance = light = None
    if display is not None and len(display) >= 88:
        # Ten rationals: x and y of three primaries and the white point, the least and the most light.
        parts = struct.unpack_from("=22i", display)
        values = [n / d if d > 0 else 0.0 for n, d in zip(parts[0:20:2], parts[1:20:2], strict=True)]
        primaries = tuple(values[:8]) if parts[20] else None
        luminance = (values[8], values[9]) if parts[21] and values[9] > 0 else None
    if levels is not None and len(levels) >= 8 and any(levels[:8]):
        most, mean = struct.unpack_from("=2I", levels)
        light = (most, mean)
    return Mastering(primaries, luminance, light)


def stereo_of(frame: av.VideoFrame, metadata: Mapping[str, str]) -> str:
    """How two views share the picture, in Matroska's words; empty where there is one view, or nobody knows."""
    try:
        data = side_data(frame, "STEREO3D")
    except ValueError:
        data = None
    if data is not None and len(data) >= 8:
        kind, flags = struct.unpack_from("=2i", data)
        if kind in _STEREO:
            return _STEREO[kind][flags & 1]
    stated = metadata.get("stereo_mode", "")
    return "" if stated == "mono" else stated


def unkept(frame: av.VideoFrame) -> list[str]:
    """Sentences about what no output keeps."""
    try:
        return [text for name, text in _UNKEPT.items() if side_data(frame, name) is not None]
    except ValueError as error:
        if str(error).split()[0] == _SECOND_VIEW:
            return ["it holds two views (MV-HEVC): the first one alone is edited and kept"]
        return []
