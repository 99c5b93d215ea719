"""`movie tune` over its own port: who may ask, what pictures and commands it gives, presets, the edit, its end."""

from __future__ import annotations

import contextlib
import http.client
import re
import shlex
import signal
import threading
import time

import av
import numpy as np
import pytest
from PIL import Image

from tests import tiny
from tests.cli.conftest import movie  # noqa: F401 - a fixture
from tests.cli.running import assert_refused
from tests.comparison.clips import RATE, SIZE, counting
from tests.tune.serving import SECONDS, Page, run, tuning

LOOK = {"instruction": "make it winter", "text_scale": 9.0, "image_scale": 1.2, "detail": 0.5, "seed": 3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("tune")
    tiny.one_step(made / "tiny")
    counting(made / "in 1.mp4", count=2 * RATE)
    return made


@pytest.fixture(scope="module")
def page(folder):
    with tuning(folder, "in 1.mp4", "make it winter", "--model", "tiny", "--dtype", "float32") as (opened, _):
        yield opened


def test_the_page_is_whole_and_of_this_server_alone(page):
    status, headers, body = page.ask("GET", "")
    assert status == 200
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer"
    for name in ("page.css", "tune.css", "player.js", "tune.js", "asking.js", "looking.js", "gallery.js", "editing.js",
                 "places.js", "working.js"):  # fmt: skip
        assert page.ask("GET", name)[0] == 200, name
    assert b"http://" not in body
    assert b"https://" not in body


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/", {}),
        ("GET", "/wrong-token/about", {}),
        ("GET", "about", {"host": "evil.example"}),
        ("GET", "about", {"host": "evil.example:80"}),
        ("GET", "about", {"origin": "http://evil.example"}),
        ("GET", "about", {"origin": "null"}),
        ("GET", "about", {"sec-fetch-site": "cross-site"}),
        ("POST", "edit", {"origin": None}),
        ("POST", "edit", {"origin": "http://evil.example"}),
        ("POST", "edit", {"content-type": "text/plain"}),
        ("POST", "edit", {"content-length": "9999999"}),
    ],
)
def test_strangers_are_refused_and_told_nothing(page, method, path, headers):
    status, _, body = page.ask(method, path, {} if method == "POST" else None, **headers)
    assert (status, body) == (403, b"")


@pytest.mark.parametrize(
    "path", ["../about", "film/0", "film/7", "..%2f..%2fetc/passwd", "tune.py", "source?at=/etc/passwd"]
)
def test_no_path_comes_from_the_page(page, path):
    status, _, body = page.ask("GET", path)
    assert status in {400, 403, 404}
    assert b"root:" not in body


@pytest.mark.parametrize(
    "wrong",
    [
        {"output": "x.mp4"},
        {"model": "/tmp"},
        {"vae": "x"},
        {"text_scale": "9"},
        {"text_scale": -1.0},
        {"text_scale": "0s=0,3s=9"},
        {"anchors": "scene"},
        {"instruction": " "},
    ],
)
def test_wrong_settings_are_told(page, wrong):
    status, said = page.post("command", {"settings": LOOK | wrong})
    assert status == 400
    assert said["message"]


def test_a_frame_is_to_the_byte_what_preview_shows(page, folder):
    shown, _, _ = page.edited(at="1.25", instruction="make it winter", text_scale=9.0, image_scale=1.2)
    height, width = shown.shape[:2]
    scales = ("--text-scale", "9", "--image-scale", "1.2")
    same = ("--model", "tiny", "--dtype", "float32", "--tile-width", str(width))
    done = run(folder, "preview", "in 1.mp4", "make it winter", "--at", "1.25", *scales, *same, "-o", "sheet.png", "-y")
    assert done.returncode == 0, done.stderr
    with Image.open(folder / "sheet.png") as sheet:
        tile = np.asarray(sheet.convert("RGB"))[-6 - height : -6, 6 : 6 + width]
    assert np.array_equal(shown, tile)


def test_the_command_makes_what_the_page_shows(page, folder):
    shown, command, _ = page.edited("fine", at="0", **LOOK)
    assert shown.shape == (SIZE[1], SIZE[0], 3)
    words = shlex.split(command)
    assert words[:4] == ["movie", "edit", "in 1.mp4", "make it winter"]
    output = words[words.index("-o") + 1]
    words[words.index(output)] = "lossless.mkv"
    done = run(folder, *words[1:], "--codec", "ffv1", "--pix-fmt", "bgr0", "--batch-size", "1", "-y")
    assert done.returncode == 0, done.stderr
    with av.open(str(folder / "lossless.mkv")) as film:
        edited = next(film.decode(video=0)).to_ndarray(format="rgb24")
    assert np.array_equal(edited, shown)


def test_an_unknown_instruction_is_told_with_one_that_works(folder):
    with tuning(folder, "in 1.mp4") as (page, _):
        assert page.edited(instruction="make it winter")[2] == ""
        advice = page.edited(instruction="turn the car hairy")[2]
        assert 'not trained on "turn it hairy"' in advice
        words = advice.split('it knows "')[1].split('"')[0]
        assert page.edited(instruction=words)[2] == ""
        looks = page.get("about")["looks"]
        assert len(looks) == 120
        assert {"title": "teal and orange", "words": "give it a teal and orange grade"} in looks


def test_the_latest_request_of_a_page_wins_and_others_are_dropped(page):
    statuses: dict[int, int] = {}

    def ask(number):
        asked = {"page": "fast", "kind": "frame", "at": "0.50", "settings": LOOK | {"text_scale": 2 + number / 8}}
        statuses[number] = page.ask("POST", "edited", asked)[0]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses.values()) == {200, 204}
    other = Page(page.address, "other")
    assert other.edited(**LOOK)[0].any()


def test_a_loop_is_two_seconds_of_pictures(page):
    times = page.get("loop?at=0.5")["times"]
    assert times[0] == 0
    assert len(times) == 1.5 * RATE
    assert page.ask("GET", "loop/3?at=0.5")[1]["content-type"] == "image/jpeg"
    assert page.ask("GET", f"loop/{len(times)}?at=0.5")[0] == 400
    asked = {"page": "loop", "kind": "loop", "at": "0.5", "index": 3, "settings": LOOK}
    assert page.ask("POST", "edited", asked)[0] == 200


def test_a_preset_is_saved_for_every_command(page, folder):
    status, said = page.post("preset", {"name": "my-dusk", "settings": LOOK})
    assert status == 200
    assert "--preset my-dusk" in said["command"]
    assert page.post("preset", {"name": "my-dusk", "settings": LOOK})[0] == 400
    assert page.post("preset", {"name": "../x", "settings": LOOK})[0] == 400
    assert "my-dusk" in [preset["name"] for preset in said["presets"]]
    done = run(folder, "edit", "in 1.mp4", "--preset", "my-dusk", "-o", "x.mp4", "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    assert '"text_scale": 9.0' in done.stdout
    assert '"detail": 0.5' in done.stdout


@contextlib.contextmanager
def listening(page):
    """The lines of a page's own events, for as long as it is open."""
    connection = http.client.HTTPConnection(page.host, page.port, timeout=SECONDS)
    with contextlib.closing(connection):
        connection.request("GET", page.path + "events", headers={"host": f"{page.host}:{page.port}"})
        with connection.getresponse() as answer:
            yield answer


def until(page, wanted):
    """Wait for the edit's state."""
    with listening(page) as events:
        for line in events:
            if line.startswith(b"data:") and f'"state": "{wanted}"'.encode() in line:
                return line.decode()
            assert b'"state": "failed"' not in line, line
    raise AssertionError(f"the edit was never {wanted}")


def test_an_edit_is_started_stopped_resumed_and_shown(folder):
    counting(folder / "long.mp4", count=120)
    (folder / "out.mp4").write_bytes(b"precious")
    # Segments of few frames, so that something is kept at once.
    (folder / "home").mkdir(exist_ok=True)
    config = folder / "home" / "config.toml"
    before = config.read_text() if config.exists() else ""
    config.write_text(f"segment-frames = 8\n{before}")
    arguments = ("long.mp4", "make it winter", "--model", "tiny", "-o", "out.mp4")
    with tuning(folder, *arguments) as (page, process):
        assert page.post("edit", {"settings": LOOK})[0] == 400
        assert (folder / "out.mp4").read_bytes() == b"precious"
        assert page.post("edit", {"settings": LOOK, "replace": True})[0] == 200
        assert page.post("edit", {"settings": LOOK, "replace": True})[0] == 400  # one at a time
        assert page.edited(**LOOK)[0].any()  # and nothing waits for it
        while not list(folder.glob(".out.mp4.movie/0*.json")):  # a finished segment
            time.sleep(0.1)
        assert page.post("stop", {})[0] == 200
        stopped = until(page, "stopped")
        assert '"kept": true' in stopped
        assert re.search(r'"note": "\d+ frames are kept: the same command with --resume continues"', stopped)
        assert page.post("edit", {"resume": True})[0] == 200
        assert '"frames": 120' in until(page, "done")
        films = page.get("films")
        assert [film["label"] for film in films["films"]] == ["source", "edited"]
        assert films["frames"] == 120
        status, _, body = page.ask("GET", "film/1", range="bytes=0-99")
        assert (status, len(body)) == (206, 100)
        assert body == (folder / "out.mp4").read_bytes()[:100]
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 0
    assert not (folder / ".out.mp4.movie").exists()
    config.write_text(before)


def test_it_ends_when_its_last_page_is_closed(folder):
    with tuning(folder, "in 1.mp4", "--model", "tiny", "-q") as (page, process):
        with listening(page):
            with listening(page):
                pass
            assert process.poll() is None
        assert process.wait(SECONDS) == 0
        assert process.stderr.read() == ""


def test_it_ends_in_the_middle_of_a_frame(folder):
    tiny.instruct_pix2pix(folder / "slow")
    arguments = ("in 1.mp4", "make it winter", "--model", "slow")
    # A forked process ends without what Python does at its end.
    with tuning(folder, *arguments, from_nothing=True) as (page, process):

        def ask():
            with contextlib.suppress(OSError, http.client.HTTPException):  # it is never answered
                page.ask("POST", "edited", {"page": "page", "kind": "frame", "at": "0", "settings": settings})

        settings = {"instruction": "make it winter", "steps": 1000}
        asking = threading.Thread(target=ask)
        asking.start()
        with listening(page) as events:
            next(line for line in events if b'"model"' in line)
        assert process.wait(SECONDS) == 0
        asking.join()
        assert process.stderr.read().splitlines()[-1] == "the page was closed"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nowhere.mp4"], 3, "does not exist"),
        (["-"], 2, "stdin"),
        (["in 1.mp4", "-o", "in 1.mp4"], 2, "source itself"),
        (["in 1.mp4", "--model", "nowhere"], 4, "nowhere"),
        (["in 1.mp4", "--preset", "nowhere"], 2, "no preset"),
    ],
)
def test_refusals_are_one_clear_line(movie, monkeypatch, folder, arguments, code, said):  # noqa: F811
    monkeypatch.chdir(folder)
    assert_refused(movie("tune", *arguments, "--no-browser", "-q"), code, said)
