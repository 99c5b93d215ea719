"""For all tests: signals as a terminal has them, a share of the cores, and exports that several look at, made once."""

import os
import signal
import subprocess

import pytest

# With `-n`, each worker and the programs it starts take their share of the cores: threads that wait for one another on
# a core that is taken are several times slower.
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
if WORKERS > 1:
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // WORKERS)))

# A job that a script puts into the background ignores Ctrl-C, one of nohup ignores that its terminal is closed, and so
# would every program that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


LONG = (
    "cli/test_cluster",
    "cli/test_batch",
    "fuzz/test_properties",
    "benchmarks/",
    "export/",
    "train/test_stages",
    "tune/test_page_in_chromium",
    "comparison/test_page_in_chromium",
    "backends/test_openvino",
    "backends/test_compiling",
    "cli/test_train",
    "cli/test_resume",
)
"""Files that take longest: begun first, no worker has to wait for another that is still at one of them in the end."""


def pytest_collection_modifyitems(items):
    """With `--no-loadscope-reorder` workers take files in this order, else those of many tests first."""
    places = {name: place for place, name in enumerate(LONG)}

    def place(item):
        path = item.nodeid.removeprefix("tests/")
        return next((found for name, found in places.items() if path.startswith(name)), len(LONG))

    items.sort(key=place)


_leave = subprocess.Popen.__exit__


def _leave_at_once(self, kind, error, trace):
    """Left by an error, such as a test's time being up, a program is not waited for: it may never end."""
    if kind is not None:
        self.kill()
    return _leave(self, kind, error, trace)


subprocess.Popen.__exit__ = _leave_at_once


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A random one-step checkpoint."""
    from tests.tiny import one_step

    return one_step(tmp_path_factory.mktemp("tiny") / "tiny")


@pytest.fixture(scope="session")
def nano_onnx(tmp_path_factory):
    """The embedded model exported in float32, by the first worker that asks for it."""
    pytest.importorskip("onnxruntime")
    from filelock import FileLock

    from movie_cli.cli import main

    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if WORKERS > 1 else base) / "nano-onnx"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            assert main(["export", "onnx", "-o", str(folder), "--size", "96x64"]) == 0
    return folder
