"""The package's own order: imports run one way, also those inside functions, and files stay of a size to be read."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import movie_cli

PACKAGE = Path(movie_cli.__file__).parent
FLOORS = (
    {"__main__"},
    {"cli"},
    {"tune"},
    {"batch", "bench", "comparison", "export"},
    {"evaluate"},
    {"editing", "train"},
    {"backends"},
    {"checkpoints"},
    {"models", "media"},
    {"errors", "files", "kinds", "looks", "options", "presets", "recipe", "remote"},
)
"""Rooms from the top to the ground: one may import from floors below its own, and ground from ground."""
LONGEST = 350
INNER = 140
"""Imports inside functions, of what is optional or heavy: a count that should only fall."""


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in PACKAGE.rglob("*.py")}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}


def imports(name):
    """Modules of the package that one imports, each with whether that stands inside a function; not those for types."""
    tree = TREES[name]
    typing = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)]
    skipped = {id(inner) for node in typing for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "movie_cli":
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in MODULES else node.module, node.col_offset > 0
        elif isinstance(node, ast.Import):
            yield from ((alias.name, node.col_offset > 0) for alias in node.names if alias.name in MODULES)


def room(name):
    return name.split(".")[1] if "." in name else ""


def test_every_room_has_a_floor():
    assert {room(name) for name in MODULES} - {""} == set().union(*FLOORS)


def test_imports_run_downwards():
    floor = {each: number for number, floor in enumerate(FLOORS) for each in floor}
    ground = len(FLOORS) - 1
    wrong = [
        f"{name} imports {other}"
        for name in MODULES
        for other, _ in imports(name)
        if room(name) and room(other) and room(name) != room(other)
        if floor[room(name)] >= floor[room(other)] and floor[room(name)] != ground
    ]
    assert wrong == []


def test_no_module_imports_itself_by_way_of_others():
    graph = {name: {other for other, _ in imports(name)} - {name, "movie_cli"} for name in MODULES}
    assert list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle


def test_imports_inside_functions_are_few():
    assert sum(inner for name in MODULES for _, inner in imports(name)) <= INNER


def test_files_can_be_read_in_one_go():
    long = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in MODULES.items()}
    assert {name: lines for name, lines in long.items() if lines > LONGEST} == {}
