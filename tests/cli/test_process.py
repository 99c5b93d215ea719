"""The program as a process: what its start loads, how it asks on a terminal, what it makes of errors and of signals."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import forked
from tests.cli.running import MOVIE, Finished, assert_refused
from tests.media.clips import make_clip


def test_help_and_version_load_nothing_heavy():
    code = """
import json, sys
from movie_cli.cli import main
for words in json.loads(sys.argv[1]):
    code = main(words)
    heavy = {"torch", "av", "diffusers", "transformers", "numpy", "huggingface_hub", "safetensors"} & set(sys.modules)
    print(json.dumps([words, code, sorted(heavy)]), file=sys.stderr)
"""
    asked = [["--help"], ["--version"], ["edit", "--help"], ["cache", "-h"], ["models", "show", "-h"]]
    command = [sys.executable, "-c", code, json.dumps(asked)]
    found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert [json.loads(line) for line in found.stderr.splitlines()] == [[words, 0, []] for words in asked]
    assert found.stdout.count("Usage: movie") == 4


def test_the_installed_program_answers():
    program = Path(sys.executable).with_name("movie")
    if not program.exists():
        pytest.skip("the package is not installed beside this Python")
    found = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=60)
    assert found.stdout.startswith("movie ")


@pytest.mark.parametrize(("answer", "kept"), [("n", True), ("", True), ("y", False), ("\x03", True)])
def test_on_a_terminal_an_existing_output_is_asked_about(tmp_path, answer, kept):
    (tmp_path / "in.mp4").write_bytes(b"no video")
    (tmp_path / "out.mp4").write_bytes(b"precious")
    code, shown = answered(tmp_path, ["edit", "in.mp4", "make it winter", "-o", "out.mp4"], b"Replace it?", answer)
    assert code == {"y": 3, "\x03": 130}.get(answer, 2), shown
    assert (b"exists and is kept" in shown) == (kept and answer != "\x03")
    assert (tmp_path / "out.mp4").read_bytes() == b"precious"


def test_on_a_terminal_many_frames_of_an_unknown_edit_are_asked_about(tmp_path):
    make_clip(tmp_path / "in.mp4", frames=600, size=(32, 32))
    words = ["edit", "in.mp4", "put a hat on the dog", "-o", "out.mp4", "--size", "64x48"]
    code, shown = answered(tmp_path, words, b"nevertheless?", "n", forked.program())
    assert code == 2, shown
    assert b"600 frames" in shown
    assert b"nothing was edited" in shown
    assert not (tmp_path / "out.mp4").exists()


def answered(folder, words, question, answer, program=MOVIE):
    """The exit code of a command on a terminal that is answered when it asks, and what it showed."""
    process, master = pty.fork()
    if process == 0:  # the child, with a terminal of its own
        os.chdir(folder)
        os.execv(sys.executable, [*program, *words])
    shown = b""
    while question not in shown:
        shown += os.read(master, 1000)
    typed = answer.encode() + (b"" if answer == "\x03" else b"\n")
    os.write(master, typed)
    with contextlib.suppress(OSError):  # the other side is closed
        while True:
            if not select.select([master], [], [], 2.0)[0]:
                os.write(master, typed)  # readline drops what is typed while it sets the terminal up
                continue
            if not (block := os.read(master, 1000)):
                break
            shown += block
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    os.close(master)
    return code, shown


def test_a_broken_pipe_is_quiet(tmp_path):
    with subprocess.Popen([*MOVIE, "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


FAILING = """
import sys, time, click
from movie_cli.cli.errors import run
from movie_cli.errors import DeviceError
@click.command()
@click.argument("kind")
@click.option("--json", "as_json", is_flag=True)
def fail(kind, as_json):
    class OutOfMemoryError(RuntimeError): pass
    if kind == "wait":
        print("ready", flush=True)
        time.sleep(30)
    raise {
        "bug": ValueError("strange\\nthing"), "silent": AssertionError(),
        "memory": MemoryError(), "device": OutOfMemoryError("x"),
        "full": OSError(28, "No space left on device", "/out.mp4"), "ours": DeviceError("no such thing"),
        "interrupt": KeyboardInterrupt(),
    }[kind]
"""


@pytest.mark.parametrize(
    ("kind", "code", "said"),
    [
        ("bug", 1, "unexpected ValueError: strange thing"),
        ("silent", 1, "unexpected AssertionError"),
        ("memory", 5, "--batch-size 1"),
        ("device", 5, "--batch-size 1"),
        ("full", 7, "/out.mp4"),
        ("ours", 5, "no such thing"),
        ("interrupt", 130, "interrupted"),
    ],
)
@pytest.mark.usefixtures("movie")  # which puts back how signals are handled
def test_exceptions_become_a_line_and_a_code(kind, code, said, capfd, monkeypatch):
    names = {}
    exec(FAILING, names)
    assert_refused(Finished(names["run"](names["fail"], [kind]), *capfd.readouterr()), code, said)
    monkeypatch.setenv("MOVIE_DEBUG", "1")
    assert names["run"](names["fail"], [kind]) == code
    assert "Traceback" in capfd.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_interrupt(number):
    command = [sys.executable, "-c", FAILING + "sys.exit(run(fail))", "wait"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.1)
        process.send_signal(number)
        error = process.stderr.read()
    assert process.returncode == 130
    assert error.startswith("error: interrupted")
