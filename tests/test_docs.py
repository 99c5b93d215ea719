"""What the documentation says is so: links lead somewhere, commands are understood, examples run, help is current."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from movie_cli.cli.root import movie
from tests.comparison.clips import counting
from tools.manual import to_man, to_markdown

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
ENDS = {"|", "&&", "||", ";", ">", ":::", "then", "done"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert target.startswith("http") or (page.parent / target).exists(), target


def test_every_page_is_in_the_index():
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    assert [page.name for page in PAGES if f"({page.name})" not in index] == ["README.md"]


def commands(page: Path):
    """Every call of `movie` in a page's shell blocks, as its words."""
    for block in re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.S):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True) if line.count("'") % 2 == 0 else []
            words = [part for word in words for part in ([word[:-1], ";"] if word.endswith(";") else [word])]
            while "movie" in words:
                words = words[words.index("movie") + 1 :]
                end = next((place for place, word in enumerate(words) if word in ENDS), len(words))
                yield words[:end]


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: page.name)
def test_commands_are_understood(page, tmp_path, monkeypatch):
    monkeypatch.setenv("MOVIE_HOME", str(tmp_path))
    for typed in commands(page):
        command, words = movie, list(typed)
        while hasattr(command, "commands") and words and words[0] in command.commands:
            command, words = command.commands[words[0]], words[1:]
        assert command is not movie or words[:1] in (["--help"], ["--version"], []), words
        if "--help" in words or command is movie:
            continue
        context = command.make_context(command.name, list(words), help_option_names=["-h", "--help"])
        assert not context.args, words


def test_the_reference_and_the_manual_are_the_help():
    """Make them anew with `python -m tools.manual`."""
    assert (ROOT / "docs" / "commands.md").read_text(encoding="utf-8") == to_markdown()
    assert (ROOT / "docs" / "movie.1").read_text(encoding="utf-8") == to_man()


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_the_manual_is_set_without_a_warning():
    found = subprocess.run(
        ["groff", "-man", "-ww", "-Tutf8", "-Kutf8", str(ROOT / "docs" / "movie.1")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert found.stderr == ""
    plain = re.sub(r"\x1b\[[\d;]*m|.\x08", "", found.stdout)
    assert "movie edit SOURCE" in plain
    assert "--text-scale NUMBER" in plain


def test_python_examples_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MOVIE_HOME", str(tmp_path / "home"))
    counting(tmp_path / "in.mp4", count=4)
    names: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "python.md").read_text(encoding="utf-8"), re.S)
    assert len(blocks) >= 8
    for block in blocks:
        exec(compile(block, "docs/python.md", "exec"), names)
    assert {"out.mp4", "part.mp4", "inverted.mp4", "dusk.mp4"} <= {path.name for path in tmp_path.iterdir()}


def test_presets_in_the_tuning_page_are_valid(tmp_path, monkeypatch):
    monkeypatch.setenv("MOVIE_HOME", str(tmp_path))
    block = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "tuning.md").read_text(encoding="utf-8"), re.S)[0]
    (tmp_path / "config.toml").write_text(block)
    from movie_cli.cli import main

    assert main(["presets", "--json"]) == 0


def test_the_suite_in_the_evaluation_page_is_valid(tmp_path):
    from movie_cli.evaluate.suite import read_suite

    block = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8"), re.S)[0]
    (tmp_path / "suite.toml").write_text(block)
    for name in re.findall(r'"([\w-]+\.(?:mp4|png))"', block):
        (tmp_path / name).touch()
    assert len(read_suite(tmp_path / "suite.toml").clips) == 2


def test_the_reference_does_not_depend_on_what_ran_before():
    from movie_cli.cli.edit import edit

    with edit.make_context("edit", ["-o", "out.mp4", "in.mp4", "sepia"]) as context:
        assert edit.get_help_option_names(context) == ["-h", "--help"]
