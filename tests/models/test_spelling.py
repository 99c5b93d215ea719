"""Slips of the keyboard are mended; words are left alone."""

import pytest

from movie_cli.models.tokenizer import Speller

SPELLER = Speller(["night", "noir", "sunrise", "blueprint", "brighter", "showed", "snow", "watercolour", "dune", "dog"])


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("nior", "noir"),
        ("sunrsie", "sunrise"),
        ("Bluprint", "blueprint"),
        ("brigther", "brighter"),
        ("watercolur", "watercolour"),
        ("waterccolour", "watercolour"),
        ("watervolour", "watercolour"),
    ],
)
def test_one_slip_is_mended(typed, meant):
    assert SPELLER.correct(f"make it {typed}, please") == f"make it {meant}, please"


@pytest.mark.parametrize(
    "text",
    ["snowed in", "Snowy dunes", "fog and dog", "moor", "fogs", "watrcolur", "", "Зима ночью", "naïve 4k", "a" * 5000],
)
def test_the_rest_stays_as_it_was(text):
    assert SPELLER.correct(text) == text


def test_the_commoner_of_two_wins():
    assert Speller(["former", "farmer"]).correct("fsrmer") == "former"
    assert Speller(["lighter", "fighter"]).correct("kighter") == "lighter"
