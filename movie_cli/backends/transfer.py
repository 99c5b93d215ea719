"""Frames to a device and back while it computes: pinned memory and streams on CUDA, plain copies elsewhere.

Promises that nothing is read before it is whole, on the device as on the host. Knows no network.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from movie_cli.backends.base import Pixels


class Transfers:
    """Copies between the host and one device. `cuda` is `torch.cuda`, or None for a device without streams.

    From pageable memory CUDA copies by way of a pinned buffer of its own and lets the caller wait; from and to pinned
    memory it copies beside the kernels, if on another stream than theirs. torch keeps pinned blocks for the next batch.
    """

    def __init__(self, device: torch.device, cuda: Any | None) -> None:
        self._device = device
        self._cuda: Any = cuda
        if cuda is not None:
            self._up, self._down = cuda.Stream(device), cuda.Stream(device)

    @classmethod
    def of(cls, device: torch.device) -> Transfers:
        """What suits the device."""
        return cls(device, torch.cuda if device.type == "cuda" else None)

    @property
    def overlap(self) -> bool:
        """Whether copies go on while the caller does."""
        return self._cuda is not None

    def upload(self, frames: Pixels) -> Tensor:
        """The same uint8 array on the device, for kernels that are queued from now on."""
        host = torch.from_numpy(frames)
        if self._cuda is None:
            return host.to(self._device)
        pinned = self._pinned(host)
        pinned.copy_(host)
        with self._cuda.stream(self._up):
            copy = pinned.to(self._device, non_blocking=True)
        here = self._cuda.current_stream(self._device)
        here.wait_stream(self._up)
        _used_on(here, copy)
        return copy

    def download(self, pixels: Tensor) -> Callable[[], Pixels]:
        """Begin to copy a uint8 tensor that kernels queued so far make; calling the result waits for it."""
        if self._cuda is None:
            array: Pixels = np.ascontiguousarray(pixels.cpu().numpy())
            return lambda: array
        pixels = pixels.contiguous()
        pinned = self._pinned(pixels)
        self._down.wait_stream(self._cuda.current_stream(self._device))
        with self._cuda.stream(self._down):
            pinned.copy_(pixels, non_blocking=True)
            done = self._cuda.Event()
            done.record(self._down)
        _used_on(self._down, pixels)

        def wait() -> Pixels:
            done.synchronize()
            found: Pixels = pinned.numpy()
            return found

        return wait

    def _pinned(self, like: Tensor) -> Tensor:
        return torch.empty(like.shape, dtype=like.dtype, pin_memory=torch.cuda.is_available())


def _used_on(stream: Any, tensor: Tensor) -> None:
    """Keep the tensor's memory from other tensors until the stream has come so far."""
    if tensor.is_cuda:
        tensor.record_stream(stream)
