"""What a search finds among the looks that the embedded model knows, the best first."""

import json

import pytest

from movie_cli.checkpoints.store import open_model
from movie_cli.looks import looks_of, matching
from tests.cli.running import assert_refused


@pytest.fixture(scope="module")
def every():
    return looks_of(open_model("nano", offline=True).edits)


@pytest.mark.parametrize(
    ("words", "first", "others", "missing"),
    [
        ("old", ["old_film"], ["vintage", "sepia", "vhs"], ["gold", "golden_hour"]),
        ("home movie", ["vintage"], ["vhs"], ["mars"]),
        ("HOME", ["vhs"], ["vintage"], []),
        ("sep", ["sepia"], [], []),
        ("art", ["pop_art", "pixel_art", "line_art"], [], ["dark", "cartoon"]),
        ("painting", ["watercolour", "chinese_ink"], ["oil", "pencil"], ["winter"]),
        ("1970s", ["seventies"], [], []),
        ("no such look", [], [], []),
        ("---", [], [], []),
    ],
)
def test_names_come_before_phrases_and_words_count_whole(every, words, first, others, missing):
    found = [look.name for look in matching(every, words)]
    assert found[: len(first)] == first
    assert set(others) <= set(found)
    assert not set(missing) & set(found)


def test_a_look_of_two_is_found_by_either():
    assert matching(looks_of(["winter+pencil"]), "pencil drawing")
    assert matching(looks_of(["own"]), "ow")


def test_several_words_are_one_search(movie):
    done = movie("looks", "home", "movie", "--json")
    assert [json.loads(line)["name"] for line in done.stdout.splitlines()][:2] == ["vintage", "vhs"]
    assert_refused(movie("looks", "winter", "sepia"), 2, "knows no look with winter sepia")
