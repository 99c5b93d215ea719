"""Graphs with their weights beside them: quantized, cast and compiled as graphs of one file are."""

from __future__ import annotations

import shutil

import numpy as np
import onnx
import pytest

pytest.importorskip("onnxruntime")

from movie_cli.backends.onnx_backend import open_graph
from movie_cli.export.build import bytes_of, move, weights_file
from movie_cli.export.quantize import quantize_graph, write_precision


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    """A graph for the HTP as one file, the same in two, and inputs."""
    folder = tmp_path_factory.mktemp("split")
    whole, split = folder / "whole.onnx", folder / "split.onnx"
    onnx.save(make_model(), whole)
    onnx.save(onnx.load(whole), split, save_as_external_data=True, location="split.onnx.data", size_threshold=0)
    generator = np.random.default_rng(0)
    feeds = [{"x": generator.standard_normal((1, 8, 16, 16)).astype(np.float32)} for _ in range(3)]
    return whole, split, feeds


def make_model():
    generator = np.random.default_rng(1)
    weights = {
        "first_w": generator.standard_normal((16, 8, 3, 3)).astype(np.float32) / 8,
        "second_w": generator.standard_normal((8, 16, 1, 1)).astype(np.float32) / 4,
    }
    nodes = [
        onnx.helper.make_node("Conv", ["x", "first_w"], ["a"], name="first", pads=[1, 1, 1, 1]),
        onnx.helper.make_node("Tanh", ["a"], ["b"], name="bend"),
        onnx.helper.make_node("Conv", ["b", "second_w"], ["y"], name="second"),
    ]
    floats = onnx.TensorProto.FLOAT
    described = onnx.helper.make_graph(
        nodes,
        "two layers",
        [onnx.helper.make_tensor_value_info("x", floats, [1, 8, 16, 16])],
        [onnx.helper.make_tensor_value_info("y", floats, [1, 8, 16, 16])],
        [onnx.numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return onnx.helper.make_model(described, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10)


def test_a_graph_in_two_files_is_quantized_to_the_same_values(graph, tmp_path):
    whole, split, feeds = graph
    for source in (whole, split):
        quantize_graph(source, tmp_path / source.name, feeds, "w8a16")
    assert weights_file(tmp_path / "whole.onnx") is None
    assert weights_file(tmp_path / "split.onnx") == tmp_path / "split.onnx.data"
    assert sorted(path.name for path in split.parent.iterdir()) == ["split.onnx", "split.onnx.data", "whole.onnx"]
    exact = open_graph(whole).run(feeds[0])["y"]
    found = [open_graph(tmp_path / source.name).run(feeds[0])["y"] for source in (whole, split)]
    assert np.array_equal(*found)
    assert 0 < np.abs(found[0] - exact).max() < 0.05


def test_its_layers_are_not_measured(graph, tmp_path):
    whole, split, feeds = graph
    assert len(write_precision(whole, tmp_path / "a" / "graph.onnx", feeds, "w8a16")) == 2
    assert write_precision(split, tmp_path / "b" / "graph.onnx", feeds, "w8a16") == []


def test_a_graph_in_two_files_is_cast_to_float16(graph, tmp_path):
    whole, split, feeds = graph
    found = []
    for source in (whole, split):
        write_precision(source, tmp_path / source.name, feeds, "float16")
        found.append(open_graph(tmp_path / source.name).run(feeds[0])["y"])
    assert np.array_equal(*found)
    assert np.abs(found[0] - open_graph(whole).run(feeds[0])["y"]).max() < 0.01


def test_a_graph_is_moved_with_its_weights(graph, tmp_path):
    _, split, feeds = graph
    for path in (split, weights_file(split)):
        shutil.copy(path, tmp_path)
    before = bytes_of(tmp_path / split.name)
    moved = move(tmp_path / split.name, tmp_path / "deeper" / "other.onnx")
    assert bytes_of(moved) == before > 4 * 16 * 8 * 9
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deeper"]
    assert "y" in open_graph(moved).run(feeds[0])
