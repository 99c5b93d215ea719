"""The networks of an edit as `torch.compile` makes them, and how they are called then.

Each network has one shape, whatever number of frames comes: fewer are padded and more go in several rounds,
so that nothing is compiled twice and a frame's edit does not depend on its place in a clip.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from movie_cli.backends import RuntimeConfig
from movie_cli.errors import DeviceError, first_line
from movie_cli.models.attention import AnchorStore, ConditioningCache
from movie_cli.models.autoencoder import AutoencoderAdapter


class CompiledNetworks:
    """The denoiser and, but for CPUs, both halves of the autoencoder, compiled for `config.compiled` frames at once.

    The denoiser is compiled in place, by its instance's `forward`. What anchors are made with runs uncompiled: it runs
    once, and would hand out tensors that a CUDA graph writes to again. An edit's first batch runs uncompiled too, for
    what the conditioning cache keeps, and then compiled for its results.
    """

    def __init__(
        self,
        config: RuntimeConfig,
        unet: nn.Module,
        autoencoder: AutoencoderAdapter,
        anchors: AnchorStore,
        conditioning: ConditioningCache,
    ) -> None:
        self.batch = config.compiled
        self.note = ""
        self.seconds = 0.0
        self._may_give_up = config.may_give_up
        self._graphs = config.device.startswith("cuda")
        self._anchors, self._conditioning = anchors, conditioning
        self._plain: dict[str, Any] = {
            "encode": autoencoder.condition,
            "denoise": unet.forward,
            "decode": autoencoder.decode,
        }
        # On a CPU the compiler's decoder is slower than oneDNN's: 43 to 46 ms a frame against 37 to 38 for nano at
        # 512x384 in bfloat16 on two cores. The denoiser goes from 25 to 29 down to 21 to 22 (`movie bench`).
        self._waiting: set[str] = {"denoise"} if config.device == "cpu" else set(self._plain)
        # CUDA graphs take the launches' time away, which is most of the time of small networks.
        mode = "reduce-overhead" if self._graphs else "default"
        self._fast = dict(self._plain)
        for name in self._waiting:
            self._fast[name] = torch.compile(self._plain[name], dynamic=False, mode=mode)
        unet.forward = self._denoise

    def condition(self, pictures: Tensor) -> Tensor:
        """As `AutoencoderAdapter.condition`."""
        return self.in_batches(lambda part: self._run("encode", part), pictures)

    def decode(self, latents: Tensor, source: Tensor) -> Tensor:
        """As `AutoencoderAdapter.decode`."""
        return self.in_batches(lambda *parts: self._run("decode", *parts), latents, source)

    def in_batches(self, run: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        """What `run` gives for inputs `(N, ...)`, called with exactly `batch` at a time; the last repeat."""
        count = len(inputs[0])
        missing = -count % self.batch
        if missing:
            inputs = tuple(torch.cat([part, part[-1:].expand(missing, *part.shape[1:])]) for part in inputs)
        if count + missing == self.batch:
            return run(*inputs)[:count]
        parts = [run(*part) for part in zip(*(whole.split(self.batch) for whole in inputs), strict=True)]
        return torch.cat(parts)[:count]

    def halve(self) -> int:
        """The device's memory was too small: take half as many frames from now on; 0 if it is one already."""
        if self.batch == 1:
            return 0
        self.batch //= 2
        return self.batch

    def _denoise(self, sample: Tensor, *rest: Any, **options: Any) -> Any:
        """The network's `forward`."""
        plain = self._plain["denoise"]
        if self._anchors.mode == "write":
            return plain(sample, *rest, **options)
        if not self._conditioning.holds(len(sample)):
            plain(sample, *rest, **options)
        return self._run("denoise", sample, *rest, **options)

    def _run(self, name: str, *inputs: Any, **options: Any) -> Any:
        """Call a compiled network; the first time, take the time and see whether it works."""
        if name not in self._waiting:
            return self._call(name, *inputs, **options)
        began = time.monotonic()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the compiler's, about code that is not ours
                found = self._call(name, *inputs, **options)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # whatever compiling raises: there is no one base class
            reason = first_line(error)
            if not self._may_give_up:
                raise DeviceError(f"the networks cannot be compiled: {reason}", "use --compile off") from error
            self._fast = self._plain
            self._waiting.clear()
            self.note = f"the networks run uncompiled: {reason}"
            return self._call(name, *inputs, **options)
        self._settle()
        self.seconds += time.monotonic() - began
        self._waiting.discard(name)
        if not self._waiting:
            self.note = f"compiled for {self.batch} frames at once in {self.seconds:.1f} s"
        return found

    def _call(self, name: str, *inputs: Any, **options: Any) -> Any:
        if not self._graphs:
            return self._fast[name](*inputs, **options)
        # A graph's outputs are written to again when it next runs.
        torch.compiler.cudagraph_mark_step_begin()
        found = self._fast[name](*inputs, **options)
        return tuple(part.clone() for part in found) if isinstance(found, tuple) else found.clone()

    def _settle(self) -> None:
        if self._graphs:
            torch.cuda.synchronize()
