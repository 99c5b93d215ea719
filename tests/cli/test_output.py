"""Reporters and printing: what is seen on a terminal, in a log and by a program."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys

import pytest

from movie_cli.cli import output
from movie_cli.cli.output import OutputOptions, human_bytes, make_reporter, print_pairs, print_table
from tests.media.clips import make_clip

EDIT = """
from ast import literal_eval
import sys
from movie_cli.cli import output
from movie_cli.cli.output import OutputOptions
from movie_cli.cli.output import make_reporter
output.LINE_SECONDS = output.EVENT_SECONDS = 0.0
options = OutputOptions(**literal_eval(sys.argv[1]))
with make_reporter(options) as reporter:
    reporter.message("info", "nano on cpu")
    reporter.message("warning", "[red]strange[/red]\\nthing")
    reporter.start(literal_eval(sys.argv[2]), "in[bold].mp4 with a name that goes on and on and on")
    for _ in range(4):
        reporter.advance(3)
    if "fail" in sys.argv:
        raise SystemExit(9)
    reporter.done({"output": "out.mp4", "frames": 12, "seconds": 2.0, "device": "cpu"})
"""


def run(options: dict[str, object], total: int | None = 12) -> tuple[list[str], list[str]]:
    found = subprocess.run(
        [sys.executable, "-c", EDIT, repr(options), repr(total)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert found.returncode == 0, found.stderr
    return found.stdout.splitlines(), found.stderr.splitlines()


def run_on_terminal(options: dict[str, object], width: int, *more: str, **environment: str) -> str:
    master, slave = pty.openpty()
    variables = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    variables |= {"COLUMNS": str(width), "TERM": "xterm-256color"} | environment
    command = [sys.executable, "-c", EDIT, repr(options), "12", *more]
    with subprocess.Popen(command, stderr=slave, stdout=subprocess.DEVNULL, env=variables):
        os.close(slave)
        data = b""
        while True:
            try:
                block = os.read(master, 65536)
            except OSError:  # the other side is closed
                break
            if not block:
                break
            data += block
    os.close(master)
    return data.decode()


def test_lines_in_a_log():
    stdout, stderr = run({})
    assert stdout == []
    assert stderr[:3] == [
        "nano on cpu",
        "warning: [red]strange[/red] thing",
        "in[bold].mp4 with a name that goes on and on and on: 12 frames",
    ]
    assert stderr[3].startswith("3 of 12 frames, ")
    assert stderr[3].endswith(" left")
    assert " fps, " in stderr[3]
    assert stderr[-1] == "out.mp4: 12 frames in 2.0 s, 6.0 fps"


def test_lines_without_a_known_total():
    _, stderr = run({"progress": "plain"}, total=None)
    assert stderr[2].endswith("an unknown number of frames")
    assert stderr[3].startswith("3 frames, ")


@pytest.mark.parametrize(
    ("options", "count"), [({"progress": "none"}, 3), ({"quiet": True}, 1), ({"quiet": True, "progress": "plain"}, 1)]
)
def test_less_is_said_when_asked(options, count):
    stdout, stderr = run(options)
    assert stdout == []
    assert len(stderr) == count
    assert any(line.startswith("warning: ") for line in stderr)


def test_events():
    stdout, stderr = run({"json": True})
    assert stderr == []
    events = [json.loads(line) for line in stdout]
    assert [event["type"] for event in events] == ["message", "message", "start", *["progress"] * 4, "done"]
    assert events[2]["total_frames"] == 12
    assert [event["frames"] for event in events[3:7]] == [3, 6, 9, 12]
    assert events[-1] == {"type": "done", "output": "out.mp4", "frames": 12, "seconds": 2.0, "device": "cpu"}
    assert [json.loads(line)["type"] for line in run({"json": True, "progress": "none"})[0]][-2:] == ["start", "done"]


def test_a_bar_on_a_terminal():
    shown = run_on_terminal({}, 100)
    for text in ("12/12 frames", "fps", "in[bold].mp4", "━", "warning: [red]strange[/red] thing", "\x1b[?25h"):
        assert text in shown
    assert "name that goes on and on and on" not in shown


def test_numbers_rather_than_a_bar_on_a_narrow_terminal():
    shown = run_on_terminal({}, 30)
    assert "12/12 frames" in shown
    assert "━" not in shown


def test_no_colour_when_asked():
    assert "\x1b[3" in run_on_terminal({}, 100)
    shown = run_on_terminal({}, 100, NO_COLOR="1")
    assert "12/12 frames" in shown
    assert not any(f"\x1b[{code}" in shown for code in ("31", "32", "33", "35", "36", "38"))


def test_a_dumb_terminal_gets_lines():
    assert "━" not in run_on_terminal({}, 100, TERM="dumb")
    assert "━" not in run_on_terminal({"progress": "plain"}, 100)


def test_the_cursor_comes_back_after_a_failure():
    assert run_on_terminal({}, 100, "fail").rindex("\x1b[?25h") > 0


def test_pairs_and_tables_stay_on_their_lines(capsys):
    print_pairs([("name", "a\nb"), ("longer", ""), ("x", 3)])
    assert capsys.readouterr().out == "name    a b\nlonger\nx       3\n"
    print_table(("one", "two"), [("[bold]a[/bold]", "b " * 200), ("", "c")])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[1].startswith("[bold]a[/bold]  b b b")


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (4_294_967_296, "4.3 GB"), (10**16, "10000.0 TB")],
)
def test_bytes(number, text):
    assert human_bytes(number) == text


def test_the_reporter_follows_the_options(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert type(make_reporter(OutputOptions(json=True))) is output.EventReporter
    assert type(make_reporter(OutputOptions())) is output.LineReporter


@pytest.mark.parametrize(
    "arguments", [("info", "in.mp4"), ("info", "in.mp4", "--json"), ("edit", "in.mp4", "x", "-o", "-")]
)
def test_standard_output_that_is_closed(tmp_path, arguments):
    make_clip(tmp_path / "in.mp4", frames=2)
    program = "import sys; from movie_cli.cli import main; sys.exit(main())"
    shell = ["sh", "-c", 'exec "$0" -c "$@" >&-', sys.executable, program, *arguments]
    found = subprocess.run(shell, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert found.returncode == 7
    assert found.stderr.splitlines()[0] == "error: standard output is closed"
    assert len(found.stderr.splitlines()) == 2
