"""The regions that a frame is divided into, and the places that people name: each a weighing of regions.

Knows nothing of networks and imports no torch, so that a place that is not known is refused at once.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from movie_cli.errors import UsageError

SCENE = (
    *("sky", "tree", "grass", "water", "mountain_and_earth", "road_and_floor", "building", "wall_and_furniture"),
    *("person", "animal", "vehicle", "other"),
)
"""Classes that exclude one another: their probabilities add up to 1."""
PARTS = ("hair", "face_and_skin", "clothes")
"""Parts of a person: their probabilities add up to that of `person`."""
REGIONS = (*SCENE, *PARTS)
"""The network's output channels, in order."""
SUBJECT = ("person", "animal", "vehicle")

PLACES: Mapping[str, Mapping[str, float]] = {
    **{name: {name: 1.0} for name in REGIONS},
    "subject": dict.fromkeys(SUBJECT, 1.0),
    "background": {name: 1.0 for name in SCENE if name not in SUBJECT},
    "ground": dict.fromkeys(("grass", "mountain_and_earth", "road_and_floor"), 1.0),
    "plants": dict.fromkeys(("tree", "grass"), 1.0),
    "people": {"person": 1.0},
    "everything": dict.fromkeys(SCENE, 1.0),
}
"""What a place is made of: weights of regions. The subject is whoever or whatever moves by itself."""
_ALSO = {
    "mountain": "mountain_and_earth",
    "earth": "mountain_and_earth",
    "road": "road_and_floor",
    "floor": "road_and_floor",
    "wall": "wall_and_furniture",
    "furniture": "wall_and_furniture",
    "face": "face_and_skin",
    "skin": "face_and_skin",
    "car": "vehicle",
}
"""Other words for regions; a plural `s` is taken off any word first."""


def read_place(text: str) -> dict[str, float]:
    """The weights of regions that a place means: one name, or several with commas between them.

    Raises:
        UsageError: a name is not known.
    """
    weights: dict[str, float] = {}
    for part in text.split(","):
        for region, weight in _one(part).items():
            weights[region] = max(weight, weights.get(region, 0.0))
    return weights


def _one(text: str) -> Mapping[str, float]:
    name = "_".join(text.lower().replace("-", " ").replace("_", " ").split())
    for word in (name, name.removesuffix("s")):
        found = PLACES.get(_ALSO.get(word, word))
        if found is not None:
            return found
    near = difflib.get_close_matches(name, [*PLACES, *_ALSO], n=1)
    known = f"there are {', '.join(PLACES)}"
    hint = f"did you mean {near[0]}? {known[0].upper()}{known[1:]}" if near else known
    raise UsageError(f"there is no place {text.strip()!r}" if text.strip() else "the place has no name", hint)
