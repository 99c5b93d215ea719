"""What is on the screen of terminals, by tmux: narrow, wide, without colour or Unicode, dumb, for screen readers."""

from __future__ import annotations

import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import forked, tiny
from tests.cli.running import MOVIE
from tests.comparison.clips import counting

if shutil.which("tmux") is None:
    pytest.skip("tmux is not installed", allow_module_level=True)

COLOUR = re.compile(r"\x1b\[[\d;]*(?:3[0-7]|38|4[0-7]|48|9[0-7])(?:;[\d;]*)?m")
SECONDS = 90


@dataclass(frozen=True)
class Screen:
    """What stands on the screen, its lines without trailing blanks, and all bytes that were sent to it."""

    lines: list[str]
    coloured: str
    sent: bytes

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def words(self) -> str:
        """The text as if no line were broken."""
        return " ".join(line.strip() for line in self.lines)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("terminal")
    tiny.one_step(made / "tiny")
    counting(made / "a clip with a rather long name [bold] (1).mp4", count=24)
    return made


@pytest.fixture
def screen(folder, tmp_path):
    """Run `movie` in a terminal of a width and give what is on the screen when it has ended."""
    runs = itertools.count()

    def run(*arguments: str, width: int = 100, **environment: str) -> Screen:
        number = next(runs)
        socket = f"movie-{os.getpid()}-{tmp_path.name}-{number}"

        def tmux(*words: str) -> str:
            command = ["tmux", "-L", socket, "-f", os.devnull, *words]
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout

        ended, sent = tmp_path / f"ended-{number}", tmp_path / f"sent-{number}"
        variables = {"MOVIE_HOME": str(tmp_path), "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
        exports = "; ".join(f"export {name}={shlex.quote(value)}" for name, value in (variables | environment).items())
        # What Python itself reads as it starts is for a program that starts.
        typed = shlex.join([*(MOVIE if "PYTHONUTF8" in environment else forked.program()), *arguments])
        # What is sent is recorded from the first byte: the program waits for the recorder.
        script = f"unset NO_COLOR COLUMNS LINES; {exports}; cd {shlex.quote(str(folder))}; "
        script += f"while [ ! -e {sent} ]; do sleep 0.05; done; "
        script += f"{typed}; touch {ended}; sleep 30"
        tmux("new-session", "-d", "-x", str(width), "-y", "60", "sh", "-c", script)
        try:
            tmux("pipe-pane", "-o", f"cat > {sent}")
            until = time.monotonic() + SECONDS
            while not ended.exists() and time.monotonic() < until:
                time.sleep(0.1)
            time.sleep(0.2)
            lines = [line.rstrip() for line in tmux("capture-pane", "-p").splitlines()]
            return Screen([line for line in lines if line], tmux("capture-pane", "-p", "-e"), sent.read_bytes())
        finally:
            tmux("kill-server")

    return run


def edit(output: Path, *more: str) -> list[str]:
    source = "a clip with a rather long name [bold] (1).mp4"
    return ["edit", source, "winter", "--model", "tiny", "--no-cache", "-y", "-o", str(output), *more]


@pytest.mark.parametrize("width", [60, 200])
def test_the_bar_takes_one_line_at_any_width(screen, tmp_path, width):
    shown = screen(*edit(tmp_path / "o.mp4"), width=width)
    # A long path is broken where the line ends.
    assert f"{tmp_path / 'o.mp4'}:24framesin" in "".join(shown.lines).replace(" ", "")
    bars = [line for line in shown.lines if re.search(r"24/24 frames [\d.]+ fps", line)]
    assert len(bars) == 1
    assert shown.lines.index(bars[0]) < next(n for n, line in enumerate(shown.lines) if str(tmp_path)[:20] in line)
    assert len(bars[0]) <= width
    assert ("━" in bars[0]) == (width >= 70)
    assert COLOUR.search(shown.coloured)
    # The cursor is given back.
    assert shown.sent.rfind(b"\x1b[?25h") > shown.sent.rfind(b"\x1b[?25l")


@pytest.mark.parametrize("width", [60, 200])
def test_tables_and_help_fit(screen, width):
    table = screen("presets", width=width)
    for name in ("dusk", "winter-night", "watercolour"):
        assert any(line.startswith(name) for line in table.lines), table.text
    assert "…" not in table.text
    assert max(map(len, table.lines)) <= width
    text = screen("--help", width=width)
    assert any(line.strip().startswith("preview") for line in text.lines)


def test_colour_can_be_switched_off(screen, tmp_path):
    assert COLOUR.search(screen("edit", "gone.mp4", "winter", "-o", "x.mp4").coloured)
    for arguments in (edit(tmp_path / "o.mp4"), ["edit", "gone.mp4", "winter", "-o", "x.mp4"]):
        assert not COLOUR.search(screen(*arguments, NO_COLOR="1").coloured)


def test_a_dumb_terminal_gets_lines(screen, tmp_path):
    shown = screen(*edit(tmp_path / "o.mp4"), TERM="dumb")
    assert b"\x1b" not in shown.sent
    assert not re.search(rb"\r(?!\r?\n)", shown.sent)
    assert "[bold] (1).mp4: 24 frames" in shown.words
    assert "24 frames in" in shown.words


def test_screen_readers_get_lines_in_order(screen, tmp_path):
    shown = screen(*edit(tmp_path / "o.mp4", "--progress", "plain"), NO_COLOR="1")
    assert b"\x1b[?25l" not in shown.sent
    assert b"\x1b[2K" not in shown.sent
    assert not re.search(rb"\r(?!\r?\n)", shown.sent)
    places = [shown.words.index(text) for text in ("tiny on cpu", "(1).mp4: 24 frames", "24 frames in")]
    assert places == sorted(places)


@pytest.mark.parametrize("arguments", ["edit", "presets", "error"])
def test_without_unicode_all_is_ascii(screen, tmp_path, arguments):
    words = {
        "edit": edit(tmp_path / "o.mp4"),
        "presets": ["presets"],
        "error": ["edit", "Füße/夏.mp4", "winter", "-o", "x.mp4"],
    }[arguments]
    shown = screen(*words, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", PYTHONIOENCODING="ascii")
    assert shown.sent.isascii()
    assert "Traceback" not in shown.text
    assert {"edit": "24/24 frames", "presets": "dusk", "error": "error: "}[arguments] in shown.text


def test_windows_paths_stay_as_they_are(screen):
    path = r"C:\Users\Zoë\clips\[new]\take.mp4"
    shown = screen("edit", path, "winter", "-o", r"D:\out\take.mp4", width=160)
    assert f"error: {path}" in shown.text
    assert "hint: " in shown.text


def test_a_sheet_is_drawn_in_half_blocks_and_refused_where_there_are_none(screen, folder):
    source = next(folder.glob("*.mp4")).name
    words = ["preview", source, "winter", "--model", "tiny"]
    drawn = screen(*words, width=80, COLORTERM="truecolor")
    assert drawn.sent.count("▄".encode()) + drawn.sent.count("▀".encode()) > 80
    assert max(map(len, drawn.lines)) <= 80
    assert "--text-scale 4 --image-scale" in drawn.text  # what the blocks are too coarse for
    dumb = screen(*words, width=80, TERM="dumb")
    assert "neither images nor Unicode blocks" in " ".join(dumb.lines)


def test_words_stay_whole_at_eighty_columns(screen, tmp_path):
    source = edit(tmp_path / "o.mp4")[1]
    shown = screen("edit", source, "put a hat on the dog", "--end", "1f", "-o", str(tmp_path / "o.mp4"), width=80)
    failed = screen("edit", "a" * 60 + ".mp4", "winter", "-o", str(tmp_path / "nowhere" / "x.mp4"), width=80)
    assert "the picture is left as it is" in shown.words
    assert "names with spaces need quotes" in failed.words
