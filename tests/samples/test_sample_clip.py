import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from movie_cli.media import FrameReader, probe

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "samples"
CLIP = SAMPLES / "meadow.mp4"


@pytest.fixture
def samples(monkeypatch):
    monkeypatch.syspath_prepend(str(SAMPLES))


def test_the_clip_is_what_it_says():
    info = probe(CLIP)
    assert info.video.display_size == (512, 384)
    assert info.video.average_rate == Fraction(24)
    assert info.video.frames == 72
    assert info.duration == pytest.approx(3, abs=0.05)
    assert [(stream.codec, stream.channels) for stream in info.audio] == [("aac", 2)]
    assert info.notes == ()
    assert CLIP.stat().st_size < 700_000


def test_things_move_but_the_camera_does_not_jump():
    with FrameReader(CLIP) as reader:
        frames = np.stack([frame.pixels for frame in reader]).astype(np.int16)
    steps = np.abs(np.diff(frames, axis=0)).mean(axis=(1, 2, 3))
    assert len(frames) == 72
    assert steps.min() > 0.3
    assert steps.max() < 3 * np.median(steps)


def test_the_script_draws_what_the_clip_shows(samples):
    from render import FPS, Meadow

    drawn = Meadow().frame(36 / FPS).astype(float)
    with FrameReader(CLIP) as reader:
        coded = next(frame.pixels for frame in reader if frame.index == 36).astype(float)
    error = np.square(drawn - coded).mean()
    assert 10 * np.log10(255**2 / error) > 27


def test_noise_is_the_same_on_every_call_and_smooth(samples):
    from noise import fbm, value_noise

    x, y = np.meshgrid(np.linspace(-3, 300, 200, dtype=np.float32), np.linspace(0, 9, 50, dtype=np.float32))
    first = fbm(x, y, 3)
    assert np.array_equal(first, fbm(x, y, 3))
    assert not np.array_equal(first, fbm(x, y, 4))
    assert 0 <= first.min() < 0.35
    assert 0.65 < first.max() <= 1
    line = np.linspace(0, 5, 2000, dtype=np.float32)
    assert np.abs(np.diff(value_noise(line, line * 0, 1))).max() < 0.01


def test_shapes_cover_what_they_should(samples):
    from canvas import Layer, convex, disc, shrink

    layer = Layer()
    box = layer.region(10, 10, 30, 30)
    x, y = layer.coordinates(box)
    square = convex(x, y, [(12, 12), (28, 12), (28, 28), (12, 28)])
    assert square.sum() / 4 == pytest.approx(16 * 16, rel=0.02)
    assert disc(x, y, (20, 20), 5).sum() / 4 == pytest.approx(np.pi * 25, rel=0.03)
    layer.paint((1.0, 0.5, 0.0), square, box)
    colour, cover = layer.seen(0.0)
    assert shrink(colour)[20, 20].tolist() == pytest.approx([1.0, 0.5, 0.0])
    assert shrink(cover)[5, 5] == 0
    moved, _ = layer.seen(4.0)
    assert np.allclose(shrink(moved)[20, :60], shrink(colour)[20, 4:64])


def test_chords_are_soft_and_stereo(samples):
    from sound import RATE, chords

    sound = chords(1.0)
    assert sound.shape == (2, RATE)
    assert sound.dtype == np.float32
    assert 0.1 < np.abs(sound).max() < 1
    assert np.abs(sound[:, 0]).max() == pytest.approx(0, abs=1e-4)
    assert not np.array_equal(sound[0], sound[1])


def test_the_command_shows_its_options():
    shown = subprocess.run(
        [sys.executable, SAMPLES / "render.py", "--help"], capture_output=True, text=True, check=True
    )
    assert "--seconds" in shown.stdout
