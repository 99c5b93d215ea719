"""Anchors that move with the clip."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from movie_cli.backends.torch_backend import TorchBackend
from movie_cli.backends.torch_devices import choose_torch
from movie_cli.checkpoints.store import open_model
from movie_cli.editing import clip
from movie_cli.editing.editor import Editor
from movie_cli.editing.request import EditRequest, SilentReporter
from movie_cli.editing.step import Schedule, hue_saturation_value, make_schedule
from movie_cli.editing.video import edit_video
from movie_cli.errors import InterruptedEdit, UsageError
from movie_cli.kinds import TimeValue
from movie_cli.media import FrameReader, probe
from movie_cli.recipe import AnchorRule, Recipe
from tests import tiny
from tests.editing.moving_scenes import SIZE, Stop, pictures, request, scenes


def span(path):
    return clip.span_of(EditRequest(str(path), "o.mkv", Recipe("sepia")), probe(path))


@pytest.mark.parametrize("text", ["last", "every", "every:0", "every:N", "every:-3", "every:1.5", ""])
def test_what_is_no_rule(text):
    with pytest.raises(UsageError, match="there are no anchors"):
        AnchorRule.parse(text)


def test_rules():
    assert AnchorRule.parse("every:12") == AnchorRule("every", 12)
    assert [AnchorRule.parse(word).moves for word in ("middle", "first", "none", "scene", "every:2")] == [0, 0, 0, 1, 1]


def test_hues_are_opencvs():
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed (the extra `eval`)")
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    expected = cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV).astype(np.float32)
    found = hue_saturation_value(pixels)
    wrapped = np.abs(found[..., 0] - expected[..., 0])
    assert np.minimum(wrapped, 180 - wrapped).max() <= 1
    assert np.abs(found[..., 1:] - expected[..., 1:]).max() <= 1


def test_the_newest_of_every_so_many(tmp_path):
    path = scenes(tmp_path / "a.mkv", (20, 0, 0))
    times = [pts for pts, _ in pictures(path)]
    made = make_schedule(AnchorRule.parse("every:6"), path, probe(path), span(path))
    assert made.starts == tuple(times[::6])
    assert [len(made.at(pts)) for pts in times] == [1] * 6 + [2] * 6 + [3] * 8
    assert made.at(times[19]) == (times[6], times[12], times[18])
    assert Schedule.from_arrays(made.to_arrays()) == made


def test_scenes_are_found(tmp_path):
    path = scenes(tmp_path / "a.mkv")
    times = [pts for pts, _ in pictures(path)]
    made = make_schedule(AnchorRule.parse("scene"), path, probe(path), span(path))
    assert made.starts == (times[0], times[20], times[36])
    assert made.anchors == ((times[10],), (times[28],), (times[48],))


def test_a_flash_is_no_scene(tmp_path):
    path = scenes(tmp_path / "a.mkv", (20, 1, 20))
    made = make_schedule(AnchorRule.parse("scene"), path, probe(path), span(path))
    assert len(made.starts) == 2


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny.one_step(tmp_path_factory.mktemp("anchors") / "model")


@pytest.mark.parametrize("anchors", ["scene", "every:7"])
def test_frames_attend_to_their_own_anchors(tmp_path, model, monkeypatch, anchors):
    monkeypatch.setenv("MOVIE_HOME", str(tmp_path / "home"))
    source = scenes(tmp_path / "a.mkv")
    asked = request(model, source, tmp_path / "o.mkv", anchors)
    edit_video(asked, SilentReporter())
    found = pictures(tmp_path / "o.mkv")
    working = Editor.size_for(open_model(str(model)), *SIZE)
    editor = Editor(TorchBackend(open_model(str(model)), choose_torch("cpu", "float32")))
    editor.set_recipe(asked.recipe)
    with FrameReader(source, also_size=working) as reader:
        frames = {frame.pts: frame.working[None] for frame in reader}
    schedule = make_schedule(AnchorRule.parse(anchors), source, probe(source), span(source))
    for index in (0, 19, 20, 41, 59):
        pts = sorted(frames)[index]
        editor.set_anchors(editor.encode(np.concatenate([frames[anchor] for anchor in schedule.at(pts)])))
        small = editor.edit(frames[pts])[0]
        if working == SIZE:
            assert np.abs(found[index][1].astype(int) - small).max() <= 1
    # From the cache, and with one anchor for all, which gives other frames.
    edit_video(dataclasses.replace(asked, output=str(tmp_path / "c.mkv")), SilentReporter())
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(found, pictures(tmp_path / "c.mkv"), strict=True))
    edit_video(request(model, source, tmp_path / "m.mkv", "middle"), SilentReporter())
    assert not all(np.array_equal(a, b) for (_, a), (_, b) in zip(found, pictures(tmp_path / "m.mkv"), strict=True))


@pytest.mark.parametrize("anchors", ["scene", "every:7"])
def test_a_continued_edit_is_the_same(tmp_path, model, monkeypatch, anchors):
    monkeypatch.setenv("MOVIE_HOME", str(tmp_path / "home"))
    source = scenes(tmp_path / "a.mkv")
    more = {"use_cache": False, "segment_frames": 9, "start": TimeValue.parse("0.3s")}
    edit_video(request(model, source, tmp_path / "o.mkv", anchors, **more), SilentReporter())
    asked = request(model, source, tmp_path / "r.mkv", anchors, **more)
    with pytest.raises(InterruptedEdit):
        edit_video(asked, Stop(30))
    summary = edit_video(dataclasses.replace(asked, resume=True), SilentReporter())
    assert summary.resumed >= 18
    assert all(
        np.array_equal(a, b)
        for (_, a), (_, b) in zip(pictures(tmp_path / "o.mkv"), pictures(tmp_path / "r.mkv"), strict=True)
    )
