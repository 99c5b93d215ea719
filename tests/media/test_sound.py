"""Sound through every kind of container: clicks at known times, and where they are heard afterwards."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from movie_cli.errors import OutputError
from movie_cli.media import EncodeOptions, VideoWriter, probe
from tests.media.clips import SHARED, identity_edit, needs_ffmpeg, packets, picture

REPORTS = SHARED / "reports"
CLICKS = (0.5, 1.0, 1.5, 2.0)


def clicking(
    path: Path, codec: str, *, rate: int = 48000, layout: str = "stereo", begin: float = 0.0, gap=(9.0, 9.0), drift=1.0
) -> Path:
    """A clip of 2.4 s with a click at each of CLICKS, whose sound begins late and has a gap or a drift if asked."""
    with av.open(str(path), "w") as container:
        codec_of = {".webm": "libvpx", ".flv": "flv"}
        video = container.add_stream(codec_of.get(path.suffix, "mpeg4"), rate=25, options={"g": "5"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream(codec, rate=rate, options={"strict": "experimental"})
        sound.layout, sound.bit_rate = layout, 128_000
        for index in range(60):
            frame = av.VideoFrame.from_ndarray(picture(index), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        wave = np.random.default_rng(0).normal(0, 1e-3, (sound.layout.nb_channels, int(2.4 * rate))).astype("f4")
        for click in CLICKS:
            wave[:, int(click * rate) : int(click * rate) + 48] = 0.8
        resampler = av.AudioResampler(format=sound.format, layout=layout, rate=rate)
        for first in range(int(begin * rate), wave.shape[1], 1024):
            if not gap[0] <= first / rate < gap[1]:
                block = np.ascontiguousarray(wave[:, first : first + 1024])
                frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
                frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), round(first * drift)
                for each in resampler.resample(frame):
                    container.mux(sound.encode(each))
        container.mux(sound.encode(None))
    return path


def begin_of(path: Path) -> float:
    """When the first picture is shown."""
    with av.open(str(path)) as container:
        return 0.0 if path.suffix == ".avi" else next(container.decode(video=0)).time


def heard(path: Path) -> list[float]:
    """When the clicks are heard, in seconds from the first picture."""
    zero = begin_of(path)
    clicks: list[float] = []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            loud = frame.to_ndarray().astype(float)
            if not frame.format.is_planar:
                loud = loud.reshape(-1, frame.layout.nb_channels).T
            loud = np.abs(loud - (128 if frame.format.name == "u8" else 0)).max(0)
            loud /= {"s16": 2**15, "s32": 2**31, "u8": 128}.get(frame.format.name.rstrip("p"), 1)
            for place in np.nonzero(loud > 0.3)[0]:
                time = frame.pts * float(frame.time_base) + place / frame.sample_rate - zero
                if not clicks or time > clicks[-1] + 0.1:
                    clicks.append(float(time))
    return clicks


def sound_of(path: Path):
    with av.open(str(path)) as container:
        context = container.streams.audio[0].codec_context
        return context.codec.canonical_name, context.layout.name, context.sample_rate


ROUTES = [
    ("pcm.mkv", "pcm_s16le", 48000, "stereo", "aac", "o.mp4"),
    ("deep.mkv", "pcm_s24le", 48000, "stereo", "aac", "o.mp4"),
    ("deep.mkv", "pcm_s24le", 48000, "stereo", "pcm_s24le", "o.mov"),
    ("camera.avi", "pcm_s16le", 44100, "stereo", "aac", "o.mp4"),
    ("camera.avi", "pcm_u8", 11025, "mono", "aac", "o.mp4"),
    ("phone.mov", "pcm_alaw", 8000, "mono", "aac", "o.mp4"),
    ("phone.mov", "pcm_alaw", 8000, "mono", "opus", "o.webm"),
    ("phone.mov", "pcm_alaw", 8000, "mono", "pcm_s16le", "o.mkv"),
    ("blu.m2ts", "pcm_bluray", 48000, "stereo", "pcm_s16le", "o.mkv"),
    ("surround.mkv", "flac", 44100, "5.1", "opus", "o.webm"),
    ("surround.mkv", "flac", 44100, "5.1", "aac", "o.ts"),
    ("surround.mkv", "flac", 44100, "5.1(side)", "opus", "o.webm"),
    ("web.webm", "libopus", 48000, "stereo", "aac", "o.mov"),
    ("web.webm", "libopus", 48000, "stereo", "opus", "o.webm"),
    ("web.webm", "libopus", 48000, "stereo", "mp3", "o.avi"),
    ("windows.wmv", "wmav2", 44100, "stereo", "aac", "o.mp4"),
    ("usual.mp4", "aac", 44100, "stereo", "opus", "o.webm"),
    ("usual.mp4", "aac", 44100, "stereo", "aac", "o.mkv"),
    ("usual.mp4", "aac", 44100, "stereo", "aac", "o.flv"),
    ("free.mkv", "vorbis", 48000, "stereo", "mp3", "o.avi"),
    ("stream.mkv", "eac3", 48000, "stereo", "mp3", "o.avi"),
    ("free.mkv", "flac", 44100, "stereo", "flac", "o.avi"),
]


@pytest.mark.parametrize("start", [None, 0.72])
@pytest.mark.parametrize(("name", "codec", "rate", "layout", "wanted", "out"), ROUTES)
def test_sound_is_heard_when_it_was_whatever_becomes_of_it(tmp_path, name, codec, rate, layout, wanted, out, start):
    source = clicking(tmp_path / name, codec, rate=rate, layout=layout)
    part = {} if start is None else {"start": begin_of(source) + start, "end": begin_of(source) + 1.9}
    report = identity_edit(source, tmp_path / out, **part)
    expected = CLICKS if start is None else [click - 0.72 for click in CLICKS[1:3]]
    # Clocks of 1 ms on the way, and MP3's lead-in that AVI has no place for.
    assert heard(tmp_path / out) == pytest.approx(expected, abs=2.1e-3 if out.endswith(".avi") else 1.1e-3)
    found = sound_of(tmp_path / out)
    assert found[0] == wanted
    assert av.AudioLayout(found[1]).nb_channels == av.AudioLayout(layout).nb_channels
    converted = any("is converted to" in message for message in report.messages)
    assert converted == (wanted != codec.removeprefix("lib"))


def test_more_than_two_channels_are_mixed_down_where_few_players_find_them(tmp_path):
    source = clicking(tmp_path / "surround.mp4", "aac", layout="5.1")
    report = identity_edit(source, tmp_path / "o.flv")
    assert sound_of(tmp_path / "o.flv")[:2] == ("aac", "stereo")
    assert heard(tmp_path / "o.flv") == pytest.approx(CLICKS, abs=1.1e-3)
    (told,) = [message for message in report.messages if "audio" in message]
    assert "mixed down to stereo" in told
    identity_edit(source, tmp_path / "o.flv", EncodeOptions(preset="ultrafast", audio="transcode"))
    assert sound_of(tmp_path / "o.flv")[:2] == ("aac", "stereo")
    identity_edit(source, tmp_path / "o.flv", EncodeOptions(preset="ultrafast", audio="copy"))
    assert sound_of(tmp_path / "o.flv")[:2] == ("aac", "5.1")


@pytest.mark.parametrize("out", ["o.mp4", "o.webm"])
@pytest.mark.parametrize(
    "odd",
    [{"begin": 0.7}, {"gap": (0.6, 1.4)}, {"gap": (1.1, 1.15)}, {"drift": 1.001}, {"begin": 0.7, "gap": (1.2, 1.4)}],
)
def test_a_late_begin_a_gap_and_a_drift_are_kept(tmp_path, odd, out):
    source = clicking(tmp_path / "a.mkv", "pcm_s16le", **odd)
    before = heard(source)
    identity_edit(source, tmp_path / out, EncodeOptions(preset="ultrafast", audio="transcode"))
    assert heard(tmp_path / out) == pytest.approx(before, abs=2e-3 if "drift" in odd else 1.6e-3)
    assert len(before) == len(CLICKS) - (odd.get("begin", 0) > 0) - (odd.get("gap", (0, 0))[0] == 0.6)


def test_a_cut_of_plain_samples_is_exact(tmp_path):
    source = clicking(tmp_path / "a.mov", "pcm_s16le")
    identity_edit(source, tmp_path / "o.mov", start=0.72, end=1.9)
    with av.open(str(tmp_path / "o.mov")) as container:
        frames = list(container.decode(audio=0))
    assert frames[0].pts == 0
    assert sum(frame.samples for frame in frames) == round((1.9 - 0.72) * 48000)


@needs_ffmpeg
def test_the_first_packets_of_opus_are_kept(tmp_path):
    source = clicking(tmp_path / "a.webm", "libopus")
    for name in ("o.webm", "o.mkv"):
        report = identity_edit(source, tmp_path / name)
        assert packets(source, "a") == packets(tmp_path / name, "a")
        assert not [message for message in report.messages if "audio" in message]


@pytest.mark.parametrize(
    ("source", "codec", "out"),
    [("a.mp4", "aac", "o.webm"), ("a.webm", "libopus", "o.mov"), ("a.mov", "pcm_s16le", "o.gif")],
)
def test_copying_what_cannot_be_copied_is_refused_at_once(tmp_path, source, codec, out):
    info = probe(clicking(tmp_path / source, codec))
    with pytest.raises(OutputError, match="cop") as refused:
        VideoWriter(tmp_path / out, info, EncodeOptions(audio="copy"))
    assert "--audio" in refused.value.hint
    assert refused.value.exit_code == 7
    assert [path.name for path in tmp_path.iterdir()] == [source]


def test_each_wish_about_sound(tmp_path):
    source = clicking(tmp_path / "a.mkv", "pcm_s16le")
    for wish, codec in (("auto", "aac"), ("copy", "pcm_s16le"), ("transcode", "aac")):
        identity_edit(source, tmp_path / "o.mp4", EncodeOptions(preset="ultrafast", audio=wish))
        assert sound_of(tmp_path / "o.mp4")[:2] == (codec, "stereo")
    report = identity_edit(source, tmp_path / "o.mp4", EncodeOptions(preset="ultrafast", audio="none"))
    assert not probe(tmp_path / "o.mp4").audio
    assert not report.messages


@pytest.mark.parametrize(
    ("name", "out", "codec"),
    [
        ("aac_webm_src.mp4", "o.webm", "opus"),
        ("cam_mjpeg_pcm.avi", "o.mp4", "aac"),
        ("latm.ts", "o.mp4", "aac"),
        ("latm.ts", "o.mkv", "aac"),
        ("mjpeg_avi.avi", "o.mp4", "aac"),
        ("mkv_pcm_stereo.mkv", "o.mp4", "aac"),
        ("pcm_mp4.mkv", "o.mp4", "aac"),
        ("webvtt_src.webm", "o.webm", "opus"),
        ("wmv.wmv", "o.mp4", "aac"),
    ],
)
def test_films_that_people_have(tmp_path, name, out, codec):
    if not (REPORTS / name).exists():
        pytest.skip("the optional folder ../shared/data/reports is not here")

    def level(path):
        with av.open(str(path)) as container:
            resampler = av.AudioResampler(format="flt", layout="mono", rate=48000)
            samples = [each.to_ndarray() for frame in container.decode(audio=0) for each in resampler.resample(frame)]
        loud = np.concatenate(samples, 1)
        return loud.shape[1] / 48000, 20 * np.log10(np.sqrt((loud**2).mean()))

    identity_edit(REPORTS / name, tmp_path / out)
    assert sound_of(tmp_path / out)[0] == codec
    (length, loudness), (length_now, loudness_now) = level(REPORTS / name), level(tmp_path / out)
    # A last packet of silence may make it longer.
    assert -0.002 < length_now - length < 0.05
    assert loudness_now == pytest.approx(loudness, abs=0.5)


def last_picture(path: Path) -> float:
    """When the last picture is shown, in seconds from the first, or in AVI, which shows that from 0 on, from 0."""
    with av.open(str(path)) as container:
        shown = [p.dts if path.suffix == ".avi" else p.pts for p in container.demux(video=0) if p.size]
        return float(max(shown) * container.streams.video[0].time_base) - begin_of(path)


@pytest.mark.parametrize(
    ("name", "codec", "rate", "out", "audio"),
    [
        ("dvd.avi", "ac3", 44100, "o.mov", "auto"),
        ("dvd.avi", "ac3", 48000, "o.mov", "transcode"),
        ("old.avi", "mp2", 44100, "o.nut", "auto"),
        ("old.avi", "mp2", 44100, "o.avi", "auto"),
        ("dvd.avi", "ac3", 44100, "o.webm", "auto"),
        ("web.flv", "aac", 48000, "o.avi", "auto"),
        ("web.flv", "aac", 44100, "o.avi", "transcode"),
        ("web.flv", "aac", 44100, "o.mp4", "transcode"),
    ],
)
@pytest.mark.parametrize("start", [None, 0.3, 0.7])
def test_sound_in_blocks_or_with_a_coarse_clock_keeps_its_distance_to_the_picture(
    tmp_path, name, codec, rate, out, audio, start
):
    source = clicking(tmp_path / name, codec, rate=rate)
    part = {} if start is None else {"start": begin_of(source) + start}
    report = identity_edit(source, tmp_path / out, EncodeOptions(audio=audio), **part)
    assert not any("kept" in message for message in report.messages)
    wanted = [last_picture(source) - click for click in heard(source)]
    # What is copied into AVI begins with its first packet, not with the part.
    near = 25e-3 if out.endswith(".avi") and audio == "auto" else 2.1e-3 if out.endswith(".avi") else 1.1e-3
    found = [last_picture(tmp_path / out) - click for click in heard(tmp_path / out)]
    assert found == pytest.approx(wanted[-len(found) :], abs=near)
    assert len(found) == sum(click > (start or 0) for click in heard(source))
