"""The open text, and the training of the instruction encoder on a tiny scale."""

import json
import zlib
from pathlib import Path

import pytest
import torch

from movie_cli.models.text import InstructionEncoder
from movie_cli.models.tokenizer import InstructionTokenizer
from movie_cli.train.instructions import EDITS
from tools import text_data, text_distillation, text_evaluation


@pytest.fixture
def small_wordnet(tmp_path) -> Path:
    line = '00001740 03 n 02 hoarfrost 0 white_frost 0 000 | ice crystals in a white deposit; "the grass was white"  \n'
    (tmp_path / "data.noun").write_text("  1 This software\n" + line)
    (tmp_path / "data.adj").write_text('00002000 00 a 01 galore(ip) 0 000 | in great numbers; "daisies galore"  \n')
    for name in ("verb", "adv"):
        (tmp_path / f"data.{name}").write_text("")
    return tmp_path


def test_wordnet_is_read(small_wordnet, tmp_path):
    noun, adjective = text_data.synsets(small_wordnet)
    assert noun.words == ("hoarfrost", "white frost") and noun.examples == ("the grass was white",)
    assert noun.definition == "ice crystals in a white deposit"
    assert adjective.words == ("galore",)
    assert text_data.available(small_wordnet) and not text_data.available(tmp_path / "nowhere")
    texts = text_data.open_texts(100, folder=small_wordnet)
    assert {"the grass was white", "in great numbers"} <= set(texts)


class FixedTeacher:
    """Embeddings from a hash: what the training needs of a teacher, without its weights."""

    def embed(self, texts):
        rows = [torch.randn(384, generator=torch.Generator().manual_seed(zlib.crc32(t.encode()))) for t in texts]
        return torch.nn.functional.normalize(torch.stack(rows), dim=-1)


def test_training_runs_and_saves(small_wordnet, tmp_path, monkeypatch):
    drawn = text_evaluation.sample_set
    monkeypatch.setattr(
        text_evaluation, "sample_set", lambda part, singles, pairs, seed: drawn(part, 2, min(pairs, 40), seed)
    )
    settings = text_distillation.TextSettings(
        steps=3,
        mixed_precision="no",  # one process has one precision, and other tests train too
        vocab_size=400,
        embed_dim=16,
        phrasings=480,
        open_texts=50,
        batch_pairs=4,
        batch_unknown=4,
        batch_open=4,
    )
    output = tmp_path / "out"
    checkpoint = text_distillation.distil(settings, FixedTeacher(), output, tmp_path / "no-wordnet")
    encoder = InstructionEncoder.from_pretrained(checkpoint / "text_encoder", torch_dtype=torch.float16)
    assert encoder.edits == EDITS
    assert (checkpoint / "text_encoder" / "diffusion_pytorch_model.safetensors").stat().st_size < 3_200_000
    assert len(InstructionTokenizer.from_pretrained(checkpoint / "tokenizer")) <= 400
    result = json.loads((checkpoint / "result.json").read_text())
    assert set(result) >= {"single_top", "pair_exact", "unknown_detected"}
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
