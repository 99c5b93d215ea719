"""Made films: what one is (`Film`), the file it makes, and all the films and edits that Hypothesis may draw.

Promises that a film is plain values which JSON can hold, and the same file each time it is made. Pictures and packets
are encoded evenly from 0 and moved when they are written, so that any time can be given to any codec. Frame number `n`
has a brightness that no other has, and the sound is noise that resembles itself nowhere else.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from hypothesis import strategies as st

from movie_cli.media.outfile import pad_transport

ASS_HEADER = b"[Script Info]\r\nScriptType: v4.00+\r\n\r\n[V4+ Styles]\r\n[Events]\r\n"
MILLISECOND = Fraction(1, 1000)

_ANY_VIDEO = ("libx264", "mpeg4", "mpeg2video", "mjpeg", "ffv1", "libx265", "libvpx", "libvpx-vp9")
_ANY_SOUND = ("aac", "pcm_s16le", "libmp3lame", "libopus", "flac", "ac3", "pcm_u8", "pcm_s24le", "vorbis", "alac")

HOLDS: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    ".mp4": (
        ("libx264", "libx265", "mpeg4", "mpeg2video", "libvpx-vp9", "mjpeg"),
        ("aac", "libmp3lame", "libopus", "flac", "ac3", "alac", "pcm_s16le", "pcm_s24le"),
        ("mov_text",),
    ),
    ".mov": (
        ("libx264", "libx265", "mpeg4", "mjpeg"),
        ("aac", "pcm_s16be", "pcm_s16le", "pcm_u8", "pcm_s24le", "pcm_alaw", "libmp3lame", "alac"),
        ("mov_text",),
    ),
    ".mkv": (_ANY_VIDEO, _ANY_SOUND, ("srt", "ass")),
    ".webm": (("libvpx-vp9", "libvpx"), ("libopus", "vorbis"), ("webvtt",)),
    ".avi": (
        ("libx264", "mpeg4", "mjpeg", "ffv1", "mpeg2video"),
        ("pcm_s16le", "pcm_u8", "libmp3lame", "ac3", "pcm_alaw", "mp2"),
        (),
    ),
    ".ts": (("libx264", "mpeg2video", "mpeg4", "libx265"), ("aac", "mp2", "ac3", "libmp3lame", "libopus"), ()),
    ".nut": (_ANY_VIDEO, (*_ANY_SOUND[:-1], "pcm_s16be"), ()),
    ".flv": (("libx264", "flv"), ("aac", "libmp3lame"), ()),
}
"""Picture, sound and text codecs that are put into a container, the simplest first."""

ONE_SOUND = {".flv"}
REORDERING = {"libx264", "libx265", "mpeg4", "mpeg2video"}
RATES = ("25", "24000/1001", "30000/1001", "30", "50", "60")
LANGUAGES = ("", "eng", "deu", "fra", "zho")


@dataclass(frozen=True)
class Sound:
    """One audio stream; `begin` in milliseconds, `length` in percent of the picture's."""

    codec: str = "aac"
    layout: str = "stereo"
    rate: int = 48000
    begin: int = 0
    length: int = 100
    language: str = ""
    default: bool = True


@dataclass(frozen=True)
class Film:
    """A file to be made. `gaps` are the frames' durations in frames, over and over; `begin` is in milliseconds.

    `cues` and `chapters` are (start, end) in milliseconds.
    """

    ending: str = ".mp4"
    codec: str = "libx264"
    size: tuple[int, int] = (64, 48)
    frames: int = 5
    rate: str = "25"
    gaps: tuple[int, ...] = (1,)
    begin: int = 0
    reorder: int = 0
    default: bool = True
    language: str = ""
    sounds: tuple[Sound, ...] = ()
    text: str = ""
    cues: tuple[tuple[int, int], ...] = ()
    cover: bool = False
    chapters: tuple[tuple[int, int], ...] = ()

    @property
    def step(self) -> Fraction:
        """Seconds of an ordinary frame."""
        return 1 / Fraction(self.rate)

    def time(self, number: int) -> Fraction:
        """When frame `number` is shown, in seconds; before the first and after the last one the pace is even."""
        rounds, rest = divmod(max(number, 0), len(self.gaps))
        steps = rounds * sum(self.gaps) + sum(self.gaps[:rest]) + min(number, 0)
        return steps * self.step + self.begin * MILLISECOND


@dataclass(frozen=True)
class Case:
    """A film and how it is edited: the output's ending, its codec ("" for the usual one), and other options."""

    film: Film = Film()
    ending: str = ".mp4"
    codec: str = ""
    options: tuple[str, ...] = ()

    def to_json(self) -> str:
        """One line."""
        return json.dumps(_unusual(self))

    @classmethod
    def from_json(cls, line: str) -> Case:
        """Read what `to_json` wrote."""
        values = _with_tuples(json.loads(line))
        film = values.get("film", {})
        film["sounds"] = tuple(Sound(**sound) for sound in film.get("sounds", ()))
        return cls(**(values | {"film": Film(**film)}))

    def simpler(self) -> Iterator[Case]:
        """The same case with one thing as it is by default."""
        for case, wrap in ((self, lambda new: new), (self.film, lambda new: dataclasses.replace(self, film=new))):
            for field in dataclasses.fields(case):
                if field.name != "film" and getattr(case, field.name) != field.default:
                    yield wrap(dataclasses.replace(case, **{field.name: field.default}))
        for index, sound in enumerate(self.film.sounds):
            for field in dataclasses.fields(sound):
                if getattr(sound, field.name) != field.default:
                    sounds = list(self.film.sounds)
                    sounds[index] = dataclasses.replace(sound, **{field.name: field.default})
                    yield dataclasses.replace(self, film=dataclasses.replace(self.film, sounds=tuple(sounds)))


def _unusual(value: Any) -> Any:
    """Plain values, without those of a class that are as by default."""
    if dataclasses.is_dataclass(value):
        fields = [(field, getattr(value, field.name)) for field in dataclasses.fields(value)]
        return {field.name: _unusual(item) for field, item in fields if item != field.default}
    return list(map(_unusual, value)) if isinstance(value, tuple) else value


def _with_tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_tuples(item) for key, item in value.items()}
    return tuple(map(_with_tuples, value)) if isinstance(value, list) else value


# -- making ------------------------------------------------------------------------------------------------------------


def make(film: Film, path: Path) -> None:
    """Write the film.

    Raises:
        av.error.FFmpegError, ValueError: the muxer does not take it.
    """
    with av.open(str(path), "w") as output:
        packets = _picture(film, output)
        for number, sound in enumerate(film.sounds):
            packets += _sound(film, sound, number, output)
        if film.text:
            packets += _text(film, output)
        if film.cover:
            packets += _cover(output)
        output.set_chapters(
            [
                {"id": number, "start": start, "end": end, "time_base": MILLISECOND, "metadata": {"title": f"{number}"}}
                for number, (start, end) in enumerate(film.chapters)
            ]
        )
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            output.mux_one(packet)
    if film.ending == ".ts":
        pad_transport(path)  # ffmpeg opens no transport stream of just ten packets


def _picture(film: Film, output: av.container.OutputContainer) -> list[av.Packet]:
    options = {"g": "6", "threads": "1"} | ({"bf": "2"} if film.reorder else {})
    options |= {"libx264": {"preset": "ultrafast"}, "libvpx": {"cpu-used": "8"}}.get(film.codec, {})
    options |= {"libvpx-vp9": {"cpu-used": "8", "lag-in-frames": "0"}}.get(film.codec, {})
    options |= {"libx265": {"preset": "ultrafast", "x265-params": f"log-level=none:bframes={film.reorder}"}}.get(
        film.codec, {}
    )
    stream = output.add_stream(film.codec, rate=Fraction(film.rate), options=options)
    stream.width, stream.height = film.size
    stream.pix_fmt = "yuvj420p" if film.codec == "mjpeg" else "yuv420p"
    stream.codec_context.time_base = film.step
    uneven = film.begin or len(film.gaps) > 1
    stream.time_base = Fraction(1, 90_000) if uneven and film.ending != ".avi" else film.step
    _describe(stream, film)
    packets = []
    for number in [*range(film.frames), None]:
        frame = None
        if number is not None:
            level = 20 + 210 * number // film.frames
            frame = av.VideoFrame.from_ndarray(np.full((*film.size[::-1], 3), level, np.uint8), format="rgb24")
            frame.pts, frame.time_base = number, film.step
        packets += stream.encode(frame)
    for packet in packets:
        pts, dts = (round((film.time(at) - film.begin * MILLISECOND) / film.step) for at in (packet.pts, packet.dts))
        packet.duration = film.gaps[packet.pts % len(film.gaps)]
        _place(packet, film.step, pts, dts, film.begin)
    return packets


def _place(packet: av.Packet, time_base: Fraction, pts: int, dts: int, begin: int) -> None:
    """Give a packet its times in a clock that has both its own units and milliseconds."""
    fine = Fraction(1, 1000 * time_base.denominator)
    packet.pts, packet.dts = (round((at * time_base + begin * MILLISECOND) / fine) for at in (pts, dts))
    packet.duration = round((packet.duration or 0) * time_base / fine)
    packet.time_base = fine


def _sound(film: Film, sound: Sound, number: int, output: av.container.OutputContainer) -> list[av.Packet]:
    stream = output.add_stream(sound.codec, rate=sound.rate, layout=sound.layout, options={"strict": "experimental"})
    _describe(stream, sound)
    context = stream.codec_context
    context.open(strict=False)
    seconds = (film.time(film.frames) - film.begin * MILLISECOND) * sound.length / 100
    count = max(2048, round(seconds * sound.rate))
    noise = np.random.default_rng(number).normal(0, 0.2, (context.layout.nb_channels, count))
    noise = np.apply_along_axis(np.convolve, 1, noise, np.full(8, 1 / 8), "same")
    frame = av.AudioFrame.from_ndarray(noise.astype(np.float32), format="fltp", layout=sound.layout)
    frame.sample_rate, frame.pts, frame.time_base = sound.rate, 0, Fraction(1, sound.rate)
    resampler = av.AudioResampler(context.format, sound.layout, sound.rate, context.frame_size or 1024)
    packets = [
        packet
        for part in [*resampler.resample(frame), *resampler.resample(None), None]
        for packet in stream.encode(part)
    ]
    for packet in packets:
        _place(packet, Fraction(1, sound.rate), packet.pts, packet.dts, sound.begin)
    return packets


def _text(film: Film, output: av.container.OutputContainer) -> list[av.Packet]:
    stream = output.add_stream(film.text)
    stream.time_base = stream.codec_context.time_base = MILLISECOND
    stream.codec_context.subtitle_header = ASS_HEADER
    wrap: dict[str, Callable[[bytes], bytes]] = {
        "mov_text": lambda text: len(text).to_bytes(2, "big") + text,
        "ass": lambda text: b"0,0,Default,,0,0,0,," + text,
    }
    packets = []
    for number, (start, end) in enumerate(film.cues):
        packet = av.Packet(wrap.get(film.text, bytes)(f"cue {number}".encode()))
        packet.pts = packet.dts = start
        packet.duration, packet.time_base, packet.stream = end - start, MILLISECOND, stream
        packets.append(packet)
    return packets


def _cover(output: av.container.OutputContainer) -> list[av.Packet]:
    encoder = av.CodecContext.create("png", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 16, 16, "rgb24", Fraction(1, 25)
    (packet,) = encoder.encode(av.VideoFrame.from_ndarray(np.full((16, 16, 3), 90, np.uint8), format="rgb24"))
    if output.format.name == "matroska":
        output.add_attachment("cover.png", "image/png", bytes(packet))
        return []
    stream = output.add_stream("png")
    stream.width, stream.height, stream.pix_fmt = 16, 16, "rgb24"
    stream.disposition = av.stream.Disposition.attached_pic
    packet.pts = packet.dts = 0
    packet.time_base, packet.stream = MILLISECOND, stream
    return [packet]


def _describe(stream: av.stream.Stream, what: Film | Sound) -> None:
    if what.default:
        stream.disposition = av.stream.Disposition.default
    if what.language:
        stream.metadata["language"] = what.language


# -- drawing -----------------------------------------------------------------------------------------------------------


def sounds(ending: str) -> st.SearchStrategy[Sound]:
    """Streams that fit a container."""
    return st.builds(
        Sound,
        codec=st.sampled_from(HOLDS[ending][1]),
        layout=st.sampled_from(("stereo", "mono", "5.1")),
        rate=st.sampled_from((48000, 44100)),
        begin=st.sampled_from((0, 7, 40, 250, -20)),
        length=st.sampled_from((100, 60, 150)),
        language=st.sampled_from(LANGUAGES),
        default=st.booleans(),
    ).map(_possible)


def _possible(sound: Sound) -> Sound:
    """What the encoders can: Opus at 48 kHz only; Vorbis, MP3 and MP2 in stereo at the most."""
    if sound.codec == "libopus":
        return dataclasses.replace(sound, rate=48000)
    if sound.codec == "vorbis" or (sound.layout == "5.1" and sound.codec in {"libmp3lame", "mp2"}):
        return dataclasses.replace(sound, layout="stereo")
    return sound


@st.composite
def films(draw: st.DrawFn) -> Film:
    """Films of 5 to 12 frames."""
    ending = draw(st.sampled_from(tuple(HOLDS)))
    videos, _, texts = HOLDS[ending]
    span = st.tuples(st.integers(0, 500), st.integers(50, 2000)).map(lambda pair: (pair[0], pair[0] + pair[1]))
    codec, text = draw(st.sampled_from(videos)), draw(st.sampled_from(("", *texts)))
    # AVI has no times but the frames' numbers: what else it may mean is not for a random film to say.
    timed = ending != ".avi"
    return Film(
        ending=ending,
        codec=codec,
        size=draw(st.sampled_from(((64, 48), (32, 32)))),
        frames=draw(st.integers(5, 12)),
        rate=draw(st.sampled_from(RATES)),
        gaps=draw(st.sampled_from(((1,), (1,), (1, 2), (1, 1, 3)))) if timed else (1,),
        begin=draw(st.sampled_from((0, 0, 80, 333, 10_000, -40))) if timed else 0,
        reorder=draw(st.sampled_from((0, 2))) if codec in REORDERING and timed else 0,
        default=draw(st.booleans()),
        language=draw(st.sampled_from(LANGUAGES)),
        sounds=tuple(draw(st.lists(sounds(ending), max_size=1 if ending in ONE_SOUND else 3))),
        text=text,
        cues=tuple(sorted(draw(st.lists(span, min_size=1, max_size=3)))) if text else (),
        cover=ending in {".mp4", ".mkv"} and draw(st.booleans()),
        chapters=tuple(sorted(draw(st.lists(span, max_size=2)))) if ending in {".mp4", ".mov", ".mkv"} else (),
    )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Films with edits of them."""
    film, ending = draw(films()), draw(st.sampled_from(tuple(HOLDS)))
    times = st.sampled_from(("0.04s", "0.1s", "0.123s", "0.2s", "1f", "2f", "3f"))
    options: list[str] = []
    if draw(st.booleans()):
        options += ["--start", draw(times)]
    limit = draw(st.sampled_from(("", "--duration", "--duration", "--end")))
    if limit:
        options += [limit, draw(times) if limit == "--duration" else draw(st.sampled_from(("5f", "0.22s", "0.3s")))]
    if film.sounds:
        options += draw(st.sampled_from(((), (), (), ("--audio", "transcode"), ("--audio", "copy"))))
    return Case(film, ending, draw(st.sampled_from(("", *HOLDS[ending][0]))), tuple(options))
