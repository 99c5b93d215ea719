"""Reads the benchmark of the LOVEU text-guided video editing challenge (TGVE 2023) as it is published.

76 clips in the folders DAVIS_480p, youtube_480p and videvo_480p, frames in `480p_frames/NAME/00000.jpg` and videos in
`480p_videos/NAME.mp4`; a yaml file a clip, `SET/NAME.yaml`, with the source's caption (`train_data.prompt`) and four
prompts (`validation_data.prompts`: style, object, background, multiple). The prompts are captions of the edited video.
Yaml files and clips may lie in folders of their own under the one given.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from movie_cli.errors import SourceError, UsageError
from movie_cli.evaluation.quality.suite import Clip, Edit

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
            clips.append(_clip(folder, path, values))
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


def _clip(folder: Path, path: Path, values: dict[str, Any]) -> Clip:
    prompts = values["validation_data"]["prompts"]
    if not isinstance(prompts, dict) or not all(isinstance(prompts.get(kind), str) for kind in KINDS):
        raise UsageError(f"{path} does not have the four prompts {', '.join(KINDS)}")
    return Clip(
        name=f"{path.parent.name}/{path.stem}",
        path=_video(folder, path),
        edits=tuple(Edit(prompts[kind], kind, prompts[kind]) for kind in KINDS),
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
