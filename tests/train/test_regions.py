"""Regions are trained from real teachers: labels, samples, a run that goes on, teachers that are not right."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from movie_cli.checkpoints.load import load_regions
from movie_cli.errors import ModelError, SourceError
from movie_cli.models.region_names import REGIONS, SCENE
from movie_cli.train.regions.labels import MOSAIC, merge
from movie_cli.train.regions.samples import RegionSamples
from movie_cli.train.regions.teachers import HASHES, check_teachers
from movie_cli.train.run import train
from movie_cli.train.settings_file import read_settings

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
PHOTOS = ("p0003", "p0010", "q0001", "q0002", "q0600", "q1100")
NETWORK = "{widths = [8, 8, 16, 16], blocks = [1, 1, 1], expansion = 2, decoder = [8, 8, 8]}"


def test_a_teacher_that_is_missing_or_another_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"mosaic_ade20k32\.tflite cannot be read"):
        check_teachers(tmp_path)
    for name in HASHES:
        (tmp_path / name).write_bytes(b"TFL3")
    with pytest.raises(ModelError, match=r"mosaic_ade20k32\.tflite is another file than expected"):
        check_teachers(tmp_path)


def _label(scene, person=0.0, animal=0.0, vehicle=0.0, near=0.0, hair=0.0, face=0.0):
    """The merged label of a picture that all teachers see as one thing everywhere."""
    planes = torch.full((len(MOSAIC), 8, 8), 0.05 / (len(MOSAIC) - 1))
    planes[list(MOSAIC).index(scene)] = 0.95
    objects = torch.tensor([person, animal, vehicle]).view(3, 1, 1).expand(3, 8, 8)
    masks = torch.tensor([near, hair, face]).view(3, 1, 1).expand(3, 8, 8)
    label = merge(planes, objects, masks, torch.full((3, 8, 8), 0.5))
    name = SCENE[int(label.regions[: len(SCENE), 4, 4].argmax())]
    torch.testing.assert_close(label.regions[: len(SCENE)].sum(dim=0), torch.ones(8, 8))
    torch.testing.assert_close(label.regions[len(SCENE) :].sum(dim=0), torch.ones(8, 8))
    return name, float(label.weight[4, 4]), label


def test_teachers_that_agree_are_believed_and_others_less():
    assert _label("sky")[:2] == ("sky", pytest.approx(1, abs=0.01))
    assert _label("person", person=1.0)[:2] == ("person", pytest.approx(1, abs=0.05))
    assert _label("person", animal=1.0)[0] == "animal"  # the scene's teacher knows no animals
    assert _label("sea", vehicle=1.0)[0] == "vehicle"
    name, weight, _ = _label("building", vehicle=1.0)  # an arch is no bus
    assert (name, weight < 0.3) == ("building", True)
    assert _label("person")[1] < 0.3
    assert _label("person", near=1.0)[1] > 0.5
    label = _label("person", person=1.0, hair=1.0)[2]
    assert REGIONS[len(SCENE) + int(label.regions[len(SCENE) :, 4, 4].argmax())] == "hair"
    assert float(label.part_weight[4, 4]) > 0.9


needs_teachers = pytest.mark.skipif(not (SHARED / "teachers").is_dir(), reason="no teachers beside the checkout")


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("regions")
    (folder / "photos").mkdir()
    for name in PHOTOS:
        shutil.copy(SHARED / "photos" / f"{name}.webp", folder / "photos")
    run(folder, "whole")
    return folder


def run(work, name, *changes, resume=False):
    given = {"data.folder": work / "photos", "teachers": SHARED / "teachers", "labels": work / "labels"}
    settings = [f"{key}={json.dumps(str(value))}" for key, value in given.items()]
    settings += ["steps=4", "batch=4", "micro_batch=4", "save_every=2", "sample_every=4", "log_every=1"]
    settings += ["sizes=[[32, 32, 2], [48, 32, 1]]", f"network={NETWORK}", "pasted=0.5", "steady_share=0.5"]
    settings += changes
    train(
        "regions", read_settings("regions", "", settings), work / name, resume=resume, cpu=True, say=lambda text: None
    )
    return load_file(work / name / "checkpoint" / "regions" / "model.safetensors")


@needs_teachers
def test_a_run_leaves_a_network_a_sheet_and_labels(work):
    assert load_regions(work / "whole" / "checkpoint").regions(torch.zeros(1, 3, 32, 32)).shape == (1, 15, 8, 8)
    assert (work / "whole" / "samples" / "step-00000004.png").is_file()
    lines = [json.loads(line) for line in (work / "whole" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    assert {"all/scene", "all/parts", "all/features", "all/steady"} <= set(lines[0])
    assert np.load(work / "labels" / "done.npy").tolist() == [1] * len(PHOTOS)


@needs_teachers
def test_a_killed_run_goes_on_as_if_nothing_had_been(work):
    whole = load_file(work / "whole" / "checkpoint" / "regions" / "model.safetensors")
    shutil.copytree(work / "whole", work / "killed")
    shutil.rmtree(work / "killed" / "state" / "step-00000004")
    shutil.rmtree(work / "killed" / "checkpoint")
    again = run(work, "killed", resume=True)
    assert all(torch.equal(value, again[name]) for name, value in whole.items())


@needs_teachers
def test_held_out_photographs_are_not_learnt_from_and_samples_follow_from_their_number(work):
    from movie_cli.train.regions.opinions import Opinions

    opinions = Opinions(work / "labels", sorted((work / "photos").iterdir()))
    assert opinions.complete()
    samples = RegionSamples(opinions, 0, 4, [(64, 48, 1)], 0.5)
    assert {opinions.paths[row].stem for row in samples.held_out_rows} == {"p0010", "q0600", "q1100"}
    assert not set(samples.rows) & set(samples.held_out_rows)
    one, again = samples.sample(7), samples.sample(7)
    assert torch.equal(one.image, again.image)
    assert torch.equal(one.regions, again.regions)
    assert one.image.shape == (3, 48, 64)
    assert one.regions.shape == (len(REGIONS), 12, 16)
    assert not torch.equal(one.image, samples.sample(8).image)


@needs_teachers
def test_labels_of_photographs_are_found_by_path_and_those_of_others_refused(work, tmp_path):
    from movie_cli.train.regions.labels import PhotoLabels

    labels = PhotoLabels(work / "labels", work / "photos")
    regions = labels.regions(work / "photos" / "p0003.webp", 60, 40)
    assert regions.shape == (1, len(REGIONS), 40, 60)
    torch.testing.assert_close(regions[:, : len(SCENE)].sum(dim=1), torch.ones(1, 40, 60), atol=0.05, rtol=0)
    person, parts = regions[:, SCENE.index("person")], regions[:, len(SCENE) :].sum(dim=1)
    torch.testing.assert_close(parts, person, atol=0.05, rtol=0)
    assert labels.regions(work / "photos" / "another.webp", 60, 40) is None
    with pytest.raises(SourceError, match="holds no teachers' answers"):
        PhotoLabels(tmp_path, work / "photos")
    (tmp_path / "photos").mkdir()
    shutil.copy(work / "photos" / "p0003.webp", tmp_path / "photos")
    with pytest.raises(SourceError, match="other photographs"):
        PhotoLabels(work / "labels", tmp_path / "photos")


@needs_teachers
def test_a_run_goes_on_from_another_ones_network(work):
    whole = load_file(work / "whole" / "checkpoint" / "regions" / "model.safetensors")
    start = json.dumps(str(work / "whole" / "checkpoint"))
    still = run(work, "still", f"start={start}", "network={}", "learning_rate=0")
    assert all(torch.equal(value, still[name]) for name, value in whole.items() if "running" not in name)
    with pytest.raises(ModelError, match="another shape"):
        run(work, "wider", f"start={start}", "network={widths = [8, 8, 8, 24]}")


def test_rare_regions_are_drawn_as_often_as_others():
    from movie_cli.train.regions.samples import _chances

    shares = np.zeros((10, 12))
    shares[:9, 0] = shares[9, 1] = 0.5
    drawn = np.diff([0, *_chances(shares, 1.0)])
    assert drawn[9] == pytest.approx(0.5)
    assert drawn.sum() == pytest.approx(1)
    assert np.diff([0, *_chances(shares, 0.0)]) == pytest.approx(0.1)
