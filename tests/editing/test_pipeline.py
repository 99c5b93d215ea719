"""From file to file with a small random checkpoint: what comes through does not depend on how good the edit is."""

import hashlib
import time
from pathlib import Path

import av
import numpy as np
import pytest

from movie_cli import media
from movie_cli.backends import torch_backend
from movie_cli.backends.torch_backend import TorchBackend
from movie_cli.editing import pipeline, plan, video
from movie_cli.editing.request import EditRequest
from movie_cli.errors import InterruptedEdit, SourceError, UsageError
from movie_cli.kinds import TimeValue
from movie_cli.options import EncodeOptions
from movie_cli.recipe import RECIPE_KEY, Recipe

CLIPS = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "clips"
SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "meadow.mp4"


class Recorder:
    def __init__(self):
        self.messages, self.total, self.frames, self.summary = [], None, 0, None

    def message(self, level, text):
        self.messages.append((level, text))

    def start(self, total_frames, title):
        self.total = total_frames

    def advance(self, frames):
        self.frames += frames

    def done(self, summary):
        self.summary = summary


@pytest.fixture(scope="module")
def model(tiny):
    return str(tiny)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("MOVIE_HOME", str(tmp_path / "home"))


def make_clip(path, count=9, size=(96, 64), rate=10, times=None, options=None):
    """A small moving gradient; `times` are timestamps in 1/1000 s."""
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        if times is not None:
            from fractions import Fraction

            stream.codec_context.time_base = Fraction(1, 1000)
        for index in range(count):
            x = (np.arange(size[0]) * 2 + index * 6) % 256
            pixels = np.stack([np.tile(x, (size[1], 1))] * 3, axis=2).astype(np.uint8)
            pixels[..., 1] = np.arange(size[1])[:, None] * 3
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
            if times is not None:
                frame.pts = times[index]
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def request(source, output, model, **changes):
    recipe = Recipe(changes.pop("instruction", "make it winter"), model=model, **changes.pop("recipe", {}))
    encode = EncodeOptions(codec="ffv1") if Path(output).suffix == ".mkv" else EncodeOptions()
    values = {"device": "cpu", "dtype": "float32", "encode": encode} | changes
    return EditRequest(str(source), str(output), recipe, **values)


def frames_of(path):
    with media.FrameReader(path) as reader:
        return [(frame.time, frame.pixels) for frame in reader]


def edit(*args, **changes):
    recorder = Recorder()
    summary = video.edit_video(request(*args, **changes), recorder)
    return summary, recorder


def test_size_times_and_count_come_through(tmp_path, model):
    source = make_clip(tmp_path / "in.mp4")
    summary, recorder = edit(source, tmp_path / "out.mp4", model)
    before, after = frames_of(source), frames_of(tmp_path / "out.mp4")
    assert [time for time, _ in after] == [time for time, _ in before]
    assert after[0][1].shape == before[0][1].shape
    assert summary.frames == recorder.frames == recorder.total == len(before)
    assert recorder.summary["output"] == str(tmp_path / "out.mp4")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_variable_frame_rate(tmp_path, model):
    source = make_clip(tmp_path / "in.mkv", times=[0, 40, 50, 200, 210, 400, 401, 900, 1000])
    edit(source, tmp_path / "out.mkv", model)
    assert [t for t, _ in frames_of(tmp_path / "out.mkv")] == [t for t, _ in frames_of(source)]


def test_the_recipe_is_in_the_metadata(tmp_path, model):
    source = make_clip(tmp_path / "in.mp4")
    edit(source, tmp_path / "out.mp4", model, recipe={"text_scale": 9.0})
    recipe = Recipe.from_json(media.probe(tmp_path / "out.mp4").metadata[RECIPE_KEY])
    assert (recipe.instruction, recipe.text_scale) == ("make it winter", 9.0)


@pytest.mark.parametrize("size", [(512, 384), (96, 64)])
def test_a_second_edit_comes_from_the_cache_and_is_the_same(tmp_path, model, monkeypatch, size):
    # 96x64 works at 192x128, four times its own area: its pixels are needed again for their detail.
    source = make_clip(tmp_path / "in.mp4", count=5, size=size)
    first, _ = edit(source, tmp_path / "a.mkv", model)
    calls = []
    encode = TorchBackend._condition
    monkeypatch.setattr(TorchBackend, "_condition", lambda self, frames: calls.append(1) or encode(self, frames))
    if size == first.working_size:
        monkeypatch.setattr(pipeline, "FrameReader", None)
    second, _ = edit(source, tmp_path / "b.mkv", model)
    assert (first.cached, second.cached, calls) == (False, True, [])
    for (_, a), (_, b) in zip(frames_of(tmp_path / "a.mkv"), frames_of(tmp_path / "b.mkv"), strict=True):
        assert np.array_equal(a, b)
    other, _ = edit(source, tmp_path / "c.mkv", model, instruction="make it night", recipe={"text_scale": 12.0})
    assert other.cached


def test_batches_do_not_change_pixels(tmp_path, model):
    source = make_clip(tmp_path / "in.mp4", count=5)
    edit(source, tmp_path / "one.mkv", model, batch_size=1, use_cache=False)
    edit(source, tmp_path / "four.mkv", model, batch_size=4, use_cache=False)
    for (_, a), (_, b) in zip(frames_of(tmp_path / "one.mkv"), frames_of(tmp_path / "four.mkv"), strict=True):
        assert np.abs(a.astype(int) - b).max() <= 1


@pytest.mark.parametrize(
    ("start", "duration"), [("0f", "3f"), ("2f", "1f"), ("2f", "3f"), ("0.2s", "3f"), ("2f", "0.3s")]
)
def test_a_duration_in_frames_counts_frames_from_any_start(tmp_path, model, start, duration):
    source = make_clip(tmp_path / "in.mp4")
    asked = request(
        source, tmp_path / "out.mp4", model, start=TimeValue.parse(start), duration=TimeValue.parse(duration)
    )
    assert video.edit_video(asked, Recorder()).frames == (1 if duration == "1f" else 3)


def test_start_and_duration(tmp_path, model):
    source = make_clip(tmp_path / "in.mp4", count=20)
    summary, _ = edit(
        source, tmp_path / "out.mp4", model, start=TimeValue.parse("0.5s"), duration=TimeValue.parse("7f")
    )
    assert summary.frames == 7


def test_another_output_size(tmp_path, model):
    source = make_clip(tmp_path / "in.mp4", count=3)
    edit(source, tmp_path / "out.mp4", model, recipe={"size": (64, 48)})
    assert frames_of(tmp_path / "out.mp4")[0][1].shape == (48, 64, 3)


def test_an_unknown_instruction_runs_with_one_warning(tmp_path, model):
    source = make_clip(tmp_path / "in.mp4", count=2)
    _, recorder = edit(source, tmp_path / "out.mp4", model, instruction="put a hat on the dog")
    warnings = [text for level, text in recorder.messages if level == "warning"]
    assert len(warnings) == 1
    assert "--model" in warnings[0]


def cut_off(tmp_path):
    """An mp4 whose index is whole and whose frames end in the middle."""
    whole = make_clip(tmp_path / "whole.mp4", count=40, rate=10, options={"movflags": "faststart"})
    data = whole.read_bytes()
    path = tmp_path / "broken.mp4"
    path.write_bytes(data[: len(data) * 6 // 10])
    return path


def test_a_file_that_breaks_midway_is_edited_up_to_the_break(tmp_path, model):
    source = cut_off(tmp_path)
    for _ in range(2):  # decoded, then from the cache
        summary, recorder = edit(source, tmp_path / "out.mkv", model, overwrite=True)
        warnings = [text for level, text in recorder.messages if level == "warning"]
        assert 0 < summary.frames < 40
        assert len(warnings) == 1
        assert " s" in warnings[0]


def test_strict_writes_nothing_of_a_broken_file(tmp_path, model):
    source = cut_off(tmp_path)
    with pytest.raises(SourceError):
        edit(source, tmp_path / "out.mkv", model, strict=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.mp4", "home", "whole.mp4"]


def test_an_interrupted_edit_leaves_nothing(tmp_path, model, monkeypatch):
    source = make_clip(tmp_path / "in.mp4")
    decode = TorchBackend.decode_latents
    seen = []

    def interrupted(self, latents, frames):
        seen.append(1)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return decode(self, latents, frames)

    monkeypatch.setattr(TorchBackend, "decode_latents", interrupted)
    (tmp_path / "out.mp4").write_bytes(b"an older edit")
    with pytest.raises(KeyboardInterrupt):
        edit(source, tmp_path / "out.mp4", model, overwrite=True)
    assert (tmp_path / "out.mp4").read_bytes() == b"an older edit"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "in.mp4", "out.mp4"]


def test_an_interrupted_edit_edits_nothing_more(tmp_path, model, monkeypatch):
    source = make_clip(tmp_path / "in.mp4", count=60)
    sample, begun = torch_backend.sample, []

    def slow(*arguments):
        begun.append(time.sleep(0.05))
        return sample(*arguments)

    def press(self, frames):
        raise KeyboardInterrupt

    monkeypatch.setattr(torch_backend, "sample", slow)
    monkeypatch.setattr(Recorder, "advance", press)
    with pytest.raises(KeyboardInterrupt):
        edit(source, tmp_path / "out.mkv", model, use_cache=False)
    before = len(begun)
    time.sleep(0.5)
    assert len(begun) == before < 60


def test_the_plan_says_what_would_be_done_and_writes_nothing(tmp_path, model):
    source = make_clip(tmp_path / "in.mp4")
    made = plan.describe_plan(request(source, tmp_path / "out.mp4", model))
    assert made["frames"] == 9
    assert not (tmp_path / "out.mp4").exists()


def test_source_equal_to_output_is_refused(tmp_path, model):
    source = make_clip(tmp_path / "in.mp4")
    before = source.read_bytes()
    with pytest.raises(UsageError):
        edit(source, source, model, overwrite=True)
    assert source.read_bytes() == before


def audio_packets(path):
    with av.open(str(path)) as container:
        return [hashlib.sha256(bytes(p)).hexdigest() for p in container.demux(audio=0) if p.size]


@pytest.mark.skipif(not CLIPS.is_dir(), reason="the real clips of ../shared/data are not there")
@pytest.mark.parametrize("name", ["mdn_stream_of_water.mp4", "nasa_13013.mp4"])
def test_real_clips_keep_sound_and_times(tmp_path, model, name):
    source = CLIPS / name
    end = TimeValue.parse("1s")
    edit(source, tmp_path / name, model, end=end, use_cache=False)
    expected = [(t, p.shape) for t, p in frames_of(source) if t < 1]
    assert [(t, p.shape) for t, p in frames_of(tmp_path / name)] == expected
    ours, theirs = audio_packets(tmp_path / name), audio_packets(source)
    assert ours
    assert ours == theirs[: len(ours)]


def test_without_anchors_none_is_used(tmp_path, model, monkeypatch):
    source = make_clip(tmp_path / "in.mp4", count=2)
    seen = []
    monkeypatch.setattr(TorchBackend, "set_anchors", lambda self, latents, settings: seen.append(latents))
    edit(source, tmp_path / "out.mkv", model, recipe={"anchors": "none"})
    assert seen
    assert set(seen) == {None}


def interrupt_after(monkeypatch, pieces):
    """Let Ctrl-C come in the network after so many pieces."""
    decode, seen = TorchBackend.decode_latents, []

    def interrupted(self, latents, frames):
        seen.append(1)
        if len(seen) > pieces:
            # What was handed on before is written; a real Ctrl-C comes at any moment.
            time.sleep(0.5)
            raise KeyboardInterrupt
        return decode(self, latents, frames)

    monkeypatch.setattr(TorchBackend, "decode_latents", interrupted)


@pytest.mark.parametrize("size", [(512, 384), (96, 64)])
@pytest.mark.parametrize("cached", [False, True])
def test_a_continued_edit_has_the_frames_of_an_uninterrupted_one(tmp_path, model, monkeypatch, size, cached):
    source = make_clip(tmp_path / "in.mp4", count=14, size=size)
    options = {"segment_frames": 4, "batch_size": 3, "use_cache": cached}
    if cached:
        edit(source, tmp_path / "first.mkv", model, **options)
    edit(source, tmp_path / "whole.mkv", model, **options)
    with monkeypatch.context() as patch:
        interrupt_after(patch, 4)
        with pytest.raises(InterruptedEdit) as stopped:
            edit(source, tmp_path / "out.mkv", model, **options)
    assert "--resume" in stopped.value.hint
    with pytest.raises(UsageError, match="interrupted edit"):
        edit(source, tmp_path / "out.mkv", model, **options)
    summary, _ = edit(source, tmp_path / "out.mkv", model, resume=True, **options)
    assert (summary.frames, summary.cached) == (14, cached)
    assert summary.resumed in {4, 8}
    for (_, a), (_, b) in zip(frames_of(tmp_path / "out.mkv"), frames_of(tmp_path / "whole.mkv"), strict=True):
        assert np.array_equal(a, b)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
