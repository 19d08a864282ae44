"""Our copy of the captures is the one they were typed from, where that is at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.captures import CAPTURES

HERE = Path(__file__).parent / "data/captures.jsonl"
SOURCE = Path(__file__).parents[2] / "shared/facts/captures.jsonl"


def test_there_are_captures() -> None:
    assert len(CAPTURES) == 6


@pytest.mark.skipif(not SOURCE.exists(), reason="the collected facts are not beside this checkout")
def test_they_are_the_ones_that_were_collected() -> None:
    collected = SOURCE.read_text("utf-8").splitlines()
    assert HERE.read_text("utf-8").splitlines() == [line for line in collected if "request" in line]
