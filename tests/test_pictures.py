"""The pictures of the README and of the pages, and the script that makes them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
LARGEST_BYTES = 150_000
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def shown() -> dict[Path, str]:
    """The pictures that pages show, with their descriptions."""
    return {
        (page.parent / target).resolve(): text
        for page in PAGES
        for text, target in re.findall(r"!\[(.*?)\]\((.*?)\)", page.read_text("utf-8"))
    }


def test_each_picture_is_shown_made_and_small() -> None:
    stored = set(PICTURES.iterdir())
    script = ast.parse((ROOT / "docs" / "make_pictures.py").read_text("utf-8"))
    names = {each.value for each in ast.walk(script) if isinstance(each, ast.Constant)}
    made = {PICTURES / str(name) for name in names if re.search(r"\w\.(png|svg)$", str(name))}
    assert stored == made == shown().keys()
    assert len(stored) == 3
    assert all(0 < path.stat().st_size < LARGEST_BYTES for path in stored)


def test_each_picture_has_a_description() -> None:
    assert all(len(text) > 20 for text in shown().values())


@pytest.mark.parametrize("path", sorted(PICTURES.glob("*.svg")), ids=lambda path: path.name)
def test_a_drawing_loads_nothing(path: Path) -> None:
    assert not re.search(r"url\(['\"]?http|href|<script|@import", path.read_text("utf-8"))
