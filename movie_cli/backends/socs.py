"""Chips that graphs are compiled for: their names, what QNN calls them, and their HTP's generation."""

from __future__ import annotations

from dataclasses import dataclass

from movie_cli.errors import DeviceError


@dataclass(frozen=True)
class Soc:
    """A chip. `model` is QNN's `soc_model`, `arch` its HTP's architecture."""

    name: str
    model: int
    arch: str
    sold_as: str


SOCS = (
    Soc("sm8550", 43, "v73", "Snapdragon 8 Gen 2"),
    Soc("sm8650", 57, "v75", "Snapdragon 8 Gen 3"),
    Soc("sm8750", 69, "v79", "Snapdragon 8 Elite"),
    Soc("sm8850", 87, "v81", "Snapdragon 8 Elite Gen 5"),
    Soc("sc8380xp", 60, "v73", "Snapdragon X Elite and X Plus"),
)


def soc_named(name: str) -> Soc:
    """The chip of a name, in either case.

    Raises:
        DeviceError: it is not among `SOCS`.
    """
    for soc in SOCS:
        if soc.name == name.strip().lower():
            return soc
    known = "; ".join(f"{soc.name} ({soc.sold_as})" for soc in SOCS)
    raise DeviceError(f"there is no chip {name} that graphs are compiled for", f"known are {known}")
