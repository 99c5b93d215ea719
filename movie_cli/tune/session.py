"""What a page can ask for: frames of the source, what recipes make of them, a short loop, a preset, the edit.

Pictures of the source come from a thread that decodes, edited ones from the one that runs the model. Knows nothing of
HTTP.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from movie_cli import remote
from movie_cli.backends import Carry, Pixels
from movie_cli.checkpoints.store import open_model
from movie_cli.editing.directing import advice, understood
from movie_cli.editing.editor import Editor
from movie_cli.editing.frames import FrameEditor, Latest, SourceFrames, open_editor
from movie_cli.editing.request import PreviewRequest, output_exists
from movie_cli.errors import UsageError
from movie_cli.kinds import TimeValue
from movie_cli.looks import looks_of
from movie_cli.media import FrameReader, probe
from movie_cli.models.detail import transfer
from movie_cli.models.region_names import PLACES
from movie_cli.presets import list_presets, save_preset
from movie_cli.recipe import Recipe
from movie_cli.tune.command import EditProcess, as_typed, controls_of, edit_arguments, recipe_of
from movie_cli.tune.pictures import Picture, at_most, jpeg, player_films, png, veil
from movie_cli.tune.requests import Worker

THUMBNAILS, THUMBNAIL_WIDTH = 8, 160
LOOP_SECONDS, LOOP_FRAMES = 2, 48
LONGEST_SIDE = 1920
"""Pixels of the longer side of what is shown with the source's detail: larger outputs are shown smaller."""
URGENCIES = ("frame", "fine", "grid", "loop", "wall")
"""Kinds of pictures that the model makes, the most urgent first."""
MOST_MADE = 12
"""Edited frames that are kept, for what only their detail and place change."""


class Session:
    """One source and one model, looked at from any number of pages. `path` is `request.source` as a searchable file.

    Args:
        request: Source, model and machine; its recipe is what the page begins with, with an empty `instructions` where
            none was given.
        path: The source as a file that can be searched.
        usual: What `movie edit` does here where nothing is said.
        machine: Options about where it runs that are not as usual.
        output: Where an edit goes that is started from a page; None for a name that nothing has.
        folder: An empty folder for copies that browsers can play.
        say: Hears of choices that are made when the model is opened.

    Raises:
        SourceError: the source cannot be read.
        ModelError: there is no such checkpoint.
    """

    def __init__(
        self,
        request: PreviewRequest,
        path: Path,
        usual: Recipe,
        machine: Mapping[str, Any],
        output: str | None,
        folder: Path,
        say: Callable[[str], None],
    ) -> None:
        self.request, self.path, self.info = request, path, probe(path)
        self.descriptor = open_model(request.recipe.model, request.offline)
        self._usual, self._machine, self._folder, self._say = usual, machine, folder, say
        self._asked_output = output
        self._started: list[str] = []
        self._playable: list[Path] = []
        self.size = Editor.size_for(self.descriptor, *self.info.video.presentation_size)
        self.shown = at_most(self.info.video.display_size, LONGEST_SIDE)
        self._frames = SourceFrames(path, self.info, self.size)
        self._decoder = ThreadPoolExecutor(1, "decoder")
        self._worker = Worker()
        self._editor: FrameEditor | None = None
        self._made: Latest[Pixels] = Latest(MOST_MADE)
        self._loops: Latest[list[tuple[float, Pixels]]] = Latest(2)
        self._runs: dict[str, tuple[Any, Carry, int]] = {}
        self.edit = EditProcess()
        self.opening: Future[None] = self._worker.submit("opening", -1, self._open)

    def _open(self) -> None:
        editor = open_editor(self.descriptor, self.request, self.size, 1, self._say)
        self._editor = FrameEditor(self._frames, editor)

    @property
    def computes(self) -> bool:
        """Whether the model's thread is there: also after `close`, in the middle of a frame that takes long."""
        return self._worker.runs

    def close(self) -> None:
        """Stop the edit if one is running, and end the threads."""
        self.edit.end()
        self._worker.stop()
        self._decoder.shutdown(cancel_futures=True)

    def about(self) -> dict[str, Any]:
        """What a page shows before anything is edited."""
        length, rate = self.info.length or 0.0, self.info.video.average_rate
        descriptor, start = self.descriptor, self.request.recipe
        looks = [{"title": look.title, "words": look.words} for look in looks_of(descriptor.edits)]
        presets: list[dict[str, Any]] = [
            {"name": preset.name, "description": preset.description, "values": controls_of(preset.recipe)}
            for preset in list_presets()
            if preset.values.get("model", start.model) == start.model  # the page keeps to one, and to numbers
            and preset.recipe.is_plain
        ]
        return {
            "source": Path(self.request.source).name,
            "aspect": self.info.video.presentation_size,
            "length": length,
            "step": 1 / float(rate) if rate else 0.04,
            "place": f"{length / 2:.2f}",
            "thumbnails": [f"{(number + 0.5) / THUMBNAILS * length:.2f}" for number in range(THUMBNAILS)],
            "fine": self.shown != self.size,
            "model": descriptor.name,
            "steps": descriptor.steps,
            "ranges": {"text_scale": descriptor.text_scale_range, "image_scale": descriptor.image_scale_range},
            "looks": looks or [{"title": each["name"], "words": each["values"]["instruction"]} for each in presets],
            "open": not looks,
            "places": list(PLACES),
            "presets": presets,
            "settings": controls_of(start) | ({} if self.request.instructions else {"instruction": ""}),
        }

    # Pictures of the source

    def source_picture(self, place: str, width: int | None) -> Future[Picture]:
        """A frame of the source: a small one of a width, or as edited ones are shown with their detail."""
        at = _place(place)

        def read() -> Picture:
            if width is not None:
                return jpeg(self._frames.at(at)[0], self._small(width))
            if self.shown == self.size:
                return png(self._frames.at(at)[0])
            return jpeg(self._frames.whole(at)[0], self.shown)

        return self._decoder.submit(read)

    def loop(self, place: str) -> Future[dict[str, Any]]:
        """Read two seconds from a place on; how many pictures of it are shown, and when, in seconds from its begin."""
        return self._decoder.submit(
            lambda: {"times": [round(time - self._loop(place)[0][0], 4) for time, _ in self._loop(place)]}
        )

    def loop_picture(self, place: str, index: int) -> Future[Picture]:
        """One picture of the loop as it is in the source."""
        return self._decoder.submit(lambda: jpeg(self._of_loop(place, index)[1]))

    def _small(self, width: int) -> tuple[int, int]:
        """The size of a picture of a width that has the film's shape."""
        across, down = self.info.video.presentation_size
        return width, max(1, round(width * down / across))

    def _of_loop(self, place: str, index: int) -> tuple[float, Pixels]:
        frames = self._loop(place)
        if not 0 <= index < len(frames):
            raise UsageError("the loop has no such picture")
        return frames[index]

    def _loop(self, place: str) -> list[tuple[float, Pixels]]:
        return self._loops.get(_place(place), lambda: self._read_loop(_place(place)))

    def _read_loop(self, place: TimeValue) -> list[tuple[float, Pixels]]:
        span = self._frames.span(place, TimeValue.parse(f"{LOOP_SECONDS}"))
        every = max(1, math.ceil((span.frames or LOOP_FRAMES) / LOOP_FRAMES))
        also = None if self.size == self.info.video.display_size else self.size
        found: list[tuple[float, Pixels]] = []
        with FrameReader(self.path, start=span.start, end=span.end, info=self.info, also_size=also) as reader:
            for number, frame in enumerate(reader):
                if number % every == 0:
                    found.append((frame.time - float(self.info.video.begin), frame.working))
                if len(found) == LOOP_FRAMES:
                    break
        return found

    # Edited pictures

    def edited(self, page: str, kind: str, place: str, settings: Any, index: int = 0) -> Future[Picture]:
        """What the settings make of a frame. One that waits is dropped for a later one of the same page and kind.

        Kinds: `frame` at the working size, as `movie preview` shows it; `fine` with the source's detail, as
        `movie edit` writes it; `grid` and `wall`, small; `loop`, the picture of that index.

        Raises:
            UsageError: the settings or the place cannot be meant.
        """
        recipe, at = self.recipe(settings), _place(place)
        if kind not in URGENCIES:
            raise UsageError("there is no such kind of picture")

        def make() -> Picture:
            editor = self._opened()
            if kind == "loop":
                pixels = self._edit_loop(editor, page, place, recipe, index)
            else:
                plain = dataclasses.replace(recipe, detail=1.0, only=None, except_for=None, feather=0.0)
                pixels = self._made.get((plain, at), lambda: editor.edited(plain, at, whole=True))
                whole = small = self._frames.at(at)[0]
                if kind == "fine" and self.shown != self.size:
                    whole, small = self._frames.whole(at)
                    pixels = transfer(whole, small, pixels, self.shown, recipe.detail)
                pixels = editor.bounded(recipe, whole, small, pixels)
            if kind in {"frame", "fine"}:
                picture = png(pixels)
            else:
                picture = jpeg(pixels, None if kind == "loop" else self._small(2 * THUMBNAIL_WIDTH))
            texts = [(words, editor.editor.embed(words)) for words in editor.course(recipe).texts]
            told = next(filter(None, (advice(self.descriptor, *each) for each in texts)), "")
            where = understood(self.descriptor, recipe).get("place", "")
            return dataclasses.replace(picture, advice=told, where=where)

        return self._worker.submit((page, kind), URGENCIES.index(kind), make)

    def veil(self, page: str, place: str, settings: Any) -> Future[Picture]:
        """Where the edit of a frame goes, as a colour to be laid over it. The latest of a page counts.

        Raises:
            UsageError: the settings or the place cannot be meant.
        """
        recipe, at = self.recipe(settings), _place(place)
        return self._worker.submit((page, "veil"), 0, lambda: veil(self._opened().mask(recipe, self._frames.at(at)[0])))

    def _opened(self) -> FrameEditor:
        if self._editor is None:
            raise UsageError("the model could not be opened")
        return self._editor

    def _edit_loop(self, editor: FrameEditor, page: str, place: str, recipe: Recipe, index: int) -> Pixels:
        seconds, pixels = self._of_loop(place, index)
        # A recurrent network is shown pictures in order: another order begins anew.
        run, carry, following = self._runs.pop(page, (None, Carry(), 0))
        if run != (place, recipe) or index != following:
            carry = Carry()
        edited = editor.edit(recipe, pixels[None], seconds, [carry])[0]
        self._runs = {page: ((place, recipe), carry, index + 1)}
        return edited

    def recipe(self, settings: Any) -> Recipe:
        """The recipe that a page asks for.

        Raises:
            UsageError: it cannot be meant.
        """
        return recipe_of(settings, self.request.recipe.model)

    # The edit

    def command(self, recipe: Recipe) -> str:
        """What one types for the edit."""
        return as_typed(self._arguments(recipe, self.output))

    def _arguments(self, recipe: Recipe, output: str) -> list[str]:
        return edit_arguments(self.request.source, output, recipe, self._usual, self._machine)

    @property
    def output(self) -> str:
        """Where the next edit goes: as asked on the command line, else a name in this folder that nothing has."""
        if self._asked_output is not None:
            return self._asked_output
        source = self.request.source
        name = remote.file_name(source) if remote.is_url(source) else Path(source).name
        free = first = f"{Path(name).stem}-tuned.mp4"
        number = 1
        while output_exists(free):
            number += 1
            free = f"{Path(first).stem}-{number}.mp4"
        return free

    def start_edit(self, settings: Any, *, replace: bool) -> None:
        """Start the edit that the settings say; `replace` an output that is there.

        Raises:
            UsageError: they cannot be meant, an edit is running, or the output exists and is to stay.
        """
        output = self.output
        if output_exists(output) and not replace:
            raise UsageError(f"{output} exists")
        self._started = [*self._arguments(self.recipe(settings), output), *(["-y"] if replace else [])]
        self.edit.start(self._started, output)

    def resume_edit(self) -> None:
        """Go on with the edit that was stopped.

        Raises:
            UsageError: there is none.
        """
        if self.edit.state.state not in {"stopped", "failed"}:
            raise UsageError("no edit was stopped", "start one")
        self.edit.start([*self._started, "--resume"], self.edit.state.output)

    def films(self) -> dict[str, Any]:
        """Source and finished edit for the player of `movie compare`; what browsers do not play is copied first.

        Raises:
            UsageError: no edit is done.
            SourceError: a film cannot be read.
        """
        if self.edit.state.state != "done":
            raise UsageError("no edit is done yet")
        told, self._playable = player_films(self.path, self.info, Path(self.edit.state.output), self._folder)
        return told

    def film(self, number: int) -> Path:
        """The file that a film of the player is played from.

        Raises:
            UsageError: there is none of that number.
        """
        if not 0 <= number < len(self._playable):
            raise UsageError("there is no such film")
        return self._playable[number]

    def save_preset(self, name: Any, settings: Any) -> str:
        """Write the settings as a preset; what one types for it.

        Raises:
            UsageError: the name is none or taken.
            OutputError: the settings file cannot be written.
        """
        recipe = self.recipe(settings)
        usual = Recipe(recipe.instruction)
        values = {
            field.name: getattr(recipe, field.name)
            for field in dataclasses.fields(Recipe)
            if field.name == "instruction" or getattr(recipe, field.name) != getattr(usual, field.name)
        }
        save_preset(name if isinstance(name, str) else "", values)
        return as_typed(["edit", self.request.source, "--preset", str(name), "-o", self.output])


def _place(text: str) -> TimeValue:
    if len(text) > 20:
        raise UsageError("that is no place in a film")
    return TimeValue.parse(text)
