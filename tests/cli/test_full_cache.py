"""Disks that fill up under a cache: the edit goes on or stops with one line, and no half of anything is kept."""

from __future__ import annotations

import errno

import huggingface_hub
import pytest

from movie_cli.checkpoints import store
from movie_cli.editing import latent_cache
from movie_cli.errors import OutputError
from tests.cli.running import assert_refused
from tests.cli.test_models import hub as hub_on_this_machine  # noqa: F401 - a fixture
from tests.cli.test_models import run  # noqa: F401 - another
from tests.media.clips import make_clip
from tests.small_disk import small_disk


@pytest.mark.parametrize("keep_free", [0, latent_cache.KEEP_FREE_BYTES])
def test_an_edit_goes_on_without_the_latent_cache(movie, tiny, tmp_path, monkeypatch, keep_free):
    # With nothing kept free, what fails is the write of a shard in mid-edit.
    monkeypatch.setattr(latent_cache, "KEEP_FREE_BYTES", keep_free)
    make_clip(tmp_path / "in.mp4", frames=40, size=(96, 64))
    with small_disk(tmp_path / "home", 400) as home:
        done = movie("edit", "in.mp4", "sepia", "-o", "out.mp4", "--model", str(tiny), "-q")
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("\n") == 1
        assert "not kept for a second edit" in done.stderr
        assert {path.name for path in home.rglob("*")} <= {"cache", "latents", "identities.json"}
    assert (tmp_path / "out.mp4").stat().st_size > 1000
    again = movie("edit", "in.mp4", "sepia", "-o", "again.mp4", "--model", str(tiny), "--no-cache", "-q")
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "again.mp4").read_bytes() == (tmp_path / "out.mp4").read_bytes()


def test_a_model_that_finds_no_room(tmp_path, hub_on_this_machine, run):  # noqa: F811
    with small_disk(tmp_path / "hf", 400) as disk:
        refused = run(hub_on_this_machine, "models", "pull", "owner/name")
        assert_refused(refused, 7, "owner/name", "No space left on device", "HF_HOME")
        sizes = {path.stat().st_size for path in disk.rglob("*.safetensors")}
        whole = {path.stat().st_size for path in hub_on_this_machine.folder.rglob("*.safetensors")}
        assert sizes <= whole
        assert not list(disk.rglob("*.incomplete"))
    done = run(hub_on_this_machine, "models", "pull", "owner/name")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_an_error_that_names_no_file_is_still_the_disks(monkeypatch, number):
    def full(*arguments: object, **options: object) -> None:
        raise OSError(number, "no room")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", full)
    with pytest.raises(OutputError, match="no room"):
        store.fetch_from_hub("owner/name", ["*.json"])
