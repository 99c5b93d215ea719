"""`python -m tools.chain`: the embedded model from an empty folder, in steps that are gone on with where they stopped.

What the steps are is in `chain.toml`. A step that is done is left alone; to do one again, delete its folder and those
of the steps that began with it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from movie_cli.backends.torch_devices import bfloat16_feature
from movie_cli.checkpoints.load import REGIONS_FOLDER
from movie_cli.errors import SourceError, UsageError
from tools.options import end

PLAN = Path(__file__).with_suffix(".toml")
DONE = "done"
"""An empty file in the folder of a step that is done."""


@dataclass(frozen=True)
class Step:
    """One step: a `stage` of `movie train`, the text encoder (`text`: more options), or putting two together."""

    name: str
    stage: str = ""
    start: str = ""
    config: str = ""
    set: tuple[str, ...] = ()
    regions: str = ""
    text: tuple[str, ...] | None = None
    networks: str = ""
    words: str = ""


@dataclass(frozen=True)
class Chain:
    """The steps, the folder of their runs, photographs, and what stands in the braces of a step's settings."""

    steps: Sequence[Step]
    runs: Path
    photos: Path
    given: Mapping[str, Path] = field(default_factory=dict)
    changes: Sequence[str] = ()

    def checkpoint(self, name: str) -> str:
        """The checkpoint of a step; a model's own name stays."""
        known = any(step.name == name for step in self.steps)
        return str(self.runs / name / "checkpoint") if known else name

    def command(self, step: Step) -> list[str]:
        """The command of a step, which goes on with what is there."""
        folder = self.runs / step.name
        resume = ["--resume"] if (folder / "run.json").exists() else []
        if step.networks:
            words = ["--networks", self.checkpoint(step.networks), "--text", self.checkpoint(step.words)]
            return [*_module("tools.assemble"), *words, "-o", str(folder / "checkpoint")]
        start = [self.checkpoint(step.start)] if step.start else []
        if step.text is not None:
            cache = ["--cache", str(self.runs / "text_teacher")]
            begin = ["--start", *start] if start else []
            return [*_module("tools.text_distillation"), "-o", str(folder), *begin, *cache, *step.text, *resume]
        settings = [self._setting(text) for text in step.set]
        if not bfloat16_feature():
            settings.insert(0, 'mixed_precision="no"')
        changes = [word for setting in (*settings, *self.changes) for word in ("--set", setting)]
        words = ["train", step.stage, *start, "-c", step.config, "--data", str(self.photos)]
        return [*_module("movie_cli"), *words, "-o", str(folder), *changes, *resume]

    def _setting(self, text: str) -> str:
        """A setting with its folders put in, as TOML text."""
        key, _, value = text.partition("=")
        if "{" not in value:
            return text
        for name, folder in {**self.given, "runs": self.runs}.items():
            value = value.replace(f"{{{name}}}", str(folder))
        return f"{key}={json.dumps(value, ensure_ascii=False)}"

    def run(self, step: Step) -> None:
        """Do a step, unless it is done.

        Raises:
            SourceError: its command failed, and has said why.
        """
        folder = self.runs / step.name
        if (folder / DONE).exists():
            return
        sys.stderr.write(f"{step.name}: {' '.join(self.command(step))}\n")
        code = subprocess.run(self.command(step), check=False).returncode  # noqa: S603 - the plan's own words, no shell
        if code == 130:
            raise KeyboardInterrupt
        if code:
            raise SourceError(f"the step {step.name} ended with {code}", "the same command goes on with it")
        if step.regions:
            regions = Path(self.checkpoint(step.regions)) / REGIONS_FOLDER
            shutil.copytree(regions, folder / "checkpoint" / REGIONS_FOLDER, dirs_exist_ok=True)
        (folder / DONE).touch()


def read_plan(path: Path) -> list[Step]:
    """The steps of a plan.

    Raises:
        UsageError: it is no such file, or a step has a key that is not known.
    """
    try:
        plan = tomllib.loads(path.read_text(encoding="utf-8"))
        rows: list[dict[str, Any]] = plan["step"]
        known = {each.name for each in fields(Step)}
        for row in rows:
            if unknown := row.keys() - known:
                raise UsageError(f"{path}: a step has no {min(unknown)}", "it has " + ", ".join(sorted(known)))
        return [_step(row, plan.get("bank", [])) for row in rows]
    except (OSError, KeyError, TypeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} is no plan: {error}", f"{PLAN} is one") from error


def _step(row: dict[str, Any], bank: Sequence[str]) -> Step:
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
    if row.get("stage") not in (None, "regions"):
        values["set"] = (*bank, *values.get("set", ()))
    return Step(**values)


def _module(name: str) -> list[str]:
    return [sys.executable, "-m", name]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(description="Train the embedded model from an empty folder.")
    add = parser.add_argument
    add("photos", type=Path, metavar="PHOTOS", help="folder of photographs of at least 256 pixels")
    add("--teachers", type=Path, required=True, metavar="DIR", help="folder of the teacher networks")
    add("--paintings", type=Path, required=True, metavar="DIR", help="folder of the paintings")
    add("-o", "--runs", type=Path, required=True, metavar="DIR", help="where each step's run goes")
    add("--plan", type=Path, default=PLAN, metavar="FILE", help="other steps than those of chain.toml")
    add("--until", metavar="STEP", help="stop after that step")
    add("--set", dest="changes", action="append", default=[], metavar="KEY=VALUE", help="a setting of all stages")
    add("--dry-run", action="store_true", help="show the commands of what is left to do")
    options = parser.parse_args(arguments)

    def work() -> str:
        steps = read_plan(options.plan)
        given = {"teachers": options.teachers.resolve(), "paintings": options.paintings.resolve()}
        for folder in (options.photos, *given.values()):
            if not folder.is_dir():
                raise SourceError(f"{folder}: no such folder", "see docs/training.md")
        chain = Chain(steps, options.runs.resolve(), options.photos.resolve(), given, options.changes)
        names = [step.name for step in steps]
        if options.until is not None and options.until not in names:
            raise UsageError(f"there is no step {options.until}", "there are " + ", ".join(names))
        left = steps[: names.index(options.until) + 1] if options.until else steps
        for step in left:
            if not options.dry_run:
                chain.run(step)
        if options.dry_run:
            left = [step for step in left if not (chain.runs / step.name / DONE).exists()]
            return "".join(f"{' '.join(chain.command(step))}\n" for step in left)
        return f"{chain.checkpoint(left[-1].name)}\n"

    return end(work)


if __name__ == "__main__":
    sys.exit(main())
