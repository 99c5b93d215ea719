"""What the README says is so: its paths exist, its commands are understood, its Python runs."""

import re
import shlex
import shutil
from pathlib import Path

import numpy as np

import movie_cli
from movie_cli.cli import main

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_links_and_map_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("http") or (ROOT / target).exists(), target
    file_map = README.split("```\nmovie_cli/\n")[1].split("```")[0]
    for line in file_map.splitlines():
        indent, name = len(line) - len(line.lstrip()), line.split()[0]
        assert (ROOT / ("movie_cli" if indent else ".") / name).exists(), name


def test_edit_commands_are_understood(tmp_path, monkeypatch):
    monkeypatch.setenv("MOVIE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "samples" / "meadow.mp4", "in.mp4")
    # Its recipe is looked for in an output that the test has not made.
    commands = [line for line in re.findall(r"^movie edit .*", README, re.M) if "--recipe-from" not in line]
    assert len(commands) >= 3
    for command in commands:
        words = shlex.split(command, comments=True)[1:]
        words = [{"10s": "1s"}.get(word, word) for word in words]
        assert main([*words, "--dry-run", "--progress", "none"]) == 0, command


def test_editing_frames_from_python():
    editor = movie_cli.open_editor(dtype="float32")
    editor.set_recipe(movie_cli.Recipe("make it winter", text_scale=9))
    frames = np.random.default_rng(0).integers(0, 256, (2, 64, 96, 3), dtype=np.uint8)
    edited = editor.edit(frames)
    assert edited.shape == frames.shape
    assert edited.dtype == np.uint8
    assert not np.array_equal(edited, frames)


def test_editing_a_file_from_python(tmp_path):
    source = ROOT / "samples" / "meadow.mp4"
    output = tmp_path / "out.mp4"
    from movie_cli.kinds import TimeValue

    options = {"duration": TimeValue.parse("2f"), "use_cache": False}
    assert movie_cli.edit(source, "sepia", output, **options).frames == 2
    assert output.stat().st_size > 0
