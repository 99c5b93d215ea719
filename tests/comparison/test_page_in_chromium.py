"""The page of `movie compare` in a real browser, from file://: no console errors, controls, players in step, axe."""

import shutil

import pytest

from movie_cli.cli import main
from movie_cli.recipe import RECIPE_KEY, Recipe
from tests.comparison.clips import FRAMES, RATE, counting, frame_of

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytest.importorskip("playwright", reason="Playwright is not installed (the extra `dev`)")
if CHROMIUM is None:
    pytest.skip("Chromium is not installed (the Debian package `chromium`)", allow_module_level=True)

HOSTILE = 'make it "<script>alert(1)</script><!-- </script> winter'
GREYS = """() => [...document.querySelectorAll("video")].map((video) => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.drawImage(video, 0, 0);
  const [x, y] = [canvas.width >> 1, canvas.height >> 2];
  return pen.getImageData(x, y, 1, 1).data[0];
})"""
READY = "() => [...document.querySelectorAll('video')].every((video) => video.readyState >= 2 && !video.seeking)"


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Two pages of the same three films: linked, of which one film needs a copy, and embedded."""
    folder = tmp_path_factory.mktemp("a folder & more #1")
    kinds = (("source 100%.mp4", "libx264", 0), ("edit?.mp4", "libx264", 12), ("lossless.mkv", "ffv1", 24))
    films = [str(counting(folder / name, codec=codec, more=more)) for name, codec, more in kinds]
    marked = str(folder / "marked.mp4")
    _with_recipe(films[1], marked)
    films[1] = marked
    for name, more in (("linked.html", []), ("embedded.html", ["--embed"])):
        assert main(["compare", *films, "-o", str(folder / name), "-q", *more]) == 0
    return folder


def _with_recipe(source: str, output: str) -> None:
    import av

    with av.open(source) as read, av.open(output, "w", options={"movflags": "use_metadata_tags"}) as written:
        written.metadata[RECIPE_KEY] = Recipe(HOSTILE, text_scale=9).to_json()
        stream = written.add_stream_from_template(read.streams.video[0])
        for packet in read.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                written.mux(packet)


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def open_page(browser, pages):
    contexts = []

    def opened(name="linked.html", **options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.said, page.asked = [], []
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.on("dialog", lambda dialog: (page.said.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto((pages / name).as_uri())
        page.wait_for_function(READY)
        return page

    yield opened
    for context in contexts:
        context.close()


def times(page):
    return page.evaluate("() => [...document.querySelectorAll('video')].map((video) => video.currentTime)")


@pytest.mark.parametrize("name", ["linked.html", "embedded.html"])
def test_it_loads_without_a_word_and_without_network(open_page, pages, name):
    page = open_page(name)
    assert page.said == []
    assert {url.partition(":")[0] for url in page.asked} <= {"file", "data"}
    assert page.locator("video").count() == 3
    assert page.locator(".chart").count() == 2
    assert HOSTILE in page.locator("#table").inner_text()
    assert (pages / "linked.html").stat().st_size < 100_000
    assert (pages / "linked-films" / "3-lossless.mp4").exists()
    assert not (pages / "embedded-films").exists()


def test_the_wipe_moves_by_slider_pointer_and_keys(open_page):
    page = open_page()
    clip = "() => getComputedStyle(document.querySelector('.right video')).clipPath"
    page.locator("#wipe").fill("25")
    assert page.evaluate(clip) == "inset(0px 0px 0px 25%)"
    box = page.locator(".left video").bounding_box()
    page.mouse.move(box["x"] + 10, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 10)
    page.mouse.up()
    assert page.evaluate(clip) == "inset(0px 0px 0px 80%)"
    page.keyboard.press("[")
    assert page.evaluate(clip) == "inset(0px 0px 0px 75%)"
    slider, stage = page.locator("#wipe").bounding_box(), page.locator(".left").bounding_box()
    assert slider["width"] == pytest.approx(stage["width"], abs=2)


def test_stepping_shows_the_same_frame_in_all_players(open_page):
    page = open_page("embedded.html")
    for keys, expected in ((".", 1), ("Shift+.", 11), (",", 10), ("End", FRAMES - 1), ("Home", 0), (".", 1)):
        page.keyboard.press(keys)
        page.wait_for_function(READY)
        page.wait_for_timeout(150)
        greys = page.evaluate(GREYS)
        assert [frame_of(grey - more) for grey, more in zip(greys, (0, 12, 24), strict=True)] == [expected] * 3
        assert page.locator("#place").inner_text().startswith(f"{expected + 1} of {FRAMES},")
    page.locator("#forth").click()
    assert page.locator("#place").inner_text().startswith("3 of")
    page.locator("#seek").fill("30")
    assert page.locator("#place").inner_text().startswith("31 of")


def test_players_stay_in_step_while_playing(open_page):
    page = open_page()
    page.keyboard.press("Space")
    assert page.locator("#play").inner_text() == "Pause"
    page.wait_for_function("() => document.querySelector('video').currentTime > 0.3")
    # One falls behind, as a decoder does that has too much to do.
    page.evaluate("() => { document.querySelectorAll('video')[1].currentTime = 0; }")
    page.wait_for_timeout(600)
    worst = 0.0
    for _ in range(10):
        page.wait_for_timeout(60)
        first, *others = times(page)
        worst = max(worst, *(abs(first - other) for other in others))
    assert worst < 2.5 / RATE
    page.keyboard.press("Space")
    page.wait_for_function(READY)
    assert max(times(page)) - min(times(page)) < 0.5 / RATE


def test_views_and_choices(open_page):
    page = open_page()
    assert page.locator("figure:visible").count() == 2
    page.keyboard.press("3")
    assert page.locator("#right").input_value() == "2"
    page.keyboard.press("v")
    assert page.locator("figure:visible").count() == 3
    assert not page.locator("#wipe").is_visible()
    chart = page.locator(".chart > svg").first.bounding_box()
    page.mouse.click(chart["x"] + chart["width"] - 10, chart["y"] + 30)
    assert page.locator("#place").inner_text().startswith(f"{FRAMES} of")


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_axe_finds_nothing(open_page, look):
    from axe_playwright_python.sync_playwright import Axe

    phone = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
    page = open_page(**(phone if look == "phone" else {"color_scheme": look}))
    page.locator("summary").click()
    for view in ("wipe", "grid"):
        page.locator("#view").select_option(view)
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
