"""For all tests: signals as a terminal has them, a share of the cores, and exports that several look at, made once."""

import json
import multiprocessing
import os
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest
from filelock import FileLock

ROOT = Path(__file__).resolve().parents[1]
# With `-n`, each worker and the programs it starts take their share of the cores: threads that wait for one another on
# a core that is taken are several times slower.
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
if WORKERS > 1:
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // WORKERS)))

# What tests write is not to last: in memory, where there is enough, nothing waits until a disk has it. Torch's compiler
# also runs what it writes.
MEMORY = Path("/dev/shm")
if "TMPDIR" not in os.environ and MEMORY.is_dir():
    memory = os.statvfs(MEMORY)
    if memory.f_bavail * memory.f_frsize > 4 << 30 and not memory.f_flag & os.ST_NOEXEC:
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)

# A job that a script puts into the background ignores Ctrl-C, one of nohup ignores that its terminal is closed, and so
# would every program that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


LONG = (
    "export/test_qnn",
    "benchmarks/",
    "cli/test_batch",
    "cli/test_cluster",
    "fuzz/test_properties",
    "train/test_trainer",
    "export/test_onnx",
    "cli/test_resume",
    "tune/",
    "backends/test_openvino",
    "cli/test_terminal",
    "backends/test_compiling",
    "tools/",
    "train/",
    "cli/",
    "comparison/",
)
"""Files that take longest: begun first, no worker has to wait for another that is still at one of them in the end. What
makes an export that others look at is well before them: nobody waits for it."""


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
def meadow(tmp_path_factory):
    """The sample clip in 128x96, which is edited in a quarter of the time."""
    from tests.media.clips import shrink

    return shrink(ROOT / "samples" / "meadow.mp4", tmp_path_factory.mktemp("meadow") / "meadow.mp4", (128, 96))


@pytest.fixture
def forked_workers(monkeypatch):
    """Workers of batches are forked where they can be, which takes a third of the time."""
    if "forkserver" in multiprocessing.get_all_start_methods():
        from tests import forked

        monkeypatch.setattr("movie_cli.batch.local.multiprocessing", forked)


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """`shared(name, make)` is a folder for all workers that `make` fills where it is not there yet."""
    base = tmp_path_factory.getbasetemp()

    def folder(name, make):
        path = (base.parent if WORKERS > 1 else base) / name
        with FileLock(f"{path}.lock"):
            if not path.exists():
                make(path)
        return path

    return folder


@pytest.fixture(scope="session")
def nano_onnx(shared):
    """The embedded model exported in float32."""
    pytest.importorskip("onnxruntime")
    from movie_cli.cli import main

    def make(folder):
        assert main(["export", "onnx", "-o", str(folder), "--size", "96x64"]) == 0

    return shared("nano-onnx", make)


@pytest.fixture(scope="session")
def tiny_graphs(shared, tiny):
    """A folder for `MOVIE_HOME` with graphs of `tiny` for OpenVINO, and in `said.json` what was said meanwhile."""
    pytest.importorskip("openvino")
    from movie_cli import child
    from movie_cli.backends.prepared import PreparedGraphs
    from movie_cli.checkpoints.store import open_model
    from tests.export import SIZE

    def make(folder):
        said = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MOVIE_HOME", str(folder))
            patch.setattr(child, "EVERY", 0.5)
            PreparedGraphs(open_model(str(tiny)), SIZE).make(said.append)
        (folder / "said.json").write_text(json.dumps(said))

    return shared("tiny-graphs", make)
