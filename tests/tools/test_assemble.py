"""A checkpoint put together from networks and a text encoder."""

import torch
from safetensors.torch import load_file, save_file

from movie_cli.checkpoints.descriptor import read_descriptor
from tests import tiny
from tools.assemble import assemble

WEIGHTS = "diffusion_pytorch_model.safetensors"


def codes_of(folder):
    return load_file(folder / "text_encoder" / WEIGHTS)["codes"]


def test_codes_come_from_where_the_networks_are(tmp_path):
    networks, text = tmp_path / "networks", tmp_path / "text"
    for folder in (networks, text):
        tiny.one_step(folder)
    file = networks / "text_encoder" / WEIGHTS
    save_file(load_file(file) | {"codes": codes_of(networks) + 1}, file)
    assemble(networks, text, tmp_path / "stages" / "mine")
    assert torch.equal(codes_of(tmp_path / "stages" / "mine"), codes_of(networks))
    assert read_descriptor(tmp_path / "stages" / "mine").name == "mine"


def test_denoisers_of_several_networks_are_averaged(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        tiny.one_step(folder)
    file = other / "unet" / WEIGHTS
    first, second = (load_file(folder / "unet" / WEIGHTS) for folder in (one, other))
    second = {name: value + 1 for name, value in second.items()}
    save_file(second, file)
    assemble(one, one, tmp_path / "mean", other)
    found = load_file(tmp_path / "mean" / "unet" / WEIGHTS)
    for name, value in found.items():
        wanted = (first[name].float() + second[name].float()) / 2
        torch.testing.assert_close(value.float(), wanted, atol=4e-3, rtol=4e-3)
        if value.dim() and "frequencies" not in name:
            assert torch.equal(value.bfloat16().float(), value.float())  # the same weights in every number type
