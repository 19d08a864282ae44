"""The plugin is found by pytest, and imports nothing of the library until a fixture is used."""

from __future__ import annotations

import ast
import configparser
import sys
from pathlib import Path

import watlowlib

ROOT = Path(__file__).parents[2]
PLUGIN = Path(watlowlib.__file__).parent / "_pytest_plugin.py"


def test_pytest_finds_the_plugin() -> None:
    options = configparser.ConfigParser()
    options.read(ROOT / "setup.cfg", "utf-8")
    entry = options["options.entry_points"]["pytest11"].strip()
    assert entry == f"watlowlib = watlowlib.{PLUGIN.stem}"


def test_the_start_of_pytest_imports_only_pytest_and_python() -> None:
    imported = {
        name.split(".")[0]
        for node in ast.parse(PLUGIN.read_text("utf-8")).body
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in (
            [str(node.module)]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
        )
    }
    assert imported - sys.stdlib_module_names == {"pytest"}
