"""Instructions are read as typed or mended, in whichever way the encoder is surer of."""

from pathlib import Path

import pytest
import torch

import movie_cli
from movie_cli.models.text import InstructionConditioner, InstructionEncoder, encode_texts
from movie_cli.models.tokenizer import InstructionTokenizer

NANO = Path(movie_cli.__path__[0]) / "checkpoints" / "nano"


@pytest.fixture(scope="module")
def nano() -> tuple[InstructionEncoder, InstructionTokenizer]:
    encoder = InstructionEncoder.from_pretrained(NANO / "text_encoder", torch_dtype=torch.float32).eval()
    return encoder, InstructionTokenizer.from_pretrained(NANO / "tokenizer")


@pytest.mark.parametrize(
    ("typed", "edit"),
    [("brigther", "brighter"), ("sunrsie vibes", "sunrise"), ("a bluprint of the house", "blueprint")],
)
def test_a_slip_of_the_keyboard_is_understood(nano, typed, edit):
    encoder, tokenizer = nano
    assert encoder.nearest_edits(encode_texts(encoder, tokenizer, [typed]), 1)[0] == (edit,)


def test_what_is_spelt_right_is_read_as_it_is(nano):
    encoder, tokenizer = nano
    texts = ["make it winter", "", "turn the street into a pencil drawing"]
    encoding, plain = encode_texts(encoder, tokenizer, texts), encoder(*tokenizer.encode(texts))
    assert torch.allclose(encoding.logits, plain.logits, atol=1e-4)


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("winter at night", {"winter", "night"}),
        ("foggy sunset", {"fog", "sunset"}),
        ("autumn, but no rain", {"autumn"}),
        ("turn the wedding dance into black & white", {"black_and_white"}),
        ("turn it teal", {"turquoise"}),
        ("teal and orange", {"teal_and_orange"}),
        ("brighten it a bit", {"brighter"}),
        ("a comic book", {"comic"}),
        ("a red apple on white paper", set()),
        ("a winter night", {"winter", "night"}),
        ("make it midnight blue", {"blue"}),
        ("not so colourful", {"muted"}),
        ("everything except winter", set()),
        ("forget about the snow", set()),
        ("the snow is too much, remove it", set()),
        ("far too blurry", {"sharpen"}),
    ],
)
def test_names_and_plain_words_count_where_the_encoder_misses_them(text, asked):
    assert {*InstructionConditioner.from_folder(NANO).encode(text).asked} == asked
