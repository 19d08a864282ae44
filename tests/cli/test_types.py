"""The types of the command's options."""

from __future__ import annotations

import click
import pytest

from watlowlib.cli.types import Duration, Names, Numbers


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("1", (1,)), ("1-3,5", (1, 2, 3, 5)), (" 2, 2-3", (2, 3)), ("247", (247,))],
)
def test_numbers_are_lists_and_ranges(text: str, numbers: tuple[int, ...]) -> None:
    assert Numbers().convert(text, None, None) == numbers


@pytest.mark.parametrize("text", ["", "x", "3-1", "1,,2", "1-", "1.5"])
def test_other_numbers_are_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match=r"a list such as 1-3,5"):
        Numbers().convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("5m", 300), ("8h", 28800), ("2d", 172800), ("0.5 H", 1800)],
)
def test_durations_have_units(text: str, seconds: float) -> None:
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "-5", "5 min", "h", "1e3", "nan"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="such as 8h"):
        Duration().convert(text, None, None)


def test_names_are_separated_by_commas() -> None:
    assert Names().convert("pv, heat power,", None, None) == ("pv", "heat power")
