"""Imports diffusers' networks without the packages that diffusers would load for their own sake.

diffusers imports transformers, PEFT, Accelerate, SciPy and torch's compiler where they are installed, and all the
networks it has for each that is asked for: most of the time that an edit took to start. Promises networks that behave
alike. Knows nothing of the networks.

Meant for programs that own their process, as the command line does: to diffusers, transformers, PEFT and Accelerate
count as not installed until the process ends. A library must not do that to its host, and `import movie_cli` does
not. The packages themselves can be imported as usual afterwards.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

HIDDEN = ("transformers", "peft", "accelerate")
_COMPILER = "torch._dynamo"
_NETWORKS = (
    "diffusers.models.unets.unet_2d_condition",
    "diffusers.models.autoencoders.autoencoder_kl",
    "diffusers.models.autoencoders.autoencoder_tiny",
    "diffusers.schedulers.scheduling_utils",
)
_PACKAGES = frozenset(
    {
        "diffusers.hooks",
        "diffusers.models.autoencoders",
        "diffusers.models.transformers",
        "diffusers.models.unets",
        "scipy.integrate",
        "scipy.stats",
    }
)
"""Packages that import much more than is wanted: they run when something in them is first used."""


def import_networks() -> None:
    """Import what checkpoints are made of; does nothing where diffusers has been imported already.

    Where a version of diffusers does not stand it, whatever is missing is left to the usual imports.
    """
    if "diffusers" in sys.modules:
        return
    finder = _PackagesOnUse()
    sys.meta_path.insert(0, finder)
    try:
        with _not_installed(HIDDEN), _without_compiler():
            for name in _NETWORKS:
                importlib.import_module(name)
    except (ImportError, AttributeError, RuntimeError):  # diffusers' lazy modules raise RuntimeError
        return
    finally:
        sys.meta_path.remove(finder)


class _PackagesOnUse(MetaPathFinder):
    """Finds `_PACKAGES` as packages whose own code runs when a name in them is asked for, and not for a submodule."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name in _PACKAGES else None
        if spec is not None and spec.loader is not None:
            spec.loader = _Postponed(spec.loader)
        return spec


class _Postponed(Loader):
    """Runs a package when a name in it is asked for.

    `importlib.util.LazyLoader` would run it as soon as `inspect` looks at it, as torch has it do.
    """

    def __init__(self, whole: Loader) -> None:
        self._whole = whole

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return ModuleType(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        def run_and_get(name: str) -> Any:
            if name.startswith("__"):
                raise AttributeError(name)
            del vars(module)["__getattr__"]
            self._whole.exec_module(module)
            return getattr(module, name)

        vars(module)["__getattr__"] = run_and_get


@contextmanager
def _not_installed(names: Sequence[str]) -> Iterator[None]:
    """Let packages that nothing has imported yet be missing for a while."""
    absent = [name for name in names if name not in sys.modules]
    try:
        for name in absent:
            # Python's own way to make an import fail; `find_spec`, which diffusers asks, then says None.
            sys.modules[name] = None  # type: ignore[assignment]
        yield
    finally:
        for name in absent:
            del sys.modules[name]


@contextmanager
def _without_compiler() -> Iterator[None]:
    """Decorators that tell torch's compiler what to leave alone do nothing while classes are defined.

    torch imports its compiler on the first of them, and with it sympy. Nothing here is compiled.
    """
    if _COMPILER in sys.modules:
        yield
        return
    torch = importlib.import_module("torch")
    stand_in = ModuleType(_COMPILER)
    vars(stand_in).update(allow_in_graph=lambda target: target, disable=_leave)
    try:
        sys.modules[_COMPILER] = vars(torch)["_dynamo"] = stand_in
        yield
    finally:
        del sys.modules[_COMPILER]
        del vars(torch)["_dynamo"]


def _leave(target: Callable[..., Any] | None = None, *_: object, **__: object) -> Any:
    """`torch._dynamo.disable`, with or without arguments."""
    return (lambda function: function) if target is None else target
