"""Completion in the shells themselves."""

import shutil
import subprocess
import sys

import pytest

SCRIPTS = {
    "bash": 'COMP_WORDS=(movie {words}); COMP_CWORD={place}; _movie_completion movie; echo "${{COMPREPLY[@]}}"',
    "zsh": "",
    "fish": 'complete -C "movie {words}"',
}


@pytest.fixture
def environment(tmp_path, monkeypatch):
    program = tmp_path / "bin" / "movie"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nimport sys\nfrom movie_cli.cli import main\nsys.exit(main())\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{__import__('os').environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MOVIE_HOME", str(tmp_path))


def shell(name, *arguments):
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    return subprocess.run([name, *arguments], capture_output=True, text=True, timeout=60, check=False)


def complete(name, words):
    loaded = {"bash": 'eval "$(movie completion bash)"', "fish": "movie completion fish | source"}[name]
    script = SCRIPTS[name].format(words=words, place=len(words.split()))
    return shell(name, "-c", f"{loaded}; {script}").stdout


@pytest.mark.parametrize("name", ["bash", "fish"])
def test_commands_and_options_are_completed(environment, name):
    assert "preview" in complete(name, "prev")
    assert "--text-scale" in complete(name, "edit --text")
    assert "float32" in complete(name, "edit --dtype flo")


def test_zsh_takes_the_script(environment):
    script = 'autoload -Uz compinit; compinit -u; eval "$(movie completion zsh)"; print $_comps[movie]'
    assert "_movie_completion" in shell("zsh", "-fc", script).stdout


def test_other_shells_are_refused(movie):
    found = movie("completion", "tcsh")
    assert found.returncode == 2
    assert "bash" in found.stderr
