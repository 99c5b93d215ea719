"""The options of `movie edit` that concern the source, and names of every kind."""

from __future__ import annotations

import pytest

from movie_cli.media import probe
from tests.cli.running import assert_refused
from tests.media.clips import make_clip

HDR = {"colorspace": "bt2020nc", "color_primaries": "bt2020", "color_trc": "smpte2084"}
QUICK = ("--duration", "1f", "--no-cache", "--encoder-preset", "ultrafast")


def test_hdr_is_mapped_and_said_or_refused(movie, tmp_path):
    make_clip(tmp_path / "a.mp4", frames=2, options=HDR)
    done = movie("edit", "a.mp4", "sepia", "-o", "out.mp4", *QUICK)
    assert done.returncode == 0, done.stderr
    assert "HDR (PQ)" in done.stderr
    assert not probe(tmp_path / "out.mp4").video.colour.hdr
    assert_refused(movie("edit", "a.mp4", "sepia", "-o", "b.mp4", "--hdr", "refuse"), 3, "is HDR (PQ)", "--hdr tonemap")


def test_a_turned_video_can_be_turned_for_good(movie, tmp_path):
    make_clip(tmp_path / "a.mp4", frames=2, rotation=90)
    assert movie("edit", "a.mp4", "sepia", "-o", "out.mp4", "--rotate", "apply", *QUICK).returncode == 0
    after = probe(tmp_path / "out.mp4").video
    assert after.coded_size == (48, 64)
    assert after.orientation.is_upright


def test_limits(movie, tmp_path):
    make_clip(tmp_path / "a.mp4", frames=50)
    words = ("edit", "a.mp4", "sepia", "-o", "out.mp4")
    assert_refused(movie(*words, "--max-pixels", "3000"), 3, "64x48", "--max-pixels 3072")
    long = movie(*words, "--max-duration", "1s")
    assert long.returncode == 3
    assert "lasts 2 s" in long.stderr
    assert "--max-duration" in long.stderr
    assert_refused(movie(*words, "--max-duration", "9f"), 2, "number of frames")
    assert_refused(movie(*words, "--frame-rate", "1e9"), 2, "not a frame rate")
    assert not (tmp_path / "out.mp4").exists()


def test_pictures_to_pictures(movie, tmp_path):
    make_clip(tmp_path / "a.mp4", frames=3)
    done = movie("edit", "a.mp4", "sepia", "-o", "p_%03d.png", "--duration", "2f", "--no-cache")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.glob("p_*")) == ["p_001.png", "p_002.png"]
    assert_refused(movie("edit", "a.mp4", "sepia", "-o", "p_%03d.png"), 2, "exists", "-y")
    done = movie("edit", "p_%03d.png", "sepia", "-o", "b.mp4", "--frame-rate", "10")
    assert done.returncode == 0, done.stderr
    assert probe(tmp_path / "b.mp4").video.average_rate == 10
    assert_refused(movie("edit", "q_%03d.png", "sepia", "-o", "c.mp4"), 3, "no file has a name like")


@pytest.mark.parametrize(
    "name", ["a b.mp4", 'it\'s "so".mp4', "new\nline.mp4", "-dash.mp4", "слон 象 ß.mp4", "$(x);`y`.mp4"]
)
def test_any_name_in_and_out(movie, tmp_path, name):
    make_clip(tmp_path / "plain.mp4", frames=2).rename(tmp_path / name)
    out = f"{name[:-4]}-out.mp4"
    done = movie("edit", "-o", out, *QUICK, "--", name, "sepia")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "home") == sorted([name, out])
