"""The local engine: what its workers tell comes whole and once, also when they fail together or are stopped."""

from __future__ import annotations

import multiprocessing
import threading
import time

import pytest

from movie_cli.batch import Job
from movie_cli.batch.local import LocalEngine, PipeReporter
from movie_cli.editing.request import EditRequest
from movie_cli.recipe import Recipe
from tests.media.clips import make_clip

pytestmark = pytest.mark.usefixtures("forked_workers")


class Heard:
    """A listener that keeps what it hears; `pause` seconds pass before it hears more than the first thing."""

    def __init__(self, pause=0.0):
        self.pause, self.ends = pause, {}

    def _wait(self):
        time.sleep(self.pause)
        self.pause = 0

    def started(self, job, total_frames):
        self._wait()

    def message(self, job, level, text):
        self._wait()

    def advanced(self, job, frames):
        self._wait()

    def ended(self, job, result):
        assert job.number not in self.ends
        self.ends[job.number] = result.outcome


def jobs_of(folder, model, *sources):
    recipe = Recipe("sepia", model=str(model))
    return [
        Job(number, "", EditRequest(str(source), str(folder / f"{number}.mp4"), recipe, strict=True, use_cache=False))
        for number, source in enumerate(sources, 1)
    ]


def test_fail_fast_where_two_fail_at_once(tmp_path, tiny):
    cut = []
    for frames in (20, 45):
        cut.append(make_clip(tmp_path / f"in{frames}.mp4", frames=frames))
        cut[-1].write_bytes(cut[-1].read_bytes()[:-300])
    heard = Heard(pause=2)  # both have failed when the second thing is heard, and the longer one has said more
    LocalEngine(2).run(jobs_of(tmp_path, tiny, *cut, *cut), heard, fail_fast=True)
    assert heard.ends[1] == "failed"
    assert set(heard.ends) == {1, 2}


def test_what_stops_the_listener_stops_the_workers(tmp_path, tiny):
    make_clip(tmp_path / "in.mp4", frames=2)

    class Stopped(Heard):
        def advanced(self, job, frames):
            if not self.pause:
                self.pause = 0.1
                raise KeyboardInterrupt

    heard = Stopped()
    with pytest.raises(KeyboardInterrupt):
        LocalEngine(1).run(jobs_of(tmp_path, tiny, *3 * [tmp_path / "in.mp4"]), heard, fail_fast=False)
    assert set(heard.ends) <= {1}
    assert not multiprocessing.active_children()


@pytest.mark.timeout(60)
def test_several_threads_report_through_one_pipe():
    ours, theirs = multiprocessing.Pipe()
    reporter = PipeReporter(theirs)
    texts = [letter * 50_000 for letter in "abcd"]
    threads = [
        threading.Thread(target=lambda text=text: [reporter.message("info", text) for _ in range(50)]) for text in texts
    ]
    for thread in threads:
        thread.start()
    heard = [ours.recv()[1][1] for _ in range(200)]
    assert sorted(heard) == sorted(texts * 50)
