"""An output's name that something has taken meanwhile, or that an earlier edit has: nothing of either is lost."""

from __future__ import annotations

import dataclasses
import errno
import os

import pytest

from movie_cli import files
from movie_cli.editing.request import SilentReporter
from movie_cli.editing.video import edit_video
from movie_cli.editing.work_folder import WorkFolder, folder_for
from movie_cli.errors import InterruptedEdit, OutputError, UsageError
from movie_cli.options import EncodeOptions
from tests.editing.moving_scenes import Stop, pictures, request, scenes

MINE = b"somebody else's"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("MOVIE_HOME", str(tmp_path / "home"))


@pytest.fixture
def source(tmp_path):
    return scenes(tmp_path / "in.mkv", (6, 0, 0))


class Appears(SilentReporter):
    """Lets a file appear while an edit runs."""

    def __init__(self, path):
        self.path = path

    def advance(self, frames):
        self.path.write_bytes(MINE)


def no_links(*names, **options):
    raise OSError(errno.EPERM, "no hard links here")


@pytest.mark.parametrize("links", [True, False])
def test_a_name_is_never_taken_twice(tmp_path, monkeypatch, links):
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    ours, name = tmp_path / "ours", tmp_path / "name"
    ours.write_bytes(b"ours")
    name.write_bytes(MINE)
    with pytest.raises(FileExistsError):
        files.rename_new(ours, name)
    assert (ours.read_bytes(), name.read_bytes()) == (b"ours", MINE)
    name.unlink()
    files.rename_new(ours, name)
    assert (ours.exists(), name.read_bytes()) == (False, b"ours")


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_appears_meanwhile_stays_and_the_edit_is_kept(tmp_path, tiny, source, monkeypatch, links):
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    output = tmp_path / "out.mkv"
    asked = request(tiny, source, output, "none", use_cache=False, segment_frames=4)
    with pytest.raises(UsageError, match="meanwhile") as refused:
        edit_video(asked, Appears(output))
    assert "6 frames are kept" in refused.value.hint
    assert "--resume" in refused.value.hint
    assert output.read_bytes() == MINE
    resumed = dataclasses.replace(asked, resume=True)
    with pytest.raises(UsageError, match="meanwhile"):
        edit_video(resumed, SilentReporter())
    assert output.read_bytes() == MINE
    output.rename(tmp_path / "mine")
    assert edit_video(resumed, SilentReporter()).resumed == 6
    assert len(pictures(output)) == 6
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mkv", "mine", "out.mkv"]


def test_what_cannot_be_resumed_is_kept_under_another_name(tmp_path, tiny, source):
    asked = request(tiny, source, tmp_path / "out.gif", "none", use_cache=False)
    asked = dataclasses.replace(asked, encode=EncodeOptions())
    with pytest.raises(UsageError, match="meanwhile") as refused:
        edit_video(asked, Appears(tmp_path / "out.gif"))
    (kept,) = tmp_path.glob("out.*.gif")
    assert str(kept) in refused.value.hint
    assert len(pictures(kept)) == 6
    assert (tmp_path / "out.gif").read_bytes() == MINE
    assert not folder_for(tmp_path / "out.gif").exists()


@pytest.mark.parametrize("number", [1, 4])
def test_numbered_pictures_get_their_names_all_or_none(tmp_path, tiny, source, number):
    (tmp_path / "out").mkdir()
    taken = tmp_path / "out" / f"p{number:03d}.png"
    asked = request(tiny, source, tmp_path / "out" / "p%03d.png", "none", use_cache=False)
    asked = dataclasses.replace(asked, encode=EncodeOptions())
    with pytest.raises(UsageError, match="meanwhile") as refused:
        edit_video(asked, Appears(taken))
    assert taken.read_bytes() == MINE
    (kept,) = (path for path in (tmp_path / "out").iterdir() if path.is_dir())
    assert str(kept) in refused.value.hint
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted([taken.name, kept.name])
    assert sorted(path.name for path in kept.iterdir()) == [f"p{index:03d}.png" for index in range(1, 7)]


def killed(folder, **options):
    folder._closed = True
    folder._lock.release()


def stop_before_the_folder_goes(asked, monkeypatch):
    """Edit, and be killed between the renaming and the removal of the folder."""
    with monkeypatch.context() as patch:
        patch.setattr(WorkFolder, "discard", killed)
        edit_video(asked, SilentReporter())


@pytest.mark.parametrize("ending", ["mkv", "gif"])
def test_a_whole_output_is_whole_for_its_own_edit_only(tmp_path, tiny, source, monkeypatch, ending):
    output = tmp_path / f"out.{ending}"
    encode = EncodeOptions(codec="ffv1", pix_fmt="bgr0") if ending == "mkv" else EncodeOptions()
    asked = request(tiny, source, output, "none", use_cache=False, segment_frames=4)
    asked = dataclasses.replace(asked, encode=encode)
    stop_before_the_folder_goes(asked, monkeypatch)
    before = output.read_bytes()
    again = dataclasses.replace(asked, resume=True)
    others = [
        dataclasses.replace(again, recipe=dataclasses.replace(again.recipe, instruction="make it night")),
        dataclasses.replace(again, encode=dataclasses.replace(encode, audio="none")),
        dataclasses.replace(again, strict=True),
    ]
    for other in others:
        with pytest.raises(UsageError, match="exists, and is of another edit"):
            edit_video(other, SilentReporter())
    data = source.read_bytes()
    source.write_bytes(data + b"\0" * 8)
    with pytest.raises(UsageError, match="the source has changed"):
        edit_video(again, SilentReporter())
    source.write_bytes(data)
    assert output.read_bytes() == before
    assert edit_video(again, SilentReporter()).frames == 6
    assert output.read_bytes() == before
    assert not folder_for(output).exists()


def test_an_output_that_waits_to_be_sent_is_of_its_own_edit_only(tmp_path, tiny, source):
    (tmp_path / "far").write_text("not a folder yet")
    asked = request(tiny, source, f"file://{tmp_path}/far/out.mkv", "none", use_cache=False, segment_frames=4)
    for _ in range(2):
        with pytest.raises(OutputError, match="cannot be written"):
            edit_video(asked, SilentReporter())
    scenes(source, (9, 0, 0))
    (tmp_path / "far").unlink()
    (tmp_path / "far").mkdir()
    assert edit_video(dataclasses.replace(asked, resume=True), SilentReporter()).frames == 9
    assert len(pictures(tmp_path / "far" / "out.mkv")) == 9
    assert list(files.outputs_folder().iterdir()) == []


def test_a_url_that_something_has_meanwhile_is_not_replaced(tmp_path, tiny, source):
    (tmp_path / "far").mkdir()
    output = tmp_path / "far" / "out.mkv"
    asked = request(tiny, source, f"file://{output}", "none", use_cache=False)
    with pytest.raises(UsageError, match="meanwhile") as refused:
        edit_video(asked, Appears(output))
    assert "--resume sends it" in refused.value.hint
    assert output.read_bytes() == MINE
    output.unlink()
    summary = edit_video(dataclasses.replace(asked, resume=True), SilentReporter())
    assert (summary.frames, summary.resumed) == (6, 6)
    assert list(files.outputs_folder().iterdir()) == []


def test_strict_is_part_of_the_job(tmp_path, tiny, source):

    asked = request(tiny, source, tmp_path / "out.mkv", "none", use_cache=False, segment_frames=2)
    with pytest.raises(InterruptedEdit):
        edit_video(asked, Stop(5))
    with pytest.raises(UsageError, match="strict was not set and is yes"):
        edit_video(dataclasses.replace(asked, resume=True, strict=True), SilentReporter())
