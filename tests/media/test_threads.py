from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from movie_cli.media import EncodeOptions, VideoWriter, WriterThread, prefetch, probe, queue_depth
from tests.media.clips import make_clip


def alive():
    return [thread for thread in threading.enumerate() if thread.name.startswith("movie-")]


def test_items_come_in_order_and_the_thread_ends():
    with prefetch(range(100), 3) as items:
        assert list(items) == list(range(100))
    assert not alive()


def test_an_early_close_ends_the_thread_and_the_generator():
    closed = []

    def endless():
        try:
            while True:
                yield 1
        finally:
            closed.append(True)

    with prefetch(endless(), 2) as items:
        assert next(items) == 1
    assert closed == [True]
    assert not alive()
    with pytest.raises(StopIteration):
        next(items)


def test_the_queue_is_bounded():
    made = []

    def counted():
        for index in range(1000):
            made.append(index)
            yield index

    with prefetch(counted(), 4) as items:
        next(items)
        time.sleep(0.2)
        assert len(made) <= 7


def test_errors_come_through_after_the_items_before_them():
    def broken():
        yield 1
        raise KeyError("gone")

    with prefetch(broken()) as items:
        assert next(items) == 1
        with pytest.raises(KeyError):
            next(items)


def test_a_forgotten_prefetch_leaves_no_thread():
    items = prefetch(iter(int, 1), 2)
    next(items)
    del items
    deadline = time.monotonic() + 3
    while alive() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive()


def test_everything_put_is_written_before_finish_returns():
    written = []
    with WriterThread(written.append, 2) as sink:
        for index in range(50):
            sink.put(index)
        sink.finish()
    assert written == list(range(50))
    assert not alive()


def test_an_error_in_the_thread_reaches_the_caller():
    def fail(item):
        raise OSError("disk full")

    with WriterThread(fail, 1) as sink, pytest.raises(OSError, match="disk full"):
        for index in range(10):
            sink.put(index)
    assert not alive()


def test_leaving_without_finish_drops_the_rest_promptly():
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt), WriterThread(lambda item: time.sleep(0.05), 8) as sink:
        for index in range(8):
            sink.put(index)
        raise KeyboardInterrupt
    assert time.monotonic() - begun < 2
    assert not alive()


INTERRUPTED = """
import os, signal, threading
from movie_cli.media import WriterThread

going_on, written = threading.Event(), []

def write(item):
    going_on.wait(10)
    written.append(item)

signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    with WriterThread(write) as writer:
        writer.put(1)
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        threading.Timer(0.8, going_on.set).start()
        writer.finish()
except KeyboardInterrupt:
    print("interrupted after", written)
"""


def test_a_writer_that_was_waited_for_until_ctrl_c_still_ends_first():
    # In a process of its own: a signal that comes late would end the tests.
    words = [sys.executable, "-c", INTERRUPTED]
    found = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert found.stdout == "interrupted after [1]\n", found.stderr


def test_few_large_frames_wait():
    assert queue_depth(8, 640 * 480 * 3) == 8
    assert queue_depth(8, 1920 * 1080 * 3) == 5
    assert queue_depth(8, 3840 * 2160 * 3) == 1
    assert queue_depth(8, 1 << 40) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="real-time priority is asked of Linux")
def test_no_encoder_leaves_real_time_threads(tmp_path):
    info = probe(make_clip(tmp_path / "in.mp4", frames=3))
    with VideoWriter(tmp_path / "out.mp4", info, EncodeOptions(codec="av1")) as writer:
        threads = [int(task.name) for task in Path("/proc/self/task").iterdir()]
        assert {os.sched_getscheduler(thread) for thread in threads} == {os.SCHED_OTHER}
        writer.abort()
    assert os.sched_getscheduler(0) == os.SCHED_OTHER
