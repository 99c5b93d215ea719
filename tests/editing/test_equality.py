"""The same frames in one go, continued, from the cache, and in segments that are made apart, whatever carries over.

A recurrent checkpoint sees the edit before, still frames share it, and anchors change with the scene: each takes
something from frame to frame, which must begin anew with a segment and must not know of batches.
"""

from __future__ import annotations

import dataclasses
import random

import numpy as np
import pytest

from movie_cli.backends.torch_backend import TorchBackend
from movie_cli.batch.ray_worker import Part, Worker
from movie_cli.editing.clip import ResumePoint
from movie_cli.editing.plan import make_plan
from movie_cli.editing.request import SilentReporter
from movie_cli.editing.video import edit_video, work_folder
from movie_cli.editing.work_folder import ANCHORS
from movie_cli.errors import DeviceMemoryError, InterruptedEdit
from tests import tiny
from tests.editing.moving_scenes import Stop, pictures, request, scenes

SEGMENT, FRAMES = 5, 32


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return {"one step": tiny.one_step(folder / "a"), "recurrent": tiny.recurrent(folder / "b")}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return scenes(tmp_path_factory.mktemp("scenes") / "a.mkv", (16, 0, 16), move=2)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("MOVIE_HOME", str(tmp_path / "home"))


OVER_TIME = {
    "instruction": "0s: make it winter; 1.6s: make it night",
    "text_scale": "0.2s=0,2s=9 hold,3s=4",
    "fade": 0.8,
}
CASES = {
    "recurrent": ("recurrent", 3, {"anchors": "middle"}),
    "recurrent scenes": ("recurrent", 4, {"anchors": "scene", "still": 2.0}),
    "scenes": ("one step", 7, {"anchors": "scene", "still": 2.0}),
    "over time": ("one step", 3, {"anchors": "middle"} | OVER_TIME),
    "recurrent scenes over time": ("recurrent", 4, {"anchors": "scene", "still": 2.0} | OVER_TIME),
}


@pytest.fixture(scope="module", params=CASES)
def case(request):
    return CASES[request.param]


@pytest.fixture(scope="module")
def whole(case, models, source, tmp_path_factory):
    """The pictures of an edit in one go."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOVIE_HOME", str(folder / "home"))
        return edited(request_of(case, models, source, folder / "whole.mkv"))


@pytest.fixture
def ask(case, models, source, tmp_path):
    return lambda output, **more: request_of(case, models, source, tmp_path / output, **more)


def request_of(case, models, source, output, **more):
    name, batch, recipe = case
    values = {"segment_frames": SEGMENT, "use_cache": False, "batch_size": batch} | more
    asked = request(models[name], source, output, **values)
    return dataclasses.replace(asked, recipe=dataclasses.replace(asked.recipe, **recipe))


def edited(asked):
    edit_video(asked, SilentReporter())
    return pictures(asked.output)


def assert_equal(ours, theirs, most=0):
    assert [pts for pts, _ in ours] == [pts for pts, _ in theirs]
    assert max(np.abs(a.astype(int) - b).max() for (_, a), (_, b) in zip(ours, theirs, strict=True)) <= most


def test_continued(ask, whole):
    for stop in (7, 22):
        asked = ask(f"{stop}.mkv")
        with pytest.raises(InterruptedEdit):
            edit_video(asked, Stop(stop))
        assert_equal(edited(dataclasses.replace(asked, resume=True)), whole)


def test_from_the_cache(ask):
    whole = edited(ask("first.mkv", use_cache=True))
    asked = ask("second.mkv", use_cache=True)
    assert edit_video(asked, SilentReporter()).cached
    assert_equal(pictures(asked.output), whole)


def test_another_batch_size_is_the_same_but_for_rounding(ask, whole):
    assert_equal(edited(ask("one.mkv", batch_size=2)), whole, most=2)


def test_halves_after_memory_has_run_out(ask, monkeypatch):
    whole = edited(ask("whole.mkv", batch_size=6))
    decode = TorchBackend.decode_latents

    def narrow(self, latents, frames):
        if len(latents) > 2:
            raise DeviceMemoryError("the device has too little memory")
        return decode(self, latents, frames)

    monkeypatch.setattr(TorchBackend, "decode_latents", narrow)
    assert_equal(edited(ask("halves.mkv", batch_size=6)), whole, most=2)


def test_segments_made_apart(ask, source, whole):
    """What the workers of a cluster do, in any order, each knowing only where its segment begins."""
    asked = ask("apart.mkv", backend="torch")
    worker, times = Worker(2), [pts for pts, _ in whole]
    config = make_plan(asked, source).runtime
    anchors, _ = worker.anchors(asked, config)
    numbers = list(range(-(-FRAMES // SEGMENT)))
    random.Random(3).shuffle(numbers)

    with work_folder(make_plan(asked, source), source) as folder:
        for number in numbers:
            first = number * SEGMENT
            mark = ResumePoint(first, tuple(times[max(0, first - 3) : first]), None) if first else None
            part = worker.segment(asked, config, mark, SEGMENT, anchors)
            assert isinstance(part, Part), part
            folder.part(number).write_bytes(part.packets)
            folder.add(number, part.segment)
        if anchors is not None:
            folder.store(ANCHORS, anchors)
        folder.note(segments=len(numbers), damage={})
    assert_equal(edited(dataclasses.replace(asked, resume=True)), whole)
