import pytest

from movie_cli.evaluate.subjects import BankSubject, TextJudgement
from movie_cli.train.instructions import canonical
from tests.tools.pictures import picture


class Reader(BankSubject):
    """A subject that reads the phrases it was given, as the edits they were given with."""

    def __init__(self, phrases):
        super().__init__("reader")
        self.phrases = phrases

    def prepare(self, instruction, text_scale=7.5, image_scale=1.5, anchor=None):
        edit = self.phrases.get(instruction)
        if edit is None:
            return lambda frames: frames
        return super().prepare(canonical(edit), text_scale, image_scale, anchor)

    def judge(self, instruction):
        return TextJudgement(instruction in self.phrases, self.phrases.get(instruction, ""))


@pytest.fixture
def photos():
    return [picture(seed) for seed in range(3)]


@pytest.fixture
def reader():
    return Reader
