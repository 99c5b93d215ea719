"""The regions that a frame is divided into, and the places that people name: each a weighing of regions.

Knows nothing of networks and imports no torch, so that a place that is not known is refused at once.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from movie_cli.errors import UsageError
from movie_cli.kinds import Kind

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
_WORDS = {
    "sky": "cloud clouds skies heaven heavens",
    "tree": "forest woods woodland bush bushes hedge leaf leaves foliage branch branches flower maple oak pine palm",
    "grass": "lawn meadow field pasture turf",
    "water": "sea ocean lake river pond stream wave canal pool waterfall fountain",
    "mountain_and_earth": "mountain earth hill rock soil sand cliff dune peak",
    "road_and_floor": "road floor street pavement sidewalk path asphalt tarmac highway motorway driveway",
    "building": "house tower church churches castle cathedral mansion temple palace skyscraper skyline facade barn hut"
    " cottage",
    "wall_and_furniture": "wall furniture",
    "person": "man men woman women girl boy guy lady ladies gentleman gentlemen child children kid baby babies body"
    " dancer actor singer player rider cyclist skier surfer bride groom driver runner human tourist passenger couple"
    " mother father mom mum dad sister brother grandma grandpa wife husband son daughter friend family performer"
    " athlete pedestrian boyfriend girlfriend granddaughter grandson"
    " grandad nephew colleague",
    "animal": "dog cat horse cow bird sheep duck swan bear pony ponies pet puppy puppies kitten goat pig elephant lion"
    " tiger wolf wolves fox foxes deer rabbit chicken pigeon seagull monkey squirrel dolphin donkey hamster fur",
    "vehicle": "car truck bus buses lorry lorries van boat ship train plane airplane aeroplane bike bicycle motorbike"
    " motorcycle tram taxi taxis jeep ferry ferries yacht helicopter scooter tractor automobile minivan sailboat",
    "hair": "hairs hairdo",
    "face_and_skin": "face skin complexion cheek",
    "clothes": "clothing dress dresses shirt tshirt t-shirt jacket coat suit outfit costume trousers pants jeans skirt"
    " sweater jumper hoodie blouse robe uniform garment gown cloak kimono",
    "background": "backdrop bg",
    "subject": "foreground fg",
    "plants": "plant vegetation greenery",
    "ground": "terrain",
    "people": "folk crowd ppl",
}
WORDS: Mapping[str, str] = {word: place for place, words in _WORDS.items() for word in words.split()}
"""Other words for places, plurals that are not made with an `s` among them."""

OWN_PLACES: Mapping[str, tuple[str, str]] = {
    "blonde": (
        "hair",
        r"blond(?:e|er|i?sh)?s?|(?:fair|golden|blonde?|light)-haired|flaxen|peroxide|goldilocks|rapunzel",
    ),
    "pale": ("face_and_skin", r"paler?|pallid|bloodless|vampir\w*|dracula|nosferatu|ghostly|deathly|death|ghosts?"),
}
"""Looks that have a place of their own, and the words that ask for them: "make her blonde" is about her hair."""


def place_of(word: str) -> str | None:
    """The place that a word or a place's name means, also in the plural; None for no place."""
    name = "_".join(word.lower().replace("-", "_").split())
    for one in (word, name, name.removesuffix("s")):
        if (found := WORDS.get(one, one)) in PLACES:
            return found
    return None


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
    found = place_of(text.strip())
    if found is not None:
        return PLACES[found]
    near = difflib.get_close_matches(text.strip().lower().replace(" ", "_"), [*PLACES, *WORDS], n=1)
    known = f"there are {', '.join(PLACES)}"
    hint = f"did you mean {near[0]}? {known[0].upper()}{known[1:]}" if near else known
    raise UsageError(f"there is no place {text.strip()!r}" if text.strip() else "the place has no name", hint)


@dataclass(frozen=True)
class PlaceKind(Kind):
    """A place, or several with commas between them."""

    def check(self, value: Any) -> None:
        """Refuse what is no place, in whole sentences."""
        read_place(value)

    def parse(self, text: str) -> str:
        """Read and check."""
        self.check(text)
        return text
