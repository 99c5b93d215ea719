"""Checkpoint folders: a whole one is described, every way of being broken is told with the file's name."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from movie_cli.checkpoints.descriptor import read_descriptor
from movie_cli.checkpoints.folder import check_folder, check_safetensors
from movie_cli.checkpoints.store import list_models, open_model, resolve
from movie_cli.errors import ModelError

MOVIE = {
    "format": 1,
    "name": "small",
    "stage": "one-step",
    "steps": 1,
    "text_scale_range": [2, 14],
    "image_scale_range": [1, 3],
    "native_area": 196608,
    "size_multiple": 16,
    "source_skip": True,
    "licence": "Apache-2.0",
    "description": "for tests",
    "edits": ["winter", "night"],
}


def put(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def make(folder: Path, movie: object = MOVIE) -> Path:
    put(folder / "model_index.json", {"_class_name": "MoviePipeline"})
    put(folder / "movie.json", movie)
    put(folder / "unet" / "config.json", {"sample_size": 32})
    put(folder / "vae" / "config.json", {"latent_channels": 16, "scaling_factor": 0.5})
    put(folder / "text_encoder" / "config.json", {})
    put(folder / "scheduler" / "scheduler_config.json", {})
    put(folder / "tokenizer" / "tokenizer.json", {"version": "1.0"})
    save_file({"a": torch.zeros(4, 5), "b": torch.zeros(3)}, folder / "unet" / "diffusion_pytorch_model.safetensors")
    save_file({"a": torch.zeros(2)}, folder / "vae" / "diffusion_pytorch_model.safetensors")
    save_file({"a": torch.zeros(7).half()}, folder / "text_encoder" / "model.safetensors")
    return folder


def test_a_whole_folder(tmp_path):
    folder = make(tmp_path / "small")
    facts = check_folder(folder)
    assert facts.parameters == 4 * 5 + 3 + 2 + 7
    assert facts.bytes == sum(path.stat().st_size for path in folder.rglob("*.safetensors"))
    found = read_descriptor(folder)
    assert (found.stage, found.steps, found.passes) == ("one-step", 1, 1)
    assert found.text_scale_range == (2.0, 14.0)
    assert (found.latent_channels, found.latent_scaling) == (16, 0.5)
    assert found.edits == ("winter", "night")
    assert open_model(str(folder)) == found


@pytest.mark.parametrize(
    "path",
    [
        "model_index.json",
        "unet",
        "vae",
        "text_encoder",
        "tokenizer",
        "scheduler",
        "unet/config.json",
        "vae/config.json",
        "scheduler/scheduler_config.json",
        "tokenizer/tokenizer.json",
        "unet/diffusion_pytorch_model.safetensors",
        "text_encoder/model.safetensors",
        "movie.json",
    ],
)
def test_each_missing_part_is_named(tmp_path, path):
    folder = make(tmp_path / "small")
    missing = folder / path
    if missing.is_dir():
        shutil.rmtree(missing)
    else:
        missing.unlink()
    with pytest.raises(ModelError) as caught:
        check_folder(folder)
    assert str(missing.parent if "safetensors" in path or "tokenizer/" in path else missing) in str(caught.value)
    assert caught.value.hint
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("text", ["", "{", "[]", "\x80abc", '"nano"', "[" * 100_000])
@pytest.mark.parametrize("path", ["model_index.json", "movie.json", "unet/config.json", "tokenizer/tokenizer.json"])
def test_broken_json_is_named(tmp_path, path, text):
    folder = make(tmp_path / "small")
    (folder / path).write_text(text, encoding="latin-1")
    with pytest.raises(ModelError) as caught:
        check_folder(folder)
    assert str(folder / path) in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"format": "1"},
        {"name": ""},
        {"name": 3},
        {"stage": "two-step"},
        {"stage": None},
        {"steps": 0},
        {"steps": 1.5},
        {"steps": True},
        {"text_scale_range": [14, 2]},
        {"text_scale_range": [2]},
        {"text_scale_range": ["2", "14"]},
        {"image_scale_range": [0, 3]},
        {"image_scale_range": [1, float("inf")]},
        {"image_scale_range": [float("nan"), 3]},
        {"native_area": -1},
        {"size_multiple": 0},
        {"source_skip": 1},
        {"edits": "winter"},
        {"edits": [1]},
        {"licence": None},
    ],
)
def test_each_wrong_value_is_named(tmp_path, change):
    folder = make(tmp_path / "small", MOVIE | change)
    with pytest.raises(ModelError, match=rf"movie\.json.*{next(iter(change))}"):
        read_descriptor(folder)


def test_a_misspelt_key_is_shown(tmp_path):
    values = {key: value for key, value in MOVIE.items() if key != "licence"} | {"license": "MIT"}
    with pytest.raises(ModelError) as caught:
        read_descriptor(make(tmp_path / "small", values))
    assert "license" in caught.value.hint


def test_wrong_autoencoder_values_are_named(tmp_path):
    folder = make(tmp_path / "small")
    put(folder / "vae" / "config.json", {"latent_channels": "4"})
    with pytest.raises(ModelError, match=r"vae.config\.json.*latent_channels"):
        read_descriptor(folder)


@pytest.mark.parametrize("name", ["diffusion_pytorch_model.bin", "weights.ckpt", "a.pt", "a.PTH"])
def test_pickles_alone_are_refused_unopened(tmp_path, name):
    folder = make(tmp_path / "small")
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    (folder / "unet" / name).write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(ModelError, match="pickle") as caught:
        check_folder(folder)
    assert name in str(caught.value)
    assert "safe" in caught.value.hint


def test_a_pickle_beside_safetensors_is_never_used_and_does_no_harm(tmp_path):
    folder = make(tmp_path / "small")
    (folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"")
    check_folder(folder)


@pytest.mark.parametrize("keep", [0, 4, 8, 20, -1])
def test_truncated_weights_are_found_by_their_header(tmp_path, keep):
    folder = make(tmp_path / "small")
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    os.truncate(weights, keep if keep >= 0 else weights.stat().st_size + keep)
    with pytest.raises(ModelError, match=r"unet.diffusion_pytorch_model\.safetensors"):
        check_folder(folder)


@pytest.mark.parametrize(
    "header",
    [
        b"[]",
        b"{}  ",
        b'{"a": 3}',
        b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}',
        b'{"a": {"dtype": "F32", "shape": ["1"], "data_offsets": [0, 4]}}',
        b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4, 8]}}',
        b"{broken",
        b"\xff\xfe",
    ],
)
def test_strange_headers_are_refused(tmp_path, header):
    path = tmp_path / "a.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"1234")
    with pytest.raises(ModelError, match=r"a\.safetensors"):
        check_safetensors(path)
    path.write_bytes((2**63).to_bytes(8, "little") + header)
    with pytest.raises(ModelError, match=r"a\.safetensors"):
        check_safetensors(path)


def test_sharded_weights(tmp_path):
    folder = make(tmp_path / "small")
    unet = folder / "unet"
    (unet / "diffusion_pytorch_model.safetensors").unlink()
    names = [f"diffusion_pytorch_model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    index = unet / "diffusion_pytorch_model.safetensors.index.json"
    put(index, {"weight_map": {"a": names[0], "b": names[1]}})
    save_file({"a": torch.zeros(11)}, unet / names[0])
    with pytest.raises(ModelError, match="00002-of-00002"):
        check_folder(folder)
    save_file({"b": torch.zeros(13)}, unet / names[1])
    assert check_folder(folder).parameters == 11 + 13 + 2 + 7
    for bad in ({}, {"weight_map": {}}, {"weight_map": {"a": "../../x.safetensors"}}, {"weight_map": {"a": "x.bin"}}):
        put(index, bad)
        with pytest.raises(ModelError, match=r"index\.json"):
            check_folder(folder)


def test_a_published_pipeline_needs_no_movie_json(tmp_path):
    folder = make(tmp_path / "instruct-pix2pix")
    (folder / "movie.json").unlink()
    put(folder / "model_index.json", {"_class_name": "StableDiffusionInstructPix2PixPipeline"})
    put(folder / "vae" / "config.json", {"_class_name": "AutoencoderKL", "latent_channels": 4})
    put(folder / "unet" / "config.json", {"sample_size": 64, "in_channels": 8})
    check_folder(folder)
    found = read_descriptor(folder)
    assert (found.stage, found.passes, found.native_area) == ("base", 3, 512 * 512)
    assert (found.latent_channels, found.latent_scaling) == (4, 0.18215)
    put(folder / "model_index.json", {"_class_name": "StableDiffusionPipeline"})
    with pytest.raises(ModelError, match="StableDiffusionPipeline"):
        read_descriptor(folder)


def test_what_diffusers_writes_is_accepted(tmp_path):
    from diffusers import AutoencoderTiny, EulerDiscreteScheduler, UNet2DConditionModel

    folder = make(tmp_path / "small")
    for part in ("unet", "vae", "scheduler"):
        shutil.rmtree(folder / part)
    widths = {"block_out_channels": (8, 8), "norm_num_groups": 4}
    blocks = {"down_block_types": ("DownBlock2D",) * 2, "up_block_types": ("UpBlock2D",) * 2}
    unet = UNet2DConditionModel(in_channels=8, cross_attention_dim=8, attention_head_dim=2, **widths, **blocks)
    unet.save_pretrained(folder / "unet")
    AutoencoderTiny(
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        num_encoder_blocks=(1, 1),
        num_decoder_blocks=(1, 1),
    ).save_pretrained(folder / "vae")
    EulerDiscreteScheduler().save_pretrained(folder / "scheduler")
    assert check_folder(folder).parameters > sum(value.numel() for value in unet.parameters())
    assert (read_descriptor(folder).latent_channels, read_descriptor(folder).latent_scaling) == (4, 1.0)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("MOVIE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_local_models_have_names(home):
    folder = make(home / "models" / "mine")
    broken = make(home / "models" / "broken", MOVIE | {"steps": 0})
    assert resolve("mine") == folder
    found, damaged = list_models()
    assert folder in [model.folder for model in found]
    assert broken not in [model.folder for model in found]
    assert [name for name, _ in damaged] == ["broken"]
    with pytest.raises(ModelError) as caught:
        resolve("mina")
    assert "did you mean mine" in caught.value.hint


def test_what_is_no_model_is_refused(home, tmp_path):
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"")
    for name in ("", "  ", "no-such-model", str(file), str(tmp_path / "none" / "deeper" / "still"), "a\x00b"):
        with pytest.raises(ModelError):
            resolve(name)


@pytest.mark.parametrize("way", ["flag", "variable"])
def test_a_hub_model_is_not_fetched_when_offline(home, tmp_path, monkeypatch, way):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1" if way == "variable" else "0")
    with pytest.raises(ModelError, match="not on this machine") as caught:
        resolve("nobody/no-such-editor", offline=way == "flag")
    assert "--offline" in caught.value.hint


def test_a_hub_that_does_not_answer_is_one_sentence(home, tmp_path):
    import subprocess
    import sys

    # The endpoint is read when huggingface_hub is imported, hence another process.
    environment = os.environ | {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_CACHE": str(tmp_path / "hub")}
    environment.pop("HF_HUB_OFFLINE", None)
    code = (
        "from movie_cli.checkpoints.store import resolve\n"
        "from movie_cli.errors import ModelError\n"
        "try: resolve('nobody/no-such-editor')\n"
        "except ModelError as error: print(error)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert "cannot be fetched" in found.stdout, found.stderr
