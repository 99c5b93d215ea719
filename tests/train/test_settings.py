import tomllib

import pytest

from movie_cli.errors import UsageError
from movie_cli.train.settings import SETTINGS, AutoencoderSettings, GuidanceSettings
from movie_cli.train.settings_file import (
    CONFIGS,
    build,
    commented_defaults,
    read_settings,
    to_values,
)


@pytest.mark.parametrize("stage", SETTINGS)
def test_the_written_defaults_read_back(stage):
    text = commented_defaults(stage)
    assert build(SETTINGS[stage], tomllib.loads(text), "defaults") == SETTINGS[stage]()


def test_the_published_values_are_the_defaults():
    settings = read_settings("guidance", "")
    assert isinstance(settings, GuidanceSettings)
    assert (settings.learning_rate, settings.steps, settings.batch, settings.data.crop) == (1e-5, 5000, 512, 256)
    assert (settings.text_scale_low, settings.text_scale_high) == (2, 14)
    adversarial = read_settings("adversarial", "")
    assert (adversarial.conversion_steps, adversarial.conversion_learning_rate) == (4000, 1e-6)


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.name)
def test_every_configuration_that_comes_with_movie_is_read(path):
    stage = path.stem.rsplit("-", 1)[1]
    settings = read_settings(stage, str(path))
    assert build(SETTINGS[stage], to_values(settings), "run") == settings
    assert read_settings(stage, path.stem.rsplit("-", 1)[0]) == settings


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lerning_rate = 1", "there is no key lerning_rate"),
        ("steps = '10'", "steps is '10', not a whole number"),
        ("steps = true", "steps is True, not a whole number"),
        ("steps = 0", "steps is 0, not at least 1"),
        ("ema = 1.5", "ema is 1.5, not from 0 to 1"),
        ("mixed_precision = 'fp8'", "not one of no, bf16"),
        ("data = 3", "data is 3, not a table"),
        ("[data]\ncorp = 3", "there is no key data.corp"),
        ("[data.weights]\nwinter = 'much'", "data.weights.winter"),
        ("decoder_widths = [1, 2]", "decoder_widths"),
        ("[data]\nframes = 3", "data.frames is 3, not a list"),
        ("[data]\nframes = [64]", "data.frames is 64, not a text"),
        ("steps = ", "cannot be read as TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, said):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=r".") as caught:
        read_settings("autoencoder", str(path))
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    assert caught.value.hint


def test_changes_come_after_the_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("steps = 5\n[data]\ncrop = 64\n")
    settings = read_settings("autoencoder", str(path), ["steps=7", "data.folder=photos", "decoder_widths=[8, 8, 8]"])
    assert isinstance(settings, AutoencoderSettings)
    assert (settings.steps, settings.data.crop, settings.data.folder) == (7, 64, "photos")
    assert settings.decoder_widths == (8, 8, 8)


@pytest.mark.parametrize("change", ["steps", "=3", "steps.more=3"])
def test_changes_must_be_pairs(tmp_path, change):
    path = tmp_path / "mine.toml"
    path.write_text("steps = 5\n")
    with pytest.raises(UsageError):
        read_settings("base", str(path), [change])


def test_a_missing_configuration_names_what_there_is():
    with pytest.raises(UsageError, match="no such configuration"):
        read_settings("base", "nanno")
