"""Tests of the spool and its sender with a full disk, Ctrl-C and other sinks."""

from __future__ import annotations

import dataclasses
import signal
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.sinks.postgres.test_sink import (
    TIMEOUT_S,
    float_range,
    lock_table,
    numbered_samples,
    values,
    wait_for,
)
from tests.sinks.postgres_server import PostgresServer
from tests.sinks.test_conformance import size_limit
from watlowlib import PostgresConfig, PostgresSink, WatlowSinkError
from watlowlib.sinks.database import connect, transaction
from watlowlib.sinks.postgres.spool import Spool

UNREACHABLE = PostgresConfig(
    host="127.0.0.1", port=1, user="ann", database="lab", command_timeout_s=0.1
)


def test_a_disk_that_is_full_for_a_time_does_not_end_the_sender(
    postgres: PostgresServer, config: PostgresConfig, spool: Path
) -> None:
    """The sender writes to the spool when it removes rows."""
    with PostgresSink(config, spool=spool) as sink:
        sink.write_many(numbered_samples(0, 10))
    with PostgresSink(config, spool=spool, close_timeout_s=TIMEOUT_S) as sink:
        lock = lock_table(postgres, config.table)
        sink.write_many(numbered_samples(10, 20))
        with size_limit(0):
            lock.close()
            wait_for(lambda: sink.stats.failures > 0)
            assert "spool" in str(sink.stats.last_error)
        sink.write_many(numbered_samples(20, 30))
    assert values(postgres, config.table) == float_range(30)
    assert (sink.stats.rows_sent, sink.stats.rows_waiting) == (20, 0)


def test_ctrl_c_while_closing_still_ends_the_threads(spool: Path) -> None:
    sink = PostgresSink(UNREACHABLE, spool=spool, close_timeout_s=TIMEOUT_S)
    sink.open()
    sink.write_many(numbered_samples(0, 3))
    assert sink._sender is not None
    sender = sink._sender

    def interrupt() -> None:
        assert sender._finishing.wait(TIMEOUT_S)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        sink.close()
    thread.join(TIMEOUT_S)
    assert not sender._worker.alive
    assert [each.name for each in threading.enumerate() if "pool" in each.name] == []


def test_an_unreadable_spool_at_closing_still_ends_the_sender(spool: Path) -> None:
    sink = PostgresSink(UNREACHABLE, spool=spool, close_timeout_s=0.1)
    sink.open()
    sink.write_many(numbered_samples(0, 3))
    assert sink._sender is not None
    sender = sink._sender
    with sqlite3.connect(spool) as other:
        other.execute("ALTER TABLE batches RENAME TO gone")
    other.close()
    with pytest.raises(WatlowSinkError, match="no such table"):
        sink.close()
    assert not sender._worker.alive
    sink.close()


def test_seq_numbers_are_not_reused_after_ctrl_c(
    postgres: PostgresServer, config: PostgresConfig, spool: Path, monkeypatch: Any
) -> None:
    put = Spool.put

    def put_and_interrupt(self: Spool, *args: Any) -> None:
        put(self, *args)
        raise KeyboardInterrupt

    with PostgresSink(config, spool=spool, close_timeout_s=TIMEOUT_S) as sink:
        with monkeypatch.context() as patch:
            patch.setattr(Spool, "put", put_and_interrupt)
            with pytest.raises(KeyboardInterrupt):
                sink.write_many(numbered_samples(0, 2))
        sink.write_many(numbered_samples(2, 4))
    found = postgres.query(f"SELECT value, seq FROM {config.table} ORDER BY seq")
    assert found == [(float(n), n) for n in range(4)]


class _InterruptedConnection(sqlite3.Connection):
    """A connection with a Ctrl-C after the first BEGIN."""

    interrupted = False

    def execute(self, command: str, *values: Sequence[Any]) -> sqlite3.Cursor:  # type: ignore[override]
        cursor = super().execute(command, *values)
        if command.startswith("BEGIN") and not self.interrupted:
            self.interrupted = True
            raise KeyboardInterrupt
        return cursor


def test_ctrl_c_rolls_a_transaction_back(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "a", isolation_level=None, factory=_InterruptedConnection)
    with pytest.raises(KeyboardInterrupt):
        with transaction(database):
            pass
    assert not database.in_transaction
    database.close()


def test_a_spool_of_another_table_is_refused(
    postgres: PostgresServer, config: PostgresConfig, spool: Path
) -> None:
    postgres.stop()
    unreachable = dataclasses.replace(config, command_timeout_s=0.5)
    with PostgresSink(unreachable, spool=spool, close_timeout_s=0.1) as sink:
        sink.write_many(numbered_samples(0, 3))
    postgres.start()
    other = dataclasses.replace(config, table=f"{config.table}_b")
    for _ in range(2):
        with pytest.raises(WatlowSinkError, match=rf"belongs to .*{config.table}; give another"):
            PostgresSink(other, spool=spool).open()
    with PostgresSink(config, spool=spool):
        pass
    assert values(postgres, config.table) == float_range(3)
    with pytest.raises(WatlowSinkError, match="belongs to"):
        PostgresSink(other, spool=spool).open()


def test_a_spool_is_sent_to_its_table_on_another_host(
    postgres: PostgresServer, config: PostgresConfig, spool: Path
) -> None:
    unreachable = dataclasses.replace(
        config, dsn="postgresql://ann@127.0.0.1:1/postgres", command_timeout_s=0.5
    )
    with PostgresSink(unreachable, spool=spool, close_timeout_s=0.1) as sink:
        sink.write_many(numbered_samples(0, 3))
    with PostgresSink(config, spool=spool, close_timeout_s=TIMEOUT_S):
        pass
    assert values(postgres, config.table) == float_range(3)


def test_a_recording_is_refused_as_a_spool(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    with connect(path, 1.0) as recording:
        recording.execute("CREATE TABLE samples (value)")
    recording.close()
    with pytest.raises(WatlowSinkError, match="is not a spool"):
        PostgresSink(UNREACHABLE, spool=path).open()
    with connect(path, 1.0) as recording:
        found = recording.execute("SELECT name FROM sqlite_master").fetchall()
    recording.close()
    assert found == [("samples",)]


def test_stats_can_be_read_while_the_sink_is_closed(spool: Path) -> None:
    errors: list[BaseException] = []
    done = threading.Event()
    sink = PostgresSink(UNREACHABLE, spool=spool, close_timeout_s=0.01)

    def read_stats() -> None:
        while not done.is_set():
            try:
                sink.stats  # noqa: B018
            except BaseException as error:
                errors.append(error)

    thread = threading.Thread(target=read_stats)
    thread.start()
    for _ in range(20):
        with sink:
            sink.write_many(numbered_samples(0, 1))
    done.set()
    thread.join(TIMEOUT_S)
    assert errors == []


def test_a_power_cut_does_not_damage_the_spool(spool: Path) -> None:
    """SQLite then waits for the disk at least at each checkpoint; OFF would be 0."""
    opened = Spool(spool, 1 << 20, "samples")
    try:
        (synchronous,) = opened._database.execute("PRAGMA synchronous").fetchone()
        (journal_mode,) = opened._database.execute("PRAGMA journal_mode").fetchone()
    finally:
        opened.close()
    assert (synchronous, journal_mode) == (1, "wal")
