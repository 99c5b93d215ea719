"""Where an edit goes, through the entry point: places and masks, whole and in segments, and what is refused."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from tests import tiny
from tests.cli.running import assert_refused
from tests.media.clips import make_clip, pixels

LOSSLESS = ("--codec", "ffv1", "--pix-fmt", "yuv444p", "--no-audio")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A checkpoint that knows nothing, with regions that take everything for sky."""
    return tiny.seeing(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return make_clip(tmp_path_factory.mktemp("clip") / "in.mp4", frames=10)


@pytest.fixture
def edit(movie, model, clip):
    def run(out, *arguments, instruction="a b"):
        lossless = LOSSLESS if out.endswith(".mkv") else ()
        return movie("edit", str(clip), instruction, "-o", out, "--model", str(model), *lossless, *arguments)

    return run


def test_an_edit_of_a_place_leaves_all_else_as_it_is(edit, clip, tmp_path):
    for out, arguments in (("all", ()), ("sky", ("--only", "sky")), ("rest", ("--except", "sky"))):
        done = edit(f"{out}-%02d.png", *arguments)
        assert done.returncode == 0, done.stderr
    source, whole = pixels(clip), pixels(tmp_path / "all-%02d.png")
    assert np.abs(whole - source).mean() > 1
    assert np.array_equal(pixels(tmp_path / "sky-%02d.png"), whole)
    assert np.array_equal(pixels(tmp_path / "rest-%02d.png"), source)


def test_a_place_travels_with_the_recipe(edit, clip, tmp_path):
    assert edit("rest.mkv", "--except", "sky").returncode == 0
    again = edit("again.mkv", "--recipe-from", "rest.mkv")
    assert again.returncode == 0, again.stderr
    assert np.array_equal(pixels(tmp_path / "again.mkv"), pixels(tmp_path / "rest.mkv"))
    assert np.abs(pixels(tmp_path / "again.mkv") - pixels(clip)).mean() < 2


def test_a_mask_bounds_an_edit_at_another_size_too(edit, clip, tmp_path):
    mask = np.zeros((12, 16), np.uint8)
    mask[:, 8:] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    assert edit("all-%02d.png").returncode == 0
    assert edit("half-%02d.png", "--mask", "mask.png").returncode == 0
    source, whole, half = (pixels(path) for path in (clip, tmp_path / "all-%02d.png", tmp_path / "half-%02d.png"))
    assert np.array_equal(half[:, :, :28], source[:, :, :28])
    assert np.array_equal(half[:, :, 36:], whole[:, :, 36:])
    assert edit("large.mkv", "--mask", "mask.png", "--size", "128x96", "--feather", "4").returncode == 0
    assert pixels(tmp_path / "large.mkv").shape[1:3] == (96, 128)


def test_segments_and_parts_do_not_change_where_an_edit_goes(edit, clip, tmp_path):
    moving = str(make_clip(tmp_path / "mask.mp4", frames=20))
    assert edit("whole.mkv", "--mask", moving).returncode == 0
    assert edit("parts.mkv", "--mask", moving, "--segment-frames", "3", "--batch-size", "2").returncode == 0
    assert edit("part.mkv", "--mask", moving, "--start", "4f", "--anchors", "none").returncode == 0
    assert edit("free.mkv", "--mask", moving, "--anchors", "none").returncode == 0
    assert np.array_equal(pixels(tmp_path / "whole.mkv"), pixels(tmp_path / "parts.mkv"))
    assert np.array_equal(pixels(tmp_path / "part.mkv"), pixels(tmp_path / "free.mkv")[4:])


def test_a_jobs_mask_lies_where_its_source_does(movie, model, clip, tmp_path):
    (tmp_path / "films").mkdir()
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "films" / "mask.png")
    shutil.copy(clip, tmp_path / "films" / "in.mp4")
    (tmp_path / "films" / "jobs.csv").write_text("source,instruction,mask,output\nin.mp4,a b,mask.png,out-%02d.png\n")
    done = movie("batch", "films/jobs.csv", "--out-dir", "out", "--model", str(model))
    assert done.returncode == 0, done.stderr
    assert np.array_equal(pixels(tmp_path / "out" / "out-%02d.png"), pixels(clip))


def test_a_preview_shows_the_place(movie, model, clip, tmp_path):
    for out, place in (("sky.png", "sky"), ("none.png", "person")):
        arguments = ("--model", str(model), "--only", place, "--text-scale", "7.5")
        done = movie("preview", str(clip), "a b", "-o", out, *arguments)
        assert done.returncode == 0, done.stderr
    sky, none = (np.asarray(Image.open(tmp_path / name)).astype(int) for name in ("sky.png", "none.png"))
    assert np.abs(sky - none).max() > 3


def test_the_words_name_the_place(edit, clip, tmp_path):
    assert edit("options-%02d.png", "--only", "sky", "--except", "people").returncode == 0
    words = "a b on the sky, but leave the people alone"
    done = edit("words-%02d.png", instruction=words)
    assert done.returncode == 0, done.stderr
    assert 'understood as look "a b", place "sky except people"' in done.stderr
    assert np.array_equal(pixels(tmp_path / "words-%02d.png"), pixels(tmp_path / "options-%02d.png"))
    done = edit("wins-%02d.png", "--only", "person", instruction=words)
    assert np.array_equal(pixels(tmp_path / "wins-%02d.png"), pixels(clip))


def test_a_place_that_is_not_there_is_told_of(edit, clip, tmp_path):
    done = edit("car-%02d.png", "--json", instruction="turn the car red")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert any('"vehicle" is not to be seen' in event.get("text", "") for event in events), events
    assert (events[-1]["place"], events[-1]["share"]) == ("vehicle", 0.0)
    assert np.array_equal(pixels(tmp_path / "car-%02d.png"), pixels(clip))
    done = edit("sky-%02d.png", "--json", instruction="make the sky a b")
    assert json.loads(done.stdout.splitlines()[-1])["share"] == 1.0


def test_what_no_look_does_is_refused_where_it_is_strict(edit, tmp_path):
    done = edit("out.mkv", "--strict", instruction="remove the car")
    assert done.returncode == 2
    assert "cannot remove" in done.stderr
    assert not (tmp_path / "out.mkv").exists()


def test_a_dry_run_names_the_place(edit):
    done = edit("out.mkv", "--only", "sky", "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["recipe"]["only"] == "sky"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--only", "skye"], 2, "there is no place 'skye'"),
        (["--except", "sky,"], 2, "the place has no name"),
        (["--mask", "mask.png", "--only", "sky"], 2, "--mask and --only"),
        (["--mask", "none.png"], 3, "none.png"),
        (["--mask", "short.mp4"], 2, "short.mp4 lasts"),
        (["--feather", "-1"], 2, "--feather"),
        (["--only", "sky,grass", "--except", "plants,sky"], 2, "nothing is left of sky,grass without plants,sky"),
    ],
)
def test_what_cannot_bound_an_edit_is_refused(edit, tmp_path, arguments, code, said):
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "mask.png")
    make_clip(tmp_path / "short.mp4", frames=3)
    assert_refused(edit("out.mkv", *arguments), code, said)
    assert not (tmp_path / "out.mkv").exists()
