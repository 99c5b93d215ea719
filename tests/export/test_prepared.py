"""OpenVINO on checkpoints that are not exports: graphs made once, compared with torch, and taken where they pay."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("openvino")

import movie_cli
from movie_cli.checkpoints.registry import open_model
from movie_cli.cli import main
from movie_cli.editing import choosing
from movie_cli.editing.choosing import choose_for
from movie_cli.editing.request import TimeValue
from movie_cli.errors import DeviceError, UsageError
from movie_cli.export import prepared, to_onnx
from tests.export import SIZE


@pytest.fixture
def nano(nano_onnx, tmp_path, monkeypatch):
    """The embedded model, whose graphs are there as soon as they are asked for."""
    monkeypatch.setenv("MOVIE_HOME", str(tmp_path))
    made = []

    def export(descriptor, target, sizes, tell, *, overwrite):
        import shutil

        made.append(target)
        shutil.copytree(nano_onnx, target)

    monkeypatch.setattr(to_onnx, "export_onnx", export)
    return open_model("nano"), made


def test_graphs_are_made_once_and_told_of(nano):
    descriptor, made = nano
    told = []
    choices = [choose_for(descriptor, backend="openvino", size=SIZE, tell=told.append) for _ in range(2)]
    assert len(made) == 1
    assert "making graphs" in told[0]
    assert choices[0] == choices[1]
    assert choices[0].graphs == str(made[0])


def test_auto_takes_what_is_there_and_faithful(nano):
    descriptor, made = nano
    if choose_for(descriptor).device != "cpu":
        pytest.skip("auto takes the GPU here")
    short = choose_for(descriptor, size=SIZE, frames=10, tell=made.append)
    assert (short.backend, made) == ("torch", [])
    long = choose_for(descriptor, size=SIZE, frames=choosing.PAYS_FROM, tell=lambda text: None)
    assert long.backend == "openvino"
    assert "dB near" in long.reason
    assert choose_for(descriptor, size=SIZE, frames=10, tell=lambda text: None) == long
    # A plan alone finds the figure kept.
    assert choose_for(descriptor, size=SIZE, frames=10) == long


def test_auto_does_not_take_what_is_unfaithful(nano, monkeypatch):
    descriptor, _ = nano
    if choose_for(descriptor).device != "cpu":
        pytest.skip("auto takes the GPU here")
    monkeypatch.setattr(prepared, "measure", lambda *arguments: 44.0)
    choice = choose_for(descriptor, size=SIZE, frames=choosing.PAYS_FROM, tell=lambda text: None)
    assert choice.backend == "torch"
    assert "openvino is only 44 dB" in choice.reason


def test_frames_from_python_need_an_export(nano):
    with pytest.raises(UsageError, match="one size") as caught:
        movie_cli.open_editor("nano", backend="openvino")
    assert "movie export onnx" in caught.value.hint


def test_a_preview_runs_on_it(nano, tmp_path):
    sample = Path(__file__).resolve().parents[2] / "samples" / "meadow.mp4"
    small = tmp_path / "small.mp4"
    made = movie_cli.edit(sample, movie_cli.Recipe("sepia", size=SIZE), small, duration=TimeValue(frames=2))
    assert made.size == SIZE
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
    # The working size of a picture of 96x64 is larger: graphs of it would take long to make.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("movie_cli.editing.editor.working_size", lambda *arguments: SIZE)
        assert main(["preview", str(small), "make it winter", *options]) == 0


def test_openvino_is_for_cpus(nano):
    with pytest.raises(DeviceError, match="cuda"):
        choose_for(nano[0], "cuda", backend="openvino", size=SIZE)
