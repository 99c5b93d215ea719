"""The phrase book and grammar."""

import random

import pytest

from movie_cli.errors import UsageError
from movie_cli.train import instructions, wording
from movie_cli.train.instructions import EDITS, canonical, combinable, phrasebook, sample_phrase

KINDS = {"canonical", *instructions.KIND_WEIGHTS}


def test_phrase_book_has_every_edit_and_only_known_kinds():
    book = phrasebook("all")
    assert set(book) == set(EDITS)
    for edit, kinds in book.items():
        assert set(kinds) <= KINDS, edit
        assert len(kinds["canonical"]) == 1
        phrases = [phrase for kind in kinds.values() for phrase in kind]
        assert len(phrases) >= 80, edit
        for phrase in phrases:
            assert "{" not in wording.fill(phrase, random.Random(0))


def test_parts_are_disjoint_and_complete():
    whole, train, held_out = (phrasebook(part) for part in ("all", "train", "validation"))
    for edit in EDITS:
        for kind in set(whole[edit]) - {"canonical"}:
            assert set(train[edit][kind]) | set(held_out[edit][kind]) == set(whole[edit][kind])
            assert not set(train[edit][kind]) & set(held_out[edit][kind])
        assert sum(map(len, held_out[edit].values())) > 15


@pytest.mark.parametrize("part", ["all", "train", "validation"])
def test_phrasings_are_many_and_repeatable(part):
    for edit in EDITS:
        phrases = {sample_phrase([edit], random.Random(seed), part) for seed in range(60)}
        assert len(phrases) > 45, edit
        assert all(0 < len(phrase) < 200 and "{" not in phrase for phrase in phrases)
    assert sample_phrase(["snow"], random.Random(7)) == sample_phrase(["snow"], random.Random(7))


def test_combinations():
    rng = random.Random(0)
    assert combinable("winter", "night") and combinable("pencil", "fog")
    assert not combinable("night", "sunset") and not combinable("oil", "pencil") and not combinable("fog", "fog")
    for _ in range(300):
        edits = instructions.random_edits(rng, pairs=1.0)
        assert len(edits) == 2 and combinable(*edits)
        assert sample_phrase(edits, rng, "validation")
    assert sample_phrase(("winter", "night", "oil"), rng)


def test_null_text_and_unknown_edit():
    assert sample_phrase([], random.Random(0)) == ""
    assert canonical("winter") == "make it winter"
    with pytest.raises(UsageError, match="no edit named 'eclipse'"):
        sample_phrase(["eclipse"], random.Random(0))
    with pytest.raises(UsageError):
        canonical("eclipse")


def test_unknown_texts():
    rng = random.Random(0)
    texts = {instructions.clean_unknown(rng) for _ in range(500)}
    assert len(texts) > 350
    assert all("{" not in text for text in texts)


def test_roughened_text_stays_close():
    rng = random.Random(1)
    text = "turn the street into a pencil drawing"
    assert wording.roughen("", rng) == ""
    for _ in range(200):
        rough = wording.roughen(text, rng)
        assert abs(len(rough) - len(text)) <= 5


@pytest.mark.parametrize("word", ["fog", "rain", "night", "oil", "warmer", "autumn"])
def test_a_typing_error_never_makes_another_word(word):
    rng = random.Random(2)
    others = wording._vocabulary() - {word}
    assert not {wording._mistype(word, rng) for _ in range(500)} & others


def test_typing_errors_are_moderate():
    rng = random.Random(3)
    text = "turn the street into a pencil drawing"
    plain = sum(wording.roughen(text, rng).lower().rstrip(".!?") == text for _ in range(2000))
    assert 0.8 < plain / 2000 < 0.92
