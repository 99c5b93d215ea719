"""OpenVINO on checkpoints that are not exports: graphs made once, compared with torch, and taken where they pay."""

from __future__ import annotations

import json
import re
import shutil

import pytest

pytest.importorskip("openvino")

import movie_cli
from movie_cli import backends
from movie_cli.backends import RuntimeConfig, RuntimeRequest, openvino_backend
from movie_cli.backends.fidelity import draw_clip, times_as_fast
from movie_cli.backends.prepared import PreparedGraphs
from movie_cli.backends.registry import choose_runtime, open_backend
from movie_cli.checkpoints.store import open_model
from movie_cli.cli import main
from movie_cli.errors import DeviceError, ModelError, UsageError
from movie_cli.models.scene import SCENE_CHANNELS
from tests.export import SIZE
from tests.media.clips import make_clip


@pytest.fixture
def nano(nano_onnx, tmp_path, monkeypatch):
    """The embedded model, whose graphs are there as soon as they are asked for."""
    monkeypatch.setenv("MOVIE_HOME", str(tmp_path))
    made = []
    run = PreparedGraphs._run

    def copied(self, what, say, *arguments):
        if what == "int8":
            run(self, what, say, *arguments)
            return
        made.append(self.folder)
        shutil.copytree(nano_onnx, self.folder)

    monkeypatch.setattr(PreparedGraphs, "_run", copied)
    monkeypatch.setattr(openvino_backend, "times_as_fast", lambda *arguments: 2.0)
    return open_model("nano"), made


def chosen(descriptor, **options):
    return choose_runtime(descriptor, RuntimeRequest(**options))


def long_edit(**more):
    return {"size": SIZE, "frames": openvino_backend.PAYS_FROM, "say": lambda text: None} | more


@pytest.fixture
def without_bfloat16(monkeypatch):
    """A CPU as most are."""
    monkeypatch.setattr(openvino_backend, "fastest_dtype", lambda device: ("float32", ""))


def test_graphs_are_made_once_and_told_of(nano):
    descriptor, made = nano
    told = []
    choices = [chosen(descriptor, backend="openvino", size=SIZE, say=told.append) for _ in range(2)]
    assert len(made) == 1
    assert "making graphs" in told[0]
    assert choices[0] == choices[1]
    assert choices[0].graphs == str(made[0])


def test_a_program_of_its_own_makes_them(tiny, tiny_graphs, monkeypatch):
    monkeypatch.setenv("MOVIE_HOME", str(tiny_graphs))
    assert PreparedGraphs(open_model(str(tiny)), SIZE).exist()
    assert re.fullmatch(r"graphs: \d+ s so far", json.loads((tiny_graphs / "said.json").read_text())[1])
    with pytest.raises(ModelError, match=r"no graphs can be made of .*works at multiples of 16"):
        PreparedGraphs(open_model(str(tiny)), (97, 64)).make(lambda text: None)


def test_auto_takes_what_is_there_and_faithful(nano):
    descriptor, made = nano
    if chosen(descriptor).device != "cpu":
        pytest.skip("auto takes the GPU here")
    short = chosen(descriptor, size=SIZE, frames=10, say=made.append)
    assert (short.backend, made) == ("torch", [])
    long = chosen(descriptor, **long_edit())
    assert long.backend == "openvino"
    assert "dB near" in long.reason
    assert chosen(descriptor, **long_edit(frames=10)) == long
    # A plan alone finds the figure kept.
    assert chosen(descriptor, size=SIZE, frames=10) == long


def test_nothing_is_made_for_a_short_edit(nano, without_bfloat16):
    descriptor, made = nano
    if chosen(descriptor).device != "cpu":
        pytest.skip("auto takes the GPU here")
    chosen(descriptor, backend="openvino", size=SIZE, say=lambda text: None)
    assert len(made) == 1
    told = []
    short = chosen(descriptor, size=SIZE, frames=24, say=told.append)
    assert told == []
    assert short == chosen(descriptor, backend="torch")


@pytest.mark.parametrize(
    ("measure", "found", "told"),
    [("nearness", 44.0, "openvino is only 44 dB"), ("times_as_fast", 1.05, "is 1.05 times as fast")],
)
def test_auto_does_not_take_what_is_unfaithful_or_no_faster(nano, monkeypatch, measure, found, told):
    descriptor, _ = nano
    if chosen(descriptor).device != "cpu":
        pytest.skip("auto takes the GPU here")
    monkeypatch.setattr(openvino_backend, measure, lambda *arguments: found)
    config = chosen(descriptor, **long_edit())
    assert config.backend == "torch"
    assert config.reason.count(told) == 1
    assert chosen(descriptor, size=SIZE, frames=10).reason == config.reason  # a plan finds what was measured


def test_two_backends_are_timed_in_turns(tiny):
    backends = [
        open_backend(open_model(str(tiny)), RuntimeConfig("cpu", "float32", "", alone=alone)) for alone in (False, True)
    ]
    assert 0.02 < times_as_fast(*backends, SIZE) < 50


def test_an_int8_decoder_is_made_once_and_near_to_torch(nano, without_bfloat16):
    pytest.importorskip("nncf")
    descriptor, _ = nano
    told = []
    choices = [chosen(descriptor, dtype="int8", size=SIZE, say=told.append) for _ in range(2)]
    assert choices[0] == choices[1]
    assert (choices[0].backend, choices[0].dtype) == ("openvino", "int8")
    assert [text for text in told if "fitting" in text] == ["fitting an int8 decoder, once, in about half a minute"]
    # A CPU without bfloat16 takes it by itself, where it is faithful.
    if chosen(descriptor).device == "cpu":
        assert chosen(descriptor, **long_edit()).dtype == "int8"
        assert chosen(descriptor, size=SIZE).dtype == "int8"
    frames = draw_clip(2, SIZE)
    exact = RuntimeConfig("cpu", "float32", "", "openvino", graphs=choices[0].graphs)
    edits = []
    for config in (exact, choices[0]):
        backend = open_backend(descriptor, config)
        edits.append(backend.decode_latents(backend.encode_frames(frames)[:, SCENE_CHANNELS:], frames))
    assert (edits[0] != edits[1]).any()


def test_int8_that_cannot_be_is_refused(nano, nano_onnx, monkeypatch):
    descriptor, _ = nano
    with pytest.raises(UsageError, match="export"):
        chosen(open_model(str(nano_onnx)), dtype="int8", backend="openvino")
    with pytest.raises(DeviceError, match="torch does not compute in int8"):
        chosen(descriptor, dtype="int8", backend="torch")
    monkeypatch.setitem(backends.MODULES, "int8", "no_such_module")
    with pytest.raises(DeviceError, match="NNCF") as caught:
        chosen(descriptor, dtype="int8", size=SIZE)
    assert "movie-cli[int8]" in caught.value.hint


def test_a_decoder_that_cannot_be_fitted_is_one_line(tmp_path, monkeypatch):
    pytest.importorskip("nncf")
    monkeypatch.setenv("MOVIE_HOME", str(tmp_path))
    with pytest.raises(ModelError, match=r"no int8 decoder can be made of .*: "):
        PreparedGraphs(open_model("nano"), SIZE).make_int8(lambda text: None)


def test_frames_from_python_need_an_export(nano):
    with pytest.raises(UsageError, match="one size") as caught:
        movie_cli.open_editor("nano", backend="openvino")
    assert "movie export onnx" in caught.value.hint


def test_a_preview_runs_on_it(nano, tmp_path):
    small = make_clip(tmp_path / "small.mp4", frames=2, size=(48, 32))  # edited in four times as many pixels
    options = [
        "-o",
        str(tmp_path / "sheet.png"),
        "--backend",
        "openvino",
        "--text-scale",
        "7.5",
        "--image-scale",
        "1.5",
    ]
    assert main(["preview", str(small), "make it winter", *options]) == 0


def test_openvino_is_for_cpus(nano):
    with pytest.raises(DeviceError, match="cuda"):
        chosen(nano[0], device="cuda", backend="openvino", size=SIZE)
