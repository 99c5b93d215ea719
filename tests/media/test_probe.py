from __future__ import annotations

import json
import os
from fractions import Fraction
from pathlib import Path

import av
import pytest

from movie_cli.errors import SourceError
from movie_cli.media import probe
from movie_cli.media.orientation import UPRIGHT, from_matrix, rotation_matrix
from movie_cli.media.timing import Repair, looks_variable, sane_rate, seconds_to_pts
from tests.fuzz.films import Film, Sound, make
from tests.media.clips import ODD, SHARED, make_clip, needs_shared


def test_what_is_in_a_clip(tmp_path):
    info = probe(make_clip(tmp_path / "a.mp4", audio=True, chapters=True, rotation=-90))
    assert info.video.coded_size == (64, 48)
    assert info.video.display_size == (48, 64)
    assert info.video.rotation == 90
    assert info.video.average_rate == 25
    assert info.video.frames == 20
    assert not info.video.variable
    assert info.video.colour.to_dict()["effective_matrix"] == "smpte170m"
    assert info.video.colour.to_dict()["effective_range"] == "limited"
    assert [chapter.metadata["title"] for chapter in info.chapters] == ["one", "two"]
    assert (info.audio[0].codec, info.audio[0].channels, info.audio[0].sample_rate) == ("aac", 2, 44100)
    assert info.metadata["title"] == "A clip"
    assert json.loads(json.dumps(info.to_dict()))["video"]["time_base"].startswith("1/")


def test_a_length_that_the_header_adds_up_too_short(tmp_path):
    """Frames that last differently are stored in another order than they are shown in."""
    times = [0, 3000, 6000, 15000, 18000]
    source = make_clip(
        tmp_path / "a.mp4", frames=5, pts=times, time_base=Fraction(1, 90000), options={"bf": "2", "b_strategy": "0"}
    )
    with av.open(str(source)) as container:
        stream = container.streams.video[0]
        assert stream.duration * stream.time_base < Fraction(18000, 90000)
    assert probe(source).video.duration > 18000 / 90000


def test_untagged_high_definition_counts_as_bt709(tmp_path):
    info = probe(make_clip(tmp_path / "a.mp4", frames=1, size=(64, 720)))
    assert info.video.colour.to_dict()["effective_matrix"] == "bt709"


def _truncated_index(path: Path) -> None:
    whole = make_clip(path.with_name("whole.mp4"), faststart=False).read_bytes()
    path.write_bytes(whole[: whole.index(b"moov") - 200])


BAD = {
    "missing.mp4": (lambda path: None, "does not exist"),
    "folder.mp4": (lambda path: path.mkdir(), "is a folder"),
    "empty.mp4": (lambda path: path.write_bytes(b""), "is empty"),
    "text.mp4": (lambda path: path.write_text("make it winter\n" * 50), "is text"),
    "noise.mp4": (lambda path: path.write_bytes(bytes(range(256)) * 64), "is not a video"),
    "moovless.mp4": (_truncated_index, "has no index"),
    "pipe.mp4": (os.mkfifo, "is a device"),
    "list.m3u8": (lambda path: path.write_text("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"), "is text"),
    "list.mp4": (lambda path: path.write_text("ffconcat version 1.0\nfile '/etc/hostname'\n"), "is text"),
}


@pytest.mark.parametrize("name", BAD)
def test_each_bad_source_has_its_sentence(tmp_path, name):
    make, sentence = BAD[name]
    path = tmp_path / name
    make(path)
    with pytest.raises(SourceError, match=sentence) as caught:
        probe(path)
    assert str(path) in str(caught.value)
    assert caught.value.hint
    assert "\n" not in str(caught.value)


def test_a_misspelt_name_is_guessed(tmp_path):
    make_clip(tmp_path / "holiday.mp4", frames=1)
    with pytest.raises(SourceError) as caught:
        probe(tmp_path / "hollday.mp4")
    assert "holiday.mp4" in caught.value.hint


@pytest.mark.parametrize(
    "name", ["-dash.mp4", "a:b.mp4", "new\nline.mp4", "concat:x.mp4", "%04d.mp4", "ünïcødé 视频.mp4", "'\".mp4"]
)
def test_any_name_opens(tmp_path, monkeypatch, name):
    make_clip(tmp_path / "plain.mp4", frames=2).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert probe(name).video.frames == 2


def test_a_playlist_of_videos_opens_nothing(tmp_path):
    make_clip(tmp_path / "a.mp4", frames=2)
    (tmp_path / "list.ffconcat").write_text("ffconcat version 1.0\nfile a.mp4\n")
    with pytest.raises(SourceError):
        probe(tmp_path / "list.ffconcat")


def test_metadata_that_is_not_utf8_does_not_matter(tmp_path):
    path = make_clip(tmp_path / "a.mkv", frames=2)
    path.write_bytes(path.read_bytes().replace(b"A clip", b"\xc4 clip"))
    assert probe(path).video.coded_size == (64, 48)


@needs_shared
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("media__sample_audio_only.mp4", "only audio"),
        ("media__full_blocks.mkv", "only subtitle"),
        ("media__sample_fragmented_clearkey.mp4", "encrypted"),
        ("codec-corpus__anim.webp", "animated WebP"),
        ("moviepy__result.webm", "empty"),
    ],
)
def test_real_bad_sources(name, sentence):
    with pytest.raises(SourceError, match=sentence):
        probe(SHARED / "odd" / name)


@needs_shared
def test_real_headers_are_set_right():
    def video(name):
        return probe(SHARED / "odd" / name).video

    assert video("media__sample.flv").average_rate == 30
    assert video("decord__video_90.mov").rotation == 90
    assert video("torchcodec__nasa_13013_rotated.mp4").rotation == 270
    assert video("mp4parse-rust__h264_white_frame_sar_16_9.mp4").sample_aspect_ratio == Fraction(16, 9)
    assert video("media__dolbyVision-hdr.MOV").colour.hdr
    assert video("media__sample_h265.ts").origin == 132000
    assert video("auto-editor__h264-png.mp4").codec == "h264"


@needs_shared
@pytest.mark.parametrize("path", ODD, ids=lambda path: path.name)
def test_every_odd_file_is_understood_or_refused(path):
    try:
        info = probe(path)
    except SourceError as error:
        assert error.hint
    else:
        assert min(info.video.display_size) > 0
        json.dumps(info.to_dict())


def test_orientations_round_trip():
    import numpy as np

    pixels = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    seen = set()
    for a, b, c, d in [
        (1, 0, 0, 1),
        (-1, 0, 0, 1),
        (1, 0, 0, -1),
        (-1, 0, 0, -1),
        (0, 1, 1, 0),
        (0, -1, 1, 0),
        (0, 1, -1, 0),
        (0, -1, -1, 0),
    ]:
        matrix = [value << 16 for value in (a, b, 0, c, d, 0, 0, 0)] + [1 << 30]
        orientation = from_matrix(matrix)
        upright = orientation.upright(pixels)
        assert np.array_equal(orientation.undo(upright), pixels)
        assert from_matrix(orientation.display_matrix(keep_translation=False)) is not None
        assert orientation.mirrored == (a * d - b * c < 0)
        seen.add(upright.tobytes() + bytes(upright.shape))
    assert len(seen) == 8
    clockwise = from_matrix(rotation_matrix(-90))
    assert np.array_equal(clockwise.upright(pixels), np.rot90(pixels, -1))
    assert clockwise.degrees == 90
    assert from_matrix([0] * 9) is None
    assert from_matrix(rotation_matrix(0)) == UPRIGHT


def test_rates():
    tenth = Fraction(1, 1000)
    thirty = [round(i * 1000 / 30) for i in range(30)]
    assert sane_rate(Fraction(1000), thirty, tenth) == 30
    assert sane_rate(Fraction(30), thirty, tenth) == 30
    assert sane_rate(None, [], tenth) is None
    assert not looks_variable(thirty)
    assert looks_variable([0, 33, 67, 300, 333])
    assert seconds_to_pts(0.04, Fraction(1, 25)) == 1
    assert seconds_to_pts(0.0401, Fraction(1, 25)) == 2


def test_repaired_timestamps_always_rise():
    repair = Repair(Fraction(1, 1000), Fraction(25))
    assert [repair(pts) for pts in (0, 40, None, 100, 100, 90, 200)] == [0, 40, 80, 100, 101, 102, 200]
    assert repair.repaired == 3
    jump = Repair(Fraction(1, 1000), Fraction(25))
    assert [jump(pts) for pts in (90_000, 90_040, 0, 40)] == [90_000, 90_040, 90_080, 90_120]


def test_a_picture_beside_a_cover_ends_when_the_film_does(tmp_path):
    """With a cover ffmpeg gives the picture's stream the begin of the first sound, and then the whole film's length."""
    path = tmp_path / "a.mkv"
    make(Film(".mkv", frames=6, rate="60", sounds=(Sound("alac", begin=250, length=150),), cover=True), path)
    info = probe(path)
    assert info.video.start == 0
    assert info.picture_end == info.duration
