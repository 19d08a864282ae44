"""What the page is told about each series."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from watlowlib.views.web.board import Board, Point

POINT = Point("oven", "process_value", 4001, 1, 72.4, "°F", "ok", 1000.0, 50.0)


def state_of(board: Board) -> dict[str, Any]:
    event = board.event({"ticks": 3})
    assert event.startswith(b"data: ")
    assert event.endswith(b"\n\n")
    assert event.count(b"\n") == 2
    return dict(json.loads(event[6:]))


def board_with(*points: Point, now_s: float = 50.0) -> Board:
    board = Board("run.csv", live=True, clock=lambda: now_s)
    board.add(points)
    return board


def test_an_event_is_the_complete_state() -> None:
    board = board_with(POINT, POINT._replace(device="dryer"))
    first, second = state_of(board), state_of(board)
    assert [each["device"] for each in second["series"]] == ["oven", "dryer"]
    assert second["health"] == {"ticks": 3}
    assert second["number"] == first["number"] + 1


def test_the_age_is_that_of_the_last_value() -> None:
    failed = POINT._replace(value=None, status="timeout", at_s=1007.0, seen_s=57.0)
    (series,) = state_of(board_with(POINT, failed, now_s=58.5))["series"]
    assert series["age"] == 8.5
    assert (series["text"], series["last"]) == ("", "72.40")
    assert (series["status"], series["reason"]) == ("timeout", "no reply in time")
    assert series["unit"] == "°F"


def test_a_late_row_does_not_replace_the_latest_value() -> None:
    (series,) = state_of(board_with(POINT, POINT._replace(value=1.0, at_s=900.0)))["series"]
    assert series["number"] == 72.4


def test_a_huge_number_has_no_trend() -> None:
    (series,) = state_of(board_with(POINT._replace(value=10**400)))["series"]
    assert series["number"] is None


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_value_that_is_not_a_number_is_a_gap(value: float) -> None:
    board = board_with(POINT._replace(value=value))
    (series,) = state_of(board)["series"]
    assert (series["number"], series["status"]) == (None, "not_a_number")
    assert json.loads(b"".join(board.history(300))) == [
        [["oven", "process_value", 1], [[1000.0, None, None, True]]]
    ]


def test_a_code_is_shown_with_its_meaning() -> None:
    point = POINT._replace(parameter="heat_algorithm", number=8003, value=71, unit="")
    (series,) = state_of(board_with(point))["series"]
    assert series["text"] == "PID (71)"


def test_a_text_is_shown_and_has_no_trend() -> None:
    board = board_with(POINT._replace(parameter="part_number", value="PM3R1CA-AAAAAAA"))
    (series,) = state_of(board)["series"]
    assert (series["text"], series["number"], series["status"]) == ("PM3R1CA-AAAAAAA", None, "ok")
    assert json.loads(b"".join(board.history(300))) == [[["oven", "part_number", 1], []]]
