"""A file's identity follows its bytes."""

from __future__ import annotations

import json
import os
import time

import pytest

from movie_cli.checkpoints.exported import once_read
from movie_cli.editing import job
from movie_cli.editing.job import content_identity


def age(path, seconds: float = 100.0) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_it_is_remembered_and_forgotten_with_the_change(tmp_path):
    memory, source = tmp_path / "memory.json", tmp_path / "a.mp4"
    source.write_bytes(b"one")
    age(source)
    first = content_identity(source, memory)
    known = json.loads(memory.read_text())
    assert known[str(source)][3] == first
    known[str(source)][3] = "remembered"
    memory.write_text(json.dumps(known))
    assert content_identity(source, memory) == "remembered"
    source.write_bytes(b"two")
    age(source, 50)
    assert content_identity(source, memory) not in {first, "remembered"}


def test_a_file_that_has_just_changed_is_not_remembered(tmp_path):
    memory, source = tmp_path / "memory.json", tmp_path / "a.mp4"
    source.write_bytes(b"one")
    content_identity(source, memory)
    assert not memory.exists()


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"a": 3}', "\x00"])
def test_a_damaged_memory_does_no_harm(tmp_path, text):
    memory, source = tmp_path / "memory.json", tmp_path / "a.mp4"
    source.write_bytes(b"one")
    age(source)
    memory.write_text(text)
    assert content_identity(source, memory) == content_identity(source)


def test_the_memory_stays_small(tmp_path, monkeypatch):
    monkeypatch.setattr(job, "REMEMBERED", 3)
    memory = tmp_path / "memory.json"
    for number in range(6):
        source = tmp_path / f"{number}.mp4"
        source.write_bytes(bytes([number]))
        age(source)
        content_identity(source, memory)
    assert [name.rpartition("/")[2] for name in json.loads(memory.read_text())] == ["3.mp4", "4.mp4", "5.mp4"]


def test_big_files_are_told_apart_without_being_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(job, "WHOLE_BYTES", 2**20)
    size = 3 * 2**30
    source = tmp_path / "big.mp4"
    with source.open("wb") as file:
        file.truncate(size)
    age(source)
    status = source.stat()
    started = time.perf_counter()
    first = content_identity(source)
    assert time.perf_counter() - started < 5
    assert content_identity(source) == first
    seen = {first}
    for offset in (0, size // 2 + 2**21, size - 1):
        with source.open("r+b") as file:
            file.seek(offset)
            file.write(b"x")
        seen.add(content_identity(source))  # the time of writing tells
        os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))
        if offset in {0, size - 1}:
            seen.add(content_identity(source))  # the bytes tell
    os.utime(source)
    seen.add(content_identity(source))
    assert len(seen) == 7


def test_a_checkpoints_file_is_read_again_where_it_has_changed(tmp_path):
    path, read = tmp_path / "a.safetensors", []

    def digest(asked):
        read.append(asked)
        return asked.read_text()

    path.write_text("one")
    assert [once_read(digest, path) for _ in range(2)] == ["one"] * 2
    assert len(read) == 2  # it has just been written, and may be within the clock's tick
    os.utime(path, (1, 1))
    assert [once_read(digest, path) for _ in range(3)] == ["one"] * 3
    assert len(read) == 3
    path.write_text("two")
    os.utime(path, (2, 2))
    assert once_read(digest, path) == "two"
