"""What is said of how an instruction is read and of scales: in a plan, when an edit begins, and by a preview."""

import json

import pytest

from tests.media.clips import make_clip


@pytest.fixture
def plan(movie, tmp_path):
    clip = make_clip(tmp_path / "in.mp4", frames=2)

    def run(text, *arguments):
        done = movie("edit", str(clip), text, "-o", "out.mp4", "--dry-run", "--json", *arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.mark.parametrize(
    ("text", "look", "place"),
    [
        ("make it look like a 1970s home movie", "seventies", None),
        ("turn the car red", "red", "vehicle"),
        ("wintry night", "winter and night", None),
        ("0s: sepia; 0.04s: with snowflakes everywhere", "sepia; snow", None),
        ("make it winter", None, None),
        ("black and white", None, None),
        ("as a watercolour painting", None, None),
        ("add a dog", None, None),
        ("florble the wug", None, None),
    ],
)
def test_a_plan_says_what_look_words_are_taken_for(plan, text, look, place):
    found = plan(text, "--fade", "0.01")
    assert found.get("understood as look") == look
    assert found.get("understood as place") == place


def test_edits_in_a_row_are_read_one_by_one(plan):
    found = plan("make the sky pink", "--then", "turn the trees to autumn", "--then", "sepia")
    read = {name: said for name, said in found.items() if "understood" in name}
    assert read == {
        "edit 1 understood as": 'look "pink", place "sky"',
        "edit 2 understood as": 'look "autumn", place "tree"',
    }


def test_scales_that_a_model_was_not_trained_at_are_told_of_once(plan, movie):
    scales = ("--text-scale", "100", "--image-scale", "0s=0.5,0.04s=1.5")
    said = plan("sepia", *scales, "--then", "night --text-scale 100")["scales"]
    assert said.count("nano was trained with --text-scale 2 to 14: 100 is beyond") == 1
    assert "--image-scale 1 to 3: 0.5 is beyond" in said
    assert "scales" not in plan("sepia", "--text-scale", "0s=0,0.04s=14", "--image-scale", "3")


def test_an_edit_and_a_preview_say_the_same(movie, tmp_path):
    clip = str(make_clip(tmp_path / "in.mp4", frames=1))
    text, told = "make it look like a 1970s home movie", 'understood as look "seventies"'
    done = movie("edit", clip, text, "-o", "out.mp4", "--text-scale", "20", "--no-cache")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines().count(told) == 1
    assert done.stderr.count("warning: nano was trained with --text-scale 2 to 14: 20 is beyond") == 1
    done = movie("preview", clip, text, "-o", "sheet.png", "--text-scale", "8,20")
    assert done.stderr.splitlines().count(told) == 1
    assert done.stderr.count("warning: nano was trained with") == 1
