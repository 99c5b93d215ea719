import sys

import numpy as np
import pytest

from movie_cli.errors import UsageError
from movie_cli.models import flow

pytest.importorskip("cv2", reason="OpenCV is in the extra eval")


def moving_clip(frames=4, shift=3, size=(96, 128)):
    """Smooth texture that moves `shift` pixels to the right a frame."""
    height, width = size
    random = np.random.default_rng(0)
    wide = width + shift * frames
    texture = random.random((height + 16, wide + 16, 3))
    for axis in (0, 1):
        texture = sum(np.roll(texture, k, axis) for k in range(9)) / 9
    texture = (texture - texture.min()) / (texture.max() - texture.min())
    texture = texture[8 : 8 + height, 8 : 8 + wide]
    views = [texture[:, (frames - n) * shift : (frames - n) * shift + width] for n in range(frames)]
    return (np.stack(views) * 255).astype(np.uint8)


def test_a_shift_is_followed():
    clip = moving_clip()
    steps = flow.steps_of(clip)
    unmoved = np.abs(clip[1:].astype(float) - clip[:-1]).mean() / 255
    assert len(steps) == 3
    assert flow.warp_error(clip, steps) < 0.2 * unmoved
    grid = np.arange(128)[None, :]
    valid = steps[0].valid
    assert np.median((grid - steps[0].origin[..., 0])[valid]) == pytest.approx(3, abs=0.2)


def test_what_comes_into_view_does_not_count():
    valid = flow.steps_of(moving_clip())[1].valid
    assert valid[:, 8:-8].mean() > 0.9
    assert valid[:, :2].mean() < 0.1


def test_flicker_of_known_size():
    clip = moving_clip() // 2
    steps = flow.steps_of(clip)
    flickering = clip.copy()
    flickering[1::2] += 20
    assert flow.warp_error(flickering, steps) == pytest.approx(20 / 255, rel=0.15)


def test_a_constant_change_of_brightness_is_no_flicker():
    clip = moving_clip() // 2
    steps = flow.steps_of(clip)
    assert flow.warp_error(clip + 40, steps) == pytest.approx(flow.warp_error(clip, steps), rel=1e-3)


def test_nothing_certain_is_not_a_number():
    clip = moving_clip(2)
    steps = flow.steps_of(clip)
    nowhere = [flow.Step(steps[0].origin, np.zeros_like(steps[0].valid))]
    assert np.isnan(flow.warp_error(clip, nowhere))


def test_the_error_without_opencv_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(UsageError, match="OpenCV") as caught:
        flow.steps_of(moving_clip(2))
    assert "movie-cli[eval]" in caught.value.hint
