"""The latest samples and trends of the live view, as text."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from watlowlib.cli.tracks import TREND_POINTS, Row, Track, format_trend, format_value, status_of
from watlowlib.model import ProtocolKind, Sample, Unit, Value

START = datetime(2025, 1, 1, 12, tzinfo=timezone.utc)
BLOCKS = "12345678"


def sample(value: Value | None, at_s: float = 0.0, *, status: str = "ok") -> Sample:
    at = START + timedelta(seconds=at_s)
    return Sample(
        "oven", 1, ProtocolKind.STDBUS, "process_value", 4001, 1, value, Unit.FAHRENHEIT,
        at, at, at, 0.01, None, status, round(at_s * 1000), at,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (75.0, "    75.00 °F "),
        (-1999.25, " -1999.25 °F "),
        (123456.0, "123456.00 °F "),
        (-1234567.0, "-1.23e+06 °F "),
        (None, "        -    "),
        (math.nan, "        -    "),
        (math.inf, "        -    "),
    ],
)
def test_numbers_have_their_decimal_point_and_unit_in_one_column(
    value: float | None, text: str
) -> None:
    assert format_value(sample(value)) == text


def test_an_enumeration_is_shown_by_its_label() -> None:
    mode = replace(sample(62), parameter="control_mode", parameter_id=8001, unit=None)
    assert format_value(mode).split() == ["Off"]
    assert format_value(replace(mode, value=999)).split() == ["999"]


def test_a_number_of_a_series_sd_is_not_taken_for_a_code_of_a_pm() -> None:
    # Another family may have the number of the control mode.
    other = replace(sample(62), parameter="other", parameter_id=8001, unit=None)
    assert format_value(other).split() == ["62"]


def test_a_value_that_is_not_a_number_has_a_bad_status() -> None:
    assert status_of(sample(math.nan)) == "not_a_number"
    assert status_of(sample(None, status="timeout")) == "timeout"
    assert status_of(sample(math.nan, status="sensor_error")) == "sensor_error"


def test_a_changed_value_is_marked_for_three_seconds() -> None:
    track = Track(sample(10.0))
    track.add(sample(10.0, 1.0))
    assert track.row().mark == " "
    track.add(sample(11.0, 2.0))
    assert track.row().mark == "*"
    track.add(sample(11.0, 4.9))
    assert track.row().mark == "*"
    track.add(sample(11.0, 5.1))
    assert track.row().mark == " "


def test_a_value_that_is_the_same_after_a_gap_has_not_changed() -> None:
    track = Track(sample(None, status="timeout"))
    for second, value in enumerate([10.0, None, 10.0], start=1):
        track.add(sample(value, second))
    assert track.row().mark == " "
    track.add(sample(None, 4))
    track.add(sample(11.0, 5))
    assert track.row().mark == "*"


def test_a_bad_status_is_marked_before_a_change() -> None:
    track = Track(sample(10.0))
    track.add(sample(None, 1.0, status="timeout"))
    assert track.row().mark == "!"


def test_samples_of_a_second_sink_are_ignored() -> None:
    track = Track(sample(10.0))
    for value, at_s in [(11.0, 2.0), (10.0, 1.0), (11.0, 2.0)]:
        track.add(sample(value, at_s))
    assert track.row() == Row(sample(11.0, 2.0), (10.0, 11.0), changed=True)


def test_a_trend_has_one_point_per_second() -> None:
    track = Track(sample(0.0))
    for tenth in range(1, 30):
        track.add(sample(float(tenth), tenth / 10))
    assert track.row().trend == (9.0, 19.0, 29.0)


def test_a_track_keeps_a_bounded_number_of_points() -> None:
    track = Track(sample(0.0))
    for second in range(1, 1000):
        track.add(sample(float(second), float(second)))
    assert track.row().trend == tuple(float(each) for each in range(1000 - TREND_POINTS, 1000))


@pytest.mark.parametrize(
    ("values", "width", "text"),
    [
        ([0.0, 7.0], 5, "18"),
        ([float(each) for each in range(8)], 8, "12345678"),
        ([9.0, 0.0, 7.0], 2, "18"),
        ([0.0, None, 7.0], 5, "1 8"),
        ([None, None], 5, ""),
        ([0.0, 7.0], 0, ""),
        ([], 5, ""),
    ],
)
def test_a_trend_is_drawn_between_its_lowest_and_highest_value(
    values: list[float | None], width: int, text: str
) -> None:
    assert format_trend(values, width, BLOCKS) == text


def test_noise_of_a_constant_value_is_drawn_almost_flat() -> None:
    drawn = format_trend([500.0, 500.1, 499.9, 500.0], 8, BLOCKS)
    assert set(drawn) <= set("45")
    assert len(set(format_trend([0.0, 0.0], 8, BLOCKS))) == 1
