"""A cluster's job without a cluster: what its workers send back, and what is said of it in the end."""

from __future__ import annotations

import dataclasses

import av
import pytest

from movie_cli.batch import Job
from movie_cli.batch.ray_job import ClusterJob
from movie_cli.batch.ray_worker import Part, Worker
from movie_cli.editing.request import EditRequest
from movie_cli.editing.video import edit_video
from movie_cli.options import EncodeOptions
from movie_cli.recipe import Recipe
from tests.batch.test_local import Heard
from tests.editing.moving_scenes import Told
from tests.media.clips import make_clip


class Said(Heard):
    def __init__(self):
        super().__init__()
        self.warnings = []

    def message(self, job, level, text):
        self.warnings += [text] if level == "warning" else []


def run(job, worker, said, numbers=None):
    """Edit segments of a job, the last one first; interrupted where these are not all of them."""
    cluster = ClusterJob(job, worker.runtime(job.request), said)
    for task in sorted(cluster.tasks(), key=lambda task: -task.number):
        if numbers is None or task.number in numbers:
            part = worker.segment(cluster.request, cluster.runtime, task.begin, task.limit, None)
            assert isinstance(part, Part), part
            assert cluster.take(task, part) is None
    if numbers is not None:
        cluster.close(KeyboardInterrupt())
        return
    assert cluster.complete
    cluster.finish()
    cluster.close()


@pytest.mark.parametrize("then", ["on the cluster", "here"])
def test_damage_that_an_interrupted_run_has_met_is_told_of(tmp_path, monkeypatch, tiny, then):
    monkeypatch.setenv("MOVIE_HOME", str(tmp_path / "home"))
    source = make_clip(tmp_path / "in.mp4", frames=40)
    with av.open(str(source)) as container:
        ends = sorted(packet.pos + packet.size for packet in container.demux(video=0) if packet.size)
    source.write_bytes(source.read_bytes()[: ends[19]])
    recipe = Recipe("sepia", model=str(tiny))
    request = EditRequest(
        str(source),
        str(tmp_path / "alone.mp4"),
        recipe,
        device="cpu",
        dtype="float32",
        backend="torch",
        segment_frames=8,
        use_cache=False,
        encode=EncodeOptions(preset="ultrafast"),
    )
    worker, alone = Worker(1), Told()
    edit_video(request, alone)
    assert sum("are missing" in text for text in alone.warnings) == 1
    request = dataclasses.replace(request, output=str(tmp_path / "out.mp4"))
    said = Said()
    run(Job(1, "", request), worker, said, numbers={0, 1, 2} if then == "here" else {2})
    again = dataclasses.replace(request, resume=True)
    if then == "here":
        here = Told()
        edit_video(again, here)
        said.warnings = here.warnings
    else:
        run(Job(1, "", again), worker, said)
    assert said.warnings == alone.warnings
    assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "alone.mp4").read_bytes()
