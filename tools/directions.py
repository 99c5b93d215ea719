"""How many phrasings are understood as they are meant: in look, in place, and in what cannot be done.

`placed_phrasings.csv` holds them. Those of the part `tuned` were looked at while the rules were made; those `held out`
were written without trying them, and nothing was tuned on them. `look` are the words that say the look, in any order;
`only` and `except` are places with `+` between; `says` is what is to be told: a verb of what no look does, `place` for
a thing that is none, `second` for a look that is left out as it is for another place.

Run as `python -m tools.directions`; `--misses` shows those that are understood otherwise.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from movie_cli.models.directions import Directions, content, read_directions
from movie_cli.models.region_names import read_place

TABLE = Path(__file__).with_name("placed_phrasings.csv")
VERBS = ("remove", "add", "replace", "move")


@dataclass(frozen=True)
class Phrasing:
    """One phrasing and what it means."""

    part: str
    phrase: str
    look: str
    only: str
    spared: str
    says: str

    @property
    def understood(self) -> bool:
        """Whether it is understood as it is meant."""
        found = read_directions(self.phrase)
        if said(found) != self.says:
            return False
        if self.says in VERBS and not self.look:
            return True
        same = regions_of(found.only, found.spared) == regions_of(self.only, self.spared)
        return same and set(content(found.look)) == set(content(self.look))


def said(found: Directions) -> str:
    """What is told of an instruction, as the table has it."""
    return "place" if found.unknown else found.cannot or ("second" if found.left_out else "")


def read_table(path: Path = TABLE) -> list[Phrasing]:
    """All phrasings."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Phrasing(part, phrase, look, only.replace("+", ","), spared.replace("+", ","), says)
            for part, phrase, look, only, spared, says in list(csv.reader(file))[1:]
        ]


def shares(phrasings: Iterable[Phrasing]) -> dict[str, tuple[int, int]]:
    """How many are understood, and of how many, by part."""
    counted: dict[str, tuple[int, int]] = {}
    for each in phrasings:
        right, count = counted.get(each.part, (0, 0))
        counted[each.part] = right + each.understood, count + 1
    return counted


def regions_of(only: str | None, spared: str | None) -> tuple[Sequence[str], Sequence[str]]:
    """Regions that an edit goes to, and those among them that it leaves; the whole picture is no region."""
    kept = read_place(spared) if spared else {}
    if not only:
        return (), sorted(kept)
    asked = read_place(only)
    return sorted(set(asked) - set(kept)), sorted(set(asked) & set(kept))


@click.command(help="Count the phrasings that are understood as they are meant.")
@click.option("--misses", is_flag=True, help="Show those that are not.")
def main(misses: bool) -> None:
    """Print the figures, and what is understood otherwise."""
    phrasings = read_table()
    for part, (right, count) in shares(phrasings).items():
        click.echo(f"{part}: {right} of {count}, {100 * right / count:.1f} %")
    for each in phrasings if misses else ():
        if not each.understood:
            found = read_directions(each.phrase)
            click.echo(f"{each.part}: {each.phrase!r}: {found.look!r}, place {found.where!r}, says {said(found)!r}")


if __name__ == "__main__":
    main()
