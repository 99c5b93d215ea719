"""The torch backend: CUDA, MPS and CPU through one path.

On CUDA frames go to the device and back while it computes, by pinned memory and streams; elsewhere by plain copies. On
a CPU the frames of one-step networks run beside each other and beside the caller, in the threads of a `team`.
"""

from __future__ import annotations

import contextlib
import copy
import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from movie_cli.backends import Carry, EmbeddedInstruction, FetchFrames, Pixels, RuntimeConfig, Settings
from movie_cli.backends.compiled import CompiledNetworks
from movie_cli.backends.steadiness import steadied
from movie_cli.backends.team import Team
from movie_cli.checkpoints.descriptor import Descriptor
from movie_cli.checkpoints.load import load_checkpoint, load_scheduler
from movie_cli.errors import DeviceMemoryError
from movie_cli.models.attention import ConditioningCache, Entries, Mode, attach
from movie_cli.models.autoencoder import place_weights
from movie_cli.models.network import one_thread
from movie_cli.models.sampling import Guidance, Scheduler, is_recurrent, sample


class TorchBackend:
    """Runs a checkpoint's networks with torch.

    The networks run in `config.dtype`, in channels-last order, which convolutions are fastest in. What lies between
    them, latents, pictures and the scheduler's arithmetic, stays in float32. Source latents are kept in float16 beside
    networks of half precision: they take as little room as bfloat16 and are eight times as exact.
    """

    def __init__(self, descriptor: Descriptor, config: RuntimeConfig) -> None:
        self.descriptor = descriptor
        self.device, self.dtype, self.reason = config.device, config.dtype, config.reason
        self._device, self._dtype = torch.device(config.device), config.torch_dtype
        self._transfers = Transfers.of(self._device)
        self._team: Team | None = None
        if self._device.type == "cpu":
            threads = config.threads or _usual_threads()
            torch.set_num_threads(threads)
            if descriptor.steps == 1 and not (config.alone or config.compiled or self._transfers.overlap):
                self._team = Team(threads, torch.set_num_threads)
        self.encode_later: Callable[[Pixels], Callable[[], Tensor]] | None = self._encode_later if self._team else None
        self.edit_later: Callable[[Any, Pixels, Settings, Carry], FetchFrames] | None = (
            self._edit_later if self._transfers.overlap or self._team else None
        )
        self._latents_dtype = torch.float32 if self._dtype == torch.float32 else torch.float16
        self.compiled: CompiledNetworks | None = None
        parts = load_checkpoint(descriptor)
        with self._memory():
            place_weights(parts.unet, self._device, self._dtype)
            parts.autoencoder.place(self._device, self._dtype)
        self._unet = parts.unet
        self._autoencoder, self._text = parts.autoencoder, parts.text
        self._schedulers = {descriptor.steps: parts.scheduler}
        self._anchors = attach(self._unet)
        self._conditioning = ConditioningCache(self._unet)
        if config.compiled:
            self.compiled = CompiledNetworks(config, self._unet, self._autoencoder, self._anchors, self._conditioning)

    @property
    def notes(self) -> tuple[str, ...]:
        """How long compiling took, or why it was given up; nothing where nothing was compiled yet."""
        return (self.compiled.note,) if self.compiled is not None and self.compiled.note else ()

    @torch.inference_mode()
    def embed_text(self, instruction: str) -> EmbeddedInstruction:
        """Embed one instruction and the empty text. The text encoder runs on the CPU in float32: it runs once."""
        encoded = self._text.encode(instruction)
        null = self._text.encode("")
        tokens, null_tokens = (item.tokens.to(self._device, self._dtype) for item in (encoded, null))
        return EmbeddedInstruction(tokens, null_tokens, encoded.known, encoded.nearest, encoded.asked)

    @torch.inference_mode()
    def encode_frames(self, frames: Pixels) -> Tensor:
        """Source latents `(N, C, H/8, W/8)`."""
        if self._team is not None:
            # Not beside frames that are still decoded: more threads than cores wait for each other.
            return self._encode_later(frames)()
        with self._memory():
            return self._as_latents(self._condition(frames))

    def _encode_later(self, frames: Pixels) -> Callable[[], Tensor]:
        assert self._team is not None
        made = self._team.later(self._condition, frames)

        @torch.inference_mode()
        def latents() -> Tensor:
            with self._memory(), one_thread():
                return self._as_latents(torch.cat([future.result() for future in made]))

        return latents

    def _as_latents(self, made: Tensor) -> Tensor:
        return made.to(self._latents_dtype, memory_format=torch.channels_last)

    @torch.inference_mode()
    def steadied(self, latents: Tensor, carry: Carry) -> Tensor:
        """As `Backend.steadied`."""
        # Small operations beside a team: threads that share them spin on its cores for longer than they work.
        with contextlib.nullcontext() if self._team is None else one_thread():
            steady: Tensor = steadied(latents, self.descriptor.latent_channels, carry)
        return steady

    @torch.inference_mode()
    def _condition(self, frames: Pixels) -> Tensor:
        return (self.compiled or self._autoencoder).condition(self._pictures(frames))

    @torch.inference_mode()
    def denoise(self, latents: Tensor, settings: Settings, carry: Carry | None = None) -> Tensor:
        """Edited latents of the same shape, float32. A recurrent network sees each frame's edit beside the next one."""
        carry = carry or Carry()
        guidance = self._guidance(settings)
        with self._memory():
            if not is_recurrent(self._unet):
                if self._team is not None and settings.steps == 1:
                    run = functools.partial(self._beside, seed=settings.seed, guidance=guidance)
                    return torch.cat([future.result() for future in self._team.later(run, latents)])
                return self._in_batches(lambda part: self._sample(part, settings.seed, guidance), latents)
            edited = []
            for frame in latents.split(1):
                carry.edited = self._sample(frame, settings.seed, guidance, carry.edited)
                edited.append(carry.edited)
            return torch.cat(edited)

    @torch.inference_mode()
    def decode_latents(self, latents: Tensor, source: Pixels) -> Pixels:
        """Edited frames `(N, H, W, 3)`."""
        return self._decode(latents, source)()

    @torch.inference_mode()
    def _edit_later(self, latents: Tensor, source: Pixels, settings: Settings, carry: Carry) -> FetchFrames:
        """As `denoise` and `decode_latents`; frames that know nothing of each other run beside the caller for both."""
        if self._team is None:
            return self._decode(self.denoise(latents, settings, carry), source)
        run: Callable[[Tensor, Pixels], Pixels]
        if settings.steps == 1 and not is_recurrent(self._unet):
            run = functools.partial(self._edited, seed=settings.seed, guidance=self._guidance(settings))
        else:
            latents, run = self.denoise(latents, settings, carry), self.decode_latents
        made = self._team.later(run, latents, source)
        return functools.cache(lambda: np.concatenate([future.result() for future in made]))

    def _edited(self, latents: Tensor, source: Pixels, seed: int, guidance: Guidance) -> Pixels:
        with self._memory():
            return self.decode_latents(self._beside(latents, seed, guidance), source)

    def _decode(self, latents: Tensor, source: Pixels) -> FetchFrames:
        with self._memory():
            image = (self.compiled or self._autoencoder).decode(latents, self._pictures(source))
            pixels = ((image + 1) * 127.5).round_().clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
            return self._transfers.download(pixels)

    @torch.inference_mode()
    def set_anchors(self, latents: Tensor | None, settings: Settings) -> None:
        """Keep the anchors' keys and values; every anchor attends to itself alone while they are made."""
        if self._team is not None:
            self._team.settle()  # what frames on their way attend to stays until then
        self._anchors.clear()
        if latents is None:
            if self.compiled is not None:
                self.compiled.note = ""  # of another edit
            return
        self._anchors.mode = "write"
        with self._memory():
            self._sample(latents, settings.seed, self._guidance(settings))
        self._anchors.mode = "read"

    def drop(self) -> None:
        """As `Backend.drop`."""
        if self._team is not None:
            self._team.drop()

    @property
    def anchors(self) -> tuple[Mode, Entries]:
        """As `Backend.anchors`."""
        return self._anchors.mode, self._anchors.entries

    @anchors.setter
    def anchors(self, kept: tuple[Mode, Entries]) -> None:
        if self._team is not None:
            self._team.settle()
        self._anchors.mode, self._anchors.entries = kept
        self._anchors.go_to(0)

    def _sample(self, latents: Tensor, seed: int, guidance: Guidance, before: Tensor | None = None) -> Tensor:
        scheduler = self._scheduler(guidance.steps)
        return sample(self._unet, scheduler, latents, seed, guidance, self._anchors, before, self._conditioning)

    def _scheduler(self, steps: int) -> Scheduler:
        """The checkpoint's own, or what that is for another number of steps."""
        if steps not in self._schedulers:
            self._schedulers[steps] = load_scheduler(self.descriptor, steps)
        return self._schedulers[steps]

    @torch.inference_mode()
    def _beside(self, latents: Tensor, seed: int, guidance: Guidance) -> Tensor:
        """As `_sample`, for a frame in a thread of the team's: a scheduler counts its steps."""
        scheduler = copy.copy(self._scheduler(guidance.steps))
        return sample(self._unet, scheduler, latents, seed, guidance, self._anchors, None, self._conditioning)

    def to_cache(self, latents: Tensor) -> NDArray[Any]:
        """Latents in the number type they were made in."""
        array: NDArray[Any] = latents.contiguous().cpu().numpy()
        return array

    def from_cache(self, latents: NDArray[Any]) -> Tensor:
        """Latents on the device, in the memory order that `encode_frames` gives: rounding depends on it."""
        return (
            torch.from_numpy(latents.copy())
            .to(self._device, self._latents_dtype)
            .contiguous(memory_format=torch.channels_last)
        )

    def _guidance(self, settings: Settings) -> Guidance:
        return Guidance(
            settings.text.tokens,
            settings.text.null_tokens,
            settings.text_scale,
            settings.image_scale,
            self.descriptor.passes,
            settings.steps,
        )

    def _in_batches(self, run: Callable[[Tensor], Tensor], latents: Tensor) -> Tensor:
        return run(latents) if self.compiled is None else self.compiled.in_batches(run, latents)

    @contextlib.contextmanager
    def _memory(self) -> Iterator[None]:
        """Turns the device's out-of-memory error into ours."""
        try:
            yield
        except RuntimeError as error:
            if not isinstance(error, torch.OutOfMemoryError) and "out of memory" not in str(error).lower():
                raise
            ours = DeviceMemoryError(
                f"{self.device} has too little memory{_free(self.device)}",
                "close other programs, try a checkpoint that works at a smaller size, or --device cpu",
            )
            if self.compiled is not None:
                ours.batch = self.compiled.halve()
            raise ours from error

    def _pictures(self, frames: Pixels) -> Tensor:
        # (N, H, W, 3) permuted to (N, 3, H, W) is channels-last in memory already: no copy of the layout.
        pictures = self._transfers.upload(frames).permute(0, 3, 1, 2)
        return pictures.float().div_(127.5).sub_(1.0)


@functools.cache
def _usual_threads() -> int:
    """Threads that torch would take by itself: asked for once, as what a team sets holds for later threads too."""
    return torch.get_num_threads()


def _free(device: str) -> str:
    """How much is free, for a message."""
    if not device.startswith("cuda"):
        return ""
    free, whole = torch.cuda.mem_get_info(device)
    return f": {free / 1e9:.1f} of {whole / 1e9:.1f} GB are free"


class Transfers:
    """Copies between the host and one device. `cuda` is `torch.cuda`, or None for a device without streams.

    Nothing is read before it is whole, on the device as on the host.

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

    def download(self, pixels: Tensor) -> FetchFrames:
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

        @functools.cache
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
