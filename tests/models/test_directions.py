"""Look and place of an instruction: the table of phrasings, and what must never be taken for a place."""

import configparser
from importlib import resources

import pytest

from movie_cli.looks import KINDS
from movie_cli.models.directions import LONGEST, read_directions
from movie_cli.models.region_names import PLACES, place_of
from tools import understanding
from tools.directions import read_table, shares

LEAST = 0.95


def test_phrasings_are_understood():
    found = shares(read_table())
    right, count = (sum(numbers) for numbers in zip(*found.values(), strict=True))
    assert count >= 300
    assert right / count >= LEAST
    assert set(found) == {"tuned", "held out"}


@pytest.mark.parametrize(
    ("text", "look", "only", "spared"),
    [
        ("make the sky pink", "make it pink", "sky", None),
        ("snow on the ground", "snow", "ground", None),
        ("everything but the people in black and white", "everything in black and white", None, "people"),
        ("blur the background", "blur it", "background", None),
        ("turn the car red", "turn it red", "vehicle", None),
        ("make her hair blonde", "make it blonde", "hair", None),
        ("a night sky", "night", "sky", None),
        ("winter, but leave the people alone", "winter", None, "people"),
        ("only the trees in autumn colours", "make it in autumn colours", "tree", None),
        ("make the sky and the water pink", "make it pink", "sky,water", None),
        ("winter", "winter", None, None),
        ("make whatever is behind her blurry", "make it blurry", "background", None),
        ("what if the grass was purple", "make it purple", "grass", None),
        ("only the dog in colour", "black and white", None, "animal"),
        ("mosaic floor", "mosaic", "road_and_floor", None),
        ("trun teh cars pikn, the dog stays", "turn it pink", "vehicle", "animal"),
        ("restore the colours", "restore the colours", None, None),
        ("give the drummer blue hair", "blue", "hair", None),
        ("the guy's shirt is grey, make it teal", "make it teal", "clothes", None),
        ("hills as a woodcut", "make it woodcut", "mountain_and_earth", None),
        ("make what she is wearing white", "make it white", "clothes", None),
        ("the car which stands by the house should be red", "make it red", "vehicle", None),
        ("the pavement yellow, like in a fairy tale", "make it yellow", "road_and_floor", None),
        ("a white horse, not brown", "white", "animal", None),
        ("storm, but nothing happens to the people", "storm", None, "people"),
        ("cartoon, the sky not", "cartoon", None, "sky"),
        ("gold except where the cars are", "gold", None, "vehicle"),
        ("limit the blue to the water", "blue", "water", None),
        ("an old photo of a man with purple hair", "an old photo of a man with purple hair", None, None),
    ],
)
def test_look_and_place(text, look, only, spared):
    found = read_directions(text)
    assert (found.look, found.only, found.spared) == (look, only, spared)


def test_what_cannot_be_done_is_told_beside_what_can():
    found = read_directions("make it winter and remove the car")
    assert (found.look, found.cannot) == ("make it winter", "remove")
    found = read_directions("make the hat blue")
    assert (found.unknown, found.nearest, found.only) == ("hat", "clothes", "clothes")
    found = read_directions("winter except the sofa")
    assert (found.look, found.unknown, found.nearest) == ("winter", "sofa", "wall and furniture")
    found = read_directions("make the sky pink and the grass blue")
    assert (found.look, found.only, found.left_out) == ("make it pink", "sky", "the grass blue")


def test_the_words_of_looks_name_no_place():
    folder = resources.files("movie_cli") / "train" / "phrases"
    phrases = []
    for kind in KINDS:
        parser = configparser.ConfigParser(interpolation=None, delimiters=(":",))
        parser.read_string((folder / f"{kind}.txt").read_text(encoding="utf-8"))
        phrases += [parser[name]["canonical"].split(";")[0].strip() for name in parser.sections()]
    assert len(phrases) >= 40
    assert [
        phrase for phrase in phrases if read_directions(phrase).look != phrase or read_directions(phrase).where
    ] == []


def test_a_place_is_one_of_those_that_options_take():
    for phrasing in read_table():
        found = read_directions(phrasing.phrase)
        for name in f"{found.only or ''},{found.spared or ''}".split(","):
            assert not name or (name in PLACES and place_of(name) == name)


@pytest.mark.parametrize(
    ("table", "shares_of_kinds"),
    [("fresh", (0.95, 0.95, 0.9, 1.0)), ("varied", (0.92, 0.97, 0.9, 0.95))],
)
def test_the_embedded_model_understands_look_and_place(table, shares_of_kinds):
    instructions = understanding.read_table(understanding.TABLE.with_name(f"{table}_phrasings.csv"))
    taken = understanding.judge("nano", instructions)
    for kind, least in zip(understanding.KINDS, shares_of_kinds, strict=True):
        right = [found.right for each, found in zip(instructions, taken, strict=True) if each.kind == kind]
        assert sum(right) >= least * len(right) > 0, kind


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "§0§ pink",
        "make the sky pink " * 40,
        "\x01 \u202e sky",
        "but " * 90,
        "the " * 99,
        "light dark red " * 26,
        "([{<>}])",
        "É" * 300,
    ],
)
def test_hostile_text_is_for_the_whole_picture_or_a_place(text):
    found = read_directions(text)
    assert len(text) <= LONGEST or found.look == text
