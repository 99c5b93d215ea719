"""The package's own order: imports run one way, also those inside functions, and files stay of a size to be read."""

from __future__ import annotations

import ast
import re
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
    {"child", "errors", "files", "kinds", "looks", "options", "presets", "products", "recipe", "remote", "timeline"},
)
"""Rooms from the top to the ground: one may import from floors below its own, and ground from ground."""
LONGEST = 350
INNER = 136
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


def test_the_file_map_names_every_room():
    text = (PACKAGE.parent / "README.md").read_text(encoding="utf-8")
    entries = re.search(r"^movie_cli/\n((?:  .*\n)+)", text, re.MULTILINE)[1].splitlines()
    named = {entry.split()[0] for entry in entries} | set(re.findall(r"\b\w+\.py\b", entries[1]))
    assert {f"{path.name}/" for path in PACKAGE.iterdir() if (path / "__init__.py").exists()} <= named
    assert all((PACKAGE / name).exists() for name in named)
    assert len(entries) < 24


def names_of(node):
    if isinstance(node, ast.AnnAssign | ast.Assign):
        return {ast.unparse(target) for target in getattr(node, "targets", [getattr(node, "target", None)])}
    return {getattr(node, "name", "")}


def defines(name):
    """Whether a module of the package, or a class in it, has such a name."""
    parts = ["movie_cli", *name.split(".")]
    end = max(end for end in range(1, len(parts) + 1) if ".".join(parts[:end]) in TREES)
    body = TREES[".".join(parts[:end])].body
    for part in parts[end:]:
        found = [node for node in body if part in names_of(node)]
        body = getattr(found[0], "body", []) if found else []
        if not found:
            return False
    return True


def test_a_frame_s_walk_is_told_as_it_is():
    text = (PACKAGE.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    told = text[text.index("## A frame's walk") : text.index("## Where things are decided")]
    assert len(re.findall(r"^\d+\. ", told, re.MULTILINE)) <= 10
    names = re.findall(r"`([a-z_]+(?:\.\w+)+)`", told)
    assert len(names) > 10
    assert [name for name in names if not defines(name)] == []
