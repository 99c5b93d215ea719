"""An option is said once, in its field: command line, job and cache key follow, and none can be forgotten."""

from __future__ import annotations

import dataclasses
import inspect
from fractions import Fraction

import click
import pytest

import movie_cli
from movie_cli.cli.edit import edit, request_of
from movie_cli.editing.job import CHOSEN, edit_identity
from movie_cli.editing.plan import make_plan
from movie_cli.editing.request import EditRequest, PartOptions
from movie_cli.errors import UsageError
from movie_cli.kinds import Choice, FileName, Flag, Kind, Number, Pairs, Rate, Seconds, Size, Time, TimeValue, Whole
from movie_cli.options import EncodeOptions, ReadOptions, RunOptions, options_of
from movie_cli.recipe import AnchorsKind, PlaceKind, Recipe, StepKind
from movie_cli.timeline import ScaleKind
from tests import tiny
from tests.media.clips import make_clip

PARTS = (Recipe, ReadOptions, PartOptions, EncodeOptions, RunOptions)
NO_OPTIONS = {"container", "threads", "overwrite"}
"""What media alone uses, and consent."""
OTHER = {
    Kind: "x",
    Number: 0.5,
    Whole: 7,
    Size: (64, 48),
    Time: TimeValue(frames=2),
    Seconds: 5.0,
    Rate: Fraction(24),
    Pairs: (("g", "5"),),
    FileName: __file__,
    AnchorsKind: "first",
    PlaceKind: "sky",
    ScaleKind: "0s=1,3s=9 hold,4.5s=0.5",
    StepKind: ("make it night --text-scale 4 --only sky",),
}
"""A value for each kind that is nobody's default."""
ALL = [(part, name) for part in PARTS for name in options_of(part)]


def other(option):
    if isinstance(option.kind, Choice):
        return next(word for word in option.kind.words if word != option.default)
    return not option.default if isinstance(option.kind, Flag) else OTHER[type(option.kind)]


def typed(option):
    """The words that give an option its other value."""
    flag, value = max(option.flags, key=len), other(option)
    if isinstance(option.kind, Flag):
        return [flag.split("/")[-1] if option.default else flag]
    text = option.kind.show(value)
    return [f"{flag}={text}"] if flag.startswith("--") else [flag, text]


def changed(request, part, name):
    """The request with another value of one option."""
    value = other(options_of(part)[name])
    holder = {Recipe: "recipe", ReadOptions: "reading", EncodeOptions: "encode"}.get(part)
    if holder is None:
        return dataclasses.replace(request, **{name: value})
    return dataclasses.replace(request, **{holder: dataclasses.replace(getattr(request, holder), **{name: value})})


def test_every_field_is_an_option():
    for part in PARTS:
        assert {field.name for field in dataclasses.fields(part)} - options_of(part).keys() <= NO_OPTIONS
    nested = {"source", "output", "recipe", "encode", "reading"}
    assert {field.name for field in dataclasses.fields(EditRequest)} - options_of(
        EditRequest
    ).keys() - NO_OPTIONS == nested


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planned")
    source = make_clip(folder / "a.mp4", frames=4)
    model = tiny.one_step(folder / "model")
    request = EditRequest(str(source), str(folder / "o.mp4"), Recipe("sepia", model=str(model)), device="cpu")
    return make_plan(request, source), source


@pytest.mark.parametrize(("part", "name"), ALL)
def test_what_decides_an_edit_is_in_its_job(planned, part, name):
    plan, source = planned
    decides = options_of(part)[name].decides
    request = changed(plan.request, part, name)
    if decides in {"rounding", "nothing"} or name == "model":
        # Of these it is what was chosen that counts.
        assert (decides == "rounding") == (name in CHOSEN)
        assert name == "model" or request.told("source", "picture", "file") == plan.request.told(
            "source", "picture", "file"
        )
        return
    assert edit_identity(dataclasses.replace(plan, request=request), source) != edit_identity(plan, source)
    assert (request.told("source") != plan.request.told("source")) == (decides == "source")


def test_what_is_chosen_is_in_the_job(planned):
    plan, source = planned
    config = dataclasses.replace(
        plan.runtime, backend="onnx", provider="cuda", device="cuda:1", dtype="float16", compiled=4
    )
    hardware = dataclasses.replace(plan.hardware, encoder="h264_nvenc")
    other = dataclasses.replace(plan, runtime=config, hardware=hardware, batch=plan.batch + 1, segment=plan.segment + 1)
    one, two = edit_identity(plan, source), edit_identity(other, source)
    for name in CHOSEN:
        words = options_of(RunOptions)[name].words
        assert one.get(words) != two.get(words)


@pytest.mark.parametrize(("part", "name"), [(part, name) for part, name in ALL if options_of(part)[name].typed])
def test_what_is_typed_comes_into_the_request(part, name):
    with edit.make_context("edit", ["a.mp4", "sepia", "-o", "o.mp4", *typed(options_of(part)[name])]) as context:
        values = dict(context.params)
        request = request_of(context, values.pop("source"), values.pop("instruction"), values)
    assert request == changed(EditRequest("a.mp4", "o.mp4", Recipe("sepia")), part, name)


def test_what_is_typed_counts_more_than_a_preset(tmp_path, monkeypatch):
    monkeypatch.setenv("MOVIE_HOME", str(tmp_path))
    preset = '[presets.mine]\ninstruction = "sepia"\nexcept-for = "water"\nseed = 3\n'
    (tmp_path / "config.toml").write_text(preset)
    options = ["--preset", "mine", "--except", "sky", "--seed", "4"]
    with edit.make_context("edit", ["a.mp4", "-o", "o.mp4", *options]) as context:
        values = dict(context.params)
        recipe = request_of(context, values.pop("source"), values.pop("instruction"), values).recipe
    assert (recipe.except_for, recipe.seed) == ("sky", 4)


def test_python_has_the_same_options():
    parameters = inspect.signature(movie_cli.edit).parameters
    for field in dataclasses.fields(EditRequest):
        if field.default is not dataclasses.MISSING:
            assert parameters[field.name].default == field.default
    assert {field.name for field in dataclasses.fields(EditRequest)} == parameters.keys()


def test_a_value_of_another_type_is_told_of():
    with pytest.raises(UsageError, match="--text-scale is 9, which is not a number"):
        Recipe("sepia", text_scale="9")
    with pytest.raises(UsageError, match="--dtype is int4"):
        EditRequest("a.mp4", "o.mp4", Recipe("sepia"), dtype="int4")


def test_options_have_names_of_their_own():
    names = [option.param for part in PARTS for option in options_of(part).values()]
    assert len(names) == len(set(names))
    assert isinstance(edit, click.Command)
    assert set(names) - {"instruction"} <= {param.name for param in edit.params}


def test_seconds_may_be_any_number():
    assert TimeValue(seconds=0.4) == TimeValue.parse("0.4s")
    assert str(TimeValue(seconds=2)) == "2s"
