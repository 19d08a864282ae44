"""Rows of recordings for the tests of plots."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

START = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


def row(parameter: str, value: float | str | None, second: float, **cells: Any) -> dict[str, Any]:
    """One row of controller "oven"."""
    return {
        "device": "oven",
        "parameter": parameter,
        "instance": 1,
        "value": value,
        "unit": None if value is None else "°F",
        "requested_at": START + timedelta(seconds=second),
        "status": "ok" if value is not None else "timeout",
    } | cells


def run(seconds: int = 100) -> Iterator[dict[str, Any]]:
    """A controller whose set point changes at 20 s, with a gap of 3 s and an alarm."""
    for second in range(seconds):
        lost = 50 <= second < 53
        setpoint = 100.0 if second < 20 else 150.0
        value = 100.0 if second < 20 else 150.0 - 50.0 * 0.8 ** (second - 20)
        yield row("process_value", None if lost else value, second)
        yield row("setpoint", None if lost else setpoint, second)
        yield row("output_power", None if lost else 30.0, second, unit=None if lost else "%")
        alarm = 7 if 60 <= second < 70 else 61
        yield row("alarm_state", alarm, second, unit=None)
