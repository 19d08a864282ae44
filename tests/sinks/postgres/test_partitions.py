"""Partitioned tables: each row is in the part of its time, once; the examples of docs/scale.md."""

from __future__ import annotations

import logging
import re
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import psycopg
import pytest

from tests.sinks.postgres.test_sink import (
    TIMEOUT_S,
    float_range,
    values,
    wait_for,
)
from tests.sinks.postgres_server import PostgresServer, Proxy
from tests.sinks.samples import FIRST
from watlowlib import (
    PostgresConfig,
    PostgresSink,
    Sample,
    WatlowConfigurationError,
    WatlowSinkError,
    read_samples,
)
from watlowlib.simulator import SimulatedBus
from watlowlib.sinks.postgres import partitions
from watlowlib.sinks.postgres.table import Table

PAGE = (Path(__file__).parents[3] / "docs" / "scale.md").read_text("utf-8")
MAY = datetime(2024, 5, 31, 23, 59, 59, 999_999, tzinfo=timezone.utc)
JUNE = datetime(2024, 6, 1, tzinfo=timezone.utc)


@pytest.fixture
def monthly(config: PostgresConfig) -> PostgresConfig:
    return replace(config, partition="1 month")


def samples_at(*times: datetime) -> list[Sample]:
    return [replace(FIRST, value=float(n), requested_at=when) for n, when in enumerate(times)]


def store(config: PostgresConfig, spool: Path, *times: datetime) -> PostgresSink:
    with PostgresSink(config, spool=spool, close_timeout_s=TIMEOUT_S) as sink:
        sink.write_many(samples_at(*times))
    return sink


def parts(server: PostgresServer, table: str) -> dict[str, str]:
    """Return the limits of each part by the end of its name."""
    with psycopg.connect(server.url, options="-c TimeZone=UTC") as connection:
        found = connection.execute(
            "SELECT relname, pg_get_expr(relpartbound, c.oid) FROM pg_inherits "
            f"JOIN pg_class c ON c.oid = inhrelid WHERE inhparent = '{table}'::regclass"
        ).fetchall()
    return {name.removeprefix(f"{table}_"): limits for name, limits in found}


def old_parts(server: PostgresServer, table: str) -> set[str]:
    return {name for name in parts(server, table) if name < "p2025"}


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        ("1 day", {"p19700101", "p20240531", "p20240601"}),
        ("1 week", {"p19691229", "p20240527"}),
        ("1 month", {"p19700101", "p20240501", "p20240601"}),
    ],
)
@pytest.mark.parametrize("use_copy", [True, False])
def test_rows_of_any_age_go_into_the_parts_of_their_times(
    postgres: PostgresServer,
    config: PostgresConfig,
    spool: Path,
    length: str,
    expected: set[str],
    use_copy: bool,
) -> None:
    epoch = datetime(1970, 1, 1, tzinfo=timezone.utc)
    sink = store(replace(config, partition=length, use_copy=use_copy), spool, epoch, MAY, JUNE)
    assert sink.stats.failures == 0
    assert old_parts(postgres, config.table) == expected
    rows = read_samples(postgres.url, table=config.table)
    assert [row["requested_at"] for row in rows] == [epoch, MAY, JUNE]


def test_the_current_and_the_next_part_are_created_ahead(
    postgres: PostgresServer, monthly: PostgresConfig, spool: Path
) -> None:
    store(monthly, spool, JUNE)
    ((now, following),) = postgres.query(
        "SELECT to_char(now() AT TIME ZONE 'UTC', 'pYYYYMM01'), "
        "to_char(date_trunc('month', now() AT TIME ZONE 'UTC') + interval '1 month', 'pYYYYMMDD')"
    )
    found = parts(postgres, monthly.table)
    assert found.keys() == {"p20240601", now, following}
    assert found["p20240601"] == (
        "FOR VALUES FROM ('2024-06-01 00:00:00+00') TO ('2024-07-01 00:00:00+00')"
    )


def test_a_commit_whose_reply_is_lost_gives_no_duplicates_in_parts(
    postgres: PostgresServer, monthly: PostgresConfig, spool: Path
) -> None:
    store(monthly, spool, JUNE)  # creates the table
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        proxy = Proxy(postgres, Path(folder), lose=3)
        stack.callback(proxy.close)
        url = postgres.url.replace(str(postgres.socket_folder), folder)
        with PostgresSink(
            replace(monthly, dsn=url), spool=spool, close_timeout_s=TIMEOUT_S
        ) as sink:
            for start in range(1, 6):
                later = JUNE + timedelta(days=31 * start)
                sink.write_many([replace(FIRST, value=float(start), requested_at=later)])
        assert proxy.lost == 3
    assert values(postgres, monthly.table) == float_range(6)


def test_recorders_that_need_the_same_part_at_the_same_time_share_it(
    postgres: PostgresServer, monthly: PostgresConfig, spool: Path
) -> None:
    store(monthly, spool, JUNE)
    recorders = [
        partitions.Partitions(monthly, Table(monthly), lambda: psycopg.connect(postgres.url))
        for _ in range(4)
    ]
    with ThreadPoolExecutor() as pool:
        with psycopg.connect(postgres.url) as other:
            lock = "SELECT pg_advisory_xact_lock(hashtext(%s))"
            other.execute(lock, [f"public.{monthly.table}"])
            done = [pool.submit(each.create_for, [MAY, JUNE]) for each in recorders]
            waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'advisory'"
            wait_for(lambda: len(postgres.query(waiting)) == len(done))
        for each in done:
            each.result(TIMEOUT_S)
    assert old_parts(postgres, monthly.table) == {"p20240501", "p20240601"}


def test_a_part_is_created_while_a_reader_reads(
    postgres: PostgresServer, monthly: PostgresConfig, spool: Path
) -> None:
    store(monthly, spool, JUNE)
    with psycopg.connect(postgres.url) as reader:
        reader.execute(f"SELECT * FROM {monthly.table}")
        sink = store(monthly, spool, MAY)
    assert sink.stats.failures == 0
    assert old_parts(postgres, monthly.table) == {"p20240501", "p20240601"}


def test_keep_drops_parts_with_only_older_rows(
    postgres: PostgresServer, monthly: PostgresConfig, spool: Path
) -> None:
    now = datetime.now(timezone.utc)
    store(monthly, spool, MAY, JUNE, now - timedelta(days=59), now)
    kept = parts(postgres, monthly.table).keys() - {"p20240501", "p20240601"}
    store(replace(monthly, keep="2 months"), spool, now)
    assert parts(postgres, monthly.table).keys() == kept
    assert values(postgres, monthly.table) == [0.0, 2.0, 3.0]
    assert postgres.query(f"SELECT to_regclass('{monthly.table}_p20240501')") == [(None,)]


def test_a_detached_part_keeps_its_rows_and_refuses_later_ones(
    postgres: PostgresServer, monthly: PostgresConfig, spool: Path
) -> None:
    now = datetime.now(timezone.utc)
    store(monthly, spool, MAY, now)
    detaching = replace(monthly, keep="2 months", detach=True)
    store(detaching, spool, now)
    assert old_parts(postgres, monthly.table) == set()
    assert values(postgres, f"{monthly.table}_p20240501") == [0.0]
    with pytest.raises(WatlowSinkError, match='1 row waits.*_p20240501" already exists'):
        store(detaching, spool, now, MAY)
    assert values(postgres, monthly.table) == [0.0, 0.0, 1.0]


def test_an_old_part_that_is_being_read_stays_and_delays_no_rows(
    postgres: PostgresServer,
    monthly: PostgresConfig,
    spool: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(partitions, "LOCK_MS", 10)
    caplog.set_level(logging.INFO, "watlowlib")
    store(monthly, spool, MAY)
    with psycopg.connect(postgres.url) as reader:
        reader.execute(f"SELECT * FROM {monthly.table}")
        sink = store(replace(monthly, keep="1 year"), spool, datetime.now(timezone.utc))
    assert sink.stats.failures == 0
    assert values(postgres, monthly.table) == [0.0, 0.0]
    assert "old parts are in use" in caplog.text


def test_parts_fill_the_gaps_between_those_of_another_length(
    postgres: PostgresServer, monthly: PostgresConfig, spool: Path
) -> None:
    store(monthly, spool, JUNE)
    postgres.query(
        f"CREATE TABLE {monthly.table}_mid PARTITION OF {monthly.table} "
        "FOR VALUES FROM ('2024-05-10 00:00+00') TO ('2024-05-20 00:00+00')"
    )
    postgres.query(
        f"CREATE TABLE {monthly.table}_oldest PARTITION OF {monthly.table} "
        "FOR VALUES FROM (MINVALUE) TO ('2024-04-20 00:00+00')"
    )
    days = [MAY - timedelta(days=age) for age in (0, 15, 29, 35, 90)]
    store(monthly, spool, *days)
    store(replace(monthly, partition="1 week"), spool, JUNE)
    found = parts(postgres, monthly.table)
    assert found["p20240501"].endswith("('2024-05-01 00:00:00+00') TO ('2024-05-10 00:00:00+00')")
    assert found["p20240520"].endswith("('2024-05-20 00:00:00+00') TO ('2024-06-01 00:00:00+00')")
    assert found["p20240420"].endswith("('2024-04-20 00:00:00+00') TO ('2024-05-01 00:00:00+00')")
    assert len(values(postgres, monthly.table)) == 7


def test_a_table_that_is_not_partitioned_is_left_alone(
    postgres: PostgresServer, config: PostgresConfig, spool: Path
) -> None:
    store(config, spool, MAY)
    with pytest.raises(WatlowSinkError, match="is not partitioned.*leave partition out"):
        PostgresSink(replace(config, partition="1 day"), spool=spool).open()
    store(config, spool, JUNE)
    assert values(postgres, config.table) == [0.0, 0.0]


def test_a_default_part_is_refused(
    postgres: PostgresServer, monthly: PostgresConfig, spool: Path
) -> None:
    store(monthly, spool, JUNE)
    postgres.query(f"CREATE TABLE {monthly.table}_rest PARTITION OF {monthly.table} DEFAULT")
    with pytest.raises(WatlowSinkError, match=f"DEFAULT part {monthly.table}_rest"):
        PostgresSink(monthly, spool=spool).open()
    store(replace(monthly, partition=None), spool, MAY)
    assert values(postgres, f"{monthly.table}_rest") == [0.0]


def test_a_role_that_may_not_create_parts_fills_those_that_exist(
    postgres: PostgresServer,
    monthly: PostgresConfig,
    spool: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store(monthly, spool, JUNE)
    postgres.query(f"CREATE ROLE guest_{monthly.table}")
    postgres.query(f"GRANT INSERT, SELECT ON {monthly.table} TO guest_{monthly.table}")
    for name in parts(postgres, monthly.table).keys() - {"p20240601"}:
        postgres.query(f"DROP TABLE {monthly.table}_{name}")
    guest = replace(
        monthly, dsn=f"{postgres.url}&options=-crole%3Dguest_{monthly.table}", create_table=False
    )
    with pytest.raises(WatlowSinkError, match="1 row waits as refused.*permission denied"):
        store(guest, spool, JUNE, MAY)
    assert caplog.text.count("parts can be neither created ahead nor removed") == 1
    assert values(postgres, monthly.table) == [0.0, 0.0]


def test_the_example_records_into_a_partitioned_table(
    postgres: PostgresServer, table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    postgres.query(f"CREATE DATABASE of_{table}")
    url = postgres.url.replace("/postgres?", f"/of_{table}?")
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    with SimulatedBus([1], speed=100.0) as bus:
        for given, used in (
            ("postgresql://recorder@db.example/lab", url),
            ("/dev/ttyUSB0", bus.port),
            ("duration=300.0", "duration=1.0"),
        ):
            assert given in example
            example = example.replace(given, used)
        exec(compile(example, "scale.md", "exec"), {})
    assert {row["device"] for row in read_samples(url)} == {"oven_top"}
    with psycopg.connect(url) as connection:
        kind = "SELECT relkind FROM pg_class WHERE relname = 'samples'"
        assert connection.execute(kind).fetchall() == [("p",)]


def test_the_commands_make_a_table_that_exists_the_first_part(
    postgres: PostgresServer, config: PostgresConfig, spool: Path
) -> None:
    store(config, spool, MAY)
    commands = re.search(r"^BEGIN;.*?^COMMIT;", PAGE, re.DOTALL | re.MULTILINE)
    assert commands is not None
    until = "2026-05-16 00:00+00"
    assert until in commands[0]
    postgres.query(re.sub(r"\bsamples", config.table, commands[0]))
    days = [datetime(2026, 5, day, tzinfo=timezone.utc) for day in (15, 16)]
    store(config, spool, days[0])
    store(replace(config, partition="1 month"), spool, *days)
    assert len(postgres.query(f"SELECT 1 FROM {config.table}_old")) == 3
    assert len(postgres.query(f"SELECT 1 FROM {config.table}_p20260516")) == 1


def test_a_hypertable_needs_its_extension(config: PostgresConfig, spool: Path) -> None:
    with pytest.raises(WatlowSinkError, match="no extension timescaledb; install it and run"):
        PostgresSink(replace(config, hypertable=True), spool=spool).open()


@pytest.mark.parametrize("exists", [False, True])
def test_partition_needs_rows_with_a_time(
    postgres: PostgresServer, monthly: PostgresConfig, spool: Path, exists: bool
) -> None:
    if exists:
        store(monthly, spool, JUNE)
    sink = PostgresSink(monthly, spool=spool, columns=["requested_at"], close_timeout_s=0.1)
    with pytest.raises(WatlowSinkError, match="needs rows with requested_at"):
        with sink:
            sink.write_many([{"value": 1.0}])
            wait_for(lambda: sink.stats.last_error is not None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"partition": "2 months"}, "'1 day', '1 week' and '1 month'"),
        ({"partition": "month"}, "'1 day', '1 week' and '1 month'"),
        ({"partition": "1 day", "keep": "2 Years"}, 'such as "90 days"'),
        ({"partition": "1 day", "keep": "0 days"}, 'such as "90 days"'),
        ({"partition": "1 day", "keep": 90}, 'such as "90 days"'),
        ({"keep": "2 years"}, "needs partition"),
        ({"partition": "1 day", "detach": True}, "needs keep"),
        ({"partition": "1 day", "hypertable": True}, "not both"),
        ({"partition": "1 day", "table": "t" * 54}, "53 characters"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(WatlowConfigurationError, match=message):
        PostgresConfig(dsn="postgresql:///lab", **options)  # type: ignore[arg-type]
