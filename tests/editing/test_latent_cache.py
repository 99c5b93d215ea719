"""The latent cache: what goes in comes out, and nothing that happens on the disk makes it lie."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest

from movie_cli.checkpoints.load import save_regions
from movie_cli.checkpoints.store import open_model
from movie_cli.editing import latent_cache
from movie_cli.editing.latent_cache import CacheFull, LatentCache
from tests import tiny

KEY = "a" * 40


def clip(count: int, seed: int = 0):
    generator = np.random.default_rng(seed)
    latents = generator.standard_normal((count, 4, 3, 5)).astype(np.float16)
    frames = generator.integers(0, 256, (count, 24, 40, 3), dtype=np.uint8)
    times = [(1001 * number, None if number % 7 == 3 else 1001) for number in range(count)]
    return latents, frames, times


def write(cache: LatentCache, key: str, count: int, seed: int = 0, batch: int = 4, meta=None) -> None:
    latents, frames, times = clip(count, seed)
    with cache.writer(key) as writer:
        for first in range(0, count, batch):
            part = slice(first, first + batch)
            writer.add(latents[part], frames[part], times[part])
        writer.commit(meta)


def left_behind(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir())


@pytest.fixture
def cache(tmp_path):
    return LatentCache(tmp_path / "latents", on_message=pytest.fail)


@pytest.mark.parametrize(("count", "batch", "read"), [(1, 1, 8), (32, 4, 4), (100, 7, 9), (70, 70, 33), (65, 32, 200)])
def test_a_clip_comes_back_as_it_went_in(cache, count, batch, read):
    write(cache, KEY, count, batch=batch, meta={"probe": '{"width": 40}', "name": "é"})
    latents, frames, times = clip(count)
    with cache.open(KEY) as found:
        assert found.count == count
        assert found.times == times
        assert found.meta == {"probe": '{"width": 40}', "name": "é"}
        batches = list(found.batches(read))
        assert [len(batch_times) for _, _, batch_times in batches[:-1]] == [read] * (len(batches) - 1)
        assert np.array_equal(np.concatenate([batch[0] for batch in batches]), latents)
        assert np.array_equal(np.concatenate([batch[1] for batch in batches]), frames)
        assert [time for batch in batches for time in batch[2]] == times


def test_one_frame_and_the_rest_from_there(cache):
    write(cache, KEY, 50)
    latents, frames, times = clip(50)
    with cache.open(KEY) as found:
        for index in (0, 31, 32, 49):
            one_latent, one_frame, one_time = found.at(index)
            assert np.array_equal(one_latent, latents[index : index + 1])
            assert np.array_equal(one_frame, frames[index : index + 1])
            assert one_time == times[index]
        rest = list(found.batches(8, start=30))
        assert np.array_equal(np.concatenate([batch[0] for batch in rest]), latents[30:])
        with pytest.raises(IndexError):
            found.at(50)


def test_nothing_there_is_a_miss(cache):
    assert cache.open(KEY) is None
    assert cache.info().entries == 0
    assert not cache.root.exists()


def test_without_commit_nothing_is_left(cache):
    latents, frames, times = clip(40)
    with cache.writer(KEY) as writer:
        writer.add(latents, frames, times)
    with pytest.raises(RuntimeError), cache.writer(KEY) as writer:
        writer.add(latents, frames, times)
        raise RuntimeError
    assert left_behind(cache.root) == []
    assert cache.open(KEY) is None


def test_frames_that_do_not_belong_together_are_refused(cache):
    latents, frames, times = clip(4)
    with cache.writer(KEY) as writer:
        with pytest.raises(ValueError):
            writer.add(latents, frames[:3], times)
        with pytest.raises(ValueError):
            writer.add(latents, frames.astype(np.float32), times)
        with pytest.raises(ValueError):
            writer.commit()


def test_the_writer_keeps_no_view_of_the_callers_buffers(cache):
    latents, frames, times = clip(8)
    buffer = np.empty_like(frames)
    with cache.writer(KEY) as writer:
        for first in (0, 4):
            buffer[:4] = frames[first : first + 4]
            writer.add(latents[first : first + 4], buffer[:4], times[first : first + 4])
        buffer[:] = 0
        writer.commit()
    with cache.open(KEY) as found:
        assert np.array_equal(next(found.batches(8))[1], frames)


def damage_truncate(folder: Path) -> None:
    shard = folder / "000001.safetensors"
    os.truncate(shard, shard.stat().st_size // 2)


def damage_one_bit(folder: Path) -> None:
    shard = folder / "000000.safetensors"
    data = bytearray(shard.read_bytes())
    data[-100] ^= 1
    shard.write_bytes(data)


def damage_missing_shard(folder: Path) -> None:
    (folder / "000001.safetensors").unlink()


def damage_json(folder: Path) -> None:
    (folder / "entry.json").write_text("{")


def damage_json_types(folder: Path) -> None:
    (folder / "entry.json").write_text('{"format": 1, "meta": [], "times": 3, "shards": {}}')


def damage_missing_json(folder: Path) -> None:
    (folder / "entry.json").unlink()


def damage_counts(folder: Path) -> None:
    entry = json.loads((folder / "entry.json").read_text())
    entry["times"].pop()
    (folder / "entry.json").write_text(json.dumps(entry))


def damage_other_format(folder: Path) -> None:
    entry = json.loads((folder / "entry.json").read_text())
    (folder / "entry.json").write_text(json.dumps(entry | {"format": 99}))


@pytest.mark.parametrize(
    "damage",
    [
        damage_truncate,
        damage_one_bit,
        damage_missing_shard,
        damage_json,
        damage_json_types,
        damage_missing_json,
        damage_counts,
        damage_other_format,
    ],
)
def test_a_damaged_entry_is_told_of_removed_and_made_again(tmp_path, damage):
    messages: list[str] = []
    cache = LatentCache(tmp_path, on_message=messages.append)
    write(cache, KEY, 40)
    damage(tmp_path / KEY)
    assert cache.open(KEY) is None
    assert len(messages) == 1
    assert str(tmp_path / KEY) in messages[0]
    assert left_behind(tmp_path) == []
    write(cache, KEY, 40)
    with cache.open(KEY) as found:
        assert found.count == 40


def entry_bytes(tmp_path: Path) -> int:
    cache = LatentCache(tmp_path / "measure")
    write(cache, KEY, 32)
    return cache.info().bytes


def test_least_recently_used_goes_first(tmp_path):
    size = entry_bytes(tmp_path)
    cache = LatentCache(tmp_path / "latents", limit_bytes=int(3.5 * size))
    for name in ("one", "two", "three"):
        write(cache, name, 32)
        time.sleep(0.01)
    cache.open("one").close()
    time.sleep(0.01)
    write(cache, "four", 32)
    assert left_behind(cache.root) == ["four", "one", "three"]
    assert cache.info().entries == 3
    assert cache.info().bytes <= cache.info().limit


def test_a_clip_being_read_is_kept_whatever_happens(tmp_path):
    size = entry_bytes(tmp_path)
    cache = LatentCache(tmp_path / "latents", limit_bytes=int(2.5 * size))
    write(cache, "read", 32)
    with cache.open("read") as found:
        for name in ("one", "two", "three"):
            time.sleep(0.01)
            write(cache, name, 32)
        assert left_behind(cache.root) == ["read", "three"]
        assert cache.clear() == 1
        assert np.array_equal(next(found.batches(32))[0], clip(32)[0])
    assert cache.clear() == 1
    assert left_behind(cache.root) == []


def test_a_clip_bigger_than_the_cache_is_given_up_and_leaves_the_others(tmp_path):
    size = entry_bytes(tmp_path)
    cache = LatentCache(tmp_path / "latents", limit_bytes=int(2.5 * size))
    write(cache, "small", 32)
    with pytest.raises(CacheFull):
        write(cache, "big", 200)
    assert [name for name in left_behind(cache.root) if name.startswith("tmp")] == []
    assert cache.open("big") is None


def test_a_full_disk_is_told_by_an_oserror(tmp_path, monkeypatch):
    cache = LatentCache(tmp_path / "latents")
    monkeypatch.setattr(latent_cache, "KEEP_FREE_BYTES", shutil.disk_usage(tmp_path).total + 1)
    with pytest.raises(OSError, match="MiB left"):
        cache.writer(KEY)
    assert left_behind(cache.root) == []


def test_a_write_that_fails_midway_leaves_nothing(tmp_path):
    cache = LatentCache(tmp_path / "latents")
    latents, frames, times = clip(32)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with pytest.raises(OSError), cache.writer(KEY) as writer:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
            writer.add(latents, frames, times)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, previous)
    assert left_behind(cache.root) == []


def test_an_unusable_root_is_an_oserror(tmp_path):
    (tmp_path / "file").write_text("")
    cache = LatentCache(tmp_path / "file" / "latents")
    assert cache.open(KEY) is None
    assert cache.info().entries == 0
    with pytest.raises(OSError):
        cache.writer(KEY)


def test_two_writers_of_the_same_clip(cache):
    latents, frames, times = clip(40)
    with cache.writer(KEY) as first, cache.writer(KEY) as second:
        for writer in (first, second):
            writer.add(latents, frames, times)
            writer.commit({"writer": str(writer is first)})
    assert left_behind(cache.root) == [KEY]
    with cache.open(KEY) as found:
        assert found.meta == {"writer": "True"}


OTHER_PROCESS = """
import sys, time
from pathlib import Path
import numpy as np
from movie_cli.editing.latent_cache import LatentCache
cache = LatentCache(Path(sys.argv[1]))
if sys.argv[2] == "read":
    held = cache.open("a" * 40)
else:
    held = cache.writer("b" * 40)
    held.add(np.zeros((32, 4, 3, 5), np.float32), np.zeros((32, 24, 40, 3), np.uint8), [(0, 1)] * 32)
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("job", ["read", "write"])
def test_another_process_is_left_alone_until_it_dies(tmp_path, monkeypatch, job):
    monkeypatch.setattr(latent_cache, "_YOUNG_SECONDS", 0.0)
    cache = LatentCache(tmp_path)
    write(cache, KEY, 32)
    command = [sys.executable, "-c", OTHER_PROCESS, str(tmp_path), job]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "ready\n"
        cache.clear()
        present = left_behind(tmp_path)
        other.kill()
        other.wait()
    if job == "read":
        assert present == [KEY]
    else:
        assert len(present) == 1
        assert present[0].startswith("tmp-")
    time.sleep(0.01)
    cache.clear()
    assert left_behind(tmp_path) == []


def test_the_key_tells_apart_what_must_be_told_apart(cache, tmp_path):
    source = tmp_path / "a.mp4"
    source.write_bytes(b"abc" * 1000)
    usual = {"path": source, "read": {"start": "0f"}, "size": (64, 48), "condition_id": "nano", "dtype": "bfloat16"}
    other = tmp_path / "b.mp4"
    other.write_bytes(b"abd" * 1000)
    changes = [
        {},
        {"path": other},
        {"read": {"start": "1f"}},
        {"read": {"start": "0f", "end": "9f"}},
        {"read": {"end": "0f"}},
        {"size": (48, 64)},
        {"condition_id": "taesd"},
        {"dtype": "float32"},
    ]
    keys = [cache.key_of(**(usual | change)) for change in changes]
    assert len(set(keys)) == len(keys)
    renamed = tmp_path / "c.mp4"
    shutil.copy(source, renamed)
    assert cache.key_of(**(usual | {"path": renamed})) == keys[0]
    with pytest.raises(OSError):
        cache.key_of(**(usual | {"path": tmp_path / "none"}))


def test_what_a_denoiser_is_told_is_part_of_the_key(tmp_path):
    told = tiny.told(tmp_path / "told")
    same = shutil.copytree(told, tmp_path / "same")
    known = latent_cache.condition_id(open_model(str(told)))
    assert latent_cache.condition_id(open_model(str(same))) == known
    save_regions(tiny.sees_sky(), same / "regions")
    assert latent_cache.condition_id(open_model(str(same))) != known
    shutil.copytree(told / "regions", tiny.one_step(tmp_path / "untold") / "regions")
    assert latent_cache.condition_id(open_model(str(tmp_path / "untold"))) != known  # for places alone


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("movie_cli.__version__", "99"),
        ("av.__version__", "99"),
        ("av.library_versions", av.library_versions | {"libswscale": (99, 0, 0)}),
    ],
)
def test_latents_do_not_outlive_an_upgrade(cache, tmp_path, monkeypatch, name, value):
    source = tmp_path / "a.mp4"
    source.write_bytes(b"abc")
    clip = (source, {}, (64, 48), "nano", "float32")
    latent_cache.reading_identity.cache_clear()
    before = cache.key_of(*clip)
    assert cache.key_of(*clip) == before
    latent_cache.reading_identity.cache_clear()
    monkeypatch.setattr(name, value)
    assert cache.key_of(*clip) != before
    latent_cache.reading_identity.cache_clear()
