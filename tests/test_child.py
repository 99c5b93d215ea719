"""How a program's end is told."""

import sys

import pytest

from movie_cli.child import module_command, run_child


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("sys.exit('one\\nerror: no such layer\\ntraceback')", "no such layer"),
        ("sys.exit('one\\nlast\\n\\n')", "last"),
        ("sys.exit(3)", "it ended with 3, and no word"),
        ("os.kill(os.getpid(), 9)", "it ended with -9, and no word"),
    ],
)
def test_a_failure_has_a_reason(script, reason):
    ended = run_child([sys.executable, "-c", f"import os, sys; {script}"], 60)
    assert ended.code != 0
    assert ended.reason == reason


def test_what_is_written_and_what_is_added():
    ended = run_child([sys.executable, "-c", "import os; print(os.environ['MORE'])"], 60, {"MORE": "1"})
    assert (ended.code, ended.output.strip()) == (0, "1")


def test_one_that_does_not_end_or_begin(tmp_path):
    with pytest.raises(TimeoutError, match=r"did not finish in 0\.5 s"):
        run_child([sys.executable, "-c", "import time; time.sleep(60)"], 0.5)
    with pytest.raises(FileNotFoundError):
        run_child([str(tmp_path / "none")], 1)


def test_modules_do_not_come_from_the_folder_that_the_user_is_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("json", "pickle", "movie_cli"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('not of this program')")
    ended = run_child([*module_command("movie_cli"), "info", "none.mp4"], 60)
    assert "none.mp4 does not exist" in ended.reason
