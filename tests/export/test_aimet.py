"""Quantization by AIMET: what is told where it is missing or fails, and, where it is installed, the graphs it makes."""

from __future__ import annotations

import ast
import json
import os
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from movie_cli.cli import main
from movie_cli.errors import DeviceError, ModelError
from movie_cli.export import aimet_script
from movie_cli.export.exporters import quantizer_facts
from movie_cli.export.quantize import Aimet, chosen, find_aimet, quantize_by_aimet

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for an interpreter is a script")


@pytest.fixture
def interpreter(tmp_path):
    """Makes a stand-in for AIMET's interpreter that runs Python statements on `arguments`."""

    def make(body: str) -> str:
        path = tmp_path / "python"
        path.write_text(f"#!{sys.executable}\nimport json, pathlib, sys\narguments = sys.argv[1:]\n{body}\n")
        path.chmod(0o755)
        return str(path)

    return make


@pytest.fixture
def graph(tmp_path):
    """A float graph with a layer normalisation, a convolution and a matrix product, and inputs for it."""
    random = np.random.default_rng(0)
    shapes = {"gamma": (6,), "beta": (6,), "first": (4, 2, 3, 3), "bias": (4,), "second": (6, 5)}
    weights = {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    made = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "first", "bias"], ["a"], "conv", pads=[1, 1, 1, 1]),
            helper.make_node("LayerNormalization", ["a", "gamma", "beta"], ["b"], "norm", axis=-1),
            helper.make_node("MatMul", ["b", "second"], ["y"], "product"),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2, 6, 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4, 6, 5])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    path = tmp_path / "float32.onnx"
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return path, [{"x": random.normal(size=(1, 2, 6, 6)).astype(np.float32), "more": np.zeros(1)} for _ in range(4)]


def test_auto_is_onnx_runtime():
    assert chosen("auto") is chosen("onnxruntime") is chosen("auto", "/nowhere/python") is None


def test_an_interpreter_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DeviceError, match="does not run: No such file") as caught:
        chosen("aimet", str(tmp_path / "none"))
    assert "pip install aimet-onnx" in caught.value.hint
    assert "--aimet-python" in caught.value.hint


def test_an_interpreter_without_aimet_is_refused_before_a_network_is_loaded(interpreter, tmp_path, capfd):
    python = interpreter("sys.exit('aimet-onnx is not installed')")
    begin = ["export", "onnx", "-o", str(tmp_path / "out"), "--quantizer", "aimet", "--aimet-python", python]
    assert main([*begin, "--precision", "w8a16"]) == 5
    told = capfd.readouterr().err
    assert "aimet-onnx is not installed" in told
    assert "--aimet-python" in told
    assert main(begin) == 2
    assert "nothing to quantize in float32" in capfd.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_variable_names_the_interpreter(interpreter, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("MOVIE_AIMET_PYTHON", interpreter("sys.exit('of the variable')"))
    assert main(["export", "qnn", "-o", str(tmp_path / "out"), "--soc", "sm8650", "--quantizer", "aimet"]) == 5
    assert "of the variable" in capfd.readouterr().err


def test_the_script_is_given_all_and_nothing_stays_behind(interpreter, graph, tmp_path):
    python = interpreter(
        "if '--version' in arguments: sys.exit(print('2.42.0'))\n"
        "feeds = [path.name for path in sorted(pathlib.Path(arguments[4]).iterdir())]\n"
        "pathlib.Path(arguments[3]).write_text(json.dumps([arguments, feeds]))"
    )
    path, feeds = graph
    (tmp_path / "out").mkdir()
    target = tmp_path / "out" / "quantized.onnx"
    found = find_aimet(python)
    assert found.version == "2.42.0"
    quantize_by_aimet(path, target, feeds, 16, ("first", "-odd"), found)
    arguments, names = json.loads(target.read_text())
    assert arguments[0] == "-I"
    assert Path(arguments[1]).samefile(aimet_script.__file__)
    assert arguments[5:] == ["--activations", "16", "--iterations", "300", "--keep=first", "--keep=-odd"]
    assert names == ["00000.npz", "00001.npz", "00002.npz", "00003.npz"]
    assert [each.name for each in target.parent.iterdir()] == [target.name]
    assert quantizer_facts("w8a16", found) == {"name": "aimet-onnx", "version": "2.42.0", "adaround_iterations": 300}
    assert quantizer_facts("float32", None) is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("pathlib.Path(arguments[3]).write_text('half'); sys.exit('much\\nIndexError: out of range')", "out of range"),
        ("sys.exit(3)", "it ended with 3"),
        ("", "it ended with 0"),
    ],
)
def test_a_failure_is_told_in_its_last_line(interpreter, graph, tmp_path, body, said):
    path, feeds = graph
    (tmp_path / "out").mkdir()
    with pytest.raises(ModelError, match=f"AIMET cannot quantize float32: .*{said}") as caught:
        quantize_by_aimet(path, tmp_path / "out" / "q.onnx", feeds, 16, (), Aimet(interpreter(body), "2"))
    assert "--quantizer onnxruntime" in caught.value.hint
    assert not list((tmp_path / "out").iterdir())


def test_the_script_needs_no_more_than_aimet_has():
    tree = ast.parse(Path(aimet_script.__file__).read_text(encoding="utf-8"))
    names = {each.name for node in ast.walk(tree) if isinstance(node, ast.Import) for each in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} <= {*sys.stdlib_module_names, "aimet_onnx", "numpy", "onnx"}


@pytest.fixture(scope="module")
def aimet():
    try:
        return find_aimet(os.environ.get("MOVIE_AIMET_PYTHON"))
    except DeviceError as error:
        pytest.skip(f"MOVIE_AIMET_PYTHON names no interpreter with AIMET: {error}")


@pytest.mark.timeout(300)
def test_aimet_keeps_sensitive_weights_and_its_graph_runs_on_the_htp(aimet, graph, tmp_path):
    path, feeds = graph
    target = tmp_path / "quantized.onnx"
    quantize_by_aimet(path, target, feeds, 16, ("first",), Aimet(aimet.python, aimet.version, 2))
    model = onnx.load(target)
    values = {value.name: value.data_type for value in model.graph.initializer}
    inputs = {name: node.op_type for node in model.graph.node for name in node.input[1:]}
    found = {
        inputs[node.output[0]]: values[node.input[0]]
        for node in model.graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in values and node.output[0] in inputs
    }
    assert found == {
        "Conv": TensorProto.INT16,
        "LayerNormalization": TensorProto.UINT8,
        "MatMul": TensorProto.INT8,
    }
    pytest.importorskip("onnxruntime_qnn")
    from movie_cli.backends.onnx_backend import open_graph
    from movie_cli.backends.qnn_backend import SIMULATOR, htp_session, present_devices
    from movie_cli.export.distance import Distance

    if SIMULATOR not in present_devices():
        pytest.skip("there is no simulator here")
    case = {"x": feeds[0]["x"]}
    wanted = open_graph(path).run(case)["y"]
    assert Distance.of(wanted, open_graph(target).run(case)["y"]).sqnr > 35
    assert Distance.of(wanted, htp_session(target, 57).run(None, case)[0]).sqnr > 35
