"""Films in step: by time, from where they begin, until the shortest ends."""

import numpy as np
import pytest

from movie_cli.comparison.films import in_step, measure, open_films
from movie_cli.errors import UsageError
from tests.comparison.clips import FRAMES, SIZE, STEP, counting, frame_of


def numbers(paths, start=None, **options):
    with open_films(paths, start) as films:
        shown = list(in_step(films, SIZE, **options))
    return [[frame_of(float(frame.pixels[: SIZE[1] // 2].mean())) for frame in step] for step in shown]


def test_equal_clips_go_frame_by_frame(tmp_path):
    films = [counting(tmp_path / "a.mp4"), counting(tmp_path / "b.mkv")]
    assert numbers(films) == [[number, number] for number in range(FRAMES)]
    assert len(numbers(films, limit=0.5)) == 12


def test_a_part_is_compared_with_its_place_in_the_source(tmp_path):
    paths = [counting(tmp_path / "a.mp4"), counting(tmp_path / "part.mp4", first=12, count=10)]
    assert numbers(paths, start=0.5) == [[number, number] for number in range(12, 22)]


def test_half_the_frames_are_matched_by_time(tmp_path):
    slow = counting(tmp_path / "slow.mp4", count=20, rate=12)
    found = numbers([counting(tmp_path / "a.mp4"), slow])
    assert found[:6] == [[0, 0], [1, 0], [2, 1], [3, 1], [4, 2], [5, 2]]
    assert len(found) == 40


def test_curves_give_the_difference_that_was_made(tmp_path):
    pytest.importorskip("cv2", reason="OpenCV is not installed (the extra `eval`)")
    paths = [counting(tmp_path / "a.mkv", codec="ffv1"), counting(tmp_path / "b.mkv", codec="ffv1", more=10)]
    with open_films(paths) as films:
        curves, note = measure(in_step(films, SIZE), 2)
    assert note == ""
    # Three quarters of the picture are 10 brighter, the texture is the same.
    assert curves.differences == [pytest.approx([0.75 * 10 / 255] * FRAMES, rel=0.02)]
    assert np.isfinite(curves.warp_errors[0][1:]).all()
    assert curves.warp_errors[0][1:] == pytest.approx(curves.warp_errors[1][1:], abs=STEP / 255)


def test_names_that_are_alike_are_told_apart(tmp_path):
    (tmp_path / "x").mkdir()
    with open_films([counting(tmp_path / "a.mp4", count=2), counting(tmp_path / "x" / "a.mp4", count=2)]) as films:
        assert [film.label for film in films] == ["a.mp4 (1)", "a.mp4 (2)"]
    with pytest.raises(UsageError), open_films([tmp_path / "a.mp4"]):
        pass
