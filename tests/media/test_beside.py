"""What lies beside picture and sound: subtitles, data, timecodes, and streams that are broken."""

from __future__ import annotations

import io
import sys
from fractions import Fraction
from pathlib import Path

import av
import pytest

from movie_cli.errors import OutputError
from movie_cli.media import EncodeOptions, VideoWriter, probe
from movie_cli.media.containers import advanced
from tests.fuzz.films import Film, Sound, make
from tests.media.clips import SHARED, identity_edit, make_clip, needs_ffmpeg, picture, run_ffmpeg


@pytest.mark.parametrize(
    ("before", "frames", "rate", "after"),
    [
        ("01:02:03:04", 25, Fraction(25), "01:02:04:04"),
        ("23:59:59:24", 1, Fraction(25), "00:00:00:00"),
        ("00:00:59;29", 1, Fraction(30000, 1001), "00:01:00;02"),
        ("00:09:59;29", 1, Fraction(30000, 1001), "00:10:00;00"),
        ("00:00:59;59", 1, Fraction(60000, 1001), "00:01:00;04"),
        ("00:00:00;00", 17982, Fraction(30000, 1001), "00:10:00;00"),
        ("00:00:00:00", 60, Fraction(30000, 1001), "00:00:02:00"),
        ("reel 7", 25, Fraction(25), "reel 7"),
    ],
)
def test_a_timecode_goes_on(before, frames, rate, after):
    assert advanced(before, frames, rate) == after


@pytest.mark.parametrize("out", ["o.mov", "o.mp4", "o.mkv"])
def test_the_timecode_moves_with_the_cut(tmp_path, out):
    source = tmp_path / "a.mov"
    with av.open(str(source), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height = 64, 48
        video.metadata["timecode"] = "01:02:03:04"
        for index in range(30):
            frame = av.VideoFrame.from_ndarray(picture(index), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    for start, timecode in ((None, "01:02:03:04"), (0.5, "01:02:03:17")):
        report = identity_edit(source, tmp_path / out, start=start)
        tags = probe(tmp_path / out).video.metadata
        assert {value for name, value in tags.items() if name.lower() == "timecode"} == {timecode}
        assert not [message for message in report.messages if "data" in message]


def subtitled(path: Path) -> Path:
    """Two seconds; texts from 0.05 to 0.15, from 0.2 to 1.0 and from 1.4 to 1.9."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height = 64, 48
        text = container.add_stream("srt" if path.suffix == ".mkv" else "mov_text")
        text.time_base = text.codec_context.time_base = Fraction(1, 1000)
        text.codec_context.subtitle_header = b"[Script Info]\r\n\r\n[Events]\r\n"
        for index in range(50):
            frame = av.VideoFrame.from_ndarray(picture(index), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for begin, end in ((50, 150), (200, 1000), (1400, 1900)):
            words = av.subtitles.subtitle.SubtitleSet.create(b"0,0,Default,,0,0,0,,Hello", 0, end - begin)
            packet = text.codec_context.encode_subtitle(words)
            packet.stream, packet.time_base = text, Fraction(1, 1000)
            packet.pts = packet.dts = begin
            packet.duration = end - begin
            container.mux(packet)
    return path


@pytest.mark.parametrize("source", ["a.mkv", "a.mp4"])
@pytest.mark.parametrize("out", ["o.mkv", "o.mp4", "o.webm"])
def test_a_subtitle_that_reaches_into_the_part_is_clipped(tmp_path, source, out):
    identity_edit(subtitled(tmp_path / source), tmp_path / out, start=0.8, end=1.6)
    with av.open(str(tmp_path / out)) as container:
        shown = [
            (round(float(packet.pts * packet.time_base), 3), round(float(packet.duration * packet.time_base), 3))
            for packet in container.demux(subtitles=0)
            # An mp4 fills the time between texts with packets of two bytes.
            if packet.size > 2
        ]
    assert shown == [(0.0, 0.2), (0.6, 0.2)]


def with_data(path: Path, codec: str) -> Path:
    """A second of film with a packet of data at every fifth of it."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height = 64, 48
        data = container.add_data_stream(codec)
        data.time_base = Fraction(1, 90000)
        for index in range(25):
            frame = av.VideoFrame.from_ndarray(picture(index), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(video.encode(frame))
            if index % 5 == 0:
                packet = av.Packet(bytes([6, 14, 43, 52, index]) * 8)
                packet.stream, packet.time_base = data, Fraction(1, 90000)
                packet.pts = packet.dts = index * 3600
                container.mux(packet)
        container.mux(video.encode(None))
    return path


def data_of(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(data=0) if packet.size]


def test_telemetry_is_copied_where_there_is_a_place_for_it(tmp_path):
    source = with_data(tmp_path / "a.ts", "klv")
    assert len(data_of(source)) == 5
    report = identity_edit(source, tmp_path / "o.ts")
    assert data_of(tmp_path / "o.ts") == data_of(source)
    assert not [message for message in report.messages if "data" in message]
    report = identity_edit(source, tmp_path / "part.ts", start=0.5)
    assert data_of(tmp_path / "part.ts") == data_of(source)[3:]
    report = identity_edit(source, tmp_path / "o.mkv")
    assert any("data stream 1 (klv) is left out, because matroska" in message for message in report.messages)
    identity_edit(source, tmp_path / "bare.ts", EncodeOptions(preset="ultrafast", metadata=False))
    assert not probe(tmp_path / "bare.ts").of_kind("data")


@pytest.mark.parametrize(
    ("tag", "out", "kept"),
    [("gpmd", "o.mp4", True), ("gpmd", "o.mov", True), ("gpmd", "o.ts", False), ("mebx", "o.mov", False)],
)
def test_a_camera_s_track_of_places_is_kept_where_it_can_be_read_again(tmp_path, tag, out, kept):
    """A track of texts, renamed to what GoPro's cameras and phones write."""
    texts = subtitled(tmp_path / "texts.mp4").read_bytes()
    source = tmp_path / "a.mp4"
    source.write_bytes(texts.replace(b"sbtl", b"meta").replace(b"tx3g", tag.encode()))
    report = identity_edit(source, tmp_path / out)
    if kept:
        assert not report.messages
        assert data_of(tmp_path / out) == data_of(source)
    else:
        assert any("data stream 1" in message and "is left out" in message for message in report.messages)
        assert not probe(tmp_path / out).of_kind("data")


def test_the_text_of_chapters_is_no_data(tmp_path):
    source = make_clip(tmp_path / "a.mov", chapters=True)
    assert probe(source).of_kind("data")
    report = identity_edit(source, tmp_path / "o.mp4")
    assert len(probe(tmp_path / "o.mp4").chapters) == 2
    assert not report.messages


def damaged(source: Path, path: Path) -> Path:
    """The clip with a third of its packets of sound overwritten."""
    with av.open(str(source)) as container:
        places = [packet.pos for packet in container.demux(audio=0) if packet.size]
    data = bytearray(source.read_bytes())
    for place in places[::3]:
        data[place : place + 24] = bytes(range(200, 224))
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("out", ["o.mp4", "o.webm", "o.mkv", "o.ts"])
def test_damaged_sound_never_costs_the_film(tmp_path, out):
    source = damaged(make_clip(tmp_path / "a.mp4", audio=True, frames=40), tmp_path / "b.mp4")
    report = identity_edit(source, tmp_path / out)
    assert report.frames == 40
    assert len(probe(tmp_path / out).audio) == 1
    if out == "o.webm":
        assert any("packets of audio stream 1 (aac) cannot be decoded" in message for message in report.messages)


def test_a_stream_whose_decoder_fails_in_a_new_way_is_left_and_said(tmp_path, monkeypatch):
    from movie_cli.media import sound

    def fail(*arguments):
        raise ValueError("an odd frame")

    monkeypatch.setattr(sound.SoundRoute, "_encode", fail)
    source = make_clip(tmp_path / "a.mp4", audio=True)
    report = identity_edit(source, tmp_path / "o.webm")
    assert report.frames == 20
    assert any("audio stream 1 (aac) breaks off: an odd frame" in message for message in report.messages)


def test_a_picture_that_the_muxer_refuses_is_an_error_also_in_a_pipe(tmp_path, monkeypatch):
    source = make_clip(tmp_path / "a.mp4", audio=True)

    class Out:
        buffer = io.BytesIO()

    monkeypatch.setattr(sys, "stdout", Out())
    with VideoWriter("-", probe(source), EncodeOptions(preset="ultrafast", container="nut")) as writer:
        writer.write(picture(0), 0)
        with pytest.raises(OutputError):
            # This muxer takes no time twice.
            for pts in (512, 512, 512):
                writer.write(picture(1), pts)
            writer.commit()


@pytest.mark.parametrize(("name", "out"), [("tmcd.mov", "o.mov"), ("tmcd.mov", "o.mp4")])
def test_a_timecode_track_is_kept_without_a_word(tmp_path, name, out):
    source = SHARED / "reports" / name
    if not source.exists():
        pytest.skip("the optional folder ../shared/data/reports is not here")
    report = identity_edit(source, tmp_path / out)
    assert not report.messages
    assert probe(tmp_path / out).video.metadata["timecode"] == probe(source).video.metadata["timecode"]


def test_sound_without_channels_is_left_out_and_the_film_is_whole(tmp_path):
    source = make_clip(tmp_path / "a.mkv", audio=True)
    # The number of channels in Matroska's header and in AAC's configuration, as damage may leave them.
    damaged_bytes = source.read_bytes().replace(b"\x9f\x81\x02", b"\x9f\x81\x00").replace(b"\x12\x10V", b"\x12\x00V")
    source.write_bytes(damaged_bytes)
    assert probe(source).audio[0].channels == 0
    report = identity_edit(source, tmp_path / "o.mp4")
    assert report.frames == 20
    assert probe(tmp_path / "o.mp4").video.frames == 20
    assert any("is left out" in message for message in report.messages)


@needs_ffmpeg
@pytest.mark.parametrize("ending", [".mkv", ".mp4", ".ts"])
def test_a_sound_that_begins_late_takes_none_of_another_with_it(tmp_path, ending):
    source = run_ffmpeg(
        *("-f", "lavfi", "-i", "testsrc=s=64x48:d=6:r=10", "-itsoffset", "5", "-f", "lavfi", "-i", "sine=d=1"),
        *("-f", "lavfi", "-i", "sine=d=6", "-map", "0", "-map", "1", "-map", "2"),
        *("-c:v", "libx264", "-g", "10", "-c:a", "aac", str(tmp_path / f"in{ending}")),
    )
    identity_edit(source, tmp_path / "out.mkv", start=2.0)
    with av.open(str(tmp_path / "out.mkv")) as container:
        times = [float(packet.pts * packet.time_base) for packet in container.demux(audio=1) if packet.size]
    assert times[0] < 0.1
    assert times[-1] > 3.8


@pytest.mark.parametrize(("ending", "codec"), [(".flv", "aac"), (".avi", "mp2"), (".mkv", "mp2")])
def test_layer_two_that_is_taken_for_layer_three(tmp_path, ending, codec):
    source, out = tmp_path / "a.ts", tmp_path / f"b{ending}"
    make(Film(".ts", "mpeg4", frames=7, reorder=2, sounds=(Sound("mp2", begin=7),)), source)
    if probe(source).audio[0].codec != "mp3":
        pytest.skip("this ffmpeg tells the layers apart")
    report = identity_edit(source, out, start=0.1)
    with av.open(str(out)) as container:
        (sound,) = container.streams.audio
        assert sound.codec_context.codec.canonical_name == codec
    assert ending != ".mkv" or b"A_MPEG/L2" in out.read_bytes()
    assert any("(mp2) is converted to aac" in message for message in report.messages) == (codec == "aac")
