"""How many instructions are understood in look and place, by a checkpoint's text encoder and the rules around it.

`fresh_phrasings.csv` and `fresh_phrasings_2.csv` hold them, `varied_phrasings.csv` more by those who made the rules:
`instruction`, its `looks` (with `+` between), the places `only` and `except` (with `|` between), and its `kind`.
`placed` and `plain` ones are right where their looks are asked for, the surest of what is asked for being one of them,
and the edit goes to the regions that are meant; `unknown` ones where something is told of them; `negation` ones where
nothing is asked for but their looks: what they negate is not made.

Run as `python -m tools.understanding CHECKPOINT`; `--misses` shows those that are taken otherwise.
"""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import click

from movie_cli.checkpoints.store import open_model
from movie_cli.editing.directing import advice, directions_of, embedder, places_of
from movie_cli.recipe import Recipe
from tools.directions import regions_of

TABLE = Path(__file__).with_name("fresh_phrasings.csv")
KINDS = ("placed", "plain", "unknown", "negation")


@dataclass(frozen=True)
class Instruction:
    """One instruction and what it means."""

    text: str
    looks: str
    only: str
    spared: str
    kind: str


@dataclass(frozen=True)
class Taken:
    """What an instruction is taken for, and what of that is as it is meant."""

    looks: tuple[str, ...]
    where: tuple[str | None, str | None]
    told: str
    look_right: bool
    place_right: bool

    @property
    def right(self) -> bool:
        """Whether all is."""
        return self.look_right and self.place_right


def read_table(path: Path = TABLE) -> list[Instruction]:
    """All instructions."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Instruction(
                row["instruction"],
                row["looks"].replace(" ", "_"),
                row["only"].replace("|", ","),
                row["except"].replace("|", ","),
                row["kind"],
            )
            for row in csv.DictReader(file)
        ]


def judge(checkpoint: str, instructions: list[Instruction]) -> list[Taken]:
    """Read instructions as an edit by a checkpoint that names its looks would."""
    descriptor = open_model(checkpoint)
    embed = embedder(descriptor)
    if embed is None:
        raise click.UsageError(f"{descriptor.name} names no looks")
    taken = []
    for each in instructions:
        text = embed(each.text)
        told = advice(descriptor, each.text, text)
        asked = text.asked if directions_of(descriptor, each.text).look else ()
        only, spared = places_of(descriptor, Recipe(each.text))
        meant = {*each.looks.split("+")} - {""}
        if each.kind == "unknown":
            look = place = bool(told)
        elif each.kind == "negation":
            look, place = {*asked} <= meant, True
        else:
            look = meant <= {*asked} and {*asked[:1]} <= meant
            place = regions_of(only, spared) == regions_of(each.only, each.spared)
        taken.append(Taken(asked, (only, spared), told, look, place))
    return taken


@click.command(help="Count the instructions that CHECKPOINT understands in look and place.")
@click.argument("checkpoint", default="nano")
@click.option("--table", type=click.Path(path_type=Path, exists=True, dir_okay=False), default=TABLE)
@click.option("--misses", is_flag=True, help="Show those that are not.")
def main(checkpoint: str, table: Path, misses: bool) -> None:
    """Print the figures by kind, and what is taken otherwise."""
    instructions = read_table(table)
    taken = judge(checkpoint, instructions)
    count = Counter(each.kind for each in instructions)
    pairs = list(zip(instructions, taken, strict=True))
    for kind in (kind for kind in KINDS if count[kind]):
        own = [found for each, found in pairs if each.kind == kind]
        right, look, place = (
            sum(values) for values in zip(*((t.right, t.look_right, t.place_right) for t in own), strict=True)
        )
        click.echo(f"{kind}: {right} of {count[kind]}, {100 * right / count[kind]:.1f} % (look {look}, place {place})")
    for each, found in pairs if misses else ():
        if not found.right:
            meant, taken_for = (
                _in_words(each.looks, each.only, each.spared),
                _in_words("+".join(found.looks), *found.where),
            )
            click.echo(f"{each.kind}: {each.text!r} ({meant}): {taken_for}; {found.told or 'nothing told'}")


def _in_words(looks: str, only: str | None, spared: str | None) -> str:
    return f"{looks or 'nothing'} at {only or 'everything'} except {spared or 'nothing'}"


if __name__ == "__main__":
    main()
