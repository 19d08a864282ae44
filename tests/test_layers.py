"""Data flows one way: a module imports only from the layers above its own."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import watlowlib

PACKAGE = Path(watlowlib.__file__).parent

LAYERS = [
    ["errors"],
    ["model", "arguments"],
    ["clock", "threads", "handover", "histogram", "schedule"],
    ["backoff"],
    ["registry"],
    ["transport"],
    ["protocol"],
    ["device"],
    ["plan", "tally"],
    ["recorder"],
    ["sinks"],
    ["rounds", "results", "roster"],
    ["manager"],
    ["background"],
    ["plain"],
    ["sync", "labview"],
    ["simulator"],
    ["cli"],
    ["__main__"],
]
RANK = {part: rank for rank, parts in enumerate(LAYERS) for part in parts}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides where it leads"
            found.add(node.module or "")
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def parts_imported(path: Path) -> set[str]:
    parts = {name.split(".")[1] for name in imports(path) if name.startswith("watlowlib.")}
    return {part for part in parts if part in RANK}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_above(path: Path) -> None:
    own = part_of(path)
    assert own in RANK, f"{own} has no place in LAYERS"
    for part in parts_imported(path):
        assert part == own or RANK[part] < RANK[own], f"{own} imports {part}"


def test_no_module_knows_an_event_loop() -> None:
    for path in MODULES:
        assert not {"asyncio", "anyio"} & {name.split(".")[0] for name in imports(path)}, path


def test_threads_are_made_in_one_place() -> None:
    makers = [
        str(path.relative_to(PACKAGE))
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).split(".")[-1] in ("Thread", "Timer", "ThreadPoolExecutor")
    ]
    assert sorted(set(makers)) == ["threads.py"]


def test_pyserial_is_known_in_one_file() -> None:
    knowing = [
        str(path.relative_to(PACKAGE))
        for path in MODULES
        if any(name.split(".")[0] == "serial" for name in imports(path))
    ]
    assert knowing == ["transport/serial_port.py"]


def test_what_only_unix_has_is_imported_only_where_it_is_used() -> None:
    unix = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "termios", "tty"}
    for path in MODULES:
        # What stands in a function, or is tried, does not stop Windows from importing the rest.
        always = [
            node
            for node in ast.parse(path.read_text("utf-8")).body
            if isinstance(node, (ast.Import, ast.ImportFrom))
        ]
        names = {alias.name for node in always for alias in node.names}
        names |= {str(node.module) for node in always if isinstance(node, ast.ImportFrom)}
        assert not unix & {name.split(".")[0] for name in names}, path
