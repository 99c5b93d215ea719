"""Files that mean harm: names of other files and of servers inside, and more pixels or seconds than anyone has."""

from __future__ import annotations

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import av
import numpy as np
import pytest

from movie_cli.errors import SourceError
from movie_cli.media import FrameReader, ReadOptions, probe
from tests.media.clips import identity_edit, make_clip


@pytest.fixture
def server():
    """A web server; `asked` is every path that anybody asked it for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        do_HEAD = do_POST = do_GET  # noqa: N815

        def log_message(self, *arguments):
            pass

    web = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=web.serve_forever, daemon=True)
    thread.start()
    web.asked = asked
    web.address = f"http://127.0.0.1:{web.server_port}"
    yield web
    web.shutdown()
    web.server_close()
    thread.join()


PLAYLISTS = {
    "list.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{url}\n#EXT-X-ENDLIST\n",
    "key.m3u8": '#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-KEY:METHOD=AES-128,URI="{url}"\n#EXTINF:1,\n{url}\n',
    "list.ffconcat": "ffconcat version 1.0\nfile '{url}'\n",
    "manifest.mpd": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'mediaPresentationDuration="PT1S"><Period><AdaptationSet mimeType="video/mp4"><Representation id="1" '
    'bandwidth="1"><BaseURL>{url}</BaseURL></Representation></AdaptationSet></Period></MPD>',
    "session.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n",
    "picture.svg": '<svg xmlns="http://www.w3.org/2000/svg"><image href="{url}" width="9" height="9"/></svg>',
    "list.pls": "[playlist]\nFile1={url}\nNumberOfEntries=1\n",
    "list.avi": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{url}\n#EXT-X-ENDLIST\n",
    "list.mp4": "ffconcat version 1.0\nfile {url}\n",
}


@pytest.mark.parametrize("name", PLAYLISTS)
def test_a_playlist_fetches_nothing(tmp_path, server, name):
    (tmp_path / name).write_text(PLAYLISTS[name].format(url=server.address + "/secret.ts"))
    with pytest.raises(SourceError):
        probe(tmp_path / name)
    assert server.asked == []


@pytest.mark.parametrize("name", [name for name in PLAYLISTS if name != "session.sdp"])
def test_a_playlist_opens_no_other_file(tmp_path, name):
    """Each names a video that is there and could be read."""
    other = make_clip(tmp_path / "other.ts", frames=3)
    for url in (f"file://{other}", str(other), "other.ts"):
        (tmp_path / name).write_text(PLAYLISTS[name].format(url=url))
        with pytest.raises(SourceError):
            probe(tmp_path / name)


@pytest.mark.parametrize("scheme", ["concat:", "subfile,,start,0,end,0,,:", "crypto:", "async:", "cache:", "http://"])
def test_protocols_in_a_name_are_only_a_name(tmp_path, monkeypatch, server, scheme):
    make_clip(tmp_path / "a.ts", frames=3)
    monkeypatch.chdir(tmp_path)
    name = server.address if scheme == "http://" else scheme + "a.ts"
    with pytest.raises(SourceError, match="does not exist"):
        probe(name)
    assert server.asked == []


def test_an_mp4_that_points_to_a_server_fetches_nothing(tmp_path, server):
    """The data reference of an ISO file may be a URL instead of the file itself."""
    data = make_clip(tmp_path / "a.mp4", frames=2, faststart=False).read_bytes()
    here = b"\x00\x00\x00\x0curl \x00\x00\x00\x01"
    assert here in data
    (tmp_path / "b.mp4").write_bytes(data.replace(here, b"\x00\x00\x00\x0curl \x00\x00\x00\x00"))
    with contextlib.suppress(SourceError):
        probe(tmp_path / "b.mp4")
    assert server.asked == []


def test_pixels_are_limited_before_anything_is_decoded(tmp_path):
    path = make_clip(tmp_path / "a.mp4", frames=2)
    assert probe(path, ReadOptions(max_pixels=64 * 48)).video.coded_size == (64, 48)
    with pytest.raises(SourceError, match=r"64x48, more than 3071 pixels") as caught:
        probe(path, ReadOptions(max_pixels=64 * 48 - 1))
    assert "--max-pixels 3072" in caught.value.hint


def test_a_tiny_file_with_a_huge_picture_is_refused(tmp_path):
    path = tmp_path / "bomb.gif"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("gif", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "rgb8"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64), np.uint8), format="rgb8")))
        container.mux(stream.encode(None))
    data = bytearray(path.read_bytes())
    data[6:10] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    with pytest.raises(SourceError, match=r"65535x65535|can be decoded"):
        probe(path)


def test_a_box_larger_than_any_file_is_the_last_one(tmp_path):
    path = tmp_path / "huge.mp4"
    path.write_bytes(b"\0\0\0\x10ftypisom\0\0\0\0" + b"\0\0\0\1free" + b"\xff" * 8)
    with pytest.raises(SourceError, match="huge"):
        probe(path)


def test_a_stream_that_grows_is_stopped(tmp_path):
    path = tmp_path / "grows.h264"
    small = make_clip(tmp_path / "small.h264", frames=5).read_bytes()
    path.write_bytes(small + make_clip(tmp_path / "large.h264", frames=5, size=(640, 480)).read_bytes())
    with FrameReader(path) as reader:
        assert len(list(reader)) == 10
    reading = ReadOptions(max_pixels=500 * 400)
    with FrameReader(path, info=probe(path, reading)) as reader, pytest.raises(SourceError, match="640x480"):
        list(reader)
    # So large that the decoder itself refuses.
    reading = ReadOptions(max_pixels=100 * 100)
    with FrameReader(path, info=probe(path, reading)) as reader:
        assert len(list(reader)) <= 5


def test_length_is_limited_by_what_the_header_says(tmp_path):
    path = make_clip(tmp_path / "a.mp4", frames=50)
    reading = ReadOptions(max_seconds=1)
    with pytest.raises(SourceError, match="lasts 2 s, more than 1 s"):
        FrameReader(path, info=probe(path, reading))
    with FrameReader(path, end=0.8, info=probe(path, reading)) as reader:
        assert len(list(reader)) == 20


def test_length_is_limited_by_what_is_decoded(tmp_path):
    path = make_clip(tmp_path / "a.h264", frames=50)
    info = probe(path, ReadOptions(max_seconds=1))
    assert info.duration is None
    with FrameReader(path, info=info) as reader, pytest.raises(SourceError, match="more than 1 s"):
        list(reader)


def test_a_stream_that_turns_up_midway_is_passed_over(tmp_path):
    content = make_clip(tmp_path / "in.flv", frames=300, faststart=False).read_bytes()
    # FLV says in its header what is in it, and may hold more: a tag of sound long after the beginning.
    place = 13
    for _ in range(280):
        place += 15 + int.from_bytes(content[place + 1 : place + 4], "big")
    tag = b"\x08\x00\x00\x03" + content[place + 4 : place + 8] + b"\x00\x00\x00" + b"\x2f\xff\xfb"
    sound = tag + len(tag).to_bytes(4, "big")
    (tmp_path / "more.flv").write_bytes(content[:place] + sound + content[place:])
    assert identity_edit(tmp_path / "more.flv", tmp_path / "out.mp4").frames == 300
