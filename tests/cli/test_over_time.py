"""Scales and instructions that change over time, through the entry point: what each frame gets, and what is refused."""

import json

import numpy as np
import pytest

from movie_cli.cli.preview import opened
from movie_cli.editing.request import PreviewRequest, SilentReporter
from movie_cli.kinds import TimeValue
from movie_cli.media import probe
from movie_cli.recipe import Recipe, recipe_text
from tests.cli.running import assert_refused
from tests.media.clips import make_clip, pixels

LOSSLESS = ("--codec", "ffv1", "--pix-fmt", "bgr0", "--no-audio")
FRAMES = 10


@pytest.fixture(scope="module")
def model(tiny):
    return tiny


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return make_clip(tmp_path_factory.mktemp("clip") / "in.mp4", frames=FRAMES)


@pytest.fixture
def edit(movie, model, clip, tmp_path):
    def run(out, *arguments, text="make it winter"):
        done = movie("edit", str(clip), text, "-o", out, "--model", str(model), *LOSSLESS, *arguments)
        return pixels(tmp_path / out) if done.returncode == 0 else done

    return run


def test_a_text_scale_of_nothing_is_the_source(edit, clip):
    assert np.array_equal(edit("none.mkv", "--text-scale", "0"), pixels(clip))


def test_a_scale_rises_from_the_source_on(edit, clip):
    ramp = edit("ramp.mkv", "--text-scale", "0s=0,0.32s=8")
    source, whole, four, two = pixels(clip), *(edit(f"{n}.mkv", "--text-scale", n) for n in ("8", "4", "2"))
    assert np.array_equal(ramp[0], source[0])
    assert np.abs(ramp[4] - four[4]).max() <= 1  # alone in its batch, or not
    assert np.abs(ramp[8:] - whole[8:]).max() <= 1
    # Below the scales of the training: between the source and the least of them.
    assert np.abs(ramp[1] - (source[1] + two[1]) / 2).max() <= 1
    step = edit("step.mkv", "--text-scale", "0s=0 hold,0.2s=4")
    assert np.array_equal(step[:5], source[:5])
    assert np.abs(step[5:] - four[5:]).max() <= 1


def test_an_instruction_fades_into_the_next(edit):
    both = edit("both.mkv", "--fade", "0.16s", text="0s: make it winter; 0.12s: make it night")
    one, other = edit("winter.mkv"), edit("night.mkv", text="make it night")
    assert np.abs(both[:4] - one[:4]).max() <= 1
    assert np.abs(both[7:] - other[7:]).max() <= 1
    away = [np.abs(both[index] - one[index]).mean() for index in range(3, 8)]
    assert away == sorted(away)
    cut = edit("cut.mkv", "--fade", "0s", text="make it winter; 4f: make it night")
    assert np.abs(cut[:4] - one[:4]).max() <= 1
    assert np.abs(cut[4:] - other[4:]).max() <= 1


def test_a_part_counts_from_the_first_picture(edit):
    arguments = ("--text-scale", "0s=0,0.32s=8", "--anchors", "none")
    whole = edit("whole.mkv", *arguments)
    assert np.abs(edit("part.mkv", *arguments, "--start", "3f") - whole[3:]).max() <= 1


def test_recipes_and_manifests_take_it(movie, edit, model, clip, tmp_path):
    scales = "0s=0,0.32s=8"
    first = edit("first.mkv", "--text-scale", scales)
    assert json.loads(recipe_text(probe(tmp_path / "first.mkv").metadata))["text_scale"] == scales
    assert np.array_equal(edit("again.mkv", "--recipe-from", "first.mkv"), first)
    (tmp_path / "jobs.csv").write_text(
        f'source,instruction,text_scale,output\n{clip},make it winter,"{scales}",b.mkv\n'
    )
    job = {"source": str(clip), "instruction": "make it winter", "text_scale": scales, "output": "c.mkv"}
    (tmp_path / "jobs.jsonl").write_text(json.dumps(job))
    for manifest in ("jobs.csv", "jobs.jsonl"):
        done = movie("batch", manifest, "--out-dir", ".", "--allow-outside", "--model", str(model), *LOSSLESS)
        assert done.returncode == 0, done.stderr
    assert np.array_equal(pixels(tmp_path / "b.mkv"), first)
    assert np.array_equal(pixels(tmp_path / "c.mkv"), first)


def test_a_preview_shows_what_is_asked_at_its_frame(edit, model, clip):
    scales, size = "0s=0,0.32s=8", ("--size", "128x96")  # what the network works at
    text = "0s: make it winter; 0.12s: make it night"
    whole = edit("whole.mkv", "--text-scale", scales, "--fade", "0.1s", *size, text=text)
    recipe = Recipe(text, model=str(model), fade=0.1)
    at = tuple(TimeValue.parse(place) for place in ("0f", "0.03s", "5f", "9f"))
    request = PreviewRequest(str(clip), recipe, (text,), (scales,), (1.5,), at=at)
    with opened(request, SilentReporter()) as (previewer, _):
        found = [tile.pixels.astype(int) for tile in previewer.tiles().tiles]
    for number, shown in zip((0, 1, 5, 9), found, strict=True):
        assert np.abs(shown - whole[number]).max() <= 1


def test_a_grid_video_moves_with_it(movie, model, clip, tmp_path):
    arguments = ("--model", str(model), "--text-scale", "0s=0,0.32s=8", "--clip", "0.4s", "--at", "0s")
    done = movie("preview", str(clip), "make it winter", "-o", "grid.mp4", *arguments)
    assert done.returncode == 0, done.stderr
    assert len(pixels(tmp_path / "grid.mp4")) == FRAMES


@pytest.mark.parametrize(
    ("arguments", "text", "said"),
    [
        (["--text-scale", "0s=0,3s"], "x", '"3s" is no time with a number'),
        (["--text-scale", "0s=0,2s=3,1s=4"], "x", "1s comes after 2s"),
        (["--text-scale", "0s=0,0s=9"], "x", "0s comes after 0s"),
        (["--text-scale", "0s=0,5f=9"], "x", "0s and 5f are of two units"),
        (["--text-scale", "0s=0,0.1s=900"], "x", "is not a number from 0 to 100"),
        (["--image-scale", "0s=0,0.1s=9"], "x", "is not a number above 0"),
        (["--text-scale", "0s=0,3s=9"], "x", "--text-scale goes on to 3s, and the edited part ends at 0.40 s"),
        (["--text-scale", "0f=0,99f=9"], "x", "there is no frame 99f"),
        (["--image-scale", "0s=1,0.3s=2", "--end", "0.2s"], "x", "--image-scale goes on to 0.3s"),
        ([], "0s: winter; 7s: night", "the instruction goes on to 7s"),
        ([], "0s: winter; 0.3s: ", "the instruction at 0.3s is empty"),
        ([], "1s: winter; 0.5s: night", "0.5s comes after 1s"),
        ([], "0s: a; 0.1s: b; 0.2s: c", "--fade is 1 s, and two instructions are 0.1 s apart"),
        (["--fade", "-1s"], "x", "--fade"),
    ],
)
def test_what_cannot_be_meant_is_refused(edit, arguments, text, said, tmp_path):
    assert_refused(edit("out.mkv", *arguments, text=text), 2, said, "hint: ")
    assert not (tmp_path / "out.mkv").exists()


def test_a_page_and_a_table_want_numbers(movie, clip):
    assert_refused(movie("tune", str(clip), MOVIE_TEXT_SCALE="0s=0,0.3s=9"), 2, "scales that are numbers")
    assert_refused(
        movie("lut", str(clip), "x", "-o", "x.cube", "--text-scale", "0s=0,0.3s=9"), 2, "scales that are numbers"
    )
