"""The same pixels from every batch size, and nearly the same in half precision."""

from __future__ import annotations

import av
import numpy as np
import pytest

from movie_cli.backends import Pixels
from movie_cli.backends.fidelity import psnr
from movie_cli.backends.torch_backend import TorchBackend
from movie_cli.backends.torch_devices import choose_torch
from movie_cli.checkpoints.store import open_model
from movie_cli.editing.editor import Editor
from movie_cli.recipe import Recipe
from tests.tiny import NANO

SAMPLE = NANO.parents[2] / "samples" / "meadow.mp4"
INSTRUCTIONS = ("make it winter", "as a pencil drawing")


@pytest.fixture(scope="module")
def frames() -> Pixels:
    """Eight frames of the sample, one in six."""
    with av.open(str(SAMPLE)) as container:
        pictures = [frame for number, frame in enumerate(container.decode(video=0)) if number % 6 == 0][:8]
        return np.stack([frame.reformat(width=192, height=128).to_ndarray(format="rgb24") for frame in pictures])


def editor_of(model: str, dtype: str) -> Editor:
    return Editor(TorchBackend(open_model(model), choose_torch("cpu", dtype)))


def prepared(editor: Editor, instruction: str, frames: Pixels, anchors: str = "first") -> Editor:
    editor.set_recipe(Recipe(instruction))
    if anchors == "first":
        editor.set_anchors(editor.encode(frames[:1]))
    return editor


@pytest.mark.parametrize("anchors", ["first", "none"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("model", ["nano", "tiny"])
def test_one_frame_or_eight_at_once(model, dtype, anchors, frames, tiny):
    editor = editor_of(str(tiny) if model == "tiny" else model, dtype)
    for instruction in INSTRUCTIONS:
        prepared(editor, instruction, frames, anchors)
        together = editor.edit(frames)
        singly = np.concatenate([editor.edit(frames[number : number + 1]) for number in range(len(frames))])
        assert np.abs(together.astype(int) - singly).max() <= 1


@pytest.mark.parametrize("instruction", INSTRUCTIONS)
def test_bfloat16_is_within_40_db_of_float32(instruction, frames):
    exact, half = (
        prepared(editor_of("nano", dtype), instruction, frames).edit(frames) for dtype in ("float32", "bfloat16")
    )
    assert all(psnr(one, other) > 40 for one, other in zip(exact, half, strict=True))
