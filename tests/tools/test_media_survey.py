from __future__ import annotations

from movie_cli.errors import SourceError
from movie_cli.media import probe
from tests.media.clips import identity_edit, make_clip, needs_ffmpeg
from tools.media_survey import MARKER, compare, main, survey, write_below_marker


@needs_ffmpeg
def test_a_folder_of_good_and_bad_files(tmp_path, monkeypatch):
    monkeypatch.setenv("MOVIE_HOME", str(tmp_path / "home"))
    folder = tmp_path / "videos"
    folder.mkdir()
    make_clip(folder / "good.mp4", frames=20, audio=True)
    (folder / "bad.mp4").write_text("no video")
    assert main([str(folder), "--identity", "-o", str(tmp_path / "media.md")]) == 0
    text = (tmp_path / "media.md").read_text()
    assert "videos: 2 of 2 as they should be" in text
    assert "| bad.mp4 | 8 bytes | 3 | none | bad.mp4 is text, not a video |" in text
    assert "| good.mp4 | h264 64x48 yuv420p, 0.80 s, 1 audio | 0 | h264 64x48" in text


@needs_ffmpeg
def test_what_is_wrong_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("MOVIE_HOME", str(tmp_path / "home"))
    source = make_clip(tmp_path / "a.mp4", frames=20, audio=True)
    other = make_clip(tmp_path / "b.mp4", frames=5, size=(32, 24))
    found = compare(probe(source), probe(other), 1.0, broken=False)
    assert len(found) == 3
    identity_edit(source, tmp_path / "c.mp4")
    assert compare(probe(source), probe(tmp_path / "c.mp4"), 1.0, broken=False) == []
    entry = survey(source, 0.2, ".xyz", 60, identity=True)
    assert entry.exit_code == 7
    assert entry.faults


def test_the_text_above_the_marker_stays(tmp_path):
    path = tmp_path / "a.md"
    path.write_text("# Above\n")
    for text in ("one", "two"):
        write_below_marker(path, text)
    assert path.read_text() == f"# Above\n\n{MARKER}\n\ntwo\n"
    assert main([str(tmp_path / "missing")]) == SourceError.exit_code
