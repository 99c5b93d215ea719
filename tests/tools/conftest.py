import dataclasses

import pytest

from movie_cli.evaluate.subjects import BankSubject, TextJudgement
from movie_cli.train.instructions import canonical
from tests.tools.pictures import picture


class Reader(BankSubject):
    """A subject that reads the phrases it was given, as the edits they were given with."""

    def __init__(self, phrases):
        super().__init__("reader")
        self.phrases = phrases

    def prepare(self, recipe, anchor=None):
        edit = self.phrases.get(recipe.instruction)
        if edit is None:
            return lambda frames: frames
        return super().prepare(dataclasses.replace(recipe, instruction=canonical(edit)), anchor)

    def judge(self, instruction):
        return TextJudgement(instruction in self.phrases, self.phrases.get(instruction, ""))


@pytest.fixture
def photos():
    return [picture(seed) for seed in range(3)]


@pytest.fixture
def reader():
    return Reader
