"""The suite of `movie eval`: clips, instructions and models, in a TOML file or in the layout of TGVE.

Every path exists and every key is known before anything is edited; paths count from the suite file's folder. The
benchmark of the LOVEU text-guided video editing challenge (TGVE 2023) is read as it is published: 76 clips in the
folders DAVIS_480p, youtube_480p and videvo_480p, frames in `480p_frames/NAME/00000.jpg`, videos in
`480p_videos/NAME.mp4`; a yaml file a clip, `SET/NAME.yaml`, with the source's caption (`train_data.prompt`) and four
prompts (`validation_data.prompts`: style, object, background, multiple), which are captions of the edited video. Yaml
files and clips may lie in folders of their own under the one given.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from movie_cli.errors import SourceError, UsageError, did_you_mean
from movie_cli.recipe import DEFAULT_IMAGE_SCALE, DEFAULT_TEXT_SCALE

FRAMES = 32
"""Frames of a clip that are measured, from its beginning, unless the suite says otherwise."""


@dataclass(frozen=True)
class SuiteEdit:
    """One instruction. `caption` describes the edited video, for measures by text; the instruction where it is "".

    `reference` is a video of the wanted result, `name` what tables call the edit.
    """

    instruction: str
    name: str
    caption: str = ""
    reference: Path | None = None


@dataclass(frozen=True)
class Clip:
    """One source. `caption` describes it. `mask` is a picture that is white where edits may change something."""

    name: str
    path: Path
    edits: tuple[SuiteEdit, ...]
    caption: str = ""
    mask: Path | None = None


@dataclass(frozen=True)
class Suite:
    """What is measured: every model on every edit of every clip, at the scales given, over at most `frames` frames."""

    clips: tuple[Clip, ...]
    models: tuple[str, ...] = ("nano",)
    frames: int = FRAMES
    text_scale: float = DEFAULT_TEXT_SCALE
    image_scale: float = DEFAULT_IMAGE_SCALE

    def narrowed(self, models: tuple[str, ...], frames: int | None) -> Suite:
        """The suite with other models or another number of frames, where those are given."""
        return replace(self, models=models or self.models, frames=frames or self.frames)


_SUITE = {"models", "instructions", "frames", "text_scale", "image_scale", "clips"}
_CLIP = {"path", "name", "caption", "mask", "instructions"}
_EDIT = {"instruction", "name", "caption", "reference"}


def read_suite(path: Path) -> Suite:
    """Read a TOML file, or a folder as `read_tgve` does.

    Raises:
        UsageError: the file is no suite; the sentence names the key.
        SourceError: it, or a file that it names, is missing.
    """
    if path.is_dir():
        return Suite(read_tgve(path))
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SourceError(f"{path} does not exist", "name a suite file, or a folder in the layout of TGVE") from error
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} is no suite: {error}", "docs/evaluation.md shows one") from error
    _check_keys(values, _SUITE, str(path))
    clips = values.get("clips", [])
    if not isinstance(clips, list) or not clips:
        raise UsageError(f"{path} names no clips", "add a table [[clips]] with a path")
    shared = values.get("instructions", [])
    suite = Suite(
        clips=tuple(_clip(path, number, clip, shared) for number, clip in enumerate(clips, 1)),
        models=tuple(_texts(values.get("models", ["nano"]), f"{path}: models")),
        frames=_number(values, "frames", FRAMES, str(path), whole=True),
        text_scale=_number(values, "text_scale", DEFAULT_TEXT_SCALE, str(path)),
        image_scale=_number(values, "image_scale", DEFAULT_IMAGE_SCALE, str(path)),
    )
    names = [clip.name for clip in suite.clips]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"{path}: two clips are called {twice[0]}", "give each a name")
    return suite


def _clip(suite: Path, number: int, values: Any, shared: Any) -> Clip:
    where = f"{suite}: clip {number}"
    if not isinstance(values, dict):
        raise UsageError(f"{where} is not a table", 'write [[clips]] and under it path = "..."')
    _check_keys(values, _CLIP, where)
    path = _file(suite, values.get("path"), f"{where}: path")
    edits = tuple(_edit(suite, edit, where) for edit in (values.get("instructions") or shared))
    if not edits:
        raise UsageError(f"{where} has no instructions", "give them to the clip, or to all at the top of the file")
    names = [edit.name for edit in edits]
    if len(set(names)) < len(names):
        raise UsageError(f"{where}: two edits have the same name", "give each a name")
    mask = values.get("mask")
    return Clip(
        name=str(values.get("name", path.stem)),
        path=path,
        edits=edits,
        caption=str(values.get("caption", "")),
        mask=None if mask is None else _file(suite, mask, f"{where}: mask"),
    )


def _edit(suite: Path, values: Any, where: str) -> SuiteEdit:
    """An instruction as a text, or as a table with a caption, a name and a reference video."""
    if isinstance(values, str) and values.strip():
        return SuiteEdit(values, values)
    if not isinstance(values, dict) or not str(values.get("instruction", "")).strip():
        raise UsageError(f"{where}: an instruction is neither a text nor a table with one", "see docs/evaluation.md")
    _check_keys(values, _EDIT, where)
    text = str(values["instruction"])
    reference = values.get("reference")
    return SuiteEdit(
        text,
        str(values.get("name", text)),
        str(values.get("caption", "")),
        None if reference is None else _file(suite, reference, f"{where}: reference"),
    )


def _file(suite: Path, value: Any, where: str) -> Path:
    if not isinstance(value, str) or not value:
        raise UsageError(f"{where} is missing", "name a file")
    path = suite.parent / value
    if not path.exists():
        raise SourceError(f"{where}: {path} does not exist", "paths count from the suite file's folder")
    return path


def _texts(value: Any, where: str) -> list[str]:
    if not isinstance(value, list) or not value or not all(isinstance(item, str) and item for item in value):
        raise UsageError(f"{where} is not a list of texts", 'write them as ["a", "b"]')
    return value


def _number(values: Mapping[str, Any], key: str, default: float, where: str, *, whole: bool = False) -> Any:
    value = values.get(key, default)
    right = isinstance(value, int) if whole else isinstance(value, int | float)
    if isinstance(value, bool) or not right or not 0 < value < 100_000:
        raise UsageError(f"{where}: {key} is {value!r}, not a {'whole ' if whole else ''}number above 0")
    return value


def _check_keys(values: Mapping[str, Any], known: set[str], where: str) -> None:
    for key in values:
        if key not in known:
            hint = did_you_mean(key, known, f"there are {', '.join(sorted(known))}")
            raise UsageError(f"{where}: there is no key {key}", hint)


KINDS = ("style", "object", "background", "multiple")


def read_tgve(folder: Path) -> tuple[Clip, ...]:
    """All clips with a yaml file, in the order of their names.

    Raises:
        SourceError: there are none, or a clip's video is missing.
        UsageError: a yaml file does not have the benchmark's form.
    """
    import yaml

    clips = []
    for path in sorted(folder.rglob("*.yaml")):
        try:
            values = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise UsageError(f"{path} cannot be read: {error}") from error
        if _is_clip(values):
            clips.append(_tgve_clip(folder, path, values))
    if not clips:
        raise SourceError(
            f"{folder} holds no clips in the layout of TGVE",
            "it needs a yaml file a clip, with train_data.prompt and validation_data.prompts",
        )
    return tuple(clips)


def _is_clip(values: Any) -> bool:
    """Other yaml files, such as the template, lie there too."""
    if not isinstance(values, dict):
        return False
    data, prompts = values.get("train_data"), values.get("validation_data")
    return isinstance(data, dict) and bool(data.get("prompt")) and isinstance(prompts, dict) and "prompts" in prompts


def _tgve_clip(folder: Path, path: Path, values: dict[str, Any]) -> Clip:
    prompts = values["validation_data"]["prompts"]
    if not isinstance(prompts, dict) or not all(isinstance(prompts.get(kind), str) for kind in KINDS):
        raise UsageError(f"{path} does not have the four prompts {', '.join(KINDS)}")
    return Clip(
        name=f"{path.parent.name}/{path.stem}",
        path=_video(folder, path),
        edits=tuple(SuiteEdit(prompts[kind], kind, prompts[kind]) for kind in KINDS),
        caption=str(values["train_data"]["prompt"]),
    )


def _video(folder: Path, config: Path) -> Path:
    """The clip's frames or video, wherever its set lies under the folder; frames first, which are the originals."""
    name, subset = config.stem, config.parent.name
    sets = [path for path in sorted(folder.rglob(subset)) if path.is_dir()]
    for place in sets:
        frames = place / "480p_frames" / name
        if (frames / "00000.jpg").is_file():
            return frames / "%05d.jpg"
    for place in sets:
        video = place / "480p_videos" / f"{name}.mp4"
        if video.is_file():
            return video
    raise SourceError(
        f"{config} has neither {subset}/480p_frames/{name} nor {subset}/480p_videos/{name}.mp4",
        "unpack the benchmark's clips into the same folder",
    )
