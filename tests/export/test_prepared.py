"""OpenVINO on checkpoints that are not exports: graphs made once, compared with torch, and taken where they pay."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("openvino")

import movie_cli
from movie_cli.backends.opening import open_backend
from movie_cli.backends.select import Choice
from movie_cli.checkpoints.registry import open_model
from movie_cli.cli import main
from movie_cli.editing import choosing
from movie_cli.editing.choosing import choose_for
from movie_cli.editing.request import TimeValue
from movie_cli.errors import DeviceError, UsageError
from movie_cli.export import prepared, to_onnx
from movie_cli.export.pictures import draw_clip
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


def test_an_int8_decoder_is_made_once_and_near_to_torch(nano, monkeypatch):
    pytest.importorskip("nncf")
    descriptor, _ = nano
    told = []
    choices = [choose_for(descriptor, dtype="int8", size=SIZE, tell=told.append) for _ in range(2)]
    assert choices[0] == choices[1]
    assert (choices[0].backend, choices[0].dtype) == ("openvino", "int8")
    assert [text for text in told if "fitting" in text] == ["fitting an int8 decoder, once, in about half a minute"]
    assert prepared.fidelity(descriptor, SIZE, "int8", told.append) >= choosing.FAITHFUL
    # A CPU without bfloat16 takes it by itself.
    monkeypatch.setattr(choosing, "cpu_dtype", lambda dtype: ("float32", ""))
    if choose_for(descriptor).device == "cpu":
        assert choose_for(descriptor, size=SIZE).dtype == "int8"
    frames = draw_clip(2, SIZE)
    exact = Choice("cpu", "float32", "", "openvino", graphs=choices[0].graphs)
    edits = []
    for choice in (exact, choices[0]):
        backend = open_backend(descriptor, choice)
        edits.append(backend.decode_latents(backend.encode_frames(frames), frames))
    assert (edits[0] != edits[1]).any()


def test_int8_that_cannot_be_is_refused(nano, nano_onnx, monkeypatch):
    descriptor, _ = nano
    with pytest.raises(UsageError, match="export"):
        choose_for(open_model(str(nano_onnx)), dtype="int8", backend="openvino")
    with pytest.raises(DeviceError, match="torch does not compute in int8"):
        choose_for(descriptor, dtype="int8", backend="torch")
    monkeypatch.setattr("movie_cli.backends.runtimes.has_nncf", lambda: False)
    with pytest.raises(DeviceError, match="NNCF") as caught:
        choose_for(descriptor, dtype="int8", size=SIZE)
    assert "movie-cli[int8]" in caught.value.hint


def test_a_decoder_that_cannot_be_fitted_is_one_line(tmp_path):
    pytest.importorskip("nncf")
    from movie_cli.errors import ModelError
    from movie_cli.export.int8_decoder import write_int8_decoder

    with pytest.raises(ModelError, match=r"no int8 decoder can be made of .*manifest\.json"):
        write_int8_decoder(tmp_path, SIZE)


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
