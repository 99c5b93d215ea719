"""What a backend is: a runtime that is chosen and opened, and the networks that it runs.

A backend has a class (`Runtime`) that says what there is of it here, what the options `--device`, `--dtype` and
`--provider` mean for it, and that opens a checkpoint; what it opens (`Backend`) edits. `registry` has them all.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from movie_cli.checkpoints.descriptor import Descriptor
from movie_cli.errors import DeviceError

if TYPE_CHECKING:
    import torch


Pixels = NDArray[np.uint8]
"""Frames `(N, H, W, 3)`, RGB."""
Say = Callable[[str], None]
"""Takes one sentence for the user."""
FetchFrames = Callable[[], Pixels]
"""Frames that a device may still be making: a call waits for them, and gives the same at every call."""

MODULES = {"torch": "torch", "openvino": "openvino", "onnx": "onnxruntime", "qnn": "onnxruntime_qnn", "int8": "nncf"}
"""What may be installed or not, by the name of its extra, and the module that shows it."""


@dataclass(frozen=True)
class DeviceInfo:
    """One line of `movie devices`. `reason` says why it is not usable, or what is chosen on it and why."""

    backend: str
    device: str
    usable: bool
    reason: str
    dtype: str
    name: str


@dataclass(frozen=True)
class RuntimeRequest:
    """What is asked of the runtime, in the words of the command line.

    `size` is the working size (width, height), `frames` how many there will be, None where that is not known; both
    matter to OpenVINO alone, whose graphs are of one size and made once for each. `say` hears of what takes long;
    without it nothing is made. `threads` on a CPU are None for the runtime's own choice.
    """

    device: str = "auto"
    dtype: str = "auto"
    backend: str = "auto"
    provider: str = "auto"
    size: tuple[int, int] | None = None
    frames: int | None = None
    say: Say | None = None
    threads: int | None = None


@dataclass(frozen=True)
class RuntimeConfig:
    """A device (`cpu`, `cuda:N`, `mps`), the number type to compute in, and one phrase that says why.

    `backend` runs the networks, `provider` is what ONNX Runtime runs them on; `graphs` is the folder of the graphs that
    were made of a checkpoint, empty where the checkpoint is an export itself. `compiled` is the number of frames at
    once that torch compiles the networks for, 0 where it does not; `may_give_up` lets it go on where that fails.
    `threads` are those asked for on a CPU, 0 for the runtime's own choice. `alone` is for frames that come one by one:
    each has all threads, where an edit's share them.
    """

    device: str
    dtype: str
    reason: str
    backend: str = "torch"
    provider: str = ""
    graphs: str = ""
    compiled: int = 0
    may_give_up: bool = False
    threads: int = 0
    alone: bool = False

    @property
    def latents_type(self) -> str:
        """What latents of the cache depend on beside the checkpoint: the number type, who computes in it, and where."""
        runtime = f"{self._runtime} {version_of(self._runtime)}"
        if self.backend == "torch":
            return f"{self.dtype} {self.device.partition(':')[0]} {runtime}{' compiled' if self.compiled else ''}"
        return f"{self.backend} {self.provider} {self.dtype} {runtime}"

    @property
    def _runtime(self) -> str:
        return MODULES[self.backend]

    @property
    def version(self) -> dict[str, object]:
        """What else an edit's pixels depend on: the runtime's version."""
        if self.backend != "torch":
            runtime = {f"version of {self._runtime}": version_of(self._runtime)}
            return {"backend": self.backend, "provider": self.provider, **runtime}
        import torch

        compiled = {"compiled": "yes"} if self.compiled else {}
        return {"version of torch": torch.__version__, **compiled}

    @property
    def cpu_threads(self) -> int | None:
        """The threads of the network on a CPU, where that is known: sums over large pictures are split among them."""
        if self.device != "cpu" or (self.backend != "torch" and not self.threads):
            return None
        return self.threads or _torch_threads()

    @property
    def torch_dtype(self) -> torch.dtype:
        """The number type as torch knows it: float32 for int8 and others that torch lacks, as all else is in that."""
        import torch

        return {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(self.dtype, torch.float32)


def _torch_threads() -> int:
    import torch

    return torch.get_num_threads()


@dataclass(frozen=True)
class EmbeddedInstruction:
    """An embedded instruction, as the backend's own arrays.

    `nearest` names known edits, best first; `known` says whether the checkpoint was trained on something like the
    instruction, `asked` the edits that it is taken for. For an open vocabulary they are empty and true.
    """

    tokens: Any
    null_tokens: Any
    known: bool = True
    nearest: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()


@dataclass(frozen=True)
class Settings:
    """What an edit asks of the denoiser: scales in their own units, seed and number of steps."""

    text: EmbeddedInstruction
    text_scale: float
    image_scale: float
    seed: int
    steps: int


@dataclass
class Carry:
    """What frames in a row take from each to the next. Make another where they begin anew: a clip, segment, anchor.

    `edited` are the edited latents of the frame before, which only a recurrent network looks at; `condition` is its
    source condition `(C, h, w)` as it was used, by which the editor steadies the next one's. None before the first.
    """

    edited: Any | None = None
    condition: Any | None = None


class Backend(Protocol):
    """Runs one checkpoint's networks on one device. Latents are the backend's own arrays `(N, C, H/8, W/8)`."""

    descriptor: Descriptor
    device: str
    dtype: str
    reason: str
    encode_later: Callable[[Pixels], Callable[[], Any]] | None
    """As `encode_frames`, without waiting for the latents; None where the device does not work beside its caller."""
    edit_later: Callable[[Any, Pixels, Settings, Carry], FetchFrames] | None
    """As `denoise` and `decode_latents` of latents and their source frames, without waiting for the frames; or None."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be told of how the networks run, such as what fell back to the CPU."""
        ...

    def embed_text(self, instruction: str) -> EmbeddedInstruction:
        """Embed one instruction and the empty text."""
        ...

    def encode_frames(self, frames: Pixels) -> Any:
        """Source latents of frames at the working size."""
        ...

    def denoise(self, latents: Any, settings: Settings, carry: Carry | None = None) -> Any:
        """Edited latents of source latents; attends to the anchors if there are any.

        Frames are in order and follow those that `carry` comes from, which is brought up to date. None for a first run.
        """
        ...

    def decode_latents(self, latents: Any, source: Pixels) -> Pixels:
        """Edited latents to frames; `source` holds the unedited frames of the same size."""
        ...

    def set_anchors(self, latents: Any | None, settings: Settings) -> None:
        """Run the anchors' source latents once and keep their keys and values; None forgets them."""
        ...

    def steadied(self, latents: Any, carry: Carry) -> Any:
        """Source conditions of frames in a row, what they tell of the scene changing only as fast as the picture.

        `carry` is of the frames before; the last of these is put into it.
        """
        ...

    def drop(self) -> None:
        """Begin nothing more of what was asked for `later` and is waited for no longer; nothing runs after it."""
        ...

    @property
    def anchors(self) -> Any:
        """What `set_anchors` has kept. It may be set again later, for edits that take turns."""
        ...

    @anchors.setter
    def anchors(self, kept: Any) -> None: ...

    def to_cache(self, latents: Any) -> NDArray[Any]:
        """Latents as an array for the latent cache."""
        ...

    def from_cache(self, latents: NDArray[Any]) -> Any:
        """What `to_cache` gave, back on the device."""
        ...


class Runtime(Protocol):
    """One backend, before anything runs on it. Importing its module imports no runtime; its methods do."""

    name: str
    """What `--backend` calls it."""
    exports: tuple[str, ...]
    """The kinds of exports that it runs."""

    def available(self) -> list[DeviceInfo]:
        """What there is of it on this machine, usable or not, best first."""
        ...

    def choose(self, descriptor: Descriptor, asked: RuntimeRequest) -> RuntimeConfig | None:
        """What the request means for a checkpoint on this backend; None where `auto` asks and another is better.

        Raises:
            DeviceError: device, number type, provider or the runtime itself is not there.
            ModelError: it does not run this kind of checkpoint.
            UsageError: options contradict each other.
        """
        ...

    def open(self, descriptor: Descriptor, config: RuntimeConfig) -> Backend:
        """Load a checkpoint, or its graphs.

        Raises:
            ModelError: it is damaged.
            DeviceError: the device or the runtime cannot take it.
        """
        ...


def is_installed(extra: str) -> bool:
    """Whether torch, or one of the extras, is installed."""
    return importlib.util.find_spec(MODULES[extra]) is not None


def require(extra: str) -> None:
    """Refuse what needs torch or an extra that is not installed.

    Raises:
        DeviceError: it is not.
    """
    if is_installed(extra):
        return
    if extra == "torch":
        raise DeviceError("torch is not part of this installation", "pip install torch diffusers transformers")
    what = "int8 needs NNCF, which" if extra == "int8" else f"the backend {extra}"
    raise DeviceError(f"{what} is not part of this installation", f'pip install "movie-cli[{extra}]"')


def list_package(backend: str, present: Callable[[], DeviceInfo]) -> list[DeviceInfo]:
    """The line of a backend whose runtime is a package; `present` makes all but its name where that is installed."""
    if not is_installed(backend):
        why = f'not part of this installation: pip install "movie-cli[{backend}]"'
        return [DeviceInfo(backend, "", False, why, "", "")]
    module = MODULES[backend]
    return [replace(present(), name=f"{module} {version_of(module)}")]


def version_of(module: str) -> str:
    """The version of the package that a module comes from."""
    return importlib.metadata.version(module.replace("_", "-"))
