"""Text files are parsed in threads, in blocks of complete lines."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from watlowlib._internal.threads import PREFIX
from watlowlib.sinks.reading.blocks import Block, parse_blocks


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "lines.txt"
    path.write_bytes(b"".join(b"%06d\n" % number * 1000 for number in range(5000)) + b"torn")
    return path


def parsing() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith(f"{PREFIX}parse")]


def test_blocks_are_in_the_order_of_the_file(path: Path) -> None:
    blocks = list(parse_blocks(path, bytes, quotes=False, skip=2))
    assert len(blocks) > 3
    assert b"".join(blocks) == path.read_bytes()[2:].removesuffix(b"torn")
    assert not parsing()


def test_threads_end_when_the_rest_is_not_read(path: Path) -> None:
    results: Any = parse_blocks(path, lambda block: block.count(b"\n"), quotes=False)
    with closing(results):
        assert next(results) > 0
        assert parsing()
    assert not parsing()


def test_an_error_in_a_thread_is_raised_and_ends_the_threads(path: Path) -> None:
    def refuse(block: Block) -> None:
        raise ValueError("not a row")

    with pytest.raises(ValueError, match="not a row"):
        list(parse_blocks(path, refuse, quotes=False))
    assert not parsing()
