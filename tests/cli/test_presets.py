"""Named looks: listed, used, changed by what is typed, and wrong ones told of."""

import json
from pathlib import Path

import pytest

from movie_cli.presets import list_presets
from tests.cli.running import assert_refused

SAMPLE = str(Path(__file__).resolve().parents[2] / "samples" / "meadow.mp4")


def recipe_of(movie, *arguments, **environment):
    done = movie("edit", SAMPLE, *arguments, "-o", "out.mp4", "--dry-run", "--json", **environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])["recipe"]


def configure(tmp_path, text):
    (tmp_path / "home").mkdir(exist_ok=True)
    (tmp_path / "home" / "config.toml").write_text(text)


def test_presets_are_listed(movie):
    done = movie("presets")
    assert done.returncode == 0
    assert "dusk" in done.stdout
    assert "--text-scale 6" in done.stdout
    events = [json.loads(line) for line in movie("presets", "--json").stdout.splitlines()]
    assert {event["name"] for event in events} == {preset.name for preset in list_presets()}


def test_the_embedded_model_knows_what_presets_ask_for():
    from movie_cli.backends.torch_backend import TorchBackend
    from movie_cli.backends.torch_devices import choose_torch
    from movie_cli.checkpoints.store import open_model

    backend = TorchBackend(open_model("nano"), choose_torch("cpu", "float32"))
    assert {preset.name: backend.embed_text(preset.recipe.instruction).known for preset in list_presets()} == {
        preset.name: True for preset in list_presets()
    }


def test_what_is_typed_goes_over_the_preset_and_the_preset_over_settings(movie, tmp_path):
    configure(tmp_path, "text-scale = 11\nseed = 5\n")
    found = recipe_of(movie, "--preset", "dusk", "--image-scale", "2")
    assert (found["instruction"], found["text_scale"], found["image_scale"], found["seed"]) == (
        "sunset and darker", 6, 2, 5,
    )  # fmt: skip
    assert recipe_of(movie, "make it winter", "--preset", "dusk")["instruction"] == "make it winter"


def test_ones_own_are_in_the_settings_file(movie, tmp_path):
    configure(tmp_path, 'seed = 3\n[presets.mine]\ninstruction = "sepia"\nimage-scale = 2.5\nsize = [320, 240]\n'
                        '[presets.dusk]\ninstruction = "night"\n')  # fmt: skip
    found = recipe_of(movie, "--preset", "mine")
    assert (found["instruction"], found["image_scale"], found["size"], found["seed"]) == ("sepia", 2.5, [320, 240], 3)
    assert recipe_of(movie, "--preset", "dusk")["instruction"] == "night"
    assert "your own" in movie("presets").stdout


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("[presets.mine]\ntext-scale = 3\n", "has no instruction"),
        ('[presets.mine]\ninstruction = "x"\ntext-scal = 3\n', "did you mean text-scale?"),
        ('[presets.mine]\ninstruction = "x"\ntext-scale = -3\n', "--text-scale is -3"),
        ('[presets.mine]\ninstruction = "x"\ntext-scale = "much"\n', "the preset mine"),
        ("presets = 3\n", "presets is not a table"),
        ("[presets]\nmine = 3\n", "is not a table"),
    ],
)
def test_wrong_presets_are_told_of(movie, tmp_path, settings, said):
    configure(tmp_path, settings)
    assert_refused(movie("edit", SAMPLE, "--preset", "mine", "-o", "out.mp4"), 2, "config.toml", said)
    assert movie("presets").returncode == 2


def test_refusals(movie):
    assert_refused(movie("edit", SAMPLE, "--preset", "dsk", "-o", "out.mp4"), 2, "did you mean dusk?")
    assert_refused(movie("edit", SAMPLE, "--preset", "dusk", "--recipe-from", SAMPLE, "-o", "o.mp4"), 2, "both given")


def test_a_job_may_name_a_preset(movie, tmp_path):
    (tmp_path / "jobs.jsonl").write_text(json.dumps({"source": SAMPLE, "preset": "dusks", "output": "a.mp4"}) + "\n")
    assert_refused(movie("batch", "jobs.jsonl"), 2, "did you mean dusk?")
