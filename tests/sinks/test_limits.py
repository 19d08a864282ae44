"""Cells at the limits of their types: kept exactly, or refused by a sink's own error."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta, timezone
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from watlowlib import CsvSink, JsonlSink, ParquetSink, SqliteSink, WatlowSinkError, read_samples
from watlowlib._internal.clock import parse_time
from watlowlib.sinks.postgres.copy_format import pack, unpack
from watlowlib.sinks.rows import ColumnLayout
from watlowlib.transport.capture_file import open_capture

FIRST = datetime(2026, 3, 1, 8, tzinfo=timezone.utc)
EAST = timezone(timedelta(hours=5))
SINKS = {"csv": CsvSink, "jsonl": JsonlSink, "sqlite": SqliteSink, "parquet": ParquetSink}
TIMES = [
    datetime.min.replace(tzinfo=timezone.utc),
    datetime(1969, 12, 31, 23, 59, 59, 999_999, timezone.utc),
    datetime.max.replace(tzinfo=timezone.utc),
    datetime.max.replace(microsecond=0, tzinfo=timezone.utc),
]


def rows_of(name: str, cells: list[Any]) -> list[dict[str, Any]]:
    return [{"requested_at": FIRST, name: cell} for cell in cells]


@pytest.fixture(params=list(SINKS))
def sink(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    columns = ["requested_at"]
    return SINKS[request.param](tmp_path / f"run.{request.param}", columns=columns)


def test_first_and_last_times_are_kept(sink: Any) -> None:
    with sink:
        sink.write_many(rows_of("received_at", TIMES))
    found = [row["received_at"] for row in read_samples(sink.path)]
    assert [parse_time(each) if isinstance(each, str) else each for each in found] == TIMES


def test_first_and_last_times_are_packed_for_postgresql() -> None:
    rows = rows_of("received_at", TIMES * 3)
    layout = ColumnLayout.infer(rows)
    packed = unpack(layout, b"".join(pack(layout, rows, UUID(int=1), 0)))
    assert [row[1] for row in packed] == TIMES * 3


REFUSED = [
    (datetime.min.replace(tzinfo=EAST), "before the year 1 or after 9999 in UTC"),
    (10**400, "a number is too large"),
    (10**5000, "a number is too large"),
    (Fraction(10**400, 3), "a number is too large"),
]


@pytest.mark.parametrize(("cell", "message"), REFUSED, ids=["time", "400", "5000", "fraction"])
def test_cells_beyond_all_limits_are_refused_by_name(sink: Any, cell: Any, message: str) -> None:
    with sink:
        with pytest.raises(WatlowSinkError, match=message):
            sink.write_many(rows_of("value", [1.5, cell]))
        sink.write_many(rows_of("value", [1.5]))
    assert [row["value"] for row in read_samples(sink.path)] == [1.5]


@pytest.mark.skipif(sys.platform == "win32", reason="files have no such locks")
def test_sink_says_that_its_file_is_a_capture(tmp_path: Path) -> None:
    path = tmp_path / "wire.jsonl"
    capture = open_capture(path, 1_000_000)
    try:
        with pytest.raises(WatlowSinkError, match="is being written to as a capture"):
            JsonlSink(path).open()
    finally:
        capture.leave()


def test_sqlite_says_which_integers_it_stores(tmp_path: Path) -> None:
    message = "count=9223372036854775808: .* to 9223372036854775807; give it as text"
    with SqliteSink(tmp_path / "run.sqlite", columns=["count"]) as sink:
        with pytest.raises(WatlowSinkError, match=message):
            sink.write_many([{"count": 2**63 - 1}, {"count": 2**63}])
        sink.write_many([{"count": str(2**63)}])
