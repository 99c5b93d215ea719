"""From what the page's controls say to a recipe, to the command that makes the same edit, and that as a process.

The page never names a file: source, output, model and machine are those of the command line that opened it. The edit
is a process of its own, so that the page is never held up by it, and tells how it goes by its events (`--json`).
Stopped, it keeps its finished segments, if any, and the same command with `--resume` goes on.
"""

from __future__ import annotations

import dataclasses
import json
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from movie_cli.child import module_command
from movie_cli.errors import UsageError
from movie_cli.options import options_of
from movie_cli.recipe import AnchorRule, Recipe

CONTROLS = (
    *("instruction", "text_scale", "image_scale", "seed", "steps", "anchors", "detail"),
    *("only", "except_for", "feather"),
)
"""Fields of the recipe that the page sets: what is done, and where."""


def recipe_of(values: Any, model: str) -> Recipe:
    """The recipe that a page asks for.

    Raises:
        UsageError: a value is none of a control's, of another type, or out of range.
    """
    if not isinstance(values, dict) or set(values) - {*CONTROLS}:
        raise UsageError(f"a page sets nothing but its controls: {', '.join(CONTROLS)}")
    recipe = Recipe.of({**values, "model": model})
    recipe.scales  # noqa: B018 - refuses those that change over time
    if AnchorRule.parse(recipe.anchors).moves:
        raise UsageError(f"{recipe.anchors} moves with the clip, of which only single frames are shown")
    return recipe


def controls_of(recipe: Recipe) -> dict[str, Any]:
    """What the page's controls show of a recipe."""
    return {name: getattr(recipe, name) for name in CONTROLS}


def edit_arguments(source: str, output: str, recipe: Recipe, usual: Recipe, machine: Mapping[str, Any]) -> list[str]:
    """What stands after `movie` to make the edit; `usual` is what `movie edit` does here when nothing is said.

    `machine` holds options about where it runs, those that are not as usual.
    """
    options = ["-o", output]
    for name, one in options_of(Recipe).items():
        value = getattr(recipe, name)
        if one.typed and value is not None and value != getattr(usual, name):
            options += one.typed_as(value)
    for name, value in machine.items():
        options += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
    words = [source, recipe.instruction]
    if any(word.startswith("-") for word in words):
        return ["edit", *options, "--", *words]
    return ["edit", *words, *options]


def as_typed(arguments: list[str]) -> str:
    """The command as one types it into a shell."""
    return shlex.join(["movie", *arguments])


PATIENCE = 20.0
"""Seconds that a stopped edit may take to put its segments away."""


@dataclass(frozen=True)
class EditState:
    """How an edit stands: `frames` of `total` are done, `seconds_left` is None while that is not known.

    `kept` is whether one that was stopped or failed has anything to go on from.
    """

    state: Literal["idle", "running", "stopping", "stopped", "failed", "done"] = "idle"
    frames: float = 0
    total: int | None = None
    fps: float | None = None
    seconds_left: float | None = None
    note: str = ""
    output: str = ""
    kept: bool = False

    @property
    def runs(self) -> bool:
        """Whether its process is there."""
        return self.state in {"running", "stopping"}


class EditProcess:
    """At most one edit at a time. `changed` hears of every change, from a thread of this object's own."""

    def __init__(self) -> None:
        self.state = EditState()
        self.changed: Callable[[EditState], None] = lambda _: None
        self._lock = threading.RLock()
        self._process: subprocess.Popen[str] | None = None
        self._thread: threading.Thread | None = None

    def start(self, arguments: list[str], output: str) -> None:
        """Run `movie` with these arguments, which make `output`.

        Raises:
            UsageError: one is running.
        """
        with self._lock:
            if self.state.runs:
                raise UsageError("an edit is running already", "wait for it, or stop it")
            self._process = subprocess.Popen(  # noqa: S603 - a list of arguments, no shell
                [*module_command("movie_cli"), *arguments, "--json"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                errors="replace",
                # Ctrl-C in the terminal is for the server, which passes it on once.
                start_new_session=True,
            )
            self._set(EditState("running", output=output, note="starting"))
            self._thread = threading.Thread(target=self._follow, args=(self._process,), daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Interrupt it, as Ctrl-C does; does nothing where none is running."""
        with self._lock:
            if self.state.state == "running" and self._process is not None:
                self._set(dataclasses.replace(self.state, state="stopping", note="putting finished frames away"))
                self._process.send_signal(signal.SIGINT if sys.platform != "win32" else signal.SIGTERM)

    def end(self) -> None:
        """Stop it and wait until it is gone."""
        self.stop()
        process, thread = self._process, self._thread
        if process is None or thread is None:
            return
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
        thread.join(PATIENCE)

    def _set(self, state: EditState) -> None:
        with self._lock:
            self.state = state
        self.changed(state)

    def _follow(self, process: subprocess.Popen[str]) -> None:
        error: dict[str, Any] = {}
        with process:
            for line in process.stdout or ():
                try:
                    event = json.loads(line)
                except ValueError:
                    continue
                if event.get("type") == "error":
                    error = event
                else:
                    self._set(_after(self.state, event))
        code = process.returncode
        if code == 0:
            self._set(dataclasses.replace(self.state, state="done", seconds_left=0))
            return
        hint = error.get("hint", "")
        kept = "--resume" in hint
        # While Python itself begins, it ends without a word, by the signal or with any code.
        if code == 130 or (self.state.state == "stopping" and not error):
            self._set(dataclasses.replace(self.state, state="stopped", note=hint, kept=kept))
            return
        note = f"{error.get('message', f'it ended with code {code}')}. {hint}".strip()
        self._set(dataclasses.replace(self.state, state="failed", note=note, kept=kept))


def _after(state: EditState, event: dict[str, Any]) -> EditState:
    """The state after an event of `movie edit --json`."""
    kind = event.get("type")
    if kind == "start":
        return dataclasses.replace(state, total=event["total_frames"], note="")
    if kind == "progress":
        return dataclasses.replace(
            state, frames=event["frames"], fps=event["fps"], seconds_left=event["seconds_left"], note=""
        )
    if kind == "message":
        return dataclasses.replace(state, note=event["text"])
    if kind == "done":
        return dataclasses.replace(state, frames=event["frames"], total=event["frames"], note="")
    return state
