"""The backend for exported graphs: ONNX Runtime, OpenVINO or Qualcomm's HTP behind one protocol, without torch.

Its edits are torch's of the same checkpoint, up to rounding: the same noise, the same reading of misspelt
instructions, the same anchors. Graphs have a batch of one and take float32; what surrounds them is numpy.

The noise is, for any seed, `torch.randn(shape, generator=torch.Generator().manual_seed(seed))` on a CPU, to the last
bits that a logarithm and a cosine may differ by. The source of the formulas is torch's own: a Mersenne Twister
(Matsumoto and Nishimura 1998) seeded with the seed's low 32 bits, 24 bits a uniform number, and Box and Muller's
transform of 1958 in blocks of sixteen: radii from the first eight, angles from the last eight.
Tests hold it to torch.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from movie_cli.backends import Carry, EmbeddedInstruction, FetchFrames, Pixels, RuntimeConfig, Settings
from movie_cli.backends.steadiness import steadied
from movie_cli.checkpoints.descriptor import Descriptor
from movie_cli.checkpoints.exported import TEXT_ENCODER, Export, graph_name
from movie_cli.errors import ModelError, UsageError
from movie_cli.looks import looks_of
from movie_cli.models.reading import Judgement, Reader
from movie_cli.models.tokenizer import InstructionTokenizer, mended_texts, padded_ids, surest_rows

Array = NDArray[Any]
Feeds = Mapping[str, Array]


class Graph(Protocol):
    """One graph, ready to run."""

    def run(self, feeds: Feeds) -> Mapping[str, Array]:
        """Outputs by name. Of `feeds` the graph takes what it has inputs for."""
        ...


class Graphs(Protocol):
    """The graphs of one export on one runtime."""

    folder: Path

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence for each graph that does not run wholly where it was asked to."""
        ...

    def open(self, name: str) -> Graph:
        """A graph by its name in the manifest; opened once.

        Raises:
            ModelError: the file is no graph, or not one for this runtime.
            DeviceError: the runtime cannot take it.
        """
        ...


def threads_of(config: RuntimeConfig) -> int:
    """Threads that were asked for, else as `env_threads`."""
    return config.threads or env_threads()


def env_threads() -> int:
    """Threads that `OMP_NUM_THREADS` allows, which torch heeds too; 0 for the runtime's own choice."""
    value = os.environ.get("OMP_NUM_THREADS", "")
    return int(value) if value.isdecimal() else 0


class GraphBackend:
    """Runs an export's graphs.

    Args:
        descriptor: What the checkpoint can do.
        config: What was chosen, for the record.
        export: What the graphs are of.
        graphs: Opens graphs by their name in the manifest.
    """

    def __init__(self, descriptor: Descriptor, config: RuntimeConfig, export: Export, graphs: Graphs) -> None:
        self.descriptor, self._export, self._graphs = descriptor, export, graphs
        self.device, self.dtype, self.reason = config.device, config.dtype, config.reason
        self.encode_later: Callable[[Pixels], Callable[[], Array]] | None = None
        self.edit_later: Callable[[Array, Pixels, Settings, Carry], FetchFrames] | None = None
        self._text = graphs.open(TEXT_ENCODER)
        self._folder = graphs.folder
        self._noise: tuple[tuple[object, ...], Array] | None = None
        self.anchors: dict[str, Array] = {}
        self._recorded: dict[str, list[dict[str, Array]]] | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be told of how the graphs run: what fell back to the CPU."""
        return self._graphs.notes

    # Text

    def embed_text(self, instruction: str) -> EmbeddedInstruction:
        """Embed one instruction; the empty text is not needed by a network that takes its scales as inputs."""
        facts = self._export.text
        if facts.kind == "clip":
            ids = padded_ids(self._folder / "tokenizer", instruction, facts.length, facts.pad)
            return EmbeddedInstruction(self._text.run({"input_ids": ids})["tokens"], None)
        tokenizer = InstructionTokenizer.from_pretrained(self._folder / "tokenizer")
        looks = {look.name: look.words for look in looks_of(self.descriptor.edits)}

        def judge(text: str) -> Judgement:
            mended = mended_texts(tokenizer, [text])
            found = [self._encode_text(tokenizer, each) for each in (text, *mended.values())]
            row = surest_rows([float(each["logits"].max()) for each in found], 1, list(mended))[0]
            return Judgement(found[row]["tokens"], found[row]["logits"][0].tolist(), found[row]["nearness"][0].tolist())

        read = Reader(self.descriptor.edits, facts.known_threshold, judge, lambda name: judge(looks[name]).tokens).read(
            instruction
        )
        return EmbeddedInstruction(read.tokens, None, read.known, read.nearest, read.asked)

    def _encode_text(self, tokenizer: InstructionTokenizer, text: str) -> Mapping[str, Array]:
        ids, mask = tokenizer.ids_and_mask([text], self._export.text.length)
        return self._text.run({"input_ids": ids, "attention_mask": mask})

    # Frames

    def encode_frames(self, frames: Pixels) -> Array:
        """Source latents `(N, C, H/8, W/8)`, float32."""
        graph = self._graph("encode", frames)
        return np.concatenate([graph.run({"pictures": picture})["latents"] for picture in _pictures(frames)])

    def denoise(self, latents: Array, settings: Settings, carry: Carry | None = None) -> Array:
        """Edited latents of the same shape, float32. Exports are never recurrent: nothing is carried.

        Without an anchor a frame attends to itself twice, which is the same as once: every weight of the softmax
        is halved and counted twice.
        """
        graph = self._latents_graph("frame", latents)
        edited = []
        for frame in np.split(latents, len(latents)):
            anchors = self.anchors or self._keys_and_values(frame, settings)
            edited.append(graph.run(self._inputs(frame, settings) | anchors)["edited"])
        return np.concatenate(edited)

    def decode_latents(self, latents: Array, source: Pixels) -> Pixels:
        """Edited frames `(N, H, W, 3)`."""
        graph = self._graph("decode", source)
        frames = []
        for frame, picture in zip(np.split(latents, len(latents)), _pictures(source), strict=True):
            image = graph.run({"latents": frame, "source": picture})["pictures"]
            frames.append(np.rint((image + 1) * np.float32(127.5)).clip(0, 255).astype(np.uint8)[0].transpose(1, 2, 0))
        return np.stack(frames)

    def set_anchors(self, latents: Array | None, settings: Settings) -> None:
        """Keep the anchor's keys and values; None forgets them.

        Raises:
            UsageError: more steps than the graphs have.
            ValueError: several anchors; graphs take one.
        """
        if settings.steps != self.descriptor.steps:
            raise UsageError(f"--steps is {settings.steps}, and exported graphs are of one step", "leave it out")
        self.anchors = {}
        if latents is None:
            return
        if len(latents) != 1:
            raise ValueError(f"{len(latents)} anchors; the graphs take one")
        self.anchors = self._keys_and_values(latents, settings)

    def steadied(self, latents: Array, carry: Carry) -> Array:
        """As `Backend.steadied`."""
        steady: Array = steadied(latents, self.descriptor.latent_channels, carry)
        return steady

    def drop(self) -> None:
        """Nothing is made later."""

    def to_cache(self, latents: Array) -> Array:
        """The array itself."""
        return latents

    def from_cache(self, latents: Array) -> Array:
        """In float32, whatever made them."""
        return latents.astype(np.float32)

    @contextlib.contextmanager
    def recording(self, into: dict[str, list[dict[str, Array]]]) -> Iterator[None]:
        """Keep the inputs that graphs get, by graph, while the context lasts; text is left out."""
        self._recorded = into
        try:
            yield
        finally:
            self._recorded = None

    def _keys_and_values(self, latents: Array, settings: Settings) -> dict[str, Array]:
        return dict(self._latents_graph("anchor", latents).run(self._inputs(latents, settings)))

    def _inputs(self, latents: Array, settings: Settings) -> dict[str, Array]:
        shape = (1, self.descriptor.latent_channels, *latents.shape[2:])
        if self._noise is None or self._noise[0] != (settings.seed, shape):
            self._noise = ((settings.seed, shape), standard_normal(settings.seed, shape))
        scales = np.array([[settings.text_scale, settings.image_scale]], np.float32)
        return {
            "noise": self._noise[1],
            "latents": latents,
            "tokens": settings.text.tokens,
            "scales": scales,
            "log_scales": np.log(scales),
        }

    def _graph(self, name: str, frames: Pixels) -> Graph:
        return self._at((frames.shape[2], frames.shape[1]), name)

    def _latents_graph(self, name: str, latents: Array) -> Graph:
        return self._at((8 * latents.shape[3], 8 * latents.shape[2]), name)

    def _at(self, size: tuple[int, int], name: str) -> Graph:
        if size not in self._export.sizes:
            have = ", ".join(f"{width}x{height}" for width, height in self._export.sizes)
            raise ModelError(
                f"the exported graphs do not work at {size[0]}x{size[1]}", f"they have {have}; export more with --size"
            )
        graph = self._graphs.open(graph_name(size, name))
        return graph if self._recorded is None else _Recorder(graph, self._recorded.setdefault(name, []))


class _Recorder:
    """A graph whose inputs are kept."""

    def __init__(self, graph: Graph, into: list[dict[str, Array]]) -> None:
        self._graph, self._into = graph, into

    def run(self, feeds: Feeds) -> Mapping[str, Array]:
        self._into.append(dict(feeds))
        return self._graph.run(feeds)


def _pictures(frames: Pixels) -> list[Array]:
    """Each frame as `(1, 3, H, W)` in [-1, 1]."""
    scaled = frames.astype(np.float32) / np.float32(127.5) - 1
    return [np.ascontiguousarray(frame.transpose(2, 0, 1))[None] for frame in scaled]


BLOCK = 16
"""Numbers that the noise is drawn by."""


def standard_normal(seed: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Gaussian noise of mean 0 and variance 1, `shape` holding at least 16 numbers.

    Raises:
        ValueError: fewer numbers; torch draws these in another way.
    """
    count = math.prod(shape)
    if count < BLOCK:
        raise ValueError(f"{count} numbers are fewer than {BLOCK}")
    whole = count - count % BLOCK
    # RandomState seeds as the Mersenne Twister's authors do, and as torch does; numpy's newer seeding is another.
    raw = np.random.RandomState(seed % 2**32).randint(0, 2**32, whole if whole == count else count + BLOCK, np.uint32)
    uniform = (raw & np.uint32(2**24 - 1)).astype(np.float32) * np.float32(2**-24)
    noise = np.empty(count, np.float32)
    noise[:whole] = _box_muller(uniform[:whole])
    if whole != count:
        # The last sixteen numbers are drawn anew, over what overlaps.
        noise[-BLOCK:] = _box_muller(uniform[count:])
    return noise.reshape(shape)


def _box_muller(uniform: NDArray[np.float32]) -> NDArray[np.float32]:
    halves = uniform.reshape(-1, 2, BLOCK // 2)
    radius = np.sqrt(np.float32(-2) * np.log(1 - halves[:, 0]))
    angle = np.float32(2 * math.pi) * halves[:, 1]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).reshape(-1)
