"""Graphs for Qualcomm's HTP: compiled by the real compiler, run on the real simulator."""

from __future__ import annotations

import json
import platform
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import movie_cli
from movie_cli.backends import RuntimeRequest
from movie_cli.backends.registry import choose_runtime, open_backend
from movie_cli.checkpoints.store import open_model
from movie_cli.cli import main
from movie_cli.editing.editor import Editor
from movie_cli.errors import DeviceError, ModelError
from movie_cli.export import check
from movie_cli.export.calibration import pictures_of
from movie_cli.export.context_binaries import compile_graphs
from movie_cli.export.exporters import quantized
from movie_cli.models.scene import SCENE_CHANNELS

pytest.importorskip("onnxruntime_qnn")
from movie_cli.backends.qnn_backend import SOCS, htp_session, soc_named

pytestmark = [
    pytest.mark.skipif(
        (platform.system(), platform.machine()) != ("Linux", "x86_64"), reason="the simulator is for Linux on x86-64"
    ),
    # The export that all share is made by the first.
    pytest.mark.timeout(900),
]
SIZE = (96, 64)
"""Small, as on the simulator every pixel counts; at 64x48 the anchor's graph has 44 dB there, not 45."""
GRAPHS = ("encode", "anchor", "frame", "decode")


@pytest.fixture(scope="module")
def nano_qnn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exports") / "nano-qnn"
    assert main(["export", "qnn", "-o", str(folder), "--size", "96x64", "--soc", "SM8650"]) == 0
    return folder


@pytest.fixture
def copy(nano_qnn, tmp_path):
    return Path(shutil.copytree(nano_qnn, tmp_path / "copy"))


def test_every_graph_holds_on_the_simulator(nano_qnn, monkeypatch, capfd):
    monkeypatch.setattr(check, "CASES", 1)
    monkeypatch.setattr(check, "CLIPS", 1)
    assert main(["export", "check", str(nano_qnn), "--json"]) == 0
    rows = [json.loads(line) for line in capfd.readouterr().out.splitlines() if '"comparison"' in line]
    simulated = [row for row in rows if row["runs"] == "w8a16 on the simulator"]
    assert {row["graph"] for row in simulated} >= {*GRAPHS, "anchor -> frame"}
    assert all(row["passed"] and row["repeatable"] and not row["npu"] for row in rows)


def open_on(folder, provider="simulator"):
    descriptor = open_model(str(folder))
    return Editor(open_backend(descriptor, choose_runtime(descriptor, RuntimeRequest(provider=provider))))


def test_both_scales_are_live_on_the_simulator(nano_qnn):
    editor = open_on(nano_qnn)
    latents = editor.encode(pictures_of((), SIZE, 1, 5))

    def strength(text_scale: float, image_scale: float) -> float:
        editor.set_recipe(movie_cli.Recipe("make it winter", text_scale=text_scale, image_scale=image_scale))
        edited = editor.backend.denoise(latents, editor.settings)
        return float(np.abs(edited - latents[:, -edited.shape[1] :]).mean())  # behind the scene

    usual = strength(7.5, 1.5)
    assert strength(2, 1.5) < usual < strength(14, 1.5)
    assert strength(7.5, 1) > usual > strength(7.5, 3)


def test_another_chip_is_compiled_and_run(nano_qnn, tmp_path):
    soc = soc_named("sm8750")
    for name in ("encode", "frame"):
        compile_graphs([(quantized(nano_qnn, SIZE, name), tmp_path / f"{name}.onnx")], soc)
    assert {path.suffix for path in tmp_path.iterdir()} == {".onnx", ".bin"}
    session = htp_session(tmp_path / "encode.onnx", soc.model)
    width, height = SIZE
    found = session.run(None, {"pictures": np.zeros((1, 3, height, width), np.float32)})[0]
    assert found.shape == (1, SCENE_CHANNELS + 32, height // 8, width // 8)


def test_shared_weights_make_one_smaller_binary(nano_qnn, tmp_path):
    pairs = [(quantized(nano_qnn, SIZE, name), tmp_path / f"{name}.onnx") for name in ("anchor", "frame")]
    compile_graphs(pairs, soc_named("sm8650"))
    assert len(list(tmp_path.glob("*.bin"))) == 1


def test_no_file_tells_where_it_was_made(nano_qnn):
    for path in nano_qnn.rglob("*"):
        if path.is_file():
            assert str(nano_qnn.parent).encode() not in path.read_bytes(), path


def test_a_node_off_the_npu_is_an_error(tmp_path):
    """An output whose size follows from values is nothing for an HTP; without the rule the CPU would run it unseen."""
    graph = helper.make_graph(
        [helper.make_node("NonZero", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3])],
        [helper.make_tensor_value_info("y", TensorProto.INT64, [2, None])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, tmp_path / "odd.onnx")
    with pytest.raises(DeviceError, match="does not take"):
        htp_session(tmp_path / "odd.onnx", 57)
    with pytest.raises(DeviceError, match="does not take"):
        compile_graphs([(tmp_path / "odd.onnx", tmp_path / "out.onnx")], soc_named("sm8650"))


def test_without_asking_nothing_is_simulated(nano_qnn):
    with pytest.raises(DeviceError, match="no Qualcomm HTP") as caught:
        open_on(nano_qnn, provider="auto")
    assert "--provider simulator" in caught.value.hint


def test_a_damaged_binary_is_named(copy):
    path = copy / "96x64" / "frame_qnn.bin"
    path.write_bytes(bytes(len(path.read_bytes())))
    with pytest.raises(ModelError, match=r"frame_qnn\.bin is damaged"):
        open_on(copy)
    with pytest.raises(ModelError, match=r"frame\.onnx cannot be run on the HTP"):
        htp_session(copy / "96x64" / "frame.onnx", 57)


def test_a_newer_toolchain_is_named(copy):
    path = copy / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["tools"]["onnxruntime-qnn"] = "99.1.0"
    path.write_text(json.dumps(manifest))
    with pytest.raises(ModelError, match=r"99\.1\.0") as caught:
        open_on(copy)
    assert "update onnxruntime-qnn" in caught.value.hint


def test_an_unknown_chip_is_refused_with_the_list(tmp_path, capfd):
    assert main(["export", "qnn", "-o", str(tmp_path / "out"), "--soc", "sm1"]) == 5
    told = capfd.readouterr().err
    assert all(soc.name in told for soc in SOCS)


def test_a_check_of_another_checkpoint_is_refused(nano_qnn, tiny, capfd):
    assert main(["export", "check", str(nano_qnn), "--model", str(tiny)]) == 4
    assert "was not made of" in capfd.readouterr().err


def test_a_checkpoint_that_was_a_folder_is_asked_for(nano_qnn, tmp_path, capfd):
    copy = tmp_path / "of-a-folder"
    shutil.copytree(nano_qnn, copy)
    path = copy / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["made_from"]["name"] = "mine"
    path.write_text(json.dumps(manifest))
    assert main(["export", "check", str(copy)]) == 4
    told = capfd.readouterr().err
    assert f"{copy}: there is no model mine" in told
    assert "--model" in told
