"""For all tests: signals as a terminal has them, and exports that several tests look at, made once."""

import signal

import pytest

# A job that a script puts into the background ignores Ctrl-C, and so would every program that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A random one-step checkpoint."""
    from tests.tiny import one_step

    return one_step(tmp_path_factory.mktemp("tiny") / "tiny")


@pytest.fixture(scope="session")
def nano_onnx(tmp_path_factory):
    """The embedded model exported in float32."""
    pytest.importorskip("onnxruntime")
    from movie_cli.cli import main

    folder = tmp_path_factory.mktemp("exports") / "nano-onnx"
    assert main(["export", "onnx", "-o", str(folder), "--size", "96x64"]) == 0
    return folder
