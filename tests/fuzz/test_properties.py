"""What must hold of every edit, of a hundred films that are drawn and of those that once showed a fault."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from movie_cli.backends import registry
from movie_cli.editing.editor import Editor
from tests.fuzz.films import Case, Film, Sound, cases
from tests.fuzz.holds import check
from tests.fuzz.properties import KEPT, check_drawn


@pytest.fixture(autouse=True)
def network_left_out(monkeypatch):
    """The command is run without its network, which must be back for other tests."""
    monkeypatch.setattr(registry, "open_backend", registry.open_backend)
    monkeypatch.setattr(Editor, "size_for", vars(Editor)["size_for"])


@pytest.mark.timeout(1200)
@settings(max_examples=100, derandomize=True, deadline=None, database=None, suppress_health_check=[*HealthCheck])
@given(cases())
def test_what_holds_of_drawn_films(case):
    assert not check_drawn(case), case.to_json()


@pytest.mark.parametrize("line", KEPT.read_text().splitlines())
def test_what_once_failed(line):
    assert check(Case.from_json(line)) == []


@settings(max_examples=50, derandomize=True, database=None)
@given(cases())
def test_a_case_is_its_line(case):
    assert Case.from_json(case.to_json()) == case


def test_a_case_is_made_simpler_step_by_step():
    case = Case(Film(".mkv", frames=7, sounds=(Sound(begin=40),)), ".ts")
    assert {simpler.to_json() for simpler in case.simpler()} == {
        Case(Film(".mkv", frames=7, sounds=(Sound(begin=40),))).to_json(),
        Case(Film(frames=7, sounds=(Sound(begin=40),)), ".ts").to_json(),
        Case(Film(".mkv", sounds=(Sound(begin=40),)), ".ts").to_json(),
        Case(Film(".mkv", frames=7), ".ts").to_json(),
        Case(Film(".mkv", frames=7, sounds=(Sound(),)), ".ts").to_json(),
    }
