"""Places over the port of `movie tune`: where an edit goes, the veil that shows it, and what is no place."""

from __future__ import annotations

import io
import shlex
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from tests import tiny
from tests.tune.serving import run, tuning

LOOK = {"instruction": "make it winter", "text_scale": 9.0, "image_scale": 1.2, "detail": 0.5}
WIDTH, HEIGHT = 160, 96


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model without regions, so that the embedded model's are used, and a plain sky over grass."""
    made = tmp_path_factory.mktemp("places")
    tiny.one_step(made / "tiny")
    pixels = np.full((HEIGHT, WIDTH, 3), (110, 165, 235), np.uint8)
    grain = np.random.default_rng(0).integers(0, 85, (HEIGHT // 2, WIDTH, 1))
    pixels[HEIGHT // 2 :] = grain + np.array([30, 70, 20])
    with av.open(str(made / "in.mp4"), "w") as out:
        stream = out.add_stream("libx264", rate=8)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(8):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 8)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return made


@pytest.fixture(scope="module")
def page(folder):
    with tuning(folder, "in.mp4", "make it winter", "--model", "tiny", "--dtype", "float32") as (opened, _):
        yield opened


def test_a_place_is_left_as_the_command_leaves_it(page, folder):
    whole, _, _ = page.edited("fine", at="0", **LOOK)
    shown, command, _ = page.edited("fine", at="0", **LOOK, except_for="sky", feather=3.0)
    words = shlex.split(command)
    assert words[words.index("--except") + 1] == "sky"
    assert words[words.index("--feather") + 1] == "3"
    words[words.index("-o") + 1] = "lossless.mkv"
    done = run(folder, *words[1:], "--codec", "ffv1", "--pix-fmt", "bgr0", "--batch-size", "1", "-y")
    assert done.returncode == 0, done.stderr
    with av.open(str(folder / "lossless.mkv")) as film:
        assert np.array_equal(next(film.decode(video=0)).to_ndarray(format="rgb24"), shown)
    assert not np.array_equal(shown[:40], whole[:40])
    assert np.array_equal(shown[-20:], whole[-20:])
    for kind in ("frame", "grid"):
        assert not np.array_equal(page.edited(kind, **LOOK)[0], page.edited(kind, **LOOK, except_for="sky")[0]), kind


def test_the_veil_lies_where_the_edit_goes_and_answers_the_page_alone(page):
    asked = {"page": "page", "at": "0", "settings": LOOK | {"except_for": "sky"}}
    status, headers, body = page.ask("POST", "veil", asked)
    assert status == 200
    assert headers["movie-advice"] in {f"{share}%25%20of%20the%20frame" for share in range(45, 56)}
    with Image.open(io.BytesIO(body)) as picture:
        opacity = np.asarray(picture)[..., 3]
    half = len(opacity) // 2
    assert opacity[: half - 8].max() == 0
    assert 0 < opacity[half + 8 :].min() < 255
    assert page.ask("POST", "veil", asked, host="evil.example")[0] == 403
    assert page.ask("POST", "/wrong-token/veil", asked)[0] == 403


def test_the_place_that_the_words_name_is_shown(folder):
    with tuning(folder, "in.mp4", "--dtype", "float32") as (page, _):
        words = {"page": "page", "kind": "frame", "at": "0", "settings": LOOK | {"instruction": "winter in the sky"}}
        status, headers, shown = page.ask("POST", "edited", words)
        assert (status, headers["movie-where"]) == (200, "sky")
        options = words | {"settings": LOOK | {"instruction": "winter", "only": "sky"}}
        status, headers, named = page.ask("POST", "edited", options)
        assert (status, headers["movie-where"]) == (200, "")
        assert shown == named


@pytest.mark.parametrize("path", ["command", "edited", "veil", "edit"])
def test_an_unknown_place_is_refused_with_the_nearest_one(page, path):
    asked = {"page": "page", "kind": "frame", "at": "0", "settings": LOOK | {"only": "sky,poeple"}}
    status, said = page.post(path, asked)
    assert (status, said["message"]) == (400, "there is no place 'poeple'")
    assert said["hint"].startswith("did you mean people?")


def test_a_preset_keeps_its_place(page):
    status, said = page.post("preset", {"name": "ground", "settings": LOOK | {"only": "ground", "feather": 2.0}})
    assert status == 200
    kept = next(preset["values"] for preset in said["presets"] if preset["name"] == "ground")
    assert (kept["only"], kept["except_for"], kept["feather"]) == ("ground", None, 2.0)
