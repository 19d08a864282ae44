"""The spool and its sender when the disk, the user or another sink comes in between."""

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
    PATIENCE_S,
    counting,
    lock_table,
    numbered,
    values,
    wait_for,
)
from tests.sinks.postgres_server import PostgresServer
from tests.sinks.test_conformance import size_limit
from watlowlib import PostgresConfig, PostgresSink, WatlowSinkError
from watlowlib.sinks.database import connect, transaction
from watlowlib.sinks.postgres.spool import Spool

NOWHERE = PostgresConfig(
    host="127.0.0.1", port=1, user="ann", database="lab", command_timeout_s=0.1
)


def test_a_disk_that_is_full_for_a_while_does_not_end_the_sender(
    postgres: PostgresServer, config: PostgresConfig, spool: Path
) -> None:
    """It writes too: that rows have left the spool."""
    with PostgresSink(config, spool=spool) as sink:
        sink.write_many(numbered(0, 10))
    with PostgresSink(config, spool=spool, close_timeout_s=PATIENCE_S) as sink:
        held = lock_table(postgres, config.table)
        sink.write_many(numbered(10, 20))
        with size_limit(0):
            held.close()
            wait_for(lambda: sink.stats.failures > 0)
            assert "spool" in str(sink.stats.last_error)
        sink.write_many(numbered(20, 30))
    assert values(postgres, config.table) == counting(30)
    assert (sink.stats.rows_sent, sink.stats.rows_waiting) == (20, 0)


def test_ctrl_c_while_closing_lets_go_all_the_same(spool: Path) -> None:
    sink = PostgresSink(NOWHERE, spool=spool, close_timeout_s=PATIENCE_S)
    sink.open()
    sink.write_many(numbered(0, 3))
    assert sink._sender is not None
    sender = sink._sender

    def interrupt() -> None:
        assert sender._ending.wait(PATIENCE_S)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        sink.close()
    thread.join(PATIENCE_S)
    assert not sender._worker.alive
    assert [each.name for each in threading.enumerate() if "pool" in each.name] == []


def test_a_spool_that_cannot_be_read_at_closing_lets_go_all_the_same(spool: Path) -> None:
    sink = PostgresSink(NOWHERE, spool=spool, close_timeout_s=0.1)
    sink.open()
    sink.write_many(numbered(0, 3))
    assert sink._sender is not None
    sender = sink._sender
    with sqlite3.connect(spool) as other:
        other.execute("ALTER TABLE batches RENAME TO gone")
    other.close()
    with pytest.raises(WatlowSinkError, match="no such table"):
        sink.close()
    assert not sender._worker.alive
    sink.close()


def test_numbers_are_not_given_again_after_ctrl_c(
    postgres: PostgresServer, config: PostgresConfig, spool: Path, monkeypatch: Any
) -> None:
    put = Spool.put

    def interrupted(self: Spool, *args: Any) -> None:
        put(self, *args)
        raise KeyboardInterrupt

    with PostgresSink(config, spool=spool, close_timeout_s=PATIENCE_S) as sink:
        with monkeypatch.context() as patch:
            patch.setattr(Spool, "put", interrupted)
            with pytest.raises(KeyboardInterrupt):
                sink.write_many(numbered(0, 2))
        sink.write_many(numbered(2, 4))
    found = postgres.query(f"SELECT value, seq FROM {config.table} ORDER BY seq")
    assert found == [(float(n), n) for n in range(4)]


class _Interrupted(sqlite3.Connection):
    """Ctrl-C comes when the first transaction has begun."""

    hit = False

    def execute(self, command: str, *values: Sequence[Any]) -> sqlite3.Cursor:  # type: ignore[override]
        found = super().execute(command, *values)
        if command.startswith("BEGIN") and not self.hit:
            self.hit = True
            raise KeyboardInterrupt
        return found


def test_a_transaction_does_not_outlive_ctrl_c(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "a", isolation_level=None, factory=_Interrupted)
    with pytest.raises(KeyboardInterrupt):
        with transaction(database):
            pass
    assert not database.in_transaction
    database.close()


def test_a_spool_belongs_to_a_table(
    postgres: PostgresServer, config: PostgresConfig, spool: Path
) -> None:
    postgres.stop()
    away = dataclasses.replace(config, command_timeout_s=0.5)
    with PostgresSink(away, spool=spool, close_timeout_s=0.1) as sink:
        sink.write_many(numbered(0, 3))
    postgres.start()
    other = dataclasses.replace(config, table=f"{config.table}_b")
    for _ in range(2):
        with pytest.raises(WatlowSinkError, match=rf"belongs to .*{config.table}; give another"):
            PostgresSink(other, spool=spool).open()
    with PostgresSink(config, spool=spool):
        pass
    assert values(postgres, config.table) == counting(3)
    with pytest.raises(WatlowSinkError, match="belongs to"):
        PostgresSink(other, spool=spool).open()


def test_a_spool_goes_with_a_table_that_moves(
    postgres: PostgresServer, config: PostgresConfig, spool: Path
) -> None:
    away = dataclasses.replace(
        config, dsn="postgresql://ann@127.0.0.1:1/postgres", command_timeout_s=0.5
    )
    with PostgresSink(away, spool=spool, close_timeout_s=0.1) as sink:
        sink.write_many(numbered(0, 3))
    with PostgresSink(config, spool=spool, close_timeout_s=PATIENCE_S):
        pass
    assert values(postgres, config.table) == counting(3)


def test_a_recording_is_no_spool(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    with connect(path, 1.0) as recording:
        recording.execute("CREATE TABLE samples (value)")
    recording.close()
    with pytest.raises(WatlowSinkError, match="is no spool"):
        PostgresSink(NOWHERE, spool=path).open()
    with connect(path, 1.0) as recording:
        found = recording.execute("SELECT name FROM sqlite_master").fetchall()
    recording.close()
    assert found == [("samples",)]


def test_how_far_the_rows_are_can_be_asked_while_the_sink_is_closed(spool: Path) -> None:
    asked: list[BaseException] = []
    done = threading.Event()
    sink = PostgresSink(NOWHERE, spool=spool, close_timeout_s=0.01)

    def ask() -> None:
        while not done.is_set():
            try:
                sink.stats  # noqa: B018
            except BaseException as error:
                asked.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    for _ in range(20):
        with sink:
            sink.write_many(numbered(0, 1))
    done.set()
    thread.join(PATIENCE_S)
    assert asked == []
