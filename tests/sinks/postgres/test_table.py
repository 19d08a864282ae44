"""Tests with unusual tables, rows and databases: no row is lost, duplicated or changed."""

from __future__ import annotations

import dataclasses
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from tests.sinks.postgres.test_sink import (
    TIMEOUT_S,
    float_range,
    numbered_samples,
    values,
    wait_for,
)
from tests.sinks.postgres_server import PostgresServer
from tests.sinks.samples import FIRST
from watlowlib import PostgresConfig, PostgresSink, WatlowConfigurationError, WatlowSinkError
from watlowlib.sinks.check import check_output
from watlowlib.sinks.postgres.server import Server
from watlowlib.sinks.postgres.spool import ServerUnavailableError
from watlowlib.sinks.rows import COLUMN_TYPES, ColumnLayout, ColumnType

SAMPLE_COLUMNS = (
    "device text, address int8, protocol text, parameter text, parameter_id int8, instance int8, "
    "value float8, value_text text, unit text, requested_at timestamptz, "
    "received_at timestamptz, midpoint_at timestamptz, latency_s float8, status text, "
    "tick int8, scheduled_at timestamptz"
)


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_texts_are_stored_in_a_database_with_another_encoding(
    postgres: PostgresServer, config: PostgresConfig, spool: Path, encoding: str
) -> None:
    name = f"lab_{encoding.lower()}_{config.table}"
    postgres.query(
        f"CREATE DATABASE {name} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' "
        "TEMPLATE template0"
    )
    url = postgres.url.replace("/postgres?", f"/{name}?")
    with PostgresSink(dataclasses.replace(config, dsn=url), spool=spool) as sink:
        sink.write_many([replace(FIRST, device="Öfen")])
    with psycopg.connect(url) as connection:
        found = connection.execute(
            f"SELECT device = convert_from('\\xc396', 'UTF8') || 'fen' FROM {config.table}"
            if encoding == "LATIN1"
            else f"SELECT device::bytea = '\\xc39666656e' FROM {config.table}"
        ).fetchall()
    assert found == [(True,)]


@pytest.mark.parametrize("use_copy", [True, False])
def test_a_row_that_violates_another_unique_index_stays_in_the_spool(
    postgres: PostgresServer, config: PostgresConfig, spool: Path, use_copy: bool
) -> None:
    config = dataclasses.replace(config, use_copy=use_copy)
    with PostgresSink(config, spool=spool) as sink:
        sink.write_many(numbered_samples(0, 1))
    postgres.query(f"CREATE UNIQUE INDEX ON {config.table} (value)")
    with pytest.raises(WatlowSinkError, match=f"1 row waits as refused.*{config.table}_value_idx"):
        with PostgresSink(config, spool=spool) as sink:
            sink.write_many(numbered_samples(0, 3))
    assert (sink.stats.rows_waiting, sink.stats.rows_sent) == (1, 2)
    postgres.query(f"DROP INDEX {config.table}_value_idx")
    with PostgresSink(config, spool=spool):
        pass
    assert values(postgres, config.table) == [0.0, *float_range(3)]


@pytest.mark.parametrize("keys", ["run_id text, seq bigint", "run_id uuid, seq integer"])
def test_rows_go_into_a_table_with_other_key_types(
    postgres: PostgresServer, config: PostgresConfig, spool: Path, keys: str
) -> None:
    postgres.query(f"CREATE TABLE {config.table} ({SAMPLE_COLUMNS}, {keys}, UNIQUE (seq, run_id))")
    with PostgresSink(config, spool=spool) as sink:
        sink.write_many(numbered_samples(0, 3))
    assert values(postgres, config.table) == float_range(3)


@pytest.mark.parametrize("use_copy", [True, False])
def test_a_unique_index_may_include_more_columns(
    postgres: PostgresServer, config: PostgresConfig, spool: Path, use_copy: bool
) -> None:
    postgres.query(f"CREATE TABLE {config.table} ({SAMPLE_COLUMNS}, run_id uuid, seq int8)")
    postgres.query(f"CREATE UNIQUE INDEX ON {config.table} (run_id, seq) INCLUDE (device)")
    with PostgresSink(dataclasses.replace(config, use_copy=use_copy), spool=spool) as sink:
        sink.write_many(numbered_samples(0, 3))
    assert values(postgres, config.table) == float_range(3)


@pytest.mark.parametrize(
    "index", ["UNIQUE (run_id) INCLUDE (seq)", "UNIQUE (run_id, seq) DEFERRABLE"]
)
def test_an_index_that_allows_duplicates_is_refused(
    postgres: PostgresServer, config: PostgresConfig, spool: Path, index: str
) -> None:
    postgres.query(
        f"CREATE TABLE {config.table} ({SAMPLE_COLUMNS}, run_id uuid, seq int8, {index})"
    )
    with pytest.raises(WatlowSinkError, match="no unique index on run_id and seq.*deferrable"):
        PostgresSink(config, spool=spool).open()


@pytest.mark.parametrize("name", ["seq", "run_id", "n" * 64, "", "ä" * 32])
def test_a_column_name_that_is_not_allowed_is_refused_before_the_spool(
    postgres: PostgresServer, config: PostgresConfig, spool: Path, name: str
) -> None:
    time = FIRST.requested_at
    with PostgresSink(config, spool=spool) as sink:
        with pytest.raises(WatlowSinkError, match="needs another name"):
            sink.write_many([{"requested_at": time, name: 1}])
        assert sink.stats.rows_waiting == 0
        sink.write_many(numbered_samples(0, 1))
    assert values(postgres, config.table) == [0.0]


def test_a_table_name_may_have_63_characters(
    postgres: PostgresServer, config: PostgresConfig, spool: Path
) -> None:
    name = config.table.ljust(63, "x")
    with PostgresSink(dataclasses.replace(config, table=name), spool=spool) as sink:
        sink.write_many(numbered_samples(0, 3))
    assert values(postgres, name) == float_range(3)
    with pytest.raises(WatlowConfigurationError, match="63"):
        dataclasses.replace(config, table=name + "x")


def test_a_table_that_another_recorder_creates_is_seen_under_repeatable_read(
    postgres: PostgresServer, config: PostgresConfig, spool: Path
) -> None:
    """By default, this isolation level would hide the table from a recorder that waited."""
    level = "options=-cdefault_transaction_isolation%3Drepeatable%5C%20read"
    isolated = dataclasses.replace(
        config, dsn=f"{postgres.url}&{level}", command_timeout_s=TIMEOUT_S
    )
    with psycopg.connect(postgres.url) as other:
        other.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"public.{config.table}"])
        sink = PostgresSink(isolated, spool=spool, close_timeout_s=TIMEOUT_S)
        sink.open()
        sink.write_many(numbered_samples(0, 3))
        wait_for(
            lambda: postgres.query("SELECT 1 FROM pg_locks WHERE NOT granted") != [],
        )
        other.execute(f"CREATE TABLE {config.table} ({SAMPLE_COLUMNS}, run_id uuid, seq int8)")
        other.execute(f"CREATE UNIQUE INDEX ON {config.table} (run_id, seq)")
    sink.close()
    assert values(postgres, config.table) == float_range(3)


def test_missing_columns_of_a_later_version_are_one_warning(
    postgres: PostgresServer, config: PostgresConfig, caplog: pytest.LogCaptureFixture
) -> None:
    columns = SAMPLE_COLUMNS.partition(", tick")[0]
    keys = "run_id uuid, seq int8, UNIQUE (run_id, seq)"
    postgres.query(f"CREATE TABLE {config.table} ({columns}, {keys})")
    with closing(Server(config)) as server:
        server.open(())
        for _ in range(2):
            server.check(ColumnLayout(COLUMN_TYPES))
    assert caplog.text.count("has no column tick and no column scheduled_at") == 1


@pytest.mark.parametrize(
    ("sqlstate", "retried"),
    [
        ("25006", True),
        ("40P01", True),
        ("53100", True),
        ("53200", True),
        ("53300", True),
        ("55P03", True),
        ("57014", True),
        ("57P01", True),
        ("57P03", True),
        ("58030", True),
        ("XX000", True),
        ("54000", False),
        ("22003", False),
        ("42501", False),
    ],
)
def test_temporary_errors_of_the_table_differ_from_permanent_ones(
    postgres: PostgresServer, config: PostgresConfig, sqlstate: str, retried: bool
) -> None:
    layout = ColumnLayout({"value": ColumnType.REAL})
    postgres.query(
        f"CREATE TABLE {config.table} (value float8, run_id uuid, seq int8, UNIQUE (run_id, seq))"
    )
    # An error about rows may contain the text of a permanent refusal to connect.
    postgres.query(
        f"CREATE FUNCTION {config.table}_no() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$BEGIN RAISE EXCEPTION 'it does not exist' USING ERRCODE = '{sqlstate}'; END$$"
    )
    postgres.query(
        f"CREATE TRIGGER no BEFORE INSERT ON {config.table} FOR EACH STATEMENT "
        f"EXECUTE FUNCTION {config.table}_no()"
    )
    server = Server(config)
    with closing(server):
        server.open(("value",))
        with pytest.raises(ServerUnavailableError if retried else WatlowSinkError):
            server.check(layout)


def test_a_check_says_that_the_role_may_not_create_the_table(
    postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    postgres.query("CREATE ROLE newcomer LOGIN")
    postgres.query("CREATE DATABASE newcomers")
    url = postgres.url.replace("postgres:@/postgres", "newcomer@/newcomers")
    with pytest.raises(WatlowSinkError, match="GRANT CREATE ON SCHEMA public TO newcomer;"):
        check_output(url)
    postgres.query("ALTER DATABASE newcomers OWNER TO newcomer")
    assert check_output(url) == "reachable"
