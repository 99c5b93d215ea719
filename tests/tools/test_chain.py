"""The chain of training, by its real commands on tiny networks."""

import json

import pytest

from tests import forked
from tests.train import small
from tools import chain

UNET = small.UNET + "scale_embedding_dim = 8\ntime_embedding_dim = 32\nsource_residual = true\n"


@pytest.fixture
def words(tmp_path):
    """The chain's arguments: an autoencoder, a direct network on it, and both put together."""
    for name in ("teachers", "paintings"):
        (tmp_path / name).mkdir()
    small.photos(tmp_path / "photos")
    first = small.config(tmp_path / "first.toml", "autoencoder", extra="steps = 2")
    second = small.config(tmp_path / "second.toml", "direct", extra="steps = 2", unet=UNET)
    (tmp_path / "plan.toml").write_text(
        'bank = ["data.targets={runs}/targets"]\n'
        f'[[step]]\nname = "code"\nstage = "autoencoder"\nstart = "nano"\nconfig = "{first}"\n'
        f'[[step]]\nname = "direct"\nstage = "direct"\nstart = "code"\nconfig = "{second}"\n'
        '[[step]]\nname = "whole"\nnetworks = "direct"\nwords = "direct"\n'
    )
    folders = [f"--{name}={tmp_path / name}" for name in ("teachers", "paintings")]
    return [str(tmp_path / "photos"), *folders, "-o", str(tmp_path / "runs"), "--plan", str(tmp_path / "plan.toml")]


def test_a_chain_goes_on_where_it_was_stopped(words, tmp_path, capfd, monkeypatch):
    module = chain._module
    monkeypatch.setattr(chain, "_module", lambda name: forked.program() if name == "movie_cli" else module(name))
    assert chain.main([*words, "--until", "code"]) == 0
    runs = tmp_path / "runs"
    assert sorted(path.name for path in runs.iterdir()) == ["code", "targets"]
    (runs / "code" / "here").touch()  # a second training would begin with an empty folder
    assert chain.main([*words, "--dry-run"]) == 0
    left = capfd.readouterr().out.splitlines()
    assert [" train direct " in left[-2], "tools.assemble" in left[-1]] == [True, True]
    assert f'data.targets="{runs}/targets"' in left[-2]
    assert chain.main(words) == 0
    assert capfd.readouterr().out.splitlines()[-1] == str(runs / "whole" / "checkpoint")
    assert (runs / "code" / "here").exists()
    assert json.loads((runs / "whole" / "checkpoint" / "movie.json").read_text())["stage"] == "one-step"
    assert chain.main([*words, "--dry-run"]) == 0
    assert capfd.readouterr().out == ""


def test_a_plan_with_an_unknown_key_and_a_step_that_is_not_there(words, tmp_path, capsys):
    assert chain.main([*words, "--until", "nowhere"]) == 2
    assert "there are code, direct, whole" in capsys.readouterr().err
    plan = tmp_path / "plan.toml"
    plan.write_text(plan.read_text().replace("start =", "begin =", 1))
    assert chain.main(words) == 2
    assert "a step has no begin" in capsys.readouterr().err


def test_the_plan_of_the_embedded_model_names_what_is_there():
    steps = chain.read_plan(chain.PLAN)
    names = [step.name for step in steps]
    for number, step in enumerate(steps):
        before = {*names[:number], "nano", ""}
        assert {step.start, step.regions, step.networks, step.words} <= before
