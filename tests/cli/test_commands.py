"""The program as people and scripts meet it, through its entry point."""

from __future__ import annotations

import json
import os
from pathlib import Path

import av
import numpy as np
import pytest

from movie_cli.editing.latent_cache import LatentCache
from movie_cli.recipe import Recipe
from tests.cli.running import assert_refused
from tests.comparison.clips import counting

CLIPS = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "clips"


def test_help_is_short_grouped_and_has_examples(movie):
    found = movie("--help")
    for text in (
        "Examples:",
        "Video:",
        "Models:",
        "Machine:",
        "make it winter",
        "edit",
        "info",
        "models",
        "devices",
        "cache",
    ):
        assert text in found.stdout
    assert len(found.stdout.splitlines()) <= 40
    edit = movie("edit", "--help").stdout
    positions = [
        edit.index(f"\n{theme}:") for theme in ("What to do", "Which part", "Output file", "Machine", "Safety")
    ]
    assert positions == sorted(positions)


OPTIONS = """
--text-scale --image-scale --seed --steps --model --size --start --end --duration --anchors --detail --backend --device
--dtype --batch-size --offline --codec --crf --encoder-preset -e --pix-fmt --audio --no-audio --no-subtitles
--no-metadata -y -n --strict --dry-run --recipe-from --cache --no-cache --progress --json -q -v -o
"""


def test_every_option_of_the_contract_is_there(movie):
    shown = movie("edit", "--help").stdout
    for option in OPTIONS.split():
        assert option in shown


def test_nothing_typed_shows_help_as_a_usage_error(movie):
    found = movie()
    assert found.returncode == 2
    assert "Usage: movie COMMAND" in found.stderr
    assert found.stdout == ""


GOOD = ["edit", "in.mp4", "make it winter", "-o", "out.mp4"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["edti"], "did you mean movie edit?"),
        (["cache", "claer"], "did you mean movie cache clear?"),
        (["edit"], "SOURCE is missing"),
        (["edit", "in.mp4", "-o", "out.mp4"], "INSTRUCTION"),
        (["edit", "in.mp4", "make it winter"], "-o out.mp4"),
        ([*GOOD, "extra"], "extra"),
        ([*GOOD, "--text-scal", "3"], "--text-scale"),
        (["edit", "in.mp4", "", "-o", "out.mp4"], "the instruction is empty"),
        (["edit", "in.mp4", " \n", "-o", "out.mp4"], "the instruction is empty"),
        ([*GOOD, "--text-scale", "nan"], "--text-scale: nan"),
        ([*GOOD, "--text-scale", "inf"], "--text-scale: inf"),
        ([*GOOD, "--text-scale", "strong"], "strong"),
        ([*GOOD, "--image-scale", "0"], "--image-scale: 0"),
        ([*GOOD, "--image-scale", "-1.5"], "-1.5"),
        ([*GOOD, "--detail", "1.1"], "--detail"),
        ([*GOOD, "--seed", "-1"], "--seed"),
        ([*GOOD, "--seed", "1.5"], "--seed"),
        ([*GOOD, "--steps", "0"], "--steps"),
        ([*GOOD, "--batch-size", "0"], "--batch-size"),
        ([*GOOD, "--size", "640"], "640"),
        ([*GOOD, "--size", "0x0"], "0x0"),
        ([*GOOD, "--size", "99999x99999"], "99999x99999"),
        ([*GOOD, "--start", "soon"], "--start"),
        ([*GOOD, "--start", "-1s"], "--start"),
        ([*GOOD, "--end", "2s", "--duration", "1s"], "--duration"),
        ([*GOOD, "--start", "2s", "--end", "1s"], "--end"),
        ([*GOOD, "--anchors", "every:0"], "every:0"),
        ([*GOOD, "--anchors", "last"], "last"),
        ([*GOOD, "--dtype", "float8"], "float8"),
        ([*GOOD, "--crf", "nan"], "--crf"),
        ([*GOOD, "-e", "noequals"], "noequals"),
        ([*GOOD, "--progress", "loud"], "loud"),
        ([*GOOD, "-y", "-n"], "-y and -n"),
        (["edit", "in.mp4", "make it winter", "-o", "in.mp4"], "source itself"),
        (["edit", "in.mp4", "make it winter", "-o", "-", "--json"], "--json"),
        (["edit", "in.mp4", "make it winter", "-o", ""], "empty"),
        (["edit", "in.mp4", "--recipe-from", "in.mp4", "-o", "there.mp4", "-y", "-n"], "-y and -n"),
        (["edit", "in.mp4", "make it winter", "-o", "there.mp4"], "-y replaces it"),
        (["edit", "in.mp4", "make it winter", "-o", "there.mp4", "-n"], "exists"),
    ],
)
def test_usage_errors(movie, tmp_path, arguments, said):
    (tmp_path / "in.mp4").write_bytes(b"video")
    (tmp_path / "there.mp4").write_bytes(b"precious")
    before = sorted(tmp_path.iterdir())
    found = movie(*arguments)
    assert_refused(found, 2, said)
    assert "hint: " in found.stderr
    assert found.stdout == "" or "--json" in arguments
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "there.mp4").read_bytes() == b"precious"


def test_sources_and_outputs_that_are_none(movie, tmp_path):
    (tmp_path / "in.mp4").write_bytes(b"video")
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "folder").mkdir()
    for source in ("none.mp4", "empty.mp4", "folder"):
        assert_refused(movie("edit", source, "make it winter", "-o", "out.mp4"), 3, source, "hint: ")
        assert_refused(movie("info", source), 3, source, "hint: ")
    for output in ("folder", "none/out.mp4"):
        assert_refused(movie("edit", "in.mp4", "make it winter", "-o", output), 7, output, "hint: ")


def test_a_file_name_cannot_break_the_line_or_the_terminal(movie):
    found = movie("edit", "a\nb\x1b[31m.mp4", "make it winter", "-o", "out.mp4")
    assert_refused(found, 3)
    assert "\x1b" not in found.stderr
    surrogate = os.fsdecode(b"\xff.mp4")
    assert_refused(movie("info", surrogate), 3)


def test_json_tells_errors_as_events_too(movie):
    found = movie("edit", "none.mp4", "make it winter", "-o", "out.mp4", "--json")
    event = json.loads(found.stdout)
    assert event == {"type": "error", "message": "none.mp4 does not exist", "hint": event["hint"], "exit_code": 3}
    assert_refused(found, 3)
    assert json.loads(movie("edit", "--json").stdout)["exit_code"] == 2
    assert movie("edit", "--", "none.mp4", "--json").stdout == ""


def test_the_recipe_of_a_file_without_one(movie, tmp_path):
    (tmp_path / "text.mp4").write_text("this is no video")
    assert_refused(movie("edit", "text.mp4", "--recipe-from", "none.mp4", "-o", "out.mp4"), 3, "none.mp4")
    assert_refused(movie("edit", "text.mp4", "--recipe-from", "text.mp4", "-o", "out.mp4"), 3, "text.mp4")


def test_settings_go_flag_then_environment_then_file(movie, tmp_path):
    (tmp_path / "in.mp4").write_bytes(b"video")
    config = tmp_path / "home" / "config.toml"
    config.parent.mkdir()
    refuse = ["edit", "in.mp4", "make it winter", "-o", "out.mp4"]
    config.write_text('text-scale = "much"\n')
    assert_refused(movie(*refuse), 2, f"{config}: text-scale", "sets --text-scale")
    config.write_text("text_scale = nan\n")
    assert_refused(movie(*refuse), 2, f"{config}: text_scale")
    config.write_text("text_scale = true\n")
    assert_refused(movie(*refuse), 2, f"{config}: text_scale")
    config.write_text("text-scale = 3\nanchors = 'last'\n")
    assert_refused(movie(*refuse), 2, "anchors", "last")
    assert_refused(movie(*refuse, MOVIE_TEXT_SCALE="-3"), 2)
    config.write_text("text-scale = 3\n")
    assert_refused(movie(*refuse, MOVIE_TEXT_SCALE="-3"), 2, "MOVIE_TEXT_SCALE", "-3")
    config.write_text("txt-scale = 3\n")
    assert_refused(movie(*refuse), 2, "txt-scale", "did you mean text-scale?")
    config.write_text("output = 'x.mp4'\n")
    assert_refused(movie(*refuse), 2, "no setting output")
    config.write_text("model = [1]\n")
    assert_refused(movie(*refuse), 2, "model")
    config.write_text("broken = = 1\n")
    assert_refused(movie(*refuse), 2, str(config))
    assert movie("edit", "--help").returncode == 0
    assert movie("cache", "info").returncode == 0


def test_a_wrong_setting_is_found_whatever_is_typed(movie, tmp_path):
    (tmp_path / "in.mp4").write_bytes(b"video")
    config = tmp_path / "home" / "config.toml"
    config.parent.mkdir()
    plan = ["edit", "in.mp4", "make it winter", "-o", "out.mp4"]
    config.write_text("batch-size = 0\n")
    assert_refused(movie(*plan), 2, "batch-size")
    config.write_text('size = "3x"\ncache = false\nno-audio = true\n')
    assert_refused(movie(*plan), 2, "size: 3x")
    assert_refused(movie(*plan, "--size", "8x8"), 2, "size: 3x")


def test_a_dry_run_is_in_words_and_tells_of_what_the_model_does_not_know(movie, tmp_path):
    done = movie("edit", str(counting(tmp_path / "in.mp4", count=3)), "turn the car hairy", "-o", "o.mp4", "--dry-run")
    assert done.returncode == 0, done.stderr
    plan = dict(line.split("  ", 1) for line in done.stdout.splitlines())
    assert "text-scale 7.5" in plan["recipe"]
    assert "{" not in done.stdout
    assert "cpu, cpu" not in plan["device"]
    assert 'not trained on "turn it hairy"' in plan["warning"]


def test_a_recipe_is_repeated_with_what_is_typed_put_over_it(movie, tmp_path):
    made = tmp_path / "made.mkv"
    recipe = Recipe("make it winter", text_scale=9.0, size=(64, 48), model="the-recipes-model")
    with av.open(str(made), "w") as container:
        container.metadata["movie_recipe"] = recipe.to_json()
        stream = container.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        frame = av.VideoFrame(64, 48, "yuv420p")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    repeat = ["edit", "made.mkv", "--recipe-from", "made.mkv", "-o", "out.mp4", "--dry-run", "--offline"]
    assert_refused(movie(*repeat), 4, "the-recipes-model")
    assert_refused(movie(*repeat, MOVIE_MODEL="the-settings-model"), 4, "the-recipes-model")
    assert_refused(movie(*repeat, "--model", "the-typed-model"), 4, "the-typed-model")
    assert_refused(
        movie(*repeat[:2], "make it night", *repeat[4:], MOVIE_MODEL="the-settings-model"), 4, "the-settings"
    )
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["made.mkv"]


def test_a_misspelt_variable_is_told_of(movie):
    found = movie("edit", "none.mp4", "make it winter", "-o", "out.mp4", MOVIE_TEXTSCALE="3", MOVIE_THEATER="9")
    assert "warning: MOVIE_TEXTSCALE is not a setting; did you mean MOVIE_TEXT_SCALE?" in found.stderr
    assert "THEATER" not in found.stderr


def test_a_setting_of_one_command_is_no_fault_of_another(movie, tmp_path):
    """`text-scale` is a default of edits, of previews a list that is typed; `aimet-python` is of exports alone."""
    config = tmp_path / "home" / "config.toml"
    config.parent.mkdir(exist_ok=True)
    config.write_text('text-scale = 9\naimet-python = "python"\n')
    settings = {"MOVIE_TEXT_SCALE": "9", "MOVIE_AIMET_PYTHON": "python"}
    for command in (("preview", "none.mp4", "make it winter"), ("edit", "none.mp4", "make it winter", "-o", "out.mp4")):
        found = movie(*command, **settings)
        assert_refused(found, 3, "none.mp4")
        assert "warning" not in found.stderr
    config.write_text("aimet-pyton = 1\n")
    assert_refused(movie("preview", "none.mp4", "make it winter"), 2, "did you mean aimet-python?")


def test_cache_info_and_clear(movie, tmp_path):
    cache = LatentCache(tmp_path / "home" / "cache" / "latents")
    with cache.writer("a" * 40) as writer:
        writer.add(np.zeros((2, 4, 3, 5), np.float32), np.zeros((2, 24, 40, 3), np.uint8), [(0, 1), (1, 1)])
        writer.commit()
    event = json.loads(movie("cache", "info", "--json").stdout)
    assert event["type"] == "cache"
    assert (event["entries"], event["root"]) == (1, str(cache.root))
    assert "clips   1" in movie("cache", "info").stdout
    with cache.open("a" * 40):
        assert "1 in use were kept" in movie("cache", "clear").stdout
    assert "removed 1 clip," in movie("cache", "clear").stdout
    assert json.loads(movie("cache", "clear", "--json").stdout) == {
        "type": "cleared",
        "removed": 0,
        "bytes": 0,
        "kept": 0,
    }


def test_devices(movie):
    events = [json.loads(line) for line in movie("devices", "--json").stdout.splitlines()]
    assert {event["type"] for event in events} == {"device", "choice"}
    assert {"torch", "openvino", "onnx", "qnn"} == {event["backend"] for event in events if event["type"] == "device"}
    lines = movie("devices").stdout.splitlines()
    assert lines[0].split() == ["backend", "device", "usable", "dtype", "name", "why"]
    assert lines[-1].startswith("--device auto picks ")
    assert all(line == line.rstrip() for line in lines)


def test_models(movie, tmp_path):
    assert movie("models", "list").returncode == 0
    assert_refused(movie("models", "show", "no-such-model"), 4, "no-such-model", "hint: ")
    broken = tmp_path / "home" / "models" / "broken"
    broken.mkdir(parents=True)
    (broken / "model_index.json").write_text("{}")
    listed = movie("models", "list")
    assert listed.returncode == 0
    assert "warning: the model broken cannot be used" in listed.stderr
    assert_refused(movie("models", "show", "broken"), 4, str(broken), "hint: ")


@pytest.mark.skipif(not CLIPS.is_dir(), reason="the shared clips are not here")
def test_info(movie):
    clip = str(CLIPS / "sam2_coffee.mp4")
    event = json.loads(movie("info", clip, "--json").stdout)
    assert event["type"] == "info"
    assert event["path"] == clip
    assert event["video"]["display_size"] == [1280, 720]
    shown = movie("info", clip).stdout
    for text in ("1280x720", "h264", "aac", "an edit"):
        assert text in shown
