"""`movie mask` through its entry point: a grey video of the source's size and times, and what is refused."""

import json
import shutil

import av
import numpy as np
import pytest

from movie_cli.models.region_names import PLACES
from tests import tiny
from tests.cli.running import assert_refused
from tests.comparison.clips import counting


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A checkpoint whose regions are of a network without training that takes everything for sky."""
    return tiny.seeing(tmp_path_factory.mktemp("model") / "tiny")


def read(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        kinds = [other.type for other in container.streams]
        frames = [
            (frame.pts * stream.time_base, frame.to_ndarray(format="rgb24")) for frame in container.decode(stream)
        ]
    return kinds, [time for time, _ in frames], np.stack([pixels for _, pixels in frames])


def test_a_mask_has_the_sources_size_and_times(movie, model, tmp_path):
    source = counting(tmp_path / "in.mp4", count=6)
    done = movie("mask", str(source), "sky", "-o", "sky.mp4", "--model", str(model), "--json")
    assert done.returncode == 0, done.stderr
    last = json.loads(done.stdout.splitlines()[-1])
    assert (last["frames"], last["share"]) == (6, pytest.approx(1, abs=0.01))
    kinds, times, mask = read(tmp_path / "sky.mp4")
    _, wanted, pixels = read(source)
    assert kinds == ["video"]
    assert times == wanted
    assert mask.shape == pixels.shape
    assert mask.min() > 250


def test_what_is_not_there_is_black_and_said(movie, model, tmp_path):
    source = counting(tmp_path / "in.mp4", count=3)
    done = movie("mask", str(source), "people,vehicle", "-o", "mask.mp4", "--model", str(model))
    assert done.returncode == 0, done.stderr
    assert "hardly any people,vehicle" in done.stderr
    assert read(tmp_path / "mask.mp4")[2].max() < 5


def test_an_unknown_place_is_refused_with_the_list(movie, tmp_path):
    source = counting(tmp_path / "in.mp4", count=3)
    done = movie("mask", str(source), "skye", "-o", "mask.mp4")
    assert_refused(done, 2, "there is no place 'skye'", "did you mean sky?", *PLACES)
    assert not (tmp_path / "mask.mp4").exists()


def test_a_model_without_regions_is_refused(movie, model, tmp_path):
    source = counting(tmp_path / "in.mp4", count=3)
    plain = shutil.copytree(model, tmp_path / "plain")
    shutil.rmtree(plain / "regions")
    done = movie("mask", str(source), "sky", "-o", "mask.mp4", "--model", str(plain))
    assert_refused(done, 4, "has no regions")
