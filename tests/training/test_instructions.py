"""The phrase book and grammar, the open text, and the training of the instruction encoder on a tiny scale."""

import json
import random
import zlib
from pathlib import Path

import pytest
import torch

from movie_cli.errors import UsageError
from movie_cli.models.text import InstructionEncoder
from movie_cli.models.tokenizer import InstructionTokenizer
from movie_cli.training import instructions, open_text, text_data, text_distillation, text_evaluation, wording
from movie_cli.training.instructions import EDITS, canonical, combinable, phrasebook, sample_phrase

KINDS = {"canonical", *instructions.KIND_WEIGHTS}


def test_phrase_book_has_every_edit_and_only_known_kinds():
    book = phrasebook("all")
    assert set(book) == set(EDITS) and len(EDITS) == 40
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
    with pytest.raises(UsageError, match="no edit named 'summer'"):
        sample_phrase(["summer"], random.Random(0))
    with pytest.raises(UsageError):
        canonical("summer")


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


@pytest.fixture
def small_wordnet(tmp_path) -> Path:
    line = '00001740 03 n 02 hoarfrost 0 white_frost 0 000 | ice crystals in a white deposit; "the grass was white"  \n'
    (tmp_path / "data.noun").write_text("  1 This software\n" + line)
    (tmp_path / "data.adj").write_text('00002000 00 a 01 galore(ip) 0 000 | in great numbers; "daisies galore"  \n')
    for name in ("verb", "adv"):
        (tmp_path / f"data.{name}").write_text("")
    return tmp_path


def test_wordnet_is_read(small_wordnet, tmp_path):
    noun, adjective = open_text.synsets(small_wordnet)
    assert noun.words == ("hoarfrost", "white frost") and noun.examples == ("the grass was white",)
    assert noun.definition == "ice crystals in a white deposit"
    assert adjective.words == ("galore",)
    assert open_text.available(small_wordnet) and not open_text.available(tmp_path / "nowhere")
    texts = open_text.open_texts(100, folder=small_wordnet)
    assert {"the grass was white", "in great numbers"} <= set(texts)


class FixedTeacher:
    """Embeddings from a hash: what the training needs of a teacher, without its weights."""

    def embed(self, texts):
        rows = [torch.randn(384, generator=torch.Generator().manual_seed(zlib.crc32(t.encode()))) for t in texts]
        return torch.nn.functional.normalize(torch.stack(rows), dim=-1)


def test_training_runs_and_saves(small_wordnet, tmp_path):
    settings = text_distillation.Settings(
        steps=3,
        vocab_size=400,
        embed_dim=16,
        phrasings=480,
        open_texts=50,
        batch_pairs=4,
        batch_unknown=4,
        batch_open=4,
    )
    output = tmp_path / "out"
    text_distillation.train(settings, FixedTeacher(), output, tmp_path / "no-wordnet")
    encoder = InstructionEncoder.from_pretrained(output / "text_encoder", torch_dtype=torch.float16)
    assert encoder.edits == EDITS
    assert (output / "text_encoder" / "diffusion_pytorch_model.safetensors").stat().st_size < 3_000_000
    assert len(InstructionTokenizer.from_pretrained(output / "tokenizer")) <= 400
    last = json.loads((output / "text_log.jsonl").read_text().splitlines()[-1])
    assert set(last["result"]) >= {"single_top", "pair_exact", "unknown_detected"}
    assert -1 < encoder.config["known_threshold"] < 2
    assert encoder.prototypes.float().norm(dim=-1).sub(1).abs().max() < 0.01


def test_probe_gives_open_text_its_edits():
    torch.manual_seed(0)
    centres = torch.nn.functional.normalize(torch.randn(len(EDITS), 384), dim=-1)
    rows = torch.arange(len(EDITS)).repeat(20)
    points = torch.nn.functional.normalize(centres[rows] + 0.02 * torch.randn(len(rows), 384), dim=-1)
    elsewhere = torch.nn.functional.normalize(torch.randn(900, 384), dim=-1)
    targets = torch.cat([torch.nn.functional.one_hot(rows).float(), torch.zeros(800, len(EDITS))])
    probe = text_data.fit_probe(torch.cat([points, elsewhere[:800]]), targets, seed=0)
    guessed = text_data.probe_targets(probe, torch.cat([centres, elsewhere[800:]]))
    assert torch.equal(guessed[: len(EDITS)].argmax(dim=-1), torch.arange(len(EDITS)))
    assert guessed[len(EDITS) :].mean() < 0.15
    assert guessed[: len(EDITS)].diagonal().mean() > 0.9


def test_phrasings_file(tmp_path):
    path = tmp_path / "phrasings.csv"
    path.write_text('edit,phrase\nwinter,"brrr, cold"\nwinter+night,winter at night\n', encoding="utf-8")
    assert text_evaluation.read_phrasings(path) == [
        (("winter",), "brrr, cold"),
        (("winter", "night"), "winter at night"),
    ]
