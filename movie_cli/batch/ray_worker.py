"""What runs on each worker of a Ray cluster: a model that is loaded once, and the tasks that use it.

Promises the same segments as an edit on one machine: each is encoded from the same frames, with the same anchors, by
an encoder of its own. Failures come back as values, so that an exception means a lost worker.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import os
import signal
import socket
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from movie_cli import media
from movie_cli.backends import RuntimeConfig
from movie_cli.batch import Result
from movie_cli.batch.local import edit_one, threads_for
from movie_cli.editing import clip
from movie_cli.editing.clip import ResumePoint
from movie_cli.editing.editor import Editors
from movie_cli.editing.latent_cache import ClipCache
from movie_cli.editing.outputs import SegmentSink
from movie_cli.editing.pipeline import Pipeline, load_editor
from movie_cli.editing.plan import Plan, make_plan
from movie_cli.editing.request import EditRequest, Reporter, SilentReporter
from movie_cli.errors import DeviceError, first_line, known_error
from movie_cli.media.segments import Segment
from movie_cli.options import ReadOptions

Value = TypeVar("Value")
CONNECT_SECONDS = 10.0


@dataclass(frozen=True)
class Part:
    """A segment as it travels: what it is, its packets' bytes, the picture before it (a CRC-32), damage after it.

    `met` is a sentence about what damage its reader has met, there or on the way, `seen` as of `Pipeline`.
    """

    segment: Segment
    packets: bytes
    picture_before: int | None
    damage: dict[str, str]
    met: str | None = None
    seen: Sequence[float] = ()


class Notes(SilentReporter):
    """Keeps what was said, for the driver to tell."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []

    def message(self, level: Any, text: str) -> None:
        """Keep a sentence."""
        self.said.append((level, text))


class _Parcel:
    """Takes one segment instead of a work folder."""

    def __init__(self, folder: str) -> None:
        self._path = Path(folder) / "part"
        self.segment: Segment | None = None

    def part(self, number: int) -> Path:
        return self._path

    def add(self, number: int, segment: Segment) -> None:
        self.segment = segment

    def packets(self) -> bytes:
        return self._path.read_bytes()


class Worker:
    """One worker. Methods return a value, or a `Result` that tells of a failure."""

    def __init__(self, threads: int) -> None:
        import torch

        if os.environ.get("MOVIE_DEBUG") != "1":
            warnings.simplefilter("ignore")
        torch.set_num_threads(threads)
        self._editors = Editors()
        self._source: tuple[tuple[str, ReadOptions], Path] | None = None
        self._plan: tuple[EditRequest, RuntimeConfig, Plan] | None = None
        self._copies = ExitStack()

    def runtime(self, request: EditRequest) -> RuntimeConfig | Result:
        """What this worker runs a request on."""
        return _told(lambda: make_plan(request, self._readable(request)).runtime)

    def anchors(
        self, request: EditRequest, config: RuntimeConfig
    ) -> tuple[bytes | None, list[tuple[str, str]]] | Result:
        """What `Anchors.make` gives, and what is to be told of the edit."""
        return _told(lambda: self._anchors(request, config))

    def segment(
        self,
        request: EditRequest,
        config: RuntimeConfig,
        begin: ResumePoint | None,
        limit: int | None,
        anchors: bytes | None,
    ) -> Part | Result:
        """Edit one segment: at most `limit` frames from `begin` on."""
        return _told(lambda: self._segment(request, config, begin, limit, anchors))

    def whole(self, request: EditRequest) -> tuple[Result, list[tuple[str, str]]]:
        """Edit a whole video, which cannot be divided."""
        notes = Notes()
        return edit_one(request, notes, self._editors), notes.said

    def process(self) -> int:
        """The process's number on its machine."""
        return os.getpid()

    def _readable(self, request: EditRequest) -> Path:
        """The source as a local file; what had to be copied is kept until another source is asked for."""
        wanted = (request.source, request.reading)
        if self._source is None or self._source[0] != wanted:
            self._source = None
            self._copies.close()
            path = self._copies.enter_context(media.local_source(request.source, request.reading))
            self._source = (wanted, path)
        return self._source[1]

    def _planned(self, request: EditRequest, config: RuntimeConfig) -> Plan:
        if self._plan is None or self._plan[:2] != (request, config):
            plan = dataclasses.replace(make_plan(request, self._readable(request)), runtime=config)
            self._plan = (request, config, plan)
        return self._plan[2]

    def _pipeline(self, request: EditRequest, config: RuntimeConfig, reporter: Reporter) -> Pipeline:
        plan = self._planned(request, config)
        editor = load_editor(plan, self._editors, reporter)
        return Pipeline(plan, self._readable(request), editor, reporter, ClipCache(lambda text: None))

    def _anchors(self, request: EditRequest, config: RuntimeConfig) -> tuple[bytes | None, list[tuple[str, str]]]:
        notes = Notes()
        return self._pipeline(request, config, notes).make_anchors(), notes.said

    def _segment(
        self,
        request: EditRequest,
        config: RuntimeConfig,
        begin: ResumePoint | None,
        limit: int | None,
        anchors: bytes | None,
    ) -> Part:
        pipeline = self._pipeline(request, config, SilentReporter())
        if anchors is None:
            pipeline.make_anchors()
        else:
            pipeline.use_anchors(anchors)
        with tempfile.TemporaryDirectory(prefix="movie-segment-") as folder:
            parcel = _Parcel(folder)
            with SegmentSink(parcel, self._planned(request, config)) as sink:
                pipeline.run(sink, begin, limit)
            if parcel.segment is None:
                raise ValueError("there are no frames from there on")
            met, damage = pipeline.damage or pipeline.met, clip.damage_to_text(pipeline.damage)
            said = None if met is None else met.message
            return Part(parcel.segment, parcel.packets(), pipeline.picture, damage, said, pipeline.seen)


def _told(action: Callable[[], Value]) -> Value | Result:
    try:
        return action()
    except Exception as error:
        return Result.of_error(known_error(error))


@contextlib.contextmanager
def connected_workers(address: str | None, count: int | None, threads: int | None) -> Iterator[tuple[Any, list[Any]]]:
    """Ray and some workers, which are gone afterwards; so is a cluster that was made here.

    Raises:
        DeviceError: Ray is not installed, or the cluster does not answer.
    """
    try:
        ray: Any = importlib.import_module("ray")
    except ImportError as error:
        raise DeviceError("Ray is not installed", 'pip install "movie-cli[ray]"') from error
    _check_reachable(address)
    handlers = [(number, signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM)]
    cores = os.cpu_count() or 1
    local = {} if address else {"num_cpus": count or cores, "include_dashboard": False}
    try:
        ray.init(address=address or "local", log_to_driver=False, logging_level="ERROR", **local)
    except (Exception, SystemExit) as error:
        # Ray fails with plain exceptions, and ends the program where something else listens at the address.
        raise _no_cluster(address, error) from error
    finally:
        # Ray takes SIGTERM for itself, which would end the program without a word.
        for kind, handler in handlers:
            signal.signal(kind, handler)
    import torch

    actors: list[Any] = []
    try:
        resources = ray.cluster_resources()
        gpus, cpus = int(resources.get("GPU", 0)), int(resources.get("CPU", 1))
        number = count or gpus or max(1, cpus // 2)
        each = threads or threads_for(number)
        torch.set_num_threads(each)  # it is part of what makes two jobs the same
        needs = {"num_gpus": 1, "num_cpus": 1} if gpus else {"num_cpus": max(1, cpus // number)}
        remote = ray.remote(max_restarts=-1, max_task_retries=0, **needs)(Worker)
        actors = [remote.remote(each) for _ in range(number)]
        yield ray, actors
    finally:
        for actor in actors:
            with contextlib.suppress(Exception):
                ray.kill(actor)
        ray.shutdown()


def _no_cluster(address: str | None, error: BaseException) -> DeviceError:
    reason = first_line(error)
    if address is None:
        return DeviceError(f"Ray does not start here: {reason}", "`ray stop` ends an old one; or --engine local")
    if isinstance(error, SystemExit):
        reason = "what listens there is not Ray, or of another version"
    return DeviceError(
        f"the Ray cluster at {address} does not answer: {reason}", "`ray start --head` shows a cluster's address"
    )


def _check_reachable(address: str | None) -> None:
    """Try the cluster's port: Ray itself would try for minutes.

    Raises:
        DeviceError: nobody listens there.
    """
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise _no_cluster(address, error) from error
