"""Exports that several tests look at, made once."""

from __future__ import annotations

import pytest

from movie_cli.cli import main
from tests.tiny import one_step

SIZE = (96, 64)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A random one-step checkpoint."""
    return one_step(tmp_path_factory.mktemp("tiny") / "tiny")


@pytest.fixture(scope="session")
def nano_onnx(tmp_path_factory):
    """The embedded model exported in float32."""
    pytest.importorskip("onnxruntime")
    folder = tmp_path_factory.mktemp("exports") / "nano-onnx"
    assert main(["export", "onnx", "-o", str(folder), "--size", "96x64"]) == 0
    return folder
