"""The page of `movie tune` in a real browser: frame, wall, sliders, grid, candidates, copying, the edit, keys, axe."""

from __future__ import annotations

import shutil

import pytest

from tests import tiny
from tests.comparison.clips import RATE, counting
from tests.tune.serving import SECONDS, tuning

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytest.importorskip("playwright", reason="Playwright is not installed (the extra `dev`)")
if CHROMIUM is None:
    pytest.skip("Chromium is not installed (the Debian package `chromium`)", allow_module_level=True)

COMMAND = "() => document.querySelector('#command').textContent"
STATUS = "() => document.querySelector('#status').textContent"
IDLE = "() => document.querySelector('#stage').getAttribute('aria-busy') === 'false'"
FILLED = "(box) => [...document.querySelectorAll(`${box} img`)].every((image) => image.naturalWidth > 0)"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("a folder & more")
    tiny.one_step(folder / "tiny")
    counting(folder / "in.mp4", count=2 * RATE)
    with tuning(folder, "in.mp4", "make it winter", "--model", "tiny", "-o", "out.mp4") as (page, _):
        page.folder = folder
        listener = _listen(page)  # another page, so that the program stays while tests come and go
        yield page
        listener.close()


def _listen(page):
    import http.client

    connection = http.client.HTTPConnection(page.host, page.port, timeout=SECONDS)
    connection.request("GET", page.path + "events", headers={"host": f"{page.host}:{page.port}"})
    connection.getresponse()
    return connection


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def open_page(browser, served):
    contexts = []

    def opened(**options):
        context = browser.new_context(**options)
        contexts.append(context)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = context.new_page()
        page.set_default_timeout(1000 * SECONDS)
        page.said, page.asked = [], []
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto(served.address)
        page.wait_for_function(f"() => ({COMMAND})() !== ''")
        return page

    yield opened
    for context in contexts:
        context.close()


def test_an_edit_is_found_by_looking_with_the_keyboard_alone(open_page, served):
    page = open_page()
    page.wait_for_function("() => document.querySelector('#after').naturalWidth > 0")
    assert served.address.startswith("http://127.0.0.1:")
    page.wait_for_function(FILLED, arg="#wall")
    page.keyboard.press("g")
    page.wait_for_function(FILLED, arg="#grid")
    page.keyboard.press("k")
    page.locator("#candidates img").wait_for()
    first = page.evaluate(COMMAND)
    page.locator("#text-scale").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"() => ({COMMAND})().includes('--text-scale 7.75')")
    assert page.locator("#text-scale-shown").inner_text() == "7.75"
    page.keyboard.press("c")
    page.wait_for_function("() => document.querySelector('#status').textContent === 'Copied'")
    assert page.evaluate("() => navigator.clipboard.readText()") == page.evaluate(COMMAND)
    page.keyboard.press("1")
    page.wait_for_function("(first) => document.querySelector('#command').textContent === first", arg=first)
    page.keyboard.press("[")
    clip = "() => getComputedStyle(document.querySelector('.right img')).clipPath"
    assert page.evaluate(clip) == "inset(0px 0px 0px 45%)"
    page.locator("#instruction").fill("")
    page.wait_for_function(f"() => ({COMMAND})() === ''")
    page.locator("#wall button").last.click()
    page.wait_for_function(f"() => ({COMMAND})() !== ''")
    page.locator("#wall-search").fill("no such look")
    assert page.locator("#wall button:visible").count() == 0
    assert page.said == []
    assert {url.split("/")[2] for url in page.asked if not url.startswith(("blob:", "data:"))} == {
        served.address.split("/")[2]
    }


def test_what_is_asked_for_is_told_before_it_is_made(open_page):
    page = open_page()
    page.wait_for_function(IDLE)
    # Else a tile of this frame may be on its way beside one of the next.
    page.wait_for_function("() => !/ made/.test(document.querySelector('#wall-state').textContent)")
    kinds, held = {"frame", "wall"}, []

    def hold(route):
        if (kind := route.request.post_data_json["kind"]) in kinds:
            held.append((kind, route))
        else:
            route.continue_()

    page.route("**/edited", hold)
    page.locator("#next").click()
    page.locator("#wall button").last.click()
    assert page.locator("#status").evaluate("(e) => e.getBoundingClientRect().top >= 0")  # wherever one has scrolled
    words = page.locator("#instruction").input_value()
    page.wait_for_function(f"(words) => ({COMMAND})().includes(words)", arg=words)
    assert page.locator("#stage").get_attribute("aria-busy") == "true"
    assert page.locator("#after-caption").inner_text() == f"being made: {words}"
    page.wait_for_function(f"() => ({STATUS})() === 'making the frame'")
    page.wait_for_function(r"() => /^\d+ s$/.test(document.querySelector('#seconds').textContent)")
    page.keyboard.press("c")
    page.wait_for_function(f"() => ({STATUS})() === 'Copied'")
    page.wait_for_function(f"() => ({STATUS})() === 'making the frame'")
    kinds.remove("frame")
    for kind, route in held:
        if kind == "frame":
            route.continue_()
    page.wait_for_function(IDLE)
    page.wait_for_function(f"() => / is ready$/.test(({STATUS})())")
    assert page.locator("#after-caption").inner_text() == words
    page.wait_for_function("() => / made, 1 being made, /.test(document.querySelector('#wall-state').textContent)")
    page.locator("#instruction").fill("")
    assert page.locator("#edit").is_disabled()
    assert page.said == []


def test_an_emptied_number_is_the_usual_one(open_page):
    page = open_page()
    for name, usual in (("feather", "0"), ("seed", "0")):
        page.locator(f"#{name}").fill("4")
        page.wait_for_function(f"() => ({COMMAND})().includes('--{name} 4')")
        page.locator(f"#{name}").fill("")
        page.wait_for_function(f"() => !({COMMAND})().includes('--{name}')")
        assert page.locator(f"#{name}").input_value() == ""  # where another is typed next
        page.locator(f"#{name}").blur()
        assert page.locator(f"#{name}").input_value() == usual
    page.locator("#seed").fill("-3")
    page.locator("#seed").blur()
    assert page.locator("#seed").input_value() == "0"
    assert page.said == []


def test_an_instruction_that_its_box_clips_can_be_read(open_page):
    page = open_page()
    words = "make it look like a winter evening by the sea with a pink sky and snow on all the roofs"
    assert page.locator("#whole").is_hidden()
    page.locator("#instruction").fill(words)
    assert page.locator("#whole").inner_text() == words
    page.locator("#instruction").fill("make it winter")
    assert page.locator("#whole").is_hidden()


def test_a_place_is_completed_checked_and_shown(open_page):
    page = open_page()
    page.locator("#except").fill("poeple")
    page.wait_for_function(
        "() => document.querySelector('#except-trouble').textContent.includes('did you mean people?')"
    )
    assert page.locator("#except").get_attribute("aria-invalid") == "true"
    page.locator("#edit").click()  # nothing is made without what a field says
    page.wait_for_function("() => document.activeElement.id === 'except'")
    assert page.locator("#progress-row").is_hidden()
    page.locator("#except").fill("people,")
    page.wait_for_function(f"() => ({COMMAND})().includes('--except people')")
    assert "people,sky" in page.evaluate(
        "() => [...document.querySelectorAll('#except-places option')].map((o) => o.value)"
    )
    assert page.locator("#except-trouble").inner_text() == ""
    page.locator("#edit").focus()
    page.keyboard.press("p")
    page.wait_for_function("() => / of the frame$/.test(document.querySelector('#veil-share').textContent)")
    assert page.locator(".over").is_visible()
    assert page.get_by_label("Show place").is_checked()
    page.locator("#usual").click()
    page.wait_for_function(f"() => !({COMMAND})().includes('--except')")
    page.wait_for_function("() => document.querySelector('#veil-share').textContent === '100% of the frame'")
    assert [said for said in page.said if "400" not in said] == []  # the refused place


def test_a_sentence_is_asked_for_once_it_is_written(open_page):
    page = open_page()
    page.locator("#instruction").fill("")
    page.wait_for_function(f"() => ({COMMAND})() === ''")
    before = len(page.asked)
    page.locator("#instruction").press_sequentially("make it night", delay=20)
    page.wait_for_function(f"() => ({COMMAND})().includes('make it night')")
    asked = [url for url in page.asked[before:] if url.endswith("/command")]
    assert 1 <= len(asked) <= 3  # of thirteen letters, on a machine that may stand still between two
    page.locator("#instruction").fill("make it autumn")
    page.locator("#text-scale").focus()  # what is left is taken at once
    page.wait_for_function(f"() => ({COMMAND})().includes('make it autumn')")


def test_two_seconds_are_played_edited(open_page):
    page = open_page()
    page.locator("#loop-play").click()
    page.wait_for_function("() => /of \\d+ pictures/.test(document.querySelector('#time-shown').textContent)")
    page.wait_for_function("() => / s of /.test(document.querySelector('#time-shown').textContent)")
    shown = "() => document.querySelector('#after').src"
    before = page.evaluate(shown)
    page.wait_for_function("(before) => document.querySelector('#after').src !== before", arg=before)
    page.keyboard.press("Space")
    assert page.said == []


def test_an_edit_of_which_nothing_is_kept_starts_again(open_page):
    page = open_page()
    page.locator("#edit").click()
    page.locator("#stop").click()
    page.locator("#resume").wait_for()
    assert page.locator("#progress-text").inner_text() == "Stopped: nothing was done yet that could be kept"
    assert page.locator("#resume").inner_text() == "Start again"
    assert page.said == []


def test_the_film_is_edited_and_its_result_compared(open_page, served):
    page = open_page()
    page.locator("#edit").click()
    page.wait_for_function("() => document.querySelectorAll('#films video').length === 2")
    page.wait_for_function("() => [...document.querySelectorAll('#films video')].every((film) => film.readyState >= 2)")
    assert (served.folder / "out.mp4").stat().st_size > 0
    assert "out.mp4" in page.locator("#progress-text").inner_text()
    page.locator("#forth").click()
    assert page.locator("#place").inner_text().startswith(f"2 of {2 * RATE},")
    assert page.said == []


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_axe_finds_nothing(open_page, look):
    from axe_playwright_python.sync_playwright import Axe

    phone = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
    page = open_page(**(phone if look == "phone" else {"color_scheme": look}))
    page.locator("#keep").click()
    page.locator("#candidates img").wait_for()
    for summary in page.locator("summary").all():
        summary.click()
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
