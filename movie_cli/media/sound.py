"""Sound that a container does not hold: decoded, and encoded anew at the same times.

Every sample stays within a millisecond of its place beside the picture: what encoder and decoder add in front is
accounted for, a gap is as long as it was, as silence, and a part begins and ends at its very sample.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import av.error
import numpy as np
from av import AudioCodecContext, AudioFrame, AudioResampler, AudioStream
from av.codec import Codec, CodecContext
from av.packet import Packet

from movie_cli.media.trial import DEFAULT_LAYOUTS, REFUSALS, assumed_layout

if TYPE_CHECKING:
    from av.container import OutputContainer

_CHANNEL_RATE = {"aac": 96_000, "libopus": 80_000, "libmp3lame": 96_000}
"""Bits a second for each channel: transparent to nearly everyone."""
_HIGHEST_RATE = {"libopus": 510_000}
_RATES = {"libopus": (48_000,), "libmp3lame": (32_000, 44_100, 48_000)}
"""Where not all that the encoder takes is wanted: Opus is of 48 kHz inside, MP3 below 32 kHz has other limits."""

_AT_ONCE = Fraction(1, 100)
"""Seconds from which on a difference between times and samples is a gap or an overlap, not a coarse clock."""
_IN_TUNE = Fraction(1, 2000)
_LEANING = 8
"""Frames that must lie on the same side before a small difference is believed."""


@dataclass(frozen=True)
class SoundPlan:
    """How sound is encoded: the encoder, samples a second, channel layout, sample format, bits a second or None."""

    codec: str
    rate: int
    layout: str
    format: str
    bit_rate: int | None

    def __str__(self) -> str:
        at = f" at {self.bit_rate // 1000} kb/s" if self.bit_rate else ""
        return f"{self.codec.removeprefix('lib').removesuffix('lame')}{at}"

    def apply(self, context: AudioCodecContext) -> None:
        """Set an encoder up, and open it.

        Raises:
            av.error.FFmpegError, ValueError: it does not take this.
        """
        context.sample_rate, context.layout, context.format = self.rate, self.layout, self.format
        context.time_base = Fraction(1, self.rate)
        if self.bit_rate:
            context.bit_rate = self.bit_rate
        context.open(strict=False)


def plan_sound(
    stream: AudioStream, packets: list[Packet[Any]], codec: str, *, lossless: bool, channels: int | None = None
) -> SoundPlan | None:
    """Decide how to encode a stream, by its first packets; None where it cannot be decoded.

    `lossless` keeps plain samples plain; of more than `channels` stereo is made.
    """
    if not stream.codec_context:
        return None
    context = stream.codec_context
    layout, rate, depth = context.layout, context.sample_rate, context.format
    if packets:
        first = next(_decoded(context, packets), None)
        if first is None:
            return None
        layout, rate, depth = first.layout, first.sample_rate, first.format
    if lossless and context.codec.canonical_name.startswith("pcm_"):
        codec = "pcm_s16le" if depth is not None and depth.bits <= 16 else "pcm_s24le"
    encoder = Codec(codec, "w")
    rates = _RATES.get(codec) or encoder.audio_rates or (rate,)
    rate = min((each for each in rates if each >= rate), default=max(rates))
    formats = [each.name for each in encoder.audio_formats or ()]
    sample = next((name for name in ("fltp", "flt") if name in formats), formats[0])
    count = layout.nb_channels
    names = (layout.name, DEFAULT_LAYOUTS.get(count, "stereo"), "5.1" if count > 6 else "stereo")
    for name in dict.fromkeys(("stereo",) if channels and count > channels else names):
        bits = None
        if codec in _CHANNEL_RATE:
            each = min(_CHANNEL_RATE[codec], 5 * rate)
            bits = min(each * av.AudioLayout(name).nb_channels, _HIGHEST_RATE.get(codec, 10**6))
        plan = SoundPlan(codec, rate, name, sample, bits)
        tried = CodecContext.create(codec, "w")
        assert isinstance(tried, AudioCodecContext)
        try:
            plan.apply(tried)
        except REFUSALS:
            continue
        return plan
    return None


def _decoded(context: AudioCodecContext, packets: list[Packet[Any]]) -> Iterator[AudioFrame]:
    _assume_layout(context)
    for packet in (*packets, None):
        try:
            yield from context.decode(packet)
        except (av.error.FFmpegError, ValueError):
            continue


def _assume_layout(context: AudioCodecContext) -> None:
    assumed = assumed_layout(context)
    if assumed is not None and not context.is_open:
        context.layout = assumed


class SoundRoute:
    """One stream's way through decoder, resampler and encoder. Times count from the output's zero.

    `from_zero` puts silence before sound that begins later. `stop` is the instant in seconds at which the output ends,
    or None. `broken` counts packets that do not decode.
    """

    cover = False

    def __init__(
        self, source: AudioStream, output: OutputContainer, plan: SoundPlan, *, negative_times: bool, from_zero: bool
    ) -> None:
        self.source = source
        target = output.add_stream(plan.codec, rate=plan.rate)
        assert isinstance(target, AudioStream)
        self.target: AudioStream = target
        self.stop: Fraction | None = None
        self.broken = 0
        self._plan = plan
        plan.apply(self.target.codec_context)
        self.target.time_base = Fraction(1, plan.rate)
        _assume_layout(source.codec_context)
        self._negative, self._from_zero = negative_times, from_zero
        self._kind: tuple[str, str, int] | None = None
        self._resampler: AudioResampler | None = None
        self._resampled: tuple[str, str, int] | None = None
        self._next: int | None = None
        self._sent: int | None = None
        self._leaning: list[int] = []

    def take(self, packet: Packet[Any] | None) -> list[Packet[Any]]:
        """The encoded packets that a packet of the source completes; None, the last one, gives those still waiting."""
        try:
            frames = self.source.codec_context.decode(packet)
        except (av.error.FFmpegError, ValueError):
            self.broken += packet is not None
            frames = []
        encoded = [made for frame in frames for piece in self._placed(frame) for made in self._encode(piece)]
        if packet is None:
            encoded += self._drain()
            encoded += self.target.encode(None)
        # What an encoder puts in front of the first sample is silence, and lost on nobody.
        return [made for made in encoded if self._negative or made.pts is None or made.pts >= 0]

    def _placed(self, frame: AudioFrame) -> Iterator[AudioFrame]:
        """The frame at its place: after silence where there is a gap, without what is there already or not wanted."""
        rate, unit = frame.sample_rate, self.source.time_base or Fraction(1, frame.sample_rate)
        kind = (frame.format.name, frame.layout.name, rate)
        if kind != self._kind:
            if self._kind is not None and self._next is not None:
                self._next = round(self._next * Fraction(rate, self._kind[2]))
            self._kind = kind
        # A packet's times may be in a finer unit than the source's, by which what comes late is judged.
        place = None if frame.pts is None else round(frame.pts * (frame.time_base or unit) * rate)
        late = 0
        if self._next is None:
            late = place or 0
            if late + frame.samples <= 0:
                return
            self._next = 0 if self._from_zero else max(0, late)
            late -= self._next
        elif place is not None:
            late = self._late(place - self._next, rate, unit)
        for filled in range(0, late, rate):
            yield self._numbered(_silence(frame, min(late - filled, rate)))
        begin, end = max(0, -late), frame.samples
        if self.stop is not None:
            end = min(end, begin + round(self.stop * rate) - self._next)
        if begin < end:
            yield self._numbered(frame if end - begin == frame.samples else _piece(frame, begin, end))

    def _numbered(self, frame: AudioFrame) -> AudioFrame:
        assert self._next is not None
        frame.pts, frame.time_base = self._next, Fraction(1, frame.sample_rate)
        self._next += frame.samples
        return frame

    def _late(self, samples: int, rate: int, unit: Fraction) -> int:
        """By how much to correct: at once in a gap, after a while where a clock drifts, never where it rounds."""
        if abs(samples) > max(_AT_ONCE, 2 * unit) * rate:
            self._leaning.clear()
            return samples
        if abs(samples) <= max(_IN_TUNE, unit) * rate:
            self._leaning.clear()
            return 0
        if self._leaning and (samples > 0) != (self._leaning[-1] > 0):
            self._leaning.clear()
        self._leaning.append(samples)
        if len(self._leaning) < _LEANING:
            return 0
        mean = round(sum(self._leaning) / _LEANING)
        self._leaning.clear()
        return mean

    def _encode(self, frame: AudioFrame) -> list[Packet[Any]]:
        made = []
        if self._resampler is None or self._resampled != self._kind:
            made = self._drain()
            plan = self._plan
            self._resampler = AudioResampler(format=plan.format, layout=plan.layout, rate=plan.rate)
            self._resampled = self._kind
        return made + self._send(self._resampler.resample(frame))

    def _drain(self) -> list[Packet[Any]]:
        """What the resampler still holds back."""
        return self._send(self._resampler.resample(None)) if self._resampler is not None else []

    def _send(self, frames: list[AudioFrame]) -> list[Packet[Any]]:
        made: list[Packet[Any]] = []
        for frame in frames:
            # A resampler with nothing to do hands on the None that ends it.
            if frame is not None and frame.samples:
                if self._sent is None:
                    self._sent = frame.pts or 0
                frame.pts, frame.time_base = self._sent, Fraction(1, self._plan.rate)
                self._sent += frame.samples
                made += self.target.encode(frame)
        return made


def _silence(like: AudioFrame, samples: int) -> AudioFrame:
    frame = AudioFrame(format=like.format, layout=like.layout, samples=samples)
    for plane in frame.planes:
        plane.update(bytes([128 if like.format.name.startswith("u8") else 0]) * plane.buffer_size)
    frame.sample_rate = like.sample_rate
    return frame


def _piece(frame: AudioFrame, begin: int, end: int) -> AudioFrame:
    width = 1 if frame.format.is_planar else frame.layout.nb_channels
    samples: Any = np.ascontiguousarray(frame.to_ndarray()[:, begin * width : end * width])
    piece = AudioFrame.from_ndarray(samples, format=frame.format.name, layout=frame.layout.name)
    piece.sample_rate = frame.sample_rate
    return piece
