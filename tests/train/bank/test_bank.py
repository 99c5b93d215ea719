"""The bank as a whole: names, order, combinations and look-up."""

from collections import Counter

import pytest
import torch

from movie_cli.errors import UsageError
from movie_cli.train.bank import BANK, COMBINATIONS, combine, get


def picture() -> torch.Tensor:
    return torch.rand(1, 3, 48, 56, generator=torch.Generator().manual_seed(3))


def test_the_bank_has_every_edit_under_its_own_name():
    assert len(BANK) >= 75
    assert all(edit.name == name for name, edit in BANK.items())
    assert {edit.group for edit in BANK.values()} == {
        "season", "light", "place", "drawing", "painting", "film", "device", "colour", "material", "photographic",
    }  # fmt: skip


def test_every_edit_is_finite_and_in_range():
    for edit in BANK.values():
        if edit.painted:
            continue  # by a teacher that is not everywhere: test_paint.py
        out = edit.full(picture())
        assert out.shape == picture().shape, edit.name
        assert torch.isfinite(out).all(), edit.name
        assert out.min() >= 0, edit.name
        assert out.max() <= 1, edit.name


def test_combine_applies_the_first_edit_first():
    first, second = BANK["rain"], BANK["noir"]
    both = combine(first, second)
    assert torch.equal(both.full(picture()), second.full(first.full(picture())))
    assert both.name == "rain+noir"
    assert both.group == "film"
    assert not both.drawn


def test_a_combination_with_a_drawing_is_drawn():
    assert combine(BANK["blueprint"], BANK["night"]).drawn
    assert combine(BANK["winter"], BANK["pencil"]).drawn


def test_combine_of_one_is_that_edit_and_of_none_is_refused():
    assert combine(BANK["winter"]) is BANK["winter"]
    with pytest.raises(UsageError):
        combine()


def test_combinations_are_of_the_bank_unique_and_shared():
    assert len(COMBINATIONS) >= 50
    assert len({frozenset(pair) for pair in COMBINATIONS}) == len(COMBINATIONS)
    uses = Counter(name for pair in COMBINATIONS for name in pair)
    assert set(uses) <= set(BANK)
    assert min(uses.values()) >= 2


def test_get_understands_single_names_and_sums():
    assert get("winter") is BANK["winter"]
    assert get("winter + night").name == "winter+night"
    assert torch.equal(get("rain+noir").full(picture()), combine(BANK["rain"], BANK["noir"]).full(picture()))


@pytest.mark.parametrize("name", ["wintr", "", "winter+", "winter+nope"])
def test_get_refuses_unknown_names_with_a_hint(name):
    with pytest.raises(UsageError) as caught:
        get(name)
    assert caught.value.hint


def test_get_names_the_nearest():
    with pytest.raises(UsageError) as caught:
        get("wintr")
    assert "winter" in caught.value.hint
