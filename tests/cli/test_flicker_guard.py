"""`--max-flicker` through the entry point: what is measured, what is answered, and what is refused."""

import json

import numpy as np
import pytest
from PIL import Image

from movie_cli.editing import flicker
from tests.cli.running import assert_refused
from tests.media.clips import make_clip, pixels
from tests.tiny import seeing

pytest.importorskip("cv2", reason="OpenCV is not installed (the extra `eval`)")
LOSSLESS = ("--codec", "ffv1", "--pix-fmt", "bgr0", "--no-audio")


@pytest.fixture(scope="module")
def model(tiny):
    return tiny


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return make_clip(tmp_path_factory.mktemp("clip") / "in.mp4", frames=12)


@pytest.fixture
def edit(movie, model, clip):
    def run(out, *arguments):
        return movie("edit", str(clip), "make it winter", "-o", out, "--model", str(model), *LOSSLESS, *arguments)

    return run


def summary(done):
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_what_is_steady_enough_stays_as_it_was_asked(edit, tmp_path):
    assert summary(edit("plain.mkv", "--json"))["flicker"] is None
    found = summary(edit("bounded.mkv", "--max-flicker", "100", "--json"))
    assert found["flicker"] > 0
    assert np.array_equal(pixels(tmp_path / "plain.mkv"), pixels(tmp_path / "bounded.mkv"))


def test_what_is_measured_is_what_is_written(movie, clip, tmp_path, monkeypatch):
    model, seen = seeing(tmp_path / "seeing"), []
    measured = flicker._measured
    monkeypatch.setattr(flicker, "_measured", lambda *given: seen.append(measured(*given)) or seen[-1])
    command = ("edit", str(clip), "make it winter", "--model", str(model), "--max-flicker", "1.2", "--json")
    assert summary(movie(*command, "-o", "none.mkv", "--except", "sky"))["flicker"] == 1  # everything is sky
    assert seen == [1]
    mask = tmp_path / "mask.png"
    Image.fromarray(np.zeros((16, 16), np.uint8)).save(mask)
    assert summary(movie(*command, "-o", "masked.mkv", "--mask", str(mask)))["flicker"] == 1
    assert seen == [1, 1]


def test_an_answer_is_taken_for_the_whole_film(edit, tmp_path, monkeypatch):
    seen = []
    measured = flicker._measured

    def watched(plan, path, editor, recipe, samples):
        seen.append((recipe, measured(plan, path, editor, recipe, samples)))
        # The first answers do nothing, the last does.
        return 0.9 if recipe.text_scale != 7.5 else 2.0

    monkeypatch.setattr(flicker, "_measured", watched)
    done = edit("bounded.mkv", "--max-flicker", "1.5")
    assert done.returncode == 0, done.stderr
    assert "--text-scale 6.0 --image-scale 2.4 --anchors scene" in done.stderr
    assert [(recipe.image_scale, recipe.anchors, recipe.text_scale) for recipe, _ in seen] == [
        (1.5, "middle", 7.5),
        (1.875, "middle", 7.5),
        (2.4, "middle", 7.5),
        (2.4, "scene", 7.5),
        (2.4, "scene", 6.0),
    ]
    assert all(ratio > 0 for _, ratio in seen)
    answer = ("--text-scale", "6", "--image-scale", "2.4", "--anchors", "scene")
    assert edit("asked.mkv", *answer).returncode == 0
    assert np.array_equal(pixels(tmp_path / "bounded.mkv"), pixels(tmp_path / "asked.mkv"))


def test_what_no_answer_helps_is_told_or_refused(edit, tmp_path):
    done = edit("out.mkv", "--max-flicker", "0.001")
    assert done.returncode == 0
    assert "no answer brings it to --max-flicker 0.001" in done.stderr
    assert "the film flickers" in done.stderr
    assert_refused(edit("strict.mkv", "--max-flicker", "0.001", "--strict"), 2, "no answer brings it", "hint: ")
    assert not (tmp_path / "strict.mkv").exists()


@pytest.mark.parametrize("more", [("--then", "sepia"), ("--text-scale", "0s=0,0.3s=9")])
def test_what_is_no_plain_edit_is_refused(edit, more):
    assert_refused(edit("out.mkv", "--max-flicker", "1.2", *more), 2, "--max-flicker is for one edit", "hint: ")
