"""The dashboard for PostgreSQL: each panel shows what the rows say."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.sinks.postgres.dashboard import expand
from tests.sinks.postgres_server import PostgresServer
from tests.sinks.samples import FIRST, START
from watlowlib import PostgresConfig, PostgresSink, Sample

FILE = Path(__file__).parents[3] / "examples" / "grafana" / "postgresql.json"
DASHBOARD = json.loads(FILE.read_text("utf-8"))
PANELS = {each["title"].rpartition(": ")[2]: each for each in DASHBOARD["panels"]}

END = START + timedelta(seconds=50)
"""START is at the beginning of a minute; a row is at 0, 5, 10 ... seconds after it."""


def at(seconds: float, value: float | None, **fields: Any) -> Sample:
    when = START + timedelta(seconds=seconds)
    status = "ok" if value is not None else "timeout"
    return replace(FIRST, **{"value": value, "status": status, "requested_at": when, **fields})


ROWS = [
    at(0, 10.0),
    at(0, 100.0, parameter="setpoint"),
    at(5, 20.0),
    at(5, 100.0, parameter="setpoint"),
    at(10, None),  # no read of this interval has a value
    at(15, None, status="offline"),
    at(20, 40.0),
    at(25, None),
    at(20, 7.0, instance=2),
    at(0, 30.0, device="o'brien"),
    at(20, 50.0, device="o'brien", parameter="output_power"),
    at(25, 90.0, device="o'brien", status="sensor_error"),
    at(30, 1.0, device="not selected"),
    at(-5, 1000.0),  # before the time range
    at(60, 1000.0),  # after it
    at(60, 1000.0, device="o'brien"),
]
SELECTED = ["oven_top", "o'brien"]


@pytest.fixture(scope="module")
def filled(running_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the name of a table with these rows."""
    running_server.start()
    table = "dashboard"
    config = PostgresConfig(dsn=running_server.url, table=table, create_table=True)
    spool = tmp_path_factory.mktemp("dashboard") / "run.spool"
    with PostgresSink(config, spool=spool) as sink:
        sink.write_many(ROWS)
    assert sink.rows_waiting == 0
    return table


@pytest.fixture
def show(running_server: PostgresServer, filled: str) -> Iterator[Any]:
    """Return a function that runs the SQL of a panel."""

    def rows_of(title: str, interval_s: int = 10, only: str = "") -> list[tuple[Any, ...]]:
        (target,) = PANELS[title]["targets"]
        return query(target["rawSql"], interval_s, [only] if only else SELECTED)

    def query(
        sql: str, interval_s: int = 10, controllers: Sequence[str] = SELECTED, table: str = filled
    ) -> list[tuple[Any, ...]]:
        names = {"table": table, "controller": controllers}
        sql = expand(sql, START, END, interval_s, names)
        return sorted(running_server.query(sql.replace("%", "%%")))

    rows_of.query = query  # type: ignore[attr-defined]
    return rows_of


T = int(START.timestamp())


def test_process_values_and_set_points_are_means_and_gaps_have_none(show: Any) -> None:
    title = "process value and set point"
    assert PANELS[title]["repeat"] == "controller"  # a panel for each, with one selected
    assert show(title, only="oven_top") == [
        (T, "process_value 1", 15.0),  # the mean of 10 and 20
        (T, "setpoint 1", 100.0),
        (T + 10, "process_value 1", None),
        (T + 20, "process_value 1", 40.0),
        (T + 20, "process_value 2", 7.0),
    ]
    assert show(title, only="o'brien") == [
        (T, "process_value 1", 30.0),
        (T + 20, "process_value 1", 90.0),  # a value of a sensor with an error is a value
    ]


def test_output_power_has_a_series_for_each_controller(show: Any) -> None:
    assert show("Output power") == [(T + 20, "o'brien output_power 1", 50.0)]


def test_reads_that_are_not_ok_are_counted_by_status(show: Any) -> None:
    assert show("Reads that are not ok, by status") == [
        (T + 10, "offline", 1),
        (T + 10, "timeout", 1),
        (T + 20, "sensor_error", 1),
        (T + 20, "timeout", 1),
    ]


def test_ages_are_those_at_the_end_of_the_time_range(show: Any) -> None:
    assert show("Age of the last row") == [("o'brien", 25), ("oven_top", 25)]


def test_rows_are_counted_a_minute_whatever_the_interval_is(show: Any) -> None:
    assert show("Rows a minute", 60) == [(T, "o'brien", 3), (T, "oven_top", 9)]
    assert show("Rows a minute", 10) == [
        (T, "o'brien", 6), (T, "oven_top", 24),
        (T + 10, "oven_top", 12),
        (T + 20, "o'brien", 12), (T + 20, "oven_top", 18),
    ]  # fmt: skip


def test_storage_is_the_size_of_the_table_and_of_the_database(
    show: Any, running_server: PostgresServer, filled: str
) -> None:
    ((table, database),) = show("Storage")
    ((heap, indexes),) = running_server.query(
        f"SELECT pg_table_size('{filled}'), pg_indexes_size('{filled}')"
    )
    assert (table, table < database) == (heap + indexes, True)


def test_storage_of_a_partitioned_table_is_that_of_its_parts(
    show: Any, running_server: PostgresServer, tmp_path: Path
) -> None:
    config = PostgresConfig(
        dsn=running_server.url, table="in_parts", create_table=True, partition="1 month"
    )
    with PostgresSink(config, spool=tmp_path / "run.spool") as sink:
        sink.write_many(ROWS)
    assert sink.rows_waiting == 0
    (target,) = PANELS["Storage"]["targets"]
    ((shown, _),) = show.query(target["rawSql"], table="in_parts")
    ((parts, size),) = running_server.query(
        "SELECT count(*), sum(pg_total_relation_size(inhrelid)) FROM pg_inherits"
        " WHERE inhparent = 'in_parts'::regclass"
    )
    assert (parts > 0, shown) == (True, size)


def test_every_panel_and_variable_has_a_test_and_the_data_source_can_be_selected(show: Any) -> None:
    assert len(PANELS) == 6
    source, table, controller = DASHBOARD["templating"]["list"]
    assert (source["type"], table["query"]) == ("datasource", "samples")
    assert show.query(controller["query"]) == [("not selected",), ("o'brien",), ("oven_top",)]
    used = {each["datasource"]["uid"] for each in [*PANELS.values(), controller]}
    used |= {target["datasource"]["uid"] for each in PANELS.values() for target in each["targets"]}
    assert used == {f"${{{source['name']}}}"}
    assert len({each["id"] for each in PANELS.values()}) == len(PANELS)
