"""The region network on disk: what was written is read, and files that do not fit are named."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from movie_cli.checkpoints.folder import check_folder, verify
from movie_cli.checkpoints.load import REGIONS_CONFIG, REGIONS_WEIGHTS, load_regions, save_regions
from movie_cli.errors import ModelError
from movie_cli.models.regions import RegionNetwork
from tests import tiny
from tests.models.test_regions import SMALL


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(0)
    save_regions(RegionNetwork(SMALL), tmp_path / "regions", packed=True)
    return tmp_path


def test_what_was_written_is_read(saved):
    image = torch.zeros(1, 3, 32, 32)
    first, second = load_regions(saved), load_regions(saved)
    assert torch.equal(first.regions(image), second.regions(image))
    stored = load_file(saved / "regions" / REGIONS_WEIGHTS)
    assert stored["head.weight"].dtype == torch.int8
    torch.manual_seed(0)
    made = RegionNetwork(SMALL).eval()
    torch.testing.assert_close(first.regions(image), made.regions(image), atol=5e-3, rtol=0)


def test_a_checkpoint_may_be_without(tmp_path):
    assert load_regions(tmp_path) is None


def test_a_checkpoint_is_checked_and_counted_with_its_regions(saved, tmp_path):
    checkpoint = tiny.one_step(tmp_path / "tiny")
    before = check_folder(checkpoint)
    shutil.copytree(saved / "regions", checkpoint / "regions")
    assert check_folder(checkpoint).parameters > before.parameters
    assert {"regions/config.json", "regions/model.safetensors"} <= {one.name for one in verify(checkpoint)}
    (checkpoint / "regions" / REGIONS_WEIGHTS).write_bytes(b"no weights")
    with pytest.raises(ModelError, match=r"regions.model\.safetensors"):
        check_folder(checkpoint)


def _config(folder, **changes):
    path = folder / "regions" / REGIONS_CONFIG
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _weights(folder, change):
    path = folder / "regions" / REGIONS_WEIGHTS
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: _config(folder, widths=[10**9, 8, 16, 16]), "widths"),
        (lambda folder: _config(folder, blocks=[1, 1]), "blocks"),
        (lambda folder: _config(folder, expansion=True), "expansion"),
        (lambda folder: _config(folder, regions=["sky"]), "regions"),
        (lambda folder: _config(folder, _class_name="Other"), "RegionNetwork"),
        (lambda folder: _config(folder, widths=[16, 8, 16, 16]), r"is of \[8, 3, 7, 7\], not \[16, 3, 7, 7\]"),
        (lambda folder: _weights(folder, lambda tensors: tensors.pop("head.bias")), "lacks head.bias"),
        (lambda folder: _weights(folder, lambda tensors: tensors.update(x=torch.zeros(1))), "too many, x"),
        (lambda folder: (folder / "regions" / REGIONS_WEIGHTS).write_bytes(b"\x80\x04pickle"), "safetensors"),
        (lambda folder: (folder / "regions" / REGIONS_CONFIG).unlink(), "config.json"),
    ],
)
def test_files_that_do_not_fit_are_named(saved, damage, said):
    damage(saved)
    with pytest.raises(ModelError, match=said):
        load_regions(saved)
