"""Masks: from regions along edges, from files by time, and what they do to an edit."""

from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from movie_cli.editing.masks import FileMasks, RegionMasks, bounded, feathered
from tests import tiny

FRAME = np.zeros((48, 64, 3), np.uint8)


@pytest.fixture
def sees_sky():
    """A network without training that takes everything for sky."""
    return tiny.sees_sky().folded()


def test_nothing_changes_where_a_mask_is_black_and_all_where_it_is_white():
    rng = np.random.default_rng(0)
    source, edited = (rng.integers(0, 256, (6, 8, 3), np.uint8) for _ in range(2))
    mask = np.zeros((6, 8), np.uint8)
    mask[:, 4:] = 255
    mask[:, 3] = 128
    result = bounded(source, edited, mask)
    assert np.array_equal(result[:, :3], source[:, :3])
    assert np.array_equal(result[:, 4:], edited[:, 4:])
    between = source[:, 3] + (edited[:, 3].astype(float) - source[:, 3]) * 128 / 255
    assert np.abs(result[:, 3] - between).max() <= 0.5


def test_a_place_less_what_is_spared(sees_sky):
    sky, people = {"sky": 1.0}, {"person": 1.0}
    everything = {"sky": 1.0, "person": 1.0}
    assert RegionMasks(sees_sky, sky).mask(FRAME, FRAME, 0).min() == 255
    assert RegionMasks(sees_sky, people).mask(FRAME, FRAME, 0).max() == 0
    assert RegionMasks(sees_sky, everything, people).mask(FRAME, FRAME, 0).min() == 255
    assert RegionMasks(sees_sky, everything, sky).mask(FRAME, FRAME, 0).max() == 0


def test_soft_edges():
    mask = np.zeros((48, 64), np.uint8)
    mask[:, 32:] = 255
    soft = feathered(mask, 4)
    assert np.all(np.diff(soft[24].astype(int)) >= 0)
    assert 100 < soft[24, 32] < 155
    assert feathered(mask, 0) is mask


def test_a_picture_is_a_mask_for_all_times(tmp_path):
    picture = np.zeros((24, 32), np.uint8)
    picture[:, 16:] = 255
    Image.fromarray(picture).save(tmp_path / "mask.png")
    masks = FileMasks(tmp_path / "mask.png", 100.0)
    mask = masks.mask(FRAME, FRAME, 100.0)
    assert mask.shape == (48, 64)
    assert mask[:, :24].max() == 0
    assert mask[:, 40:].min() == 255
    masks.close()


def test_transparency_is_a_mask(tmp_path):
    picture = np.full((48, 64, 4), 200, np.uint8)
    picture[:, :32, 3] = 0
    picture[:, 32:, 3] = 255
    Image.fromarray(picture).save(tmp_path / "mask.png")
    masks = FileMasks(tmp_path / "mask.png", 0.0)
    mask = masks.mask(FRAME, FRAME, 0.0)
    assert mask[:, :31].max() == 0
    assert mask[:, 33:].min() == 255
    masks.close()


@pytest.mark.parametrize("since", [0.0, 0.5, 7.9])
def test_that_picture_counts_which_is_shown_at_the_frames_time(tmp_path, since):
    # The third picture stays for seven seconds.
    times = [0, 1, 2, 9, 10]
    with av.open(str(tmp_path / "mask.mkv"), "w") as container:
        video = container.add_stream("ffv1", rate=25, width=32, height=24, pix_fmt="gray")
        video.time_base = video.codec_context.time_base = Fraction(1, 10)
        for index, second in enumerate(times):
            frame = av.VideoFrame.from_ndarray(np.full((24, 32), 20 * index, np.uint8), format="gray")
            frame.pts, frame.time_base = second * 10, Fraction(1, 10)
            container.mux(video.encode(frame))
        container.mux(video.encode())
    masks = FileMasks(tmp_path / "mask.mkv", since)
    for seconds in (0.0, 0.5, 1.0, 7.9, 8.9, 9.0, 99.0):
        if seconds >= since:
            shown = sum(time <= seconds for time in times) - 1
            assert abs(int(masks.mask(FRAME, FRAME, seconds)[0, 0]) - 20 * shown) <= 2
    masks.close()
