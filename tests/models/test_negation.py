"""What an instruction negates is found in its words, and the embedded model does not make it."""

import pytest

from movie_cli.checkpoints.store import open_model
from movie_cli.models.negation import negations
from movie_cli.models.text import InstructionConditioner

NAMES = ("winter", "snow", "fog", "rain", "night", "sunset", "comic", "van gogh", "black and white", "sepia")
FORMS = ("not {}", "no {} please", "remove the {}", "don't make it {}", "make it anything but {}")


@pytest.fixture(scope="module")
def conditioner():
    return InstructionConditioner.from_folder(open_model("nano").folder)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("make it winter", []),
        ("not winter", [("", "winter")]),
        ("Don\u2019t make it look like a comic, please", [("please", "comic")]),
        ("sunset without any fog but with birds", [("sunset  but with birds", "fog")]),
        ("no black and white", [("", "black and white")]),
        ("remove all the colour", []),
        ("doodled with a no. 2", []),
        ("a pencil no 2", []),
        ("darker by a stop", []),
        ("it never stopped raining", []),
        ("never make it night", [("", "night")]),
        ("stop the rain", [("", "rain")]),
        ("summer instead of winter", [("summer", "winter")]),
        ("make the fog disappear", [("", "fog")]),
        ("why not winter?", []),
        ("couldn't it be winter?", []),
    ],
)
def test_what_is_negated_is_found(text, found):
    assert list(negations(text)) == found


@pytest.mark.parametrize("name", NAMES)
def test_what_is_negated_is_not_made(conditioner, name):
    wanted = name.replace(" ", "_")
    for form in FORMS:
        encoded = conditioner.encode(form.format(name))
        assert not (encoded.known and wanted in encoded.nearest[:1])
        assert encoded.known or float(encoded.tokens.abs().max()) < 1e-4


@pytest.mark.parametrize(
    ("text", "edit"),
    [
        ("less dark", "brighter"),
        ("no colour at all", "black_and_white"),
        ("a sunset, no fog", "sunset"),
        ("make it less blue and more orange", "warmer"),
        ("black ink on white, no grey", "ink"),
        ("not so bright", "darker"),
        ("summer rather than winter", "summer"),
        ("don't make it darker, make it brighter", "brighter"),
    ],
)
def test_what_is_left_counts(conditioner, text, edit):
    encoded = conditioner.encode(text)
    assert encoded.known
    assert encoded.nearest[0] == edit
