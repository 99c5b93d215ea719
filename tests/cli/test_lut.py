"""`movie lut` through its entry point: a table of an edit's colours, a film graded by it, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.running import assert_refused
from tests.media.clips import make_clip, pixels

MEADOW = Path(__file__).resolve().parents[2] / "samples" / "meadow.mp4"


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return make_clip(tmp_path_factory.mktemp("lut") / "in.mp4", frames=8, audio=True)


def test_a_film_graded_by_an_edits_table_looks_like_the_edit(movie, clip, tmp_path):
    done = movie("lut", str(clip), "make it sepia", "-o", "sepia.cube", "--frames", "4", "--json")
    assert done.returncode == 0, done.stderr
    last = json.loads(done.stdout.splitlines()[-1])
    assert (last["nodes"], last["frames"]) == (33, 4)
    assert last["psnr"] >= 30
    assert any(f"{last['psnr']:.1f} dB from the edit" in line for line in done.stdout.splitlines())
    assert movie("lut", str(clip), "--apply", "sepia.cube", "-o", "graded.mp4").returncode == 0
    assert movie("edit", str(clip), "make it sepia", "-o", "edited.mp4").returncode == 0
    graded, edited = pixels(tmp_path / "graded.mp4"), pixels(tmp_path / "edited.mp4")
    assert np.square(graded - edited).mean() < 80
    assert np.square(pixels(clip) - edited).mean() > 500


def test_an_edit_that_is_more_than_colour_is_refused(movie, tmp_path):
    # A pale drawing is near to its table in dB, and far from it for its own contrast.
    done = movie("lut", str(MEADOW), "as a pencil drawing", "-o", "pencil.cube", "--frames", "2")
    assert done.returncode == 2
    assert "more than a table of colours holds" in done.stderr
    assert "edit the video itself" in done.stderr
    assert not (tmp_path / "pencil.cube").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["-o", "a.cube"], 2, "either an instruction or --apply"),
        (["sepia", "--apply", "a.cube", "-o", "b.mp4"], 2, "either an instruction or --apply"),
        (["sepia", "-o", "a.mp4"], 2, "no table's name"),
        (["--apply", "a.cube", "-o", "b.mp4"], 3, "a.cube cannot be read"),
        (["sepia", "-o", "-"], 2, "of files"),
    ],
)
def test_what_cannot_be_is_said(movie, clip, arguments, code, said):
    assert_refused(movie("lut", str(clip), *arguments), code, said)
