"""Tests of large batches, which the server receives while they are packed.

The server is real. `pg_stat_progress_copy` shows whether it has received rows.
"""

from __future__ import annotations

import dataclasses
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.sinks.postgres.test_sink import (
    TIMEOUT_S,
    float_range,
    numbered_samples,
    values,
    wait_for,
)
from tests.sinks.postgres_server import PostgresServer
from watlowlib import PostgresConfig, PostgresSink, WatlowSinkError
from watlowlib.sinks.postgres import early
from watlowlib.sinks.postgres.copy_format import ROWS_AT_ONCE
from watlowlib.sinks.postgres.early import EarlyBatch, NotSentError
from watlowlib.sinks.postgres.server import Server
from watlowlib.sinks.postgres.spool import Spool, SpoolFullError
from watlowlib.sinks.rows import COLUMN_TYPES, ColumnLayout

ROWS = ROWS_AT_ONCE + 200
UNREACHABLE = PostgresConfig(
    host="127.0.0.1", port=1, user="ann", database="lab", command_timeout_s=0.1
)


@pytest.fixture
def sink(postgres: PostgresServer, config: PostgresConfig, spool: Path) -> PostgresSink:
    """A sink for an empty table that exists."""
    with PostgresSink(config, spool=spool) as first:
        first.write_many(numbered_samples(0, 1))
    postgres.query(f"DELETE FROM {config.table}")
    return PostgresSink(config, spool=spool, close_timeout_s=TIMEOUT_S)


def receives_rows(server: PostgresServer) -> bool:
    return bool(server.query("SELECT 1 FROM pg_stat_progress_copy WHERE tuples_processed > 0"))


def do_before_and_after_put(
    patch: pytest.MonkeyPatch,
    before: Callable[[], object],
    after: Callable[[], object] = lambda: None,
) -> None:
    put = Spool.put

    def put_with_actions(self: Spool, *args: Any) -> int:
        before()
        number = put(self, *args)
        after()
        return number

    patch.setattr(Spool, "put", put_with_actions)


def do_not_send_from_spool(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Server, "send", lambda self, spooled: pytest.fail("sent from the spool"))


def test_the_server_commits_rows_only_when_they_are_in_the_spool(
    postgres: PostgresServer, sink: PostgresSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    visible: list[list[float]] = []

    def look() -> None:
        wait_for(lambda: receives_rows(postgres))
        visible.append(values(postgres, sink.config.table))

    do_before_and_after_put(monkeypatch, look)
    do_not_send_from_spool(monkeypatch)
    with sink:
        sink.write_many(numbered_samples(0, ROWS))
        sink.write_many(numbered_samples(ROWS, 2 * ROWS))
    assert visible == [[], float_range(ROWS)]
    assert values(postgres, sink.config.table) == float_range(2 * ROWS)
    assert sink.stats.rows_sent == 2 * ROWS
    assert sink.stats.rows_waiting == sink.stats.failures == 0


def fail(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (SpoolFullError(), WatlowSinkError),
        (sqlite3.OperationalError("disk I/O error"), WatlowSinkError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_rows_that_are_not_stored_are_not_in_the_table(
    postgres: PostgresServer, sink: PostgresSink, error: BaseException, raised: type[BaseException]
) -> None:
    def wait_and_fail() -> None:
        wait_for(lambda: receives_rows(postgres))
        fail(error)

    with sink:
        with pytest.MonkeyPatch.context() as patch:
            do_before_and_after_put(patch, wait_and_fail)
            with pytest.raises(raised):
                sink.write_many(numbered_samples(ROWS, 2 * ROWS))
        sink.write_many(numbered_samples(0, ROWS))
    assert values(postgres, sink.config.table) == float_range(ROWS)
    assert sink.stats.failures == 0


def test_no_row_is_in_the_table_if_the_last_one_cannot_be_packed(
    postgres: PostgresServer, sink: PostgresSink
) -> None:
    with sink:
        for _ in range(3):
            with pytest.raises(WatlowSinkError, match="'parameter_id'"):
                sink.write_many(
                    [
                        *numbered_samples(0, ROWS),
                        replace(*numbered_samples(0, 1), parameter_id=1 << 70),
                    ]
                )
    assert values(postgres, sink.config.table) == []


def test_ctrl_c_after_the_rows_are_stored_sends_them_once(
    postgres: PostgresServer, sink: PostgresSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    do_before_and_after_put(
        monkeypatch,
        lambda: wait_for(lambda: receives_rows(postgres)),
        lambda: fail(KeyboardInterrupt()),
    )
    with sink, pytest.raises(KeyboardInterrupt):
        sink.write_many(numbered_samples(0, ROWS))
    assert values(postgres, sink.config.table) == float_range(ROWS)


def test_the_transaction_ends_if_the_rows_are_not_stored_in_time(
    postgres: PostgresServer, sink: PostgresSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(early, "WAIT_S", 0.1)

    def wait() -> None:
        wait_for(lambda: receives_rows(postgres))
        wait_for(lambda: not receives_rows(postgres))

    do_before_and_after_put(monkeypatch, wait)
    with sink:
        sink.write_many(numbered_samples(0, ROWS))
    assert values(postgres, sink.config.table) == float_range(ROWS)
    assert sink.stats.failures == 0


def test_a_batch_whose_end_is_late_is_not_sent_although_it_is_stored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(early, "WAIT_S", 0.01)
    batch = EarlyBatch(ColumnLayout(COLUMN_TYPES), 2)
    list(batch.passing([b"one"]))
    batch.number = 5
    parts = batch.parts()
    assert next(parts) == b"one"
    with pytest.raises(NotSentError):
        next(parts)


def test_rows_are_stored_once_if_the_connection_is_lost_while_they_are_sent(
    postgres: PostgresServer, sink: PostgresSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    def disconnect() -> None:
        wait_for(lambda: receives_rows(postgres))
        postgres.query("SELECT pg_terminate_backend(pid) FROM pg_stat_progress_copy")

    with sink:
        with monkeypatch.context() as patch:
            do_before_and_after_put(patch, disconnect)
            sink.write_many(numbered_samples(0, ROWS))
        sink.write_many(numbered_samples(ROWS, 2 * ROWS))
    assert values(postgres, sink.config.table) == float_range(2 * ROWS)
    assert sink.stats.rows_waiting == 0


def test_a_refused_row_of_a_large_batch_waits_and_the_others_are_stored(
    postgres: PostgresServer, sink: PostgresSink
) -> None:
    postgres.query(f"ALTER TABLE {sink.config.table} ADD CHECK (value < {ROWS})")
    sink.open()
    sink.write_many(numbered_samples(0, ROWS + 1))
    with pytest.raises(WatlowSinkError, match="1 row waits as refused"):
        sink.close()
    assert values(postgres, sink.config.table) == float_range(ROWS)
    assert sink.stats.rows_refused == sink.stats.rows_waiting == 1


def test_a_large_batch_is_stored_in_a_partition_that_does_not_exist(
    postgres: PostgresServer, config: PostgresConfig, spool: Path
) -> None:
    config = dataclasses.replace(config, partition="1 month")
    sink = PostgresSink(config, spool=spool, close_timeout_s=TIMEOUT_S)
    with sink:
        sink.write_many(numbered_samples(0, ROWS))
    assert values(postgres, config.table) == float_range(ROWS)
    assert sink.stats.failures == 0


@pytest.mark.parametrize("use_copy", [True, False])
def test_a_large_batch_is_sent_later_without_copy_or_a_column(
    postgres: PostgresServer, sink: PostgresSink, monkeypatch: pytest.MonkeyPatch, use_copy: bool
) -> None:
    if use_copy:
        postgres.query(f"ALTER TABLE {sink.config.table} DROP COLUMN tick")
    monkeypatch.setattr(EarlyBatch, "parts", lambda self: pytest.fail("sent while packed"))
    config = dataclasses.replace(sink.config, use_copy=use_copy)
    with PostgresSink(config, spool=sink.spool, close_timeout_s=5.0) as changed:
        sender = changed._sender
        assert sender is not None
        do_before_and_after_put(monkeypatch, lambda: wait_for(lambda: sender._early is None))
        changed.write_many(numbered_samples(0, ROWS))
    assert values(postgres, config.table) == float_range(ROWS)


def test_large_batches_of_sinks_that_share_a_spool_are_stored_once(
    postgres: PostgresServer, sink: PostgresSink
) -> None:
    batches = 4

    def write(each: PostgresSink, first: int) -> None:
        for start in range(first, first + batches * ROWS, ROWS):
            each.write_many(numbered_samples(start, start + ROWS))

    with sink, PostgresSink(sink.config, spool=sink.spool, close_timeout_s=TIMEOUT_S) as other:
        thread = threading.Thread(target=write, args=(other, batches * ROWS))
        thread.start()
        write(sink, 0)
        thread.join(TIMEOUT_S)
    assert values(postgres, sink.config.table) == float_range(2 * batches * ROWS)
    assert sink.stats.failures == 0


def test_a_batch_is_not_kept_in_memory_while_the_server_is_down(spool: Path) -> None:
    with PostgresSink(UNREACHABLE, spool=spool, close_timeout_s=0.1) as sink:
        sink.write_many(numbered_samples(0, ROWS))
        wait_for(lambda: sink.stats.failures > 1)  # of `open` and of this batch
        sink.write_many(numbered_samples(0, ROWS))
        assert sink._sender is not None
        assert sink._sender._early is None
    assert sink.stats.rows_waiting == 2 * ROWS


def test_rows_are_kept_if_the_sink_is_closed_as_soon_as_they_are_stored(
    spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = PostgresSink(UNREACHABLE, spool=spool, close_timeout_s=0.1)
    do_before_and_after_put(monkeypatch, lambda: None, sink.close)
    with sink:
        sink.write_many(numbered_samples(0, ROWS))
    assert sink.stats.rows_waiting == ROWS
