"""The copy of the captures matches the collected facts, if those are available."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.captures import CAPTURES

COPY = Path(__file__).parent / "data/captures.jsonl"
SOURCE = Path(__file__).parents[2] / "shared/facts/captures.jsonl"


def test_all_captures_are_loaded() -> None:
    assert len(CAPTURES) == 6


@pytest.mark.skipif(not SOURCE.exists(), reason="the collected facts are not beside this checkout")
def test_copy_matches_the_collected_facts() -> None:
    collected = SOURCE.read_text("utf-8").splitlines()
    assert COPY.read_text("utf-8").splitlines() == [line for line in collected if "request" in line]
