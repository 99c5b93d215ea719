"""What is made of an instruction's place: explicit places win, and what cannot be done is said."""

import dataclasses

import pytest

from movie_cli.backends import EmbeddedInstruction
from movie_cli.checkpoints.descriptor import read_descriptor
from movie_cli.editing.directing import advice, directions_of, places_of, understood
from movie_cli.errors import UsageError
from movie_cli.recipe import Recipe
from tests import tiny

KNOWN, UNKNOWN = (EmbeddedInstruction(None, None, known, ("winter",)) for known in (True, False))


@pytest.fixture(scope="module")
def seeing(tmp_path_factory):
    return read_descriptor(tiny.seeing(tmp_path_factory.mktemp("model") / "tiny"))


@pytest.fixture(scope="module")
def blind(tmp_path_factory):
    return read_descriptor(tiny.one_step(tmp_path_factory.mktemp("model") / "tiny"))


def test_a_checkpoint_without_regions_reads_the_whole_text(seeing, blind):
    text = "make the sky pink"
    assert directions_of(seeing, text).look == "make it pink"
    assert directions_of(blind, text).look == text
    assert places_of(blind, Recipe(text)) == (None, None)
    assert understood(blind, Recipe(text)) == {}


def test_what_options_say_of_where_wins(seeing):
    recipe = Recipe("winter on the trees, but leave the people alone")
    assert places_of(seeing, recipe) == ("tree", "people")
    assert places_of(seeing, recipe, masked=True) == (None, None)
    assert places_of(seeing, dataclasses.replace(recipe, only="sky")) == ("sky", None)
    assert places_of(seeing, dataclasses.replace(recipe, except_for="sky")) == ("tree", "sky")
    assert understood(seeing, dataclasses.replace(recipe, only="sky")) == {"look": "winter"}
    assert understood(seeing, recipe) == {"look": "winter", "place": "tree except people"}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("blonde", "hair"),
        ("make her blonde", "hair"),
        ("make everyone blonde", "hair"),
        ("make the car blonde", "vehicle"),
        ("make them look like vampires", "face_and_skin"),
        ("as pale as death", "face_and_skin"),
        ("give them a vampire's pale skin", "face_and_skin"),
        ("make the sky pale", "sky"),
        ("pale winter light", None),
        ("winter", None),
    ],
)
def test_a_look_with_a_place_of_its_own_goes_there(seeing, text, place):
    named = dataclasses.replace(seeing, edits=("winter", "blonde", "pale"))
    assert places_of(named, Recipe(text)) == (place, None)
    assert understood(named, Recipe(text)).get("place", None) == (place and place.replace("_", " "))
    assert places_of(named, Recipe(text), masked=True) == (None, None)


def test_a_place_of_its_own_is_within_people_and_of_checkpoints_that_have_the_look(seeing):
    named = dataclasses.replace(seeing, edits=("blonde", "pale"))
    assert places_of(named, Recipe("make it blonde", only="people")) == ("hair", None)
    assert places_of(named, Recipe("make it blonde", only="vehicle")) == ("vehicle", None)
    assert places_of(named, Recipe("make everything but the people pale")) == (None, "people")
    assert places_of(dataclasses.replace(seeing, edits=("winter",)), Recipe("make it blonde")) == (None, None)


def test_instructions_at_times_go_to_one_place(seeing):
    assert places_of(seeing, Recipe("0s: make the sky pink; 4s: make the sky blue")) == ("sky", None)
    with pytest.raises(UsageError, match="different places: sky; grass"):
        places_of(seeing, Recipe("0s: make the sky pink; 4s: make the grass blue"))
    assert places_of(seeing, Recipe("0s: make the sky pink; 4s: make the grass blue", only="sky")) == ("sky", None)


@pytest.mark.parametrize(
    ("text", "known", "said"),
    [
        ("winter", True, ""),
        ("make the sky pink", True, ""),
        ("make the sky pink", False, 'not trained on "make it pink"'),
        ("remove the car", False, "cannot remove them"),
        ("remove the car", True, "cannot remove them"),
        ("add a rainbow", False, "cannot add them"),
        ("add a rainbow", True, ""),
        ("make the sofa sepia", True, 'no place "sofa"'),
        ("make the sofa sepia", True, "takes all of wall and furniture"),
        ("make the sky pink and the grass blue", True, '"the grass blue" is left out'),
    ],
)
def test_what_cannot_be_done_is_said(seeing, text, known, said):
    descriptor = dataclasses.replace(seeing, edits=("winter",))
    told = advice(descriptor, text, KNOWN if known else UNKNOWN)
    assert said in told
    assert bool(told) == bool(said)
