"""Data flows one way: a package imports only from the packages above it, and never in a circle.

Every import counts: those inside functions and under `TYPE_CHECKING` too.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import watlowlib

PACKAGE = Path(watlowlib.__file__).parent

LAYERS = [
    "_installation",
    "_version",
    "errors",
    "units",
    "model",
    "_internal",
    "registry",
    "transport",
    "protocol",
    "devices",
    "streaming",
    "sinks",
    "rules",
    "rig",
    "manager",
    "diagnosis",
    "simulator",
    "snapshots",
    "views",
    "service",
    "sync",
    "_labview",
    "labview",
    "testing",
    "_pytest_plugin",
    "cli",
    "__main__",
]
RANK = {part: rank for rank, part in enumerate(LAYERS)}

MOST_TOP_LEVEL_MODULES = 8
MOST_LINES = 400


def module_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


MODULES = {module_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}
INNER = [module for module in MODULES if module != "watlowlib"]


def part_of(module: str) -> str:
    return module.split(".")[1]


def imports(path: Path) -> set[str]:
    """Every name that a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides where it leads"
            found.add(node.module or "")
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def modules_imported(module: str) -> set[str]:
    """The modules of this package that `module` imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.add(full if full in MODULES else node.module or "")
    return {name for name in found if name in MODULES and name not in (module, "watlowlib")}


def circles(edges: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules in which each reaches each other."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        todo = list(edges[start])
        while todo:
            module = todo.pop()
            if module not in seen:
                seen.add(module)
                todo += edges[module]
        return seen

    reach = {module: reached(module) for module in edges}
    groups = {
        tuple(sorted(other for other in reach[module] if module in reach[other]))
        for module in edges
        if module in reach[module]
    }
    return [list(group) for group in sorted(groups)]


@pytest.mark.parametrize("module", INNER)
def test_a_module_imports_only_from_the_packages_above_its_own(module: str) -> None:
    own = part_of(module)
    assert own in RANK, f"{own} has no place in LAYERS"
    for part in {part_of(name) for name in modules_imported(module)}:
        assert part == own or RANK[part] < RANK[own], f"{module} imports from {part}"


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert circles({module: modules_imported(module) for module in INNER}) == []


def test_a_circle_is_found() -> None:
    edges = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}
    assert circles(edges) == [["b", "c"]]


def test_the_top_level_stays_small() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= MOST_TOP_LEVEL_MODULES


def test_no_module_is_too_long() -> None:
    long = {
        module: lines
        for module, path in MODULES.items()
        if (lines := len(path.read_text("utf-8").splitlines())) > MOST_LINES
    }
    assert long == {}


def test_no_module_imports_an_event_loop() -> None:
    for path in MODULES.values():
        assert not {"asyncio", "anyio"} & {name.split(".")[0] for name in imports(path)}, path


def test_threads_are_made_in_one_module() -> None:
    makers = {
        module
        for module, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).split(".")[-1] in ("Thread", "Timer", "ThreadPoolExecutor")
    }
    assert makers == {"watlowlib._internal.threads"}


def test_pyserial_is_imported_in_the_transports_only() -> None:
    importers = [
        module
        for module, path in MODULES.items()
        if any(name.split(".")[0] == "serial" for name in imports(path))
    ]
    transports = ("rfc2217", "serial_port", "socket_port")
    assert importers == [f"watlowlib.transport.{name}" for name in transports]


def test_unix_modules_are_imported_only_where_they_are_used() -> None:
    unix = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "termios", "tty"}
    for path in MODULES.values():
        # An import inside a function or a try does not stop Windows from importing the rest.
        always = [
            node
            for node in ast.parse(path.read_text("utf-8")).body
            if isinstance(node, (ast.Import, ast.ImportFrom))
        ]
        names = {alias.name for node in always for alias in node.names}
        names |= {str(node.module) for node in always if isinstance(node, ast.ImportFrom)}
        assert not unix & {name.split(".")[0] for name in names}, path
