"""The tokenizer and the instruction encoder: shapes, hostile input, saving, batching, and the shipped weights."""

import json
from pathlib import Path

import pytest
import torch

import movie_cli
from movie_cli.errors import ModelError
from movie_cli.models.text import InstructionConditioner, InstructionEncoder
from movie_cli.models.tokenizer import MAX_TOKENS, InstructionTokenizer

NANO = Path(movie_cli.__path__[0]) / "checkpoints" / "nano"
TEXTS = ["make it winter", "turn the street into a pencil drawing", "fog rolling in at night", "make it snow"] * 3
EDITS = ("winter", "pencil", "fog")


@pytest.fixture(scope="module")
def tokenizer() -> InstructionTokenizer:
    return InstructionTokenizer.train(TEXTS, 120)


@pytest.fixture(scope="module")
def encoder(tokenizer: InstructionTokenizer) -> InstructionEncoder:
    torch.manual_seed(0)
    return InstructionEncoder(edits=EDITS, vocab_size=len(tokenizer), embed_dim=16, layers=2).eval()


@pytest.fixture(scope="module")
def nano() -> tuple[InstructionEncoder, InstructionTokenizer]:
    if not (NANO / "text_encoder" / "config.json").is_file():
        pytest.skip("the embedded checkpoint is not there")
    encoder = InstructionEncoder.from_pretrained(NANO / "text_encoder", torch_dtype=torch.float32).eval()
    return encoder, InstructionTokenizer.from_pretrained(NANO / "tokenizer")


def test_ids_and_mask(tokenizer):
    ids, mask = tokenizer.encode(["make it winter", "make it", ""])
    assert ids.shape == mask.shape and ids.dtype == mask.dtype == torch.int64
    assert mask.sum(dim=1).tolist()[2] == 0
    assert mask.sum(dim=1)[0] > mask.sum(dim=1)[1] > 0
    assert (ids[mask == 0] == tokenizer.pad_id).all()


def test_case_and_accents_do_not_matter(tokenizer):
    ids, _ = tokenizer.encode(["make it winter", "MAKE It wínter"])
    assert torch.equal(ids[0], ids[1])


@pytest.mark.parametrize(
    "text",
    ["", " ", "\x00\x01\x1f", "❄️🌧️🔥", "雪を降らせて", "сделай зиму", "make" * 100_000, "winter " * 100_000, "\ud800",
     "\u202e\u200b\ufeff", "a" * 5000, "[PAD] [UNK]", "{}%s\\n"],
)  # fmt: skip
def test_hostile_text_is_encoded(tokenizer, encoder, text):
    ids, mask = tokenizer.encode([text, "make it winter"])
    assert ids.shape[1] <= MAX_TOKENS
    with torch.no_grad():
        encoding = encoder(ids, mask)
    assert all(torch.isfinite(part).all() for part in (encoding.tokens, encoding.embedding, encoding.logits))


def test_fixed_length(tokenizer):
    ids, mask = tokenizer.encode(["make it winter " * 30], length=12)
    assert ids.shape == (1, 12) and mask.all()
    assert tokenizer.encode([""], length=12)[0].shape == (1, 12)


def test_tokenizer_saved_and_read_also_by_transformers(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    again = InstructionTokenizer.from_pretrained(tmp_path)
    assert torch.equal(again.encode(TEXTS)[0], tokenizer.encode(TEXTS)[0])
    from transformers import PreTrainedTokenizerFast

    theirs = PreTrainedTokenizerFast.from_pretrained(tmp_path)(TEXTS[:4], padding=True, return_tensors="pt")
    ids, mask = tokenizer.encode(TEXTS[:4])
    assert torch.equal(theirs["input_ids"], ids) and torch.equal(theirs["attention_mask"], mask)


def test_damaged_or_missing_tokenizer(tmp_path):
    with pytest.raises(ModelError, match="cannot read"):
        InstructionTokenizer.from_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match="is not a tokenizer"):
        InstructionTokenizer.from_pretrained(tmp_path)


def test_shapes_and_norm(tokenizer, encoder):
    with torch.no_grad():
        encoding = encoder(*tokenizer.encode(TEXTS[:4]))
    assert encoding.tokens.shape == (4, 4, 192)
    assert encoding.embedding.shape == (4, 384)
    assert encoding.logits.shape == (4, 3)
    torch.testing.assert_close(encoding.embedding.norm(dim=-1), torch.ones(4))
    assert [len(names) for names in encoder.nearest_edits(encoding, 2)] == [2] * 4
    assert encoder.is_known(encoding).shape == (4,)


def test_padding_changes_nothing(tokenizer, encoder):
    with torch.no_grad():
        alone = encoder(*tokenizer.encode(["make it winter"]))
        padded = encoder(*tokenizer.encode(["make it winter"], length=MAX_TOKENS))
    torch.testing.assert_close(alone.tokens, padded.tokens, atol=1e-5, rtol=1e-5)


def test_save_and_load_keep_the_weights_and_the_threshold(encoder, tokenizer, tmp_path):
    encoder.set_known_threshold(0.321)
    encoder.save_pretrained(tmp_path)
    again = InstructionEncoder.from_pretrained(tmp_path).eval()
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "diffusion_pytorch_model.safetensors"}
    assert again.edits == EDITS and again.config["known_threshold"] == 0.321
    with torch.no_grad():
        torch.testing.assert_close(
            again(*tokenizer.encode(TEXTS)).tokens, encoder(*tokenizer.encode(TEXTS)).tokens, atol=1e-6, rtol=1e-6
        )


def test_nano_is_small(nano):
    files = [path for name in ("text_encoder", "tokenizer") for path in (NANO / name).iterdir()]
    assert sum(path.stat().st_size for path in files) <= 5_000_000
    config = json.loads((NANO / "text_encoder" / "config.json").read_text())
    assert 0 < config["known_threshold"] < 2


@pytest.mark.parametrize(
    ("text", "edits"),
    [
        ("make it winter", {"winter"}),
        ("Could you turn this clip into a pencil sketch, please?", {"pencil"}),
        ("as if van gogh had painted it", {"van_gogh"}),
        ("b&w", {"black_and_white"}),
        ("winter at night", {"winter", "night"}),
        ("an oil painting of a foggy street", {"oil", "fog"}),
    ],
)
def test_nano_understands(nano, text, edits):
    encoder, tokenizer = nano
    with torch.no_grad():
        encoding = encoder(*tokenizer.encode([text]))
    assert encoder.is_known(encoding).all()
    assert set(encoder.nearest_edits(encoding, len(edits))[0]) == edits


@pytest.mark.parametrize("text", ["put a hat on the dog", "make the man a robot", "translate the subtitles", ""])
def test_nano_knows_what_it_does_not_know(nano, text):
    encoder, tokenizer = nano
    with torch.no_grad():
        encoding = encoder(*tokenizer.encode([text]))
    assert not encoder.is_known(encoding).any()
    assert encoder.asked_edits(encoding) == [()]
    assert len(encoder.nearest_edits(encoding, 3)[0]) == 3


@pytest.mark.parametrize("name", ["comic", "Teal and orange", "night!"])
def test_the_name_of_a_look_is_that_look(name):
    encoded = InstructionConditioner.from_folder(NANO).encode(name)
    assert encoded.known
    assert encoded.nearest[0] == name.strip("!").lower().replace(" ", "_")
    assert encoded.tokens.abs().max() > 0.1
