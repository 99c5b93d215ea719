"""How the project's own networks are stored: `config.json` beside one file of safetensors, in diffusers' layout.

The calls are those of diffusers' models, without diffusers: `from_pretrained`, `save_pretrained`, `from_config`,
`config`, `register_to_config`. Either library reads what the other wrote.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

CONFIG, WEIGHTS = "config.json", "diffusion_pytorch_model.safetensors"


class Network(nn.Module):
    """A network that knows the arguments it was made with, as `config`, and that a folder can hold.

    Its `__init__` is wrapped in `register_to_config`, and also runs where tensors have no memory: constants that are
    not stored with the weights are made on the CPU by name, and random weights by `nn.init` alone.
    """

    class_name: ClassVar[str]
    """The `_class_name` of its configurations: what reads them chooses by it."""
    config: dict[str, Any]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "class_name" not in vars(cls):
            cls.class_name = cls.__name__

    def register_to_config(self, **values: Any) -> None:
        """Put values into the configuration that `save_pretrained` writes."""
        self.config = {**self.config, **values}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """A network of that shape, its weights as they are made; keys that are not arguments of `__init__` are left."""
        known = inspect.signature(cls).parameters
        return cls(**{key: value for key, value in config.items() if key in known})

    @classmethod
    def from_pretrained(cls, folder: str | Path, *, torch_dtype: torch.dtype = torch.float32, **options: Any) -> Self:
        """The network in a folder, on the CPU, in evaluation mode. Diffusers' other options mean nothing here.

        Raises:
            OSError: a file is missing or damaged.
            ValueError: the weights are not of the shape that the configuration tells, or that is no configuration.
        """
        del options
        path = Path(folder) / WEIGHTS
        config = json.loads((Path(folder) / CONFIG).read_text(encoding="utf-8"))
        # Compared without memory first: a configuration may ask for any amount.
        with without_memory():
            network = cls.from_config(config)
        try:
            stored = load_file(path)
        except SafetensorError as error:
            raise OSError(f"{path} is damaged: {error}") from error
        wanted = network.state_dict()
        for name in sorted(wanted.keys() ^ stored.keys()):
            raise ValueError(f"{path.name} {'lacks' if name in wanted else 'has a tensor too many,'} {name}")
        for name, value in wanted.items():
            if value.shape != stored[name].shape:
                raise ValueError(f"{name} is of {list(stored[name].shape)}, not {list(value.shape)} as configured")
        network.load_state_dict({name: _as(value, torch_dtype) for name, value in stored.items()}, assign=True)
        return network.eval()

    def save_pretrained(self, folder: str | Path, safe_serialization: bool = True) -> None:
        """Write configuration and weights; safetensors always."""
        del safe_serialization
        Path(folder).mkdir(parents=True, exist_ok=True)
        config = json.dumps({"_class_name": self.class_name, **self.config}, indent=2, sort_keys=True)
        (Path(folder) / CONFIG).write_text(config + "\n", encoding="utf-8")
        weights = {name: value.detach().cpu().contiguous() for name, value in self.state_dict().items()}
        save_file(weights, Path(folder) / WEIGHTS, {"format": "pt"})


def register_to_config(init: Callable[..., None]) -> Callable[..., None]:
    """Wrap a network's `__init__`: all its arguments, given or not, become its `config`."""
    signature = inspect.signature(init)

    @functools.wraps(init)
    def wrapped(self: Network, *args: Any, **kwargs: Any) -> None:
        values = signature.bind(self, *args, **kwargs)
        values.apply_defaults()
        config = dict(values.arguments)
        del config["self"]
        self.config = config
        init(self, *args, **kwargs)

    return wrapped


@contextlib.contextmanager
def without_memory() -> Iterator[None]:
    """Networks that are made meanwhile have shapes alone, until `load_state_dict` assigns their tensors."""
    with torch.device("meta"), _Undrawn():
        yield


class _Undrawn(TorchFunctionMode):
    """Leaves out what `nn.init` does: for random numbers without memory torch would import its compiler."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        options = kwargs or {}
        if getattr(func, "__module__", "") == nn.init.__name__:
            return args[0] if args else options["tensor"]
        return func(*args, **options)


def _as(value: Tensor, dtype: torch.dtype) -> Tensor:
    return value.to(dtype) if value.is_floating_point() else value


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Torch's operations in the caller's thread alone: none waits for others, and no sum is divided among them."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
