"""Reading on from the middle gives the frames that reading from the beginning gives."""

import av
import numpy as np
import pytest

from movie_cli.editing.clip import FrameSource, ResumePoint, picture_of
from movie_cli.errors import SourceError
from movie_cli.media import FrameReader, probe
from tests.media.clips import CLIPS, make_clip, needs_shared


def check_every_place(path, places):
    info = probe(path)
    with FrameReader(path, info=info) as reader:
        whole = [(frame.pts, picture_of(frame.pixels)) for frame in reader]
    for place in places(len(whole)):
        before = whole[:place]
        mark = ResumePoint.after(place, [(pts, None) for pts, _ in before], before[-1][1])
        opened = []

        def open_reader(start, opened=opened):
            opened.append(start)
            return FrameReader(path, start, info=info)

        with FrameSource(open_reader, info.video, mark) as source:
            rest = [(frame.pts, picture_of(frame.pixels)) for frame in source]
        assert rest == whole[place:]
        yield opened


def test_it_seeks_where_that_is_exact(tmp_path):
    path = make_clip(tmp_path / "a.mp4", frames=40, options={"bf": "3"})
    for opened in check_every_place(path, lambda count: range(1, count)):
        assert len(opened) == 1


def test_it_reads_from_the_beginning_where_seeking_misleads(tmp_path):
    # Pictures are refreshed by columns, so that decoding from the middle begins with wrong ones.
    path = make_clip(tmp_path / "a.mkv", frames=60, options={"x264-params": "intra-refresh=1:keyint=20:bframes=0"})
    assert len(list(check_every_place(path, lambda count: range(5, count, 9)))) == 7


@needs_shared
@pytest.mark.parametrize("path", CLIPS, ids=lambda path: path.name)
def test_real_clips(path):
    info = probe(path)
    if info.video.coded_size[0] > 640:
        pytest.skip("large: a test has to be quick")
    for _ in check_every_place(path, lambda count: range(count // 3, count, max(1, count // 2))):
        pass


def test_another_source_is_refused(tmp_path):
    path = make_clip(tmp_path / "a.mp4")
    info = probe(path)
    mark = ResumePoint(10, (7, 8, 9), picture=1)
    with (
        FrameSource(lambda start: FrameReader(path, start, info=info), info.video, mark) as source,
        pytest.raises(SourceError, match="no longer"),
    ):
        next(iter(source))
    assert picture_of(np.zeros((2, 2, 3), np.uint8)) != picture_of(np.ones((2, 2, 3), np.uint8))


def test_damage_after_a_good_seek_is_not_read_twice(tmp_path):
    path = make_clip(tmp_path / "a.mkv", frames=60)
    with FrameReader(path) as reader:
        whole = [(frame.pts, picture_of(frame.pixels)) for frame in reader]
    with av.open(str(path)) as container:
        broken = next(packet for packet in container.demux(video=0) if packet.pts == whole[50][0])
        data, payload = path.read_bytes(), bytes(broken)
    path.write_bytes(data.replace(payload, b"\xff" * len(payload)))
    info, opened, found = probe(path), [], []

    def open_reader(start):
        opened.append(start)
        return FrameReader(path, start, strict=True, info=info, threads=1)

    mark = ResumePoint.after(30, whole[:30], whole[29][1])
    with FrameSource(open_reader, info.video, mark) as source, pytest.raises(SourceError, match=r"decoded|breaks"):
        for frame in source:
            found.append(frame.pts)
    assert found == [pts for pts, _ in whole[30:]][: len(found)]
    assert len(opened) == 1
