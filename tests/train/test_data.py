"""Where samples come from: photographs, videos, folders of pairs, data sets."""

import io
import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from movie_cli.errors import SourceError, UsageError
from movie_cli.train.augmentation import moved, small_affines
from movie_cli.train.bank_samples import BankSamples, TargetCache
from movie_cli.train.pair_samples import HubPairs, PairFolder
from movie_cli.train.photos import photographs
from movie_cli.train.samples import Draws, Share, batches
from movie_cli.train.settings import DataSettings
from tests.train import small

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "meadow.mp4"
WEIGHTS = {name: float(name == small.EDIT) for name in small.bank.BANK}


def bank(tmp_path, **changes):
    if not (tmp_path / "photos").exists():
        small.photos(tmp_path / "photos", 12)
    settings = DataSettings(folder=str(tmp_path / "photos"), crop=32, combined=0.0, weights=WEIGHTS, **changes)
    return BankSamples(settings, 5, tmp_path / "work")


def test_bank_samples_depend_on_their_number_alone(tmp_path):
    first, again = bank(tmp_path), bank(tmp_path)
    again.sample(3)
    for number in (7, 0):
        one, two = first.sample(number), again.sample(number)
        assert torch.equal(one.source, two.source)
        assert torch.equal(one.edited, two.edited)
        assert one.instruction == two.instruction
        assert one.edits in {(small.EDIT,), ()}
    assert not torch.equal(first.sample(0).source, first.sample(1).source)


@pytest.mark.parametrize("crop", [36, 264])
def test_crops_must_fit_the_bank(tmp_path, crop):
    with pytest.raises(UsageError, match=f"data.crop is {crop}"):
        BankSamples(DataSettings(folder=str(small.photos(tmp_path / "photos")), crop=crop), 0, tmp_path / "work")


def test_held_out_photographs_are_not_trained_on(tmp_path):
    source = bank(tmp_path)
    assert sorted(path.stem for path in source.paths) == sorted(f"p{n}" for n in range(12) if n not in (0, 10))
    assert len(source.held_out(3)) == 3
    assert source.patches(5).shape == (50, 3, 8, 8)


def test_photographs_that_a_look_changes_are_drawn_more_often(tmp_path):
    (tmp_path / "photos").mkdir()
    for name, colour in (("p1", (255, 255, 255)), ("p2", (90, 90, 90))):  # what is white cannot become brighter
        Image.new("RGB", (64, 64), colour).save(tmp_path / "photos" / f"{name}.png")
    source = bank(tmp_path, photo_share=1.0, unedited=0.0)
    grey = sum(bool(source.sample(number).source.mean() < 0.5) for number in range(60))
    assert 40 < grey < 60


def test_a_fixed_strength_goes_straight(tmp_path):
    whole, tenth = bank(tmp_path, strength=1.0, unedited=0.0), bank(tmp_path, strength=0.1, unedited=0.0)
    for number in range(3):
        far, near = whole.sample(number), tenth.sample(number)
        expected = far.source + 0.1 * (far.edited - far.source)
        torch.testing.assert_close(near.edited, expected)


def test_whole_frames_take_their_sizes_in_turn(tmp_path):
    """Samples that go together are of one size, and their edits are made for the frame and not for the photograph."""
    small.photos(tmp_path / "photos", 12)
    weights = {name: float(name == "noir") for name in small.bank.BANK}
    settings = DataSettings(
        folder=str(tmp_path / "photos"), combined=0.0, unedited=0.0, strength=1.0, weights=weights,
        crop=32, frames=("64x32", "32x64"),
    )  # fmt: skip
    samples = BankSamples(settings, 5, tmp_path / "work", together=2)
    sizes = [tuple(samples.sample(number).source.shape[1:]) for number in range(6)]
    assert sizes == [(32, 64), (32, 64), (64, 32), (64, 32), (32, 64), (32, 64)]
    assert {tuple(one.source.shape[1:]) for one in samples.held_out(3)} == {(32, 64)}
    one, again = samples.sample(3), samples.sample(3)
    assert torch.equal(one.source, again.source)
    wanted = small.bank.get("noir").full(one.source[None]).clamp(0, 1)[0]
    torch.testing.assert_close(one.edited, wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("frame", ["64", "48x64", "0x64", "64x-32", "wide"])
def test_frames_must_be_sizes(tmp_path, frame):
    settings = DataSettings(folder=str(small.photos(tmp_path / "photos")), crop=32, frames=(frame,))
    with pytest.raises(UsageError, match=f"data.frames has {frame}, not WIDTHxHEIGHT"):
        BankSamples(settings, 0, tmp_path / "work")


def test_noise_lies_on_sources_alone(tmp_path):
    clean, noisy = bank(tmp_path, unedited=0.0), bank(tmp_path, unedited=0.0, source_noise=0.1)
    changes = [(noisy.sample(n).source - clean.sample(n).source).abs().max().item() for n in range(8)]
    assert any(change > 0 for change in changes)
    assert any(change == 0 for change in changes)
    assert all(torch.equal(noisy.sample(n).edited, clean.sample(n).edited) for n in range(8))


def test_noise_is_not_multiplied_with_a_small_edit(tmp_path):
    """Five times an edit of a fifth is the whole edit of the clean picture, whatever noise the source carries."""
    whole, noisy = bank(tmp_path, strength=1.0), bank(tmp_path, strength=0.2, source_noise=0.1)
    moved = 0
    for number in range(8):
        sample, clean = noisy.sample(number), whole.sample(number)
        moved += not torch.equal(sample.source, clean.source)
        found = sample.source + 5 * (sample.edited - sample.source)
        torch.testing.assert_close(found, clean.edited, atol=1e-5, rtol=1e-5)
    assert 0 < moved < 8


def test_noise_on_sources_is_not_the_noise_of_training(tmp_path):
    """A stage draws from the same seed and number: its noise must not be known from the picture."""
    clean, noisy = bank(tmp_path, unedited=0.0), bank(tmp_path, unedited=0.0, source_noise=0.02)
    for number in range(6):
        grain = (noisy.sample(number).source - clean.sample(number).source).flatten()
        if grain.abs().max() > 0:
            draws = Draws(5, [number])
            draws.uniform(-0.5, 0.5)
            drawn = draws.normal(3, 32, 32).flatten()
            assert torch.corrcoef(torch.stack([grain, drawn]))[0, 1].abs() < 0.1


def test_stills_of_videos_are_photographs(tmp_path):
    folder = tmp_path / "mixed"
    small.photos(folder, 2)
    shutil.copy(SAMPLE, folder / "meadow.mp4")
    found = photographs(folder, tmp_path / "stills")
    stills = [path for path in found if path.parent.name == "meadow.mp4"]
    assert len(found) - len(stills) == 2
    assert stills
    assert len({path.stem[-1] for path in stills}) == 1  # all of a video are held out, or none
    before = [path.stat().st_mtime_ns for path in stills]
    assert [path.stat().st_mtime_ns for path in photographs(folder, tmp_path / "stills")[2:]] == before


def test_a_folder_without_pictures(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="no photographs"):
        photographs(tmp_path / "empty", tmp_path / "stills")


def test_pairs_go_round_in_another_order_each_time(tmp_path):
    folder = small.pairs(tmp_path / "pairs")
    source = PairFolder(DataSettings(kind="pairs", folder=str(folder), crop=32, flip=False), 1)
    rounds = [[source.sample(n).source.mean().item() for n in range(at, at + 6)] for at in (0, 6)]
    assert rounds[0] != rounds[1]
    again = PairFolder(DataSettings(kind="pairs", folder=str(folder), crop=32, flip=False), 1)
    assert torch.equal(again.sample(8).edited, source.sample(8).edited)
    assert again.sample(8).edits is None
    assert again.sample(8).instruction == "make it winter"


def test_source_and_edited_are_cropped_alike(tmp_path):
    folder = small.pairs(tmp_path / "pairs", 1)
    shutil.copy(folder / "0_0.png", folder / "0_1.png")
    source = PairFolder(DataSettings(kind="pairs", folder=str(folder), crop=32), 1)
    for number in range(6):
        sample = source.sample(number)
        assert torch.equal(sample.source, sample.edited)
        assert sample.source.shape == (3, 32, 32)


def test_moves_are_the_same_for_both_and_small():
    picture = torch.rand(2, 3, 32, 32)
    affines = small_affines(Draws(0, [1, 2]), 0.03)
    one, two = moved([picture, picture], affines)
    assert torch.equal(one, two)
    assert not torch.allclose(one, picture, atol=1e-3)
    still = moved([picture], small_affines(Draws(0, [1, 2]), 0.0))[0]
    torch.testing.assert_close(still, picture, atol=1e-5, rtol=1e-5)


def png(picture):
    stream = io.BytesIO()
    picture.save(stream, "png")
    return {"bytes": stream.getvalue(), "path": None}


def hub_folder(tmp_path, count=6, edited=True):
    pytest.importorskip("datasets")
    import pyarrow
    import pyarrow.parquet

    rows = []
    for seed in range(count):
        row = {"original_image": png(small.picture(seed)), "edit_prompt": f"instruction {seed}"}
        rows.append(row | ({"edited_image": png(small.picture(seed + 100))} if edited else {}))
    (tmp_path / "hub").mkdir()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "hub" / "train.parquet")
    return DataSettings(kind="hub", name=str(tmp_path / "hub"), crop=32, flip=False)


def test_data_sets_are_streamed_in_their_order_and_go_round(tmp_path):
    source = HubPairs(hub_folder(tmp_path), 0)
    assert [source.sample(n).instruction for n in (0, 1, 4, 5, 6, 8, 12)] == [
        f"instruction {n % 6}" for n in (0, 1, 4, 5, 6, 8, 12)
    ]
    assert source.sample(1).instruction == "instruction 1"
    # A resumed run may begin in a later round, before the length is known.
    assert HubPairs(source._settings, 0).sample(13).instruction == "instruction 1"
    seen = [batch.numbers for batch in batches(HubPairs(source._settings, 0), Share(4, 2, 1, 2), 0, 3, 0)]
    assert seen == [[2, 3], [6, 7], [10, 11]]


def test_data_sets_that_lack_something_are_refused(tmp_path):
    with pytest.raises(SourceError, match="row 1 has no edited image"):
        HubPairs(hub_folder(tmp_path, edited=False), 0)


def test_a_data_set_needs_a_name():
    pytest.importorskip("datasets")
    with pytest.raises(UsageError, match=r"data\.name is empty"):
        HubPairs(DataSettings(kind="hub"), 0)


def test_truncated_pictures_are_found_in_pairs(tmp_path):
    folder = small.pairs(tmp_path / "pairs")
    picture = folder / "3_1.png"
    picture.write_bytes(picture.read_bytes()[:200])
    with pytest.raises(SourceError, match=r"3_1\.png cannot be read"):
        PairFolder(DataSettings(kind="pairs", folder=str(folder), crop=32), 0)
    Image.new("RGB", (8, 200)).save(picture)
    with pytest.raises(SourceError, match="8x200 pixels, smaller than the crop of 32"):
        PairFolder(DataSettings(kind="pairs", folder=str(folder), crop=32), 0)
    row = json.dumps({"source": "a.png"})
    (folder / "metadata.jsonl").write_text(row)
    with pytest.raises(SourceError, match="line 1 has no edited image"):
        PairFolder(DataSettings(kind="pairs", folder=str(folder), crop=32), 0)


def test_two_processes_never_write_one_partial_file(tmp_path, monkeypatch):
    Image.fromarray(np.full((80, 100, 3), 90, np.uint8)).save(tmp_path / "p.png")
    names, save = [], np.save

    def noted(stream, *rest, **options):
        names.append(stream.name)
        save(stream, *rest, **options)

    monkeypatch.setattr(np, "save", noted)
    for folder in ("one", "other"):
        random.seed(0)
        TargetCache(tmp_path / folder).source(tmp_path / "p.png", 64)
    assert len({name.rsplit(".", 1)[1] for name in names}) == 2
    assert sorted(path.name for path in (tmp_path / "one" / "source-64").iterdir()) == ["p.npy"]
