"""An instruction without quotes, and pictures that the shell has listed: what is said to type instead."""

import pytest

from tests.cli.running import assert_refused

FRAMES = ["frame_0001.png", "frame_0002.png", "frame_0010.png"]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["x.mp4", "make", "it", "winter", "-o", "x.mp4"], 'quotes: movie edit x.mp4 "make it winter" -o x.mp4'),
        (["-o", "a b.mp4", "x.mp4", "sepia", "at", "$5"], "movie edit x.mp4 'sepia at $5' -o 'a b.mp4'"),
        (["x.mp4", "make it", "night", "--crf", "9"], 'movie edit x.mp4 "make it night" --crf 9'),
        ([*FRAMES, "make it sepia", "-o", "o.mp4"], 'movie edit "frame_%04d.png" "make it sepia" -o o.mp4'),
        (
            ["d/7.jpg", "d/10.jpg", "sepia", "-o", "o.mp4"],
            'movie edit "d/%d.jpg" sepia -o o.mp4'.replace("sepia", '"sepia"'),
        ),
        ([*FRAMES, "-o", "o.mp4"], 'movie edit "frame_%04d.png" "INSTRUCTION" -o o.mp4'),
        (["1.png", "2.jpg", "x", "-o", "o.mp4"], 'movie edit 1.png "2.jpg x" -o o.mp4'),
    ],
)
def test_the_corrected_command_is_told(movie, typed, said):
    assert_refused(movie("edit", *typed), 2, said)


def test_other_commands_with_an_instruction_tell_it_too(movie):
    assert_refused(movie("batch", "films", "make", "it", "winter"), 2, 'movie batch films "make it winter"')
    assert movie("edit", "x.mp4", "make", "it", "winter", "--help").returncode == 0
