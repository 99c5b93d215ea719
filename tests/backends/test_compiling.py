"""Compiled networks: when they are chosen, that they see one shape, and that they give the same pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from movie_cli.backends import RuntimeConfig, torch_devices
from movie_cli.backends import compiled as compiled_module
from movie_cli.backends.torch_backend import TorchBackend
from movie_cli.backends.torch_devices import choose_torch, with_compiler
from movie_cli.checkpoints.store import open_model
from movie_cli.editing.editor import Editor
from movie_cli.errors import DeviceError, DeviceMemoryError, UsageError
from movie_cli.recipe import Recipe

CUDA = RuntimeConfig("cuda:0", "bfloat16", "cuda:0 in bfloat16")
CPU = RuntimeConfig("cpu", "float32", "cpu in float32")
FRAMES = np.random.default_rng(0).integers(0, 256, (5, 32, 48, 3), dtype=np.uint8)


@pytest.fixture
def compiler_found(monkeypatch):
    monkeypatch.setattr(torch_devices, "why_not", lambda device: "")


@pytest.mark.parametrize(
    ("config", "asked", "passes", "frames"),
    [
        (CUDA, "auto", torch_devices.COMPILING_PAYS_FROM, 8),
        (CUDA, "auto", torch_devices.COMPILING_PAYS_FROM - 1, 0),
        (CUDA, "auto", None, 0),
        (CUDA, "on", None, 8),
        (CUDA, "off", torch_devices.COMPILING_PAYS_FROM, 0),
        (CPU, "auto", torch_devices.COMPILING_PAYS_FROM, 0),
        (CPU, "on", 1, 8),
        (RuntimeConfig("cpu", "float32", "", "openvino"), "auto", torch_devices.COMPILING_PAYS_FROM, 0),
    ],
)
def test_what_is_compiled(compiler_found, config, asked, passes, frames):
    found = with_compiler(config, asked, 8, passes)
    assert found.compiled == frames
    assert ("compiled" in found.reason) == (frames > 0)
    assert ("compiled" in found.latents_type) == (frames > 0)
    assert ("compiled" in found.version) == (frames > 0)


def test_without_a_compiler(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(DeviceError, match="no-such-compiler") as refused:
        with_compiler(CPU, "on", 8, 1)
    assert "--compile off" in refused.value.hint
    monkeypatch.setattr(torch_devices, "find_spec", lambda name: None)
    with pytest.raises(DeviceError, match="Triton"):
        with_compiler(CUDA, "on", 8, 1)
    found = with_compiler(CUDA, "auto", 8, torch_devices.COMPILING_PAYS_FROM)
    assert found.compiled == 0
    assert "not compiled: Triton is not installed" in found.reason


def test_what_torch_does_not_run_is_not_compiled():
    with pytest.raises(UsageError, match="openvino"):
        with_compiler(RuntimeConfig("cpu", "float32", "", "openvino"), "on", 8, 1)


@pytest.fixture
def calls(monkeypatch):
    """Instead of compiling, note the batch of each call of what would be compiled."""
    seen: list[int] = []

    def stand_in(run, **options):
        def called(first, *rest, **more):
            seen.append(len(first))
            return run(first, *rest, **more)

        return called

    monkeypatch.setattr(compiled_module.torch, "compile", stand_in)
    return seen


def opened(tiny, compiled: int, *, may_give_up: bool = False) -> Editor:
    config = RuntimeConfig("cpu", "float32", "", compiled=compiled, may_give_up=may_give_up)
    return Editor(TorchBackend(open_model(str(tiny)), config))


def edited(editor: Editor, frames: np.ndarray) -> np.ndarray:
    editor.set_recipe(Recipe("make it winter"))
    editor.set_anchors(editor.encode(frames[:1]))
    return editor.edit(frames)


def test_every_batch_has_the_same_size(tiny, calls):
    plain = edited(Editor(TorchBackend(open_model(str(tiny)), choose_torch("cpu", "float32"))), FRAMES)
    editor = opened(tiny, 2)
    found = edited(editor, FRAMES)
    assert set(calls) == {2}
    assert len(calls) == 3
    assert np.abs(found.astype(int) - plain).max() <= 1
    assert editor.backend.notes[0].startswith("compiled for 2 frames at once in ")
    edited(editor, FRAMES)
    assert editor.backend.notes == ()  # it was told once


def test_on_a_gpu_the_autoencoder_is_compiled_too(tiny, calls, monkeypatch):
    backend = opened(tiny, 2).backend
    monkeypatch.setattr(torch.compiler, "cudagraph_mark_step_begin", lambda: None)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(backend._unet, "forward", backend.compiled._plain["denoise"])
    backend.compiled = compiled_module.CompiledNetworks(
        RuntimeConfig("cuda:0", "float32", "", compiled=2),
        backend._unet,
        backend._autoencoder,
        backend._anchors,
        backend._conditioning,
    )
    edited(Editor(backend), FRAMES)
    assert set(calls) == {2}
    assert len(calls) == 1 + 3 * 3  # the anchor's latents, then three parts, each by three networks


def test_a_frame_is_the_same_wherever_it_stands(tiny, calls):
    editor = opened(tiny, 4)
    whole = edited(editor, FRAMES[:4])
    assert np.array_equal(editor.edit(FRAMES[3:4]), whole[3:])


def test_less_memory_than_frames(tiny, calls, monkeypatch):
    editor = opened(tiny, 4)
    run = editor.backend.compiled._call

    def small(name, first, *rest, **options):
        if len(first) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return run(name, first, *rest, **options)

    monkeypatch.setattr(editor.backend.compiled, "_call", small)
    assert edited(editor, FRAMES).shape == FRAMES.shape
    assert editor.backend.compiled.batch == 2
    assert editor.notes == ["cpu has too little memory: editing 2 frames at once instead of 4"]


def fails(run, **options):
    def called(*inputs, **more):
        raise RuntimeError("BackendCompilerFailed: g++ is broken\nand much more")

    return called


def test_a_compiler_that_fails(tiny, monkeypatch):
    monkeypatch.setattr(compiled_module.torch, "compile", fails)
    with pytest.raises(DeviceError, match="g\\+\\+ is broken") as refused:
        edited(opened(tiny, 2), FRAMES)
    assert not isinstance(refused.value, DeviceMemoryError)
    assert "\n" not in str(refused.value)
    editor = opened(tiny, 2, may_give_up=True)
    assert edited(editor, FRAMES).shape == FRAMES.shape
    assert editor.backend.notes == ("the networks run uncompiled: BackendCompilerFailed: g++ is broken",)


def test_nothing_is_traced_twice(tiny, monkeypatch):
    compile_ = torch.compile
    monkeypatch.setattr(
        compiled_module.torch, "compile", lambda run, **options: compile_(run, dynamic=False, backend="eager")
    )
    torch._dynamo.reset()
    plain = edited(Editor(TorchBackend(open_model(str(tiny)), choose_torch("cpu", "float32"))), FRAMES)
    # Not monkeypatched: undoing that would take the setting out of torch's list for the rest of the process.
    with torch._dynamo.config.patch(error_on_recompile=True):
        editor = opened(tiny, 2)
        assert np.abs(edited(editor, FRAMES).astype(int) - plain).max() <= 1
        assert np.abs(edited(editor, FRAMES).astype(int) - plain).max() <= 1  # another anchor, the conditioning anew


@pytest.mark.slow
@pytest.mark.skipif(
    bool(torch_devices.why_not("cpu")), reason=f"torch cannot compile here: {torch_devices.why_not('cpu')}"
)
def test_compiled_is_within_two_code_values_of_eager(tiny):
    plain = edited(Editor(TorchBackend(open_model(str(tiny)), choose_torch("cpu", "bfloat16"))), FRAMES)
    config = with_compiler(choose_torch("cpu", "bfloat16"), "on", 2, 1)
    found = edited(Editor(TorchBackend(open_model(str(tiny)), config)), FRAMES)
    assert np.abs(found.astype(int) - plain).max() <= 2
