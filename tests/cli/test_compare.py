"""`movie compare` through its entry point: page, picture, video, and what it refuses."""

import json

import av
import pytest
from PIL import Image

from movie_cli.comparison import films
from tests.cli.running import assert_refused
from tests.comparison.clips import SIZE, counting


@pytest.fixture
def clips(tmp_path):
    return [str(counting(tmp_path / "a.mp4", count=12)), str(counting(tmp_path / "b.mp4", count=10, more=9))]


def test_a_page_holds_its_measures(movie, clips, tmp_path):
    done = movie("compare", *clips, "-o", "page.html", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["frames"] == 10
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    assert [film["src"] for film in data["films"]] == ["a.mp4", "b.mp4"]
    assert data["frames"] == 10
    assert data["charts"][0]["lines"][0]["mean"] == pytest.approx(0.75 * 9 / 255, rel=0.35)
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in page


def test_without_opencv_the_page_says_what_is_missing(movie, clips, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    done = movie("compare", *clips, "-o", "page.html")
    assert done.returncode == 0, done.stderr
    assert 'pip install "movie-cli[eval]"' in done.stderr
    assert "warp errors are left out" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_strip_has_a_row_a_film_and_a_column_a_moment(movie, clips):
    assert movie("compare", *clips, "-o", "strip.png", "--moments", "4", "--tile-width", "80").returncode == 0
    with Image.open("strip.png") as strip:
        assert strip.size == (6 + 4 * 86, 6 + 2 * (48 + 30))


def test_a_video_shows_all_at_once(movie, clips):
    done = movie("compare", *clips, "-o", "both.mp4", "--tile-width", str(SIZE[0]))
    assert done.returncode == 0, done.stderr
    with av.open("both.mp4") as container:
        frames = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    assert len(frames) == 10
    left, right = frames[5][60, 40], frames[5][60, 40 + SIZE[0] + 6]
    assert int(right) - int(left) == pytest.approx(9, abs=3)


@pytest.fixture
def parts(movie, tiny, tmp_path):
    """A film whose frames are grey by their number, and what `movie edit` makes of a part and leaves as it is."""
    whole = counting(tmp_path / "full.mkv", codec="ffv1")
    edit = ("--model", str(tiny), "--text-scale", "0", "--codec", "ffv1", "--no-cache")
    for out, *more in (("part.mkv", "--start", "12f"), ("again.mkv", "--start", "0.5s"), ("bare.mkv", "--no-metadata")):
        part = more if "--start" in more else ["--start", "12f", *more]
        assert movie("edit", whole.name, "a b", "-o", out, *edit, "--duration", "6f", *part).returncode == 0
    return movie


def means(page):
    data = json.loads(page.read_text(encoding="utf-8").split('id="data">')[1].split("</script>")[0])
    assert data["frames"] == 6
    return [line["mean"] for line in data["charts"][0]["lines"]]


def test_a_part_is_compared_with_where_it_was_taken_from(parts, tmp_path):
    done = parts("compare", "full.mkv", "part.mkv", "again.mkv", "-o", "page.html")
    assert "part.mkv begins at 0.5 s of full.mkv" in done.stderr
    assert "begins at" not in parts("compare", "part.mkv", "again.mkv", "-o", "same.html").stderr
    for start, found in (("0.5s", True), ("0.25s", False)):
        typed = parts("compare", "full.mkv", "part.mkv", "again.mkv", "-o", f"{start}.html", "--start", start)
        assert "begins at" not in typed.stderr
        assert "differ" not in typed.stderr
        assert (means(tmp_path / f"{start}.html") == means(tmp_path / "page.html")) == found


def test_films_of_different_lengths_are_told_of(parts, tiny):
    done = parts("compare", "full.mkv", "bare.mkv", "-o", "page.html")
    assert done.stderr.count("the films differ in length: --start says where the others begin") == 1
    edit = ("--model", str(tiny), "--text-scale", "0", "--codec", "ffv1", "--no-cache")
    assert parts("edit", "part.mkv", "a b", "-o", "later.mkv", *edit).returncode == 0
    assert "differ in length" in parts("compare", "full.mkv", "later.mkv", "-o", "later.html").stderr


@pytest.mark.parametrize("out", ["page.html", "strip.png", "both.mp4"])
def test_a_file_that_appears_meanwhile_is_kept(movie, clips, tmp_path, monkeypatch, out):
    def opened(*arguments):
        (tmp_path / out).write_bytes(b"somebody else's")
        return open_films(*arguments)

    open_films = films.open_films
    monkeypatch.setattr(films, "open_films", opened)
    assert_refused(movie("compare", clips[0], clips[0], "-o", out, "-q"), 2, "it has come into being meanwhile", "-y")
    assert (tmp_path / out).read_bytes() == b"somebody else's"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["a.mp4", "b.mp4", out])


def test_what_ffmpeg_cannot_read_is_compared_too(movie, tmp_path):
    pictures = [Image.new("RGB", (64, 48), (40 * number, 90, 90)) for number in range(4)]
    pictures[0].save("a.webp", save_all=True, append_images=pictures[1:], duration=100)
    assert movie("compare", "a.webp", "a.webp", "-o", "page.html").returncode == 0
    assert sorted(path.name for path in (tmp_path / "page-films").iterdir()) == ["1-a.mp4", "2-a.mp4"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["{a}", "-o", "x.html"], 2, "one video alone"),
        (["{a}", "{b}", "-o", "x.mp4", "--embed"], 2, "--embed is for pages"),
        (["{a}", "{b}", "-o", "{b}"], 2, "is the source itself"),
        (["{a}", "nothing.mp4", "-o", "x.html"], 3, "nothing.mp4"),
        (["{a}", "-", "-o", "x.html"], 2, "not as streams"),
        (["{a}", "{b}", "-o", "nowhere/x.html"], 7, "nowhere"),
        (["{a}", "{b}", "-o", "x.html", "-q", "--start", "99s"], 3, "lies in the range"),
        (["{a}", "{b}", "-o", "x.html", "--start", "5f"], 2, "a number of frames"),
    ],
)
def test_refusals_are_one_clear_line(movie, clips, tmp_path, arguments, code, said):
    given = [argument.format(a=clips[0], b=clips[1]) for argument in arguments]
    assert_refused(movie("compare", *given), code, said)
    assert {path.name for path in tmp_path.iterdir()} - {"home"} == {"a.mp4", "b.mp4"}
