"""Edits in a row, through the entry point: what they give, how they are typed, and what is refused."""

import json

import numpy as np
import pytest

from movie_cli.cli.preview import opened
from movie_cli.editing import finishing
from movie_cli.editing.request import PreviewRequest, SilentReporter
from movie_cli.kinds import TimeValue
from movie_cli.media import probe
from movie_cli.models.detail import transfer
from movie_cli.recipe import Recipe, recipe_text
from tests import tiny
from tests.cli.running import assert_refused
from tests.media.clips import make_clip, pixels

LOSSLESS = ("--codec", "ffv1", "--pix-fmt", "bgr0", "--no-audio")
THEN = ("--then", "make it night --text-scale 9 --image-scale=2 --seed 3", "--then", '"sepia" --only sky')


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A checkpoint that knows nothing, with regions that take everything for sky."""
    return tiny.seeing(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return make_clip(tmp_path_factory.mktemp("clip") / "in.mp4", frames=7, size=(160, 96))


@pytest.fixture
def edit(movie, model, clip, tmp_path):
    def run(out, *arguments, source=clip, text="make it winter"):
        words = () if text is None else (text,)
        done = movie("edit", str(source), *words, "-o", out, "--model", str(model), *LOSSLESS, *arguments)
        return pixels(tmp_path / out) if done.returncode == 0 else done

    return run


def distance(ours, theirs):
    return 10 * np.log10(255**2 / max(1e-9, np.square(ours - theirs).mean()))


@pytest.mark.parametrize("more", [(), ("--anchors", "scene")])
def test_a_row_is_what_separate_edits_are(edit, tmp_path, more):
    row = edit("row.mkv", *THEN, *more)
    edit("one.mkv", *more)
    step = ("--text-scale", "9", "--image-scale", "2", "--seed", "3")
    edit("two.mkv", *step, *more, source=tmp_path / "one.mkv", text="make it night")
    three = edit("three.mkv", "--only", "sky", *more, source=tmp_path / "two.mkv", text="sepia")
    assert distance(row, three) > 45
    assert distance(row, pixels(tmp_path / "two.mkv")) < 40


def test_a_row_is_painted_on_planes_as_separate_edits_are(edit, tmp_path, monkeypatch):
    source, planes, whole = make_clip(tmp_path / "in.mp4", frames=3, size=(832, 512)), ("--pix-fmt", "yuv420p"), []
    monkeypatch.setattr(finishing, "transfer", lambda *arguments: whole.append(transfer(*arguments)) or whole[-1])
    row = edit("row.mkv", *planes, "--then", "make it night", "--anchors", "none", source=source)
    assert not whole  # no frame is made RGB at full size
    edit("one.mkv", "--anchors", "none", source=source)
    two = edit("two.mkv", *planes, "--anchors", "none", source=tmp_path / "one.mkv", text="make it night")
    assert distance(row, two) > 45


def test_a_step_has_its_place_and_times(edit, clip, tmp_path):
    first = edit("first.mkv")
    assert np.abs(edit("none.mkv", "--then", "sepia --except sky") - first).max() <= 1
    ramp = edit("ramp.mkv", "--then", "sepia --text-scale 0s=0,0.2s=9")
    assert np.abs(ramp[0] - first[0]).max() <= 1
    assert np.abs(ramp[5:] - edit("sepia.mkv", "--then", "sepia --text-scale 9")[5:]).max() <= 1


def test_a_row_travels(movie, edit, model, clip, tmp_path):
    row = edit("row.mkv", *THEN)
    assert json.loads(recipe_text(probe(tmp_path / "row.mkv").metadata))["then"] == [*THEN[1::2]]
    assert np.array_equal(edit("again.mkv", "--recipe-from", "row.mkv", text=None), row)
    steps = [
        {"instruction": "make it winter", "model": str(model)},
        {"instruction": "make it night", "text_scale": 9, "image_scale": 2, "seed": 3},
        {"instruction": "sepia", "only": "sky"},
    ]
    (tmp_path / "steps.json").write_text(json.dumps(steps))
    assert np.array_equal(edit("steps.mkv", "--recipe-from", "steps.json", text=None), row)
    job = {"source": str(clip), "instruction": "make it winter", "then": [*THEN[1::2]], "output": "job.mkv"}
    (tmp_path / "jobs.jsonl").write_text(json.dumps(job))
    done = movie("batch", "jobs.jsonl", "--out-dir", ".", "--model", str(model), *LOSSLESS)
    assert done.returncode == 0, done.stderr
    assert np.array_equal(pixels(tmp_path / "job.mkv"), row)


def test_a_preview_shows_each_step(movie, edit, model, clip, tmp_path):
    recipe = Recipe("make it winter", model=str(model), then=THEN[1::2])
    at = (TimeValue.parse("5f"),)
    request = PreviewRequest(str(clip), recipe, ("make it winter",), (7.5,), (1.5,), at=at)
    with opened(request, SilentReporter()) as (previewer, _):
        working = "x".join(map(str, previewer.size))
        tiles = [tile.pixels.astype(int) for tile in previewer.tiles().tiles]
    for count, tile in enumerate(tiles):
        assert np.abs(tile - edit(f"{count}.mkv", *THEN[: 2 * count], "--size", working)[5]).max() <= 1
    done = movie("preview", str(clip), "make it winter", "--model", str(model), *THEN, "-o", "sheet.png")
    assert done.returncode == 0, done.stderr
    assert "3 versions" in done.stderr


@pytest.mark.parametrize(
    ("then", "said"),
    [
        ("--text-scale 9", "says nothing to do"),
        ("sepia --model tiny", "has --model"),
        ("sepia -o x.mp4", "has -o"),
        ("sepia --then night", "has --then"),
        ("sepia --text-scale", "has --text-scale without a value"),
        ("sepia --seed 1 --seed 2", "has --seed twice"),
        ("sepia --text-scale much", "--text-scale: much is not a number"),
        ("sepia --only skye", "there is no place 'skye'"),
        ("sepia --text-scale 0s=0,9s=9", "--text-scale goes on to 9s"),
        ("a painter's dream", "has a quote that is not closed"),
    ],
)
def test_what_cannot_follow_is_refused(edit, then, said, tmp_path):
    assert_refused(edit("out.mkv", "--then", then), 2, said, "hint: ")
    assert not (tmp_path / "out.mkv").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "it is not a recipe"),
        ('[{"instruction": "a"}, {"text_scale": 3}]', "an edit that follows has no instruction"),
        ('[{"instruction": "a"}, {"instruction": "b", "model": "x"}]', "an edit that follows has 'model'"),
        ('{"instruction": "a", "then": "b"}', "its then is 'b', not a list of texts"),
        ('{"instruction": "a", "then": ["b --only skye"]}', "there is no place 'skye'"),
    ],
)
def test_files_that_are_no_recipes_are_refused(movie, clip, tmp_path, text, said):
    (tmp_path / "steps.json").write_text(text)
    assert_refused(movie("edit", str(clip), "--recipe-from", "steps.json", "-o", "out.mp4"), 2, said)


def test_a_mask_and_a_step_with_a_place_contradict_each_other(edit):
    assert_refused(edit("out.mkv", "--mask", "mask.png", "--then", "sepia --only sky"), 2, "--mask and --only")
