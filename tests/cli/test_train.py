"""`movie train` through the real command: every stage, what it writes, and what it refuses."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from movie_cli.train.bank import BANK
from tests import tiny
from tests.cli.running import assert_refused
from tests.train import small

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "meadow.mp4"


def edit(movie, checkpoint, name):
    found = movie(
        "edit", str(SAMPLE), "make it brighter", "-o", f"{name}.mp4", "--model", str(checkpoint), "--duration", "2f",
        "--size", "64x48", "--json",
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    assert Path(f"{name}.mp4").stat().st_size > 0


def stage(movie, name, start, folder, extra="", steps=2, **options):
    extra = f"steps = {steps}\nsample_every = {steps}\n{extra}"
    path = small.config(Path(f"{name}-{folder}.toml"), name, extra=extra, **options)
    found = movie("train", name, str(start), "-c", str(path), "--data", "photos", "-o", folder, "-q")
    assert found.returncode == 0, found.stderr
    return Path(folder) / "checkpoint"


def model(movie, checkpoint):
    return json.loads(movie("models", "show", str(checkpoint), "--json").stdout)


def test_the_whole_chain_from_nothing(movie, tmp_path):
    small.photos(tmp_path / "photos")
    coded = stage(movie, "autoencoder", "nano", "a")
    edit(movie, coded, "a")
    base = stage(movie, "base", coded, "b", unet=small.UNET)
    edit(movie, base, "b")
    assert (model(movie, base)["stage"], model(movie, base)["passes"], model(movie, base)["steps"]) == ("base", 3, 2)
    assert model(movie, base)["name"] == "b"
    again = stage(movie, "base", base, "c")
    guided = stage(movie, "guidance", again, "d")
    edit(movie, guided, "d")
    assert (model(movie, guided)["stage"], model(movie, guided)["passes"]) == ("guided", 1)
    last = stage(movie, "adversarial", guided, "e", steps=10)
    edit(movie, last, "e")
    assert (model(movie, last)["stage"], model(movie, last)["steps"]) == ("one-step", 1)
    assert model(movie, last)["edits"] == list(BANK)  # a checkpoint that is trained on the bank knows all of it

    run = json.loads((tmp_path / "e" / "run.json").read_text())
    assert (run["stage"], run["seed"], run["settings"]["conversion_steps"]) == ("adversarial", 3, 5)
    assert run["versions"]["torch"] == torch.__version__
    lines = [json.loads(line) for line in (tmp_path / "e" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 6, 8, 10, 12, 14, 15]
    assert "student/velocity" in lines[0]
    assert {"discriminator/hinge", "discriminator/r1", "student/distance", "student/generator"} <= lines[-1].keys()
    assert list((tmp_path / "e" / "tensorboard").iterdir())
    assert "finished" in (tmp_path / "e" / "log.txt").read_text()
    assert (tmp_path / "e" / "samples" / "step-00000015.png").stat().st_size > 0
    assert not [path for path in tmp_path.rglob("*") if path.suffix in {".pt", ".pkl", ".bin"}]


def test_an_autoencoder_gives_the_source_back(movie, tmp_path):
    small.photos(tmp_path / "photos")
    coded = stage(movie, "autoencoder", "nano", "a", extra="latent_channels = 96", steps=1)

    edit(movie, coded, "a")
    from movie_cli.media.reader import FrameReader

    with FrameReader(Path("a.mp4")) as made, FrameReader(SAMPLE, also_size=(64, 48)) as source:
        pair = next(iter(made)).pixels.astype(float), next(iter(source)).scaled.astype(float)
    assert abs(pair[0] - pair[1]).mean() < 12


def test_published_layouts_are_taken_through_the_chain(movie, tmp_path):
    small.photos(tmp_path / "photos")
    small.pairs(tmp_path / "pairs")
    tiny.instruct_pix2pix(tmp_path / "ip2p")
    tiny.tiny_autoencoder(tmp_path / "taesd")
    mobile = stage(movie, "mobile", "ip2p", "m", extra='autoencoder = "taesd"')
    edit(movie, mobile, "m")
    shown = model(movie, mobile)
    assert (shown["stage"], shown["passes"]) == ("base", 3)
    unet = json.loads((mobile / "unet" / "config.json").read_text())
    assert unet["down_block_types"][0] == "DownBlock2D"
    assert unet["up_block_types"][-1] == "UpBlock2D"
    # The next stage learns from a folder of pairs.
    path = small.config(Path("g.toml"), "guidance", data='[data]\nkind = "pairs"\ncrop = 32\n')
    assert movie("train", "guidance", str(mobile), "-c", str(path), "--data", "pairs", "-o", "g", "-q").returncode == 0
    edit(movie, Path("g/checkpoint"), "g")
    edit(movie, stage(movie, "adversarial", "g/checkpoint", "s"), "s")


def test_a_text_to_image_pipeline_gets_image_channels(movie, tmp_path):
    small.photos(tmp_path / "photos")
    tiny.text_to_image(tmp_path / "sd")
    assert movie("models", "show", "sd").returncode == 4  # it cannot edit yet
    mobile = stage(movie, "mobile", "sd", "m")
    assert json.loads((mobile / "unet" / "config.json").read_text())["in_channels"] == 8
    edit(movie, mobile, "m")


def test_a_recurrent_equivariant_chain(movie, tmp_path):
    small.photos(tmp_path / "photos")
    start = tiny.one_step(tmp_path / "start")
    base = stage(movie, "base", start, "b", unet=small.UNET, extra="recurrent = true\nequivariant = 0.03")
    assert json.loads((base / "unet" / "config.json").read_text())["in_channels"] == 24
    edit(movie, base, "b")
    guided = stage(movie, "guidance", base, "g")
    edit(movie, stage(movie, "adversarial", guided, "a"), "a")


@pytest.fixture
def ready(tmp_path, monkeypatch):
    """A folder with photographs, a one-step checkpoint and a configuration for `base`."""
    monkeypatch.chdir(tmp_path)
    small.photos(tmp_path / "photos")
    tiny.one_step(tmp_path / "start")
    small.config(tmp_path / "base.toml", "base", unet=small.UNET)
    return tmp_path


BASE = ("train", "base", "start", "-c", "base.toml", "-o", "run")


def test_a_dry_run_trains_nothing(movie, ready):
    found = movie(*BASE, "--data", "photos", "--dry-run", "--json")
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["trained"] is False
    assert not (ready / "run" / "run.json").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--set", "lerning_rate=1"), 2, ("there is no key lerning_rate", "did you mean learning_rate?")),
        (("--set", "steps=many"), 2, ("steps is 'many', not a whole number",)),
        (("--set", "unet.cross_atention_dim=3"), 2, ("there is no key unet.cross_atention_dim",)),
        (("--set", "unet.norm_num_groups=5"), 2, ("no denoiser can be built",)),
        (("--set", "batch=3"), 2, ("a batch of 3 is not a multiple of 2",)),
        (("--set", "data.weights.wintre=2"), 2, ("wintre", "winter")),
        (("--set", "data.kind=pairs"), 3, ("metadata.jsonl",)),
        (("--set", "data.crop=96"), 3, ("p0.png is 96x80 pixels, smaller than the crop of 96",)),
        (("--data", "nowhere"), 3, ("nowhere: no such folder",)),
        (("--set", "data.folder="), 3, ("there is no data",)),
        (("--config", "nanno"), 2, ("nanno: no such configuration",)),
        (("--resume",), 2, ("run holds no run to go on with",)),
    ],
)
def test_what_cannot_be_meant_is_refused_at_the_start(movie, ready, arguments, code, said):
    data = () if "--data" in arguments else ("--data", "photos")
    if "data.folder=" in arguments:
        data = ()
    assert_refused(movie(*BASE, *data, *arguments), code, *said)
    assert not (ready / "run").exists() or not (ready / "run" / "run.json").exists()


@pytest.mark.parametrize(
    ("stage_name", "start", "said"),
    [
        ("guidance", "start", "start is a one-step checkpoint; movie train guidance starts from base"),
        ("adversarial", "start", "movie train adversarial starts from guided"),
        ("mobile", "start", "movie train mobile starts from base"),
        ("guidance", "", "no checkpoint to start from"),
        ("guidance", "nowhere", "there is no model nowhere"),
    ],
)
def test_checkpoints_of_the_wrong_stage_are_refused(movie, ready, stage_name, start, said):
    small.config(ready / "mine.toml", stage_name)
    words = ["train", stage_name, *([start] if start else []), "-c", "mine.toml", "--data", "photos", "-o", "run"]
    assert_refused(movie(*words), 4, said)


def test_other_autoencoders_than_our_own_are_not_trained(movie, ready):
    tiny.instruct_pix2pix(ready / "ip2p")
    small.config(ready / "mine.toml", "autoencoder", extra="fit = false")
    found = movie("train", "autoencoder", "ip2p", "-c", "mine.toml", "--data", "photos", "-o", "run")
    assert found.returncode == 4
    assert "is not a PatchAutoencoder" in found.stderr


def test_a_decoder_is_begun_anew_where_code_and_denoiser_stay(movie, tmp_path):
    small.photos(tmp_path / "photos")
    anew = "fit = false\nnew_decoder = true\ndecoder_blocks = 3"
    small.config(tmp_path / "mine.toml", "autoencoder", extra=anew)
    found = movie("train", "autoencoder", "nano", "-c", "mine.toml", "--data", "photos", "-o", "run", "-q")
    assert found.returncode == 0, found.stderr
    made = json.loads(Path("run/checkpoint/vae/config.json").read_text())
    assert (made["decoder_widths"], made["decoder_blocks"], made["latent_channels"]) == ([8, 8, 8], 3, 32)
    edit(movie, "run/checkpoint", "new")


def test_a_base_without_a_shape_needs_a_base(movie, ready):
    small.config(ready / "base.toml", "base")
    assert_refused(movie(*BASE, "--data", "photos"), 4, "starts from base")


def test_pictures_that_cannot_be_read_are_named(movie, ready):
    broken = ready / "photos" / "p2.png"
    broken.write_bytes(broken.read_bytes()[:300])
    (ready / "photos" / "p3.png").write_text("no picture")
    assert_refused(movie(*BASE, "--data", "photos"), 3, "p2.png", "(and 1 more)")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"source": "0_0.png", "instruction": "x"}', "line 7 has no edited image"),
        ('{"source": "0_0.png", "edited": "0_1.png"}', "line 7 has no instruction"),
        ('{"source": "0_0.png", "edited": "gone.png", "instruction": "x"}', "gone.png: no such file"),
        ("{", "line 7 is not JSON"),
    ],
)
def test_rows_that_lack_something_are_named(movie, ready, line, said):
    folder = small.pairs(ready / "pairs")
    with (folder / "metadata.jsonl").open("a") as stream:
        stream.write(line + "\n")
    assert_refused(movie(*BASE, "--data", "pairs", "--set", "data.kind=pairs"), 3, said)


def test_a_run_is_not_overwritten_and_goes_on_with_its_own_configuration(movie, ready):
    assert movie(*BASE, "--data", "photos", "-q", "--set", "steps=4").returncode == 0
    assert_refused(movie(*BASE, "--data", "photos"), 2, "run holds a run already")
    assert_refused(movie(*BASE, "--data", "photos", "--resume", "--set", "seed=4"), 2, "was begun with another seed")
    assert movie(*BASE, "--data", "photos", "--resume", "-q", "--set", "steps=6").returncode == 0
    lines = (ready / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [2, 4, 6]
    shutil.rmtree(ready / "run")
    (ready / "run").mkdir()
    (ready / "run" / "mine.txt").touch()
    assert_refused(movie(*BASE, "--data", "photos"), 2, "run is not an empty folder")


def test_the_defaults_are_written_with_their_sources(movie):
    found = movie("train", "guidance", "--show-defaults")
    assert found.returncode == 0
    assert "learning_rate = 1e-05  # P" in found.stdout
    assert_refused(movie("train", "guidance", "nano"), 2, "-o is missing")
