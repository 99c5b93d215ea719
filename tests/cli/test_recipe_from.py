"""Recipes that come with a file, which may be a stranger's: checked as if typed, and nothing is fetched for them."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys

import av
import pytest

from movie_cli.errors import UsageError
from movie_cli.recipe import Recipe
from tests.checkpoints.hub_server import Hub
from tests.cli.running import assert_refused
from tests.media.clips import make_clip


def carrying(path, recipe):
    """A copy of a small clip with a recipe in its tags."""
    plain = make_clip(path.with_name("plain.mp4"), frames=2)
    with av.open(str(plain)) as source, av.open(str(path), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        out.metadata["movie_recipe"] = recipe if isinstance(recipe, str) else json.dumps(recipe)
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    return path


def test_what_movie_writes_is_read_back():
    recipe = Recipe(
        "make\tit\nwïnter 冬", 3.25, 2, seed=2**62, steps=4, model="a/b@v1", size=(320, 240), still=1, vae="x"
    )
    assert Recipe.from_json(recipe.to_json()) == recipe


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"size": [1, 2, 3]}, "its size is list, not two whole numbers"),
        ({"size": [1_000_000, 1_000_000]}, "--size is 1000000x1000000"),
        ({"size": "64x48"}, "its size is '64x48'"),
        ({"size": [64.0, True]}, "its size"),
        ({"seed": 1.5}, "its seed is 1.5, not a whole number"),
        ({"seed": True}, "its seed"),
        ({"steps": 10**30}, "--steps"),
        ({"model": 5}, "its model is 5, not a text of one line"),
        ({"model": "a\x1b[2Jb"}, "its model"),
        ({"lora": "a\0b"}, "its lora"),
        ({"vae": {"a": 1}}, "its vae is dict"),
        ({"instruction": None}, "its instruction"),
        ({"instruction": "\ud800"}, "its instruction"),
        ({"instruction": "\x1b]0;x\x07"}, "its instruction"),
        ({"anchors": "every:0"}, "there are no anchors"),
        ({"text_scale": float("nan")}, "its text-scale is nan"),
        ({"text_scale": float("inf")}, "its text-scale is inf"),
        ({"image_scale": 10**400}, "its image-scale"),
        ({"detail": "1"}, "its detail"),
        ({"still": [0]}, "its still"),
        ({"mod\x1bel": "x"}, "a recipe has no 'mod\\x1bel'"),
        ("[" * 60_000, "not a recipe"),
        ('{"instruction": ' + "[" * 30_000, "not a recipe"),
        ('{"instruction": "' + "x" * 70_000 + '"}', "not a recipe"),
        ('{"seed": ' + "9" * 5000 + "}", "not a recipe"),
        ("[1]", "not a recipe"),
        ("", "not a recipe"),
        ("{}", "no instruction"),
    ],
)
def test_hostile_values_are_refused_in_one_line(values, said):
    text = values if isinstance(values, str) else json.dumps({"instruction": "sepia"} | values)
    with pytest.raises(UsageError) as refused:
        Recipe.from_json(text)
    assert said in str(refused.value)
    assert len(str(refused.value)) < 160
    assert str(refused.value).isprintable()


def test_a_refusal_names_the_file(movie, tmp_path):
    carrying(tmp_path / "a.mkv", {"instruction": "sepia", "size": [1, 2, 3]})
    refused = movie("edit", "plain.mp4", "--recipe-from", "a.mkv", "-o", "out.mp4")
    assert_refused(refused, 2, "the recipe in a.mkv cannot be repeated: its size is list")


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A Hub of one repository, which counts what it is asked."""
    (tmp_path / "repository").mkdir()
    (tmp_path / "repository" / "model_index.json").write_text("{}")
    server = Hub(tmp_path / "repository")
    yield server
    server.shutdown()


@pytest.mark.parametrize("field", ["model", "vae", "lora"])
def test_nothing_is_fetched_because_a_file_says_so(movie, tmp_path, hub, field):
    carrying(tmp_path / "a.mkv", {"instruction": "sepia", field: "owner/name"})
    command = ["edit", "plain.mp4", "--recipe-from", "a.mkv", "-o", "out.mp4", "--dry-run"]
    # In a process of its own: the Hub's client reads its address when it is imported.
    program = [sys.executable, "-c", "import sys; from movie_cli.cli import main; sys.exit(main())"]
    environment = {"HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path / "hf"), "MOVIE_HOME": str(tmp_path / "home")}

    def run(*more):
        return subprocess.run(
            [*program, *command, *more],
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    refused = run()
    assert_refused(refused, 4, "a.mkv asks for owner/name", f"--{field} owner/name")
    assert hub.asked == []
    if field == "model":
        assert run("--model", "owner/name").returncode == 4  # fetched, as it was typed, and of no use
        assert hub.asked


def test_nothing_is_fetched_because_a_manifest_says_so(movie, tmp_path, hub):
    job = {"source": "plain.mp4", "instruction": "sepia", "output": "out.mp4", "model": "owner/name"}
    (tmp_path / "jobs.jsonl").write_text(json.dumps(job))
    program = [sys.executable, "-c", "import sys; from movie_cli.cli import main; sys.exit(main())"]
    environment = {"HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path / "hf"), "MOVIE_HOME": str(tmp_path / "home")}

    def run(*more):
        command = [*program, "batch", "jobs.jsonl", "--dry-run", *more]
        return subprocess.run(
            command, env=os.environ | environment, capture_output=True, text=True, check=False, timeout=300
        )

    assert_refused(run(), 4, "line 1 asks for owner/name", "--model owner/name")
    assert hub.asked == []
    assert run("--model", "owner/name").returncode == 6  # fetched, as it was typed, and of no use
    assert hub.asked


def test_a_terminal_is_asked(movie, tmp_path, monkeypatch):
    carrying(tmp_path / "a.mkv", {"instruction": "sepia", "model": "owner/name"})
    command = ["edit", "plain.mp4", "--recipe-from", "a.mkv", "-o", "out.mp4", "--dry-run"]
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert movie(*command).returncode == 4
    assert "Fetch it from the Hugging Face Hub?" in sys.stderr.getvalue()
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    assert movie(*command, "--offline").returncode == 4
    assert "fetching is switched off" in sys.stderr.getvalue()


def test_a_folder_or_name_that_is_here_is_used(movie, tmp_path, tiny):
    carrying(tmp_path / "a.mkv", {"instruction": "sepia", "model": str(tiny)})
    done = movie("edit", "plain.mp4", "--recipe-from", "a.mkv", "-o", "out.mp4", "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["recipe"]["model"] == str(tiny)


def test_info_tells_the_edit_that_made_a_film(movie, tmp_path, tiny):
    clip, model = str(make_clip(tmp_path / "in.mp4", frames=4)), str(tiny)
    options = ("--model", model, "--start", "2f", "--seed", "3", "--text-scale", "9", "--no-cache")
    assert movie("edit", clip, "a b", "-o", "out.mp4", *options).returncode == 0
    shown = movie("info", "out.mp4").stdout
    told = f'"a b", text scale 9.0, image scale 1.5, seed 3, model {model}'
    assert [line for line in shown.splitlines() if "scale" in line] == [f"made by    {told}"]
    assert "part       begins at 0.08 s of its source" in shown
    found = json.loads(movie("info", "out.mp4", "--json").stdout)
    assert (found["recipe"]["instruction"], found["recipe"]["seed"], found["begins_at"]) == ("a b", 3, 0.08)
    assert json.loads(movie("info", clip, "--json").stdout)["recipe"] is None
    hostile = str(carrying(tmp_path / "hostile.mp4", {"instruction": "a\n\x1b[2J"}))
    assert "made by" not in movie("info", hostile).stdout
