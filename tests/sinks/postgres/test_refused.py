"""Tests of rows, tables and logins that the server refuses: no row is lost, and all others arrive.

The server is real. Rows are refused by constraints and missing partitions.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.sinks.postgres.test_sink import (
    SECRET,
    TIMEOUT_S,
    float_range,
    numbered_samples,
    refuse_inserts,
    values,
    wait_for,
)
from tests.sinks.postgres_server import PostgresServer
from tests.sinks.samples import FIRST
from tests.sinks.test_conformance import InstantClock
from watlowlib import PostgresConfig, PostgresSink, Sample, WatlowSinkError, pipe, record
from watlowlib.cli.main import main
from watlowlib.devices.poll import Poll
from watlowlib.model import SinkReport
from watlowlib.sinks.postgres import sender
from watlowlib.sinks.postgres.copy_format import pack, split_rows
from watlowlib.sinks.postgres.server import Server
from watlowlib.sinks.postgres.spool import RowsRefusedError, ServerUnavailableError, Spool
from watlowlib.sinks.rows import COLUMN_TYPES, ColumnLayout

ROOT = Path(__file__).parents[3]
_KEYS = (UUID(int=1), 0)


def in_month(month: int, start: int, stop: int) -> list[Sample]:
    time = FIRST.requested_at.replace(month=month)
    return [replace(each, requested_at=time) for each in numbered_samples(start, stop)]


def create_table(config: PostgresConfig, folder: Path) -> None:
    with PostgresSink(config, spool=folder / f"{config.table}.creating") as sink:
        sink.write_many(numbered_samples(0, 1))


@pytest.fixture
def parts(postgres: PostgresServer, config: PostgresConfig, tmp_path: Path) -> PostgresConfig:
    """A table partitioned by month, with a partition for March only."""
    create_table(config, tmp_path)
    name = f"{config.table}_parts"
    postgres.query(
        f"CREATE TABLE {name} (LIKE {config.table} INCLUDING INDEXES) "
        "PARTITION BY RANGE (requested_at)"
    )
    add_partition(postgres, name, 3)
    return dataclasses.replace(config, table=name, create_table=False)


def add_partition(server: PostgresServer, table: str, month: int) -> None:
    server.query(
        f"CREATE TABLE {table}_{month} PARTITION OF {table} "
        f"FOR VALUES FROM ('2026-0{month}-01') TO ('2026-0{month + 1}-01')"
    )


@pytest.fixture
def checked(postgres: PostgresServer, config: PostgresConfig, tmp_path: Path) -> PostgresConfig:
    """An empty table whose values must be below 1000."""
    create_table(config, tmp_path)
    postgres.query(f"DELETE FROM {config.table}")
    postgres.query(f"ALTER TABLE {config.table} ADD CONSTRAINT small CHECK (value < 1000)")
    return config


@pytest.fixture
def quick_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "REFUSED_RETRY_S", 0.05)


def warnings_of(caplog: pytest.LogCaptureFixture, text: str) -> list[str]:
    return [each.getMessage() for each in caplog.records if text in each.getMessage()]


@pytest.mark.parametrize("use_copy", [True, False])
def test_rows_without_a_partition_wait_and_all_others_are_stored(
    postgres: PostgresServer, parts: PostgresConfig, spool: Path, use_copy: bool
) -> None:
    sink = PostgresSink(dataclasses.replace(parts, use_copy=use_copy), spool=spool)
    sink.open()
    sink.write_many([*in_month(3, 0, 20), *in_month(4, 20, 23), *in_month(3, 23, 40)])
    sink.write_many(in_month(3, 40, 50))
    wait_for(lambda: sink.stats.rows_sent == 47)
    stored = [float(n) for n in range(50) if not 20 <= n < 23]
    assert values(postgres, parts.table) == stored
    assert (sink.stats.rows_waiting, sink.stats.rows_refused, sink.rows_waiting) == (3, 3, 3)
    sink.write_many(in_month(3, 50, 60))
    with pytest.raises(WatlowSinkError) as refused:
        sink.close()
    assert re.search(
        rf"3 rows wait as refused in {spool}: the server refuses: no partition of relation.*"
        rf"; correct the cause, then run: watlowlib recover {spool}",
        str(refused.value),
    )
    assert values(postgres, parts.table) == stored + [float(n) for n in range(50, 60)]
    assert (sink.stats.rows_waiting, sink.stats.rows_refused, sink.rows_waiting) == (3, 3, 3)


@pytest.mark.usefixtures("quick_retry")
def test_refused_rows_arrive_once_by_the_slow_retry(
    postgres: PostgresServer, parts: PostgresConfig, spool: Path
) -> None:
    with PostgresSink(parts, spool=spool, close_timeout_s=TIMEOUT_S) as sink:
        sink.write_many(in_month(4, 0, 10))
        wait_for(lambda: sink.stats.rows_refused == 10)
        sink.write_many(in_month(3, 10, 20))
        wait_for(lambda: sink.stats.rows_sent == 10)
        add_partition(postgres, parts.table, 4)
        wait_for(lambda: sink.stats.rows_waiting == 0)
    assert values(postgres, parts.table) == float_range(20)
    assert sink.stats == dataclasses.replace(sink.stats, rows_sent=20, last_error=None)


def test_refused_rows_are_not_retried_before_their_time(
    postgres: PostgresServer, parts: PostgresConfig, spool: Path
) -> None:
    sink = PostgresSink(parts, spool=spool)
    with pytest.raises(WatlowSinkError, match="5 rows wait as refused"):
        with sink:
            sink.write_many(in_month(4, 0, 5))
            wait_for(lambda: sink.stats.rows_refused == 5)
            add_partition(postgres, parts.table, 4)
            sink.write_many(in_month(3, 5, 6))
            wait_for(lambda: sink.stats.rows_sent == 1)
    assert values(postgres, parts.table) == [5.0]


def test_refused_rows_arrive_once_when_the_sink_is_opened_again(
    postgres: PostgresServer, parts: PostgresConfig, spool: Path
) -> None:
    sink = PostgresSink(parts, spool=spool)
    with pytest.raises(WatlowSinkError, match="rows wait as refused"):
        with sink:
            sink.write_many([*in_month(3, 0, 5), *in_month(4, 5, 10)])
    add_partition(postgres, parts.table, 4)
    for rows in (5, 0):
        with sink:
            pass
        assert (sink.stats.rows_sent, sink.stats.rows_waiting) == (rows, 0)
    assert values(postgres, parts.table) == float_range(10)


def test_recover_stores_refused_rows_once_their_cause_is_gone(
    postgres: PostgresServer, parts: PostgresConfig, spool: Path, capsys: Any
) -> None:
    with pytest.raises(WatlowSinkError, match="rows wait as refused"):
        with PostgresSink(parts, spool=spool) as sink:
            sink.write_many([*in_month(3, 0, 5), *in_month(4, 5, 10)])
    assert main(["recover", str(spool)]) == 4
    error = capsys.readouterr().err
    assert re.search(
        rf"0 rows sent, 5 still waiting in {spool}, 5 of them refused: .*no partition", error
    )
    add_partition(postgres, parts.table, 4)
    for rows in (5, 0):
        assert main(["recover", str(spool)]) == 0
        assert f"{rows} rows sent, 0 still waiting" in capsys.readouterr().out
    assert values(postgres, parts.table) == float_range(10)


def test_recover_sends_a_spool_to_another_address(
    postgres: PostgresServer, config: PostgresConfig, spool: Path, capsys: Any
) -> None:
    unreachable = dataclasses.replace(
        config, dsn="postgresql://ann@127.0.0.1:1/postgres", command_timeout_s=0.5
    )
    with PostgresSink(unreachable, spool=spool, close_timeout_s=0.1) as sink:
        sink.write_many(numbered_samples(0, 3))
    assert main(["recover", str(spool), "--json"]) == 4
    shown = capsys.readouterr()
    assert re.search(rf"0 rows sent, 3 still waiting in {spool}: .*refused", shown.err)
    row = json.loads(shown.out)
    assert (row["rows"], row["rows_waiting"]) == (0, 3)
    assert "refused" in row["problem"]
    assert main(["recover", "--url", postgres.url, str(spool)]) == 0
    assert "3 rows sent, 0 still waiting" in capsys.readouterr().out
    assert values(postgres, config.table) == float_range(3)


def test_a_constraint_refuses_only_the_rows_that_violate_it(
    postgres: PostgresServer, checked: PostgresConfig, spool: Path
) -> None:
    large = {3, 4, 17, 40, 99}
    rows = [replace(FIRST, value=float(n + 1000 * (n in large))) for n in range(100)]
    with pytest.raises(WatlowSinkError, match=r'5 rows wait.*constraint "small"'):
        with PostgresSink(checked, spool=spool, close_timeout_s=TIMEOUT_S) as sink:
            for start in range(0, 100, 10):
                sink.write_many(rows[start : start + 10])
    assert values(postgres, checked.table) == [float(n) for n in range(100) if n not in large]
    assert sink.stats.rows_sent == 95
    postgres.query(f"ALTER TABLE {checked.table} DROP CONSTRAINT small")
    with PostgresSink(checked, spool=spool, close_timeout_s=TIMEOUT_S):
        pass
    assert values(postgres, checked.table) == sorted(
        float(n + 1000 * (n in large)) for n in range(100)
    )


def test_write_many_never_raises_because_of_refused_rows(
    postgres: PostgresServer, config: PostgresConfig, spool: Path
) -> None:
    sink = PostgresSink(config, spool=spool, close_timeout_s=TIMEOUT_S)
    sink.open()
    sink.write_many(numbered_samples(0, 1))
    wait_for(lambda: sink.stats.rows_sent == 1)
    refuse_inserts(postgres, config.table, "23514")
    for n in range(1, 5):
        sink.write_many(numbered_samples(n, n + 1))
        wait_for(lambda n=n: sink.stats.rows_refused == n)  # type: ignore[misc]
    with pytest.raises(WatlowSinkError, match="4 rows wait as refused.*no room"):
        sink.close()
    postgres.query(f"DROP TRIGGER no ON {config.table}")
    with PostgresSink(config, spool=spool):
        pass
    assert values(postgres, config.table) == float_range(5)


def test_refused_rows_of_one_sink_do_not_stop_another_on_the_same_spool(
    postgres: PostgresServer, parts: PostgresConfig, spool: Path
) -> None:
    one, two = (PostgresSink(parts, spool=spool, close_timeout_s=TIMEOUT_S) for _ in range(2))
    one.open()
    two.open()
    for n in range(0, 100, 10):
        one.write_many(in_month(4, n, n + 10))
        two.write_many(in_month(3, 100 + n, 110 + n))
    wait_for(lambda: one.stats.rows_refused == 100 and one.stats.rows_waiting == 100)
    assert (one.rows_waiting, two.rows_waiting) == (100, 0)
    wait_for(lambda: one.stats.rows_sent + two.stats.rows_sent == 100)
    two.close()
    with pytest.raises(WatlowSinkError, match="100 rows wait as refused"):
        one.close()
    assert values(postgres, parts.table) == [float(n) for n in range(100, 200)]
    add_partition(postgres, parts.table, 4)
    with one, two:
        pass
    assert values(postgres, parts.table) == float_range(200)
    assert (one.rows_waiting, one.stats.rows_waiting) == (0, 0)


def test_refused_rows_fill_the_spool_up_to_its_limit(
    postgres: PostgresServer, checked: PostgresConfig, spool: Path
) -> None:
    sink = PostgresSink(checked, spool=spool, spool_limit_bytes=400_000, close_timeout_s=TIMEOUT_S)
    sink.open()
    kept = 0
    with pytest.raises(WatlowSinkError, match=r"is full with \d+ rows, \d+ of.*constraint"):
        while kept < 10_000:
            sink.write_many([replace(FIRST, value=1000.0 + n) for n in range(kept, kept + 50)])
            kept += 50
            wait_for(lambda kept=kept: sink.stats.rows_refused == kept)  # type: ignore[misc]
    assert kept > 200
    with pytest.raises(WatlowSinkError, match=f"{kept} rows wait as refused"):
        sink.close()
    postgres.query(f"ALTER TABLE {checked.table} DROP CONSTRAINT small")
    with PostgresSink(checked, spool=spool, close_timeout_s=TIMEOUT_S):
        pass
    assert values(postgres, checked.table) == [1000.0 + n for n in range(kept)]


def test_each_failure_is_logged_when_it_begins_and_when_it_ends(
    postgres: PostgresServer,
    parts: PostgresConfig,
    spool: Path,
    caplog: pytest.LogCaptureFixture,
    quick_retry: None,
) -> None:
    with PostgresSink(parts, spool=spool, close_timeout_s=TIMEOUT_S) as sink:
        for n in range(0, 30, 10):
            sink.write_many(in_month(4, n, n + 10))
            wait_for(lambda n=n: sink.stats.rows_refused == n + 10)  # type: ignore[misc]
        failures = sink.stats.failures
        wait_for(lambda: sink.stats.failures > failures + 5)
        assert len(warnings_of(caplog, "refused rows wait in the spool")) == 1
        add_partition(postgres, parts.table, 4)
        wait_for(lambda: warnings_of(caplog, "no refused rows wait in the spool any more") != [])
    assert len(warnings_of(caplog, "PostgresSink")) == 2


@pytest.mark.parametrize("use_copy", [True, False])
@pytest.mark.parametrize(
    ("break_it", "repair", "reason"),
    [
        ("ALTER TABLE {0} RENAME TO {0}_old", "ALTER TABLE {0}_old RENAME TO {0}", "not exist"),
        (
            "ALTER TABLE {0} RENAME COLUMN unit TO units",
            "ALTER TABLE {0} RENAME COLUMN units TO unit",
            "has no column unit",
        ),
        ("REVOKE ALL ON {0} FROM {0}_user", "GRANT ALL ON {0} TO {0}_user", "permission denied"),
    ],
)
def test_all_rows_wait_while_the_server_refuses_the_table(
    postgres: PostgresServer,
    config: PostgresConfig,
    spool: Path,
    caplog: pytest.LogCaptureFixture,
    use_copy: bool,
    break_it: str,
    repair: str,
    reason: str,
) -> None:
    create_table(config, spool.parent)
    user = f"{config.table}_user"
    postgres.query(f"DROP ROLE IF EXISTS {user}")
    postgres.query(f"CREATE ROLE {user} LOGIN")
    postgres.query(f"GRANT ALL ON {config.table} TO {user}")
    url = postgres.url.replace("postgres:@", f"{user}@")
    limited = dataclasses.replace(config, dsn=url, create_table=False, use_copy=use_copy)
    sink = PostgresSink(limited, spool=spool, close_timeout_s=0.5)
    sink.open()
    postgres.query(break_it.format(config.table))
    for n in range(1, 50, 10):
        sink.write_many(numbered_samples(n, n + 10))
    wait_for(lambda: reason in str(sink.stats.last_error) and sink.stats.failures > 3)
    assert sink._sender is not None
    assert sink._sender._worker.alive
    assert (sink.stats.rows_waiting, sink.stats.rows_refused) == (50, 0)
    with pytest.raises(WatlowSinkError, match=rf"50 rows wait in .*{reason}.*watlowlib recover"):
        sink.close()
    assert len(warnings_of(caplog, "rows wait in the spool")) == 1
    sink = PostgresSink(limited, spool=spool, close_timeout_s=TIMEOUT_S)
    postgres.query(repair.format(config.table))
    with sink:
        pass
    assert values(postgres, config.table) == float_range(51)


def test_sending_resumes_by_itself_once_the_table_is_repaired(
    postgres: PostgresServer, checked: PostgresConfig, spool: Path, caplog: Any
) -> None:
    config = dataclasses.replace(checked, create_table=False)
    with PostgresSink(config, spool=spool, close_timeout_s=TIMEOUT_S) as sink:
        postgres.query(f"ALTER TABLE {config.table} RENAME TO {config.table}_old")
        sink.write_many(numbered_samples(0, 10))
        wait_for(lambda: "does not exist" in str(sink.stats.last_error))
        sink.write_many(numbered_samples(10, 20))
        postgres.query(f"ALTER TABLE {config.table}_old RENAME TO {config.table}")
        wait_for(lambda: sink.stats.rows_waiting == 0)
        assert sink.stats.last_error is None
    assert values(postgres, config.table) == float_range(20)
    assert len(warnings_of(caplog, "sending has resumed")) == 1


def test_a_column_type_that_changes_during_a_recording_loses_no_rows(
    postgres: PostgresServer, checked: PostgresConfig, spool: Path
) -> None:
    with PostgresSink(checked, spool=spool, close_timeout_s=TIMEOUT_S) as sink:
        sink.write_many(numbered_samples(0, 10))
        wait_for(lambda: sink.stats.rows_sent == 10)
        postgres.query(f"ALTER TABLE {checked.table} ALTER COLUMN address TYPE smallint")
        sink.write_many(numbered_samples(10, 20))
    assert values(postgres, checked.table) == float_range(20)


def test_rows_of_an_earlier_spool_format_are_sent(
    postgres: PostgresServer, config: PostgresConfig, spool: Path, capsys: Any
) -> None:
    postgres.stop()
    unreachable = dataclasses.replace(config, command_timeout_s=0.5)
    with PostgresSink(unreachable, spool=spool, close_timeout_s=0.1) as sink:
        sink.write_many(numbered_samples(0, 3))
    postgres.start()
    with closing(sqlite3.connect(spool)) as old:
        old.executescript(
            "DROP INDEX batches_of_writer; DROP TABLE refused; "
            "ALTER TABLE batches RENAME TO newer; "
            "CREATE TABLE batches (id INTEGER PRIMARY KEY AUTOINCREMENT, "
            "layout TEXT, rows INTEGER, data BLOB); "
            "INSERT INTO batches SELECT id, layout, rows, data FROM newer; DROP TABLE newer; "
            "CREATE TABLE owners AS SELECT name FROM owner; DROP TABLE owner; "
            "ALTER TABLE owners RENAME TO owner"
        )
    assert main(["recover", str(spool)]) == 1
    assert "does not name a server; give --url" in capsys.readouterr().err
    with PostgresSink(config, spool=spool, close_timeout_s=TIMEOUT_S) as sink:
        sink.write_many(numbered_samples(3, 5))
    assert values(postgres, config.table) == float_range(5)


WRITE_AND_WAIT = """
import sys, threading
from tests.sinks.postgres.test_refused import in_month
from watlowlib import PostgresConfig, PostgresSink

sink = PostgresSink(PostgresConfig(dsn=sys.argv[1], table=sys.argv[2]), spool=sys.argv[3])
sink.open()
sink.write_many([*in_month(3, 0, 20), *in_month(4, 20, 40)])
while sink.stats.rows_refused < int(sys.argv[4]):
    threading.Event().wait(0.01)
print("set aside", flush=True)
threading.Event().wait()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize("refused", [0, 20])
def test_refused_rows_survive_a_kill_and_arrive_once(
    postgres: PostgresServer, parts: PostgresConfig, spool: Path, refused: int
) -> None:
    """With 0, the kill comes while the refused rows are being found."""
    words = [postgres.url, parts.table, str(spool), str(refused)]
    with subprocess.Popen(
        [sys.executable, "-B", "-c", WRITE_AND_WAIT, *words],
        cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "set aside\n"
        process.send_signal(signal.SIGKILL)
    with PostgresSink(parts, spool=spool, close_timeout_s=TIMEOUT_S) as sink:
        pass
    assert (sink.stats.rows_waiting, sink.stats.rows_refused) == (20, 20)
    assert values(postgres, parts.table) == float_range(20)
    add_partition(postgres, parts.table, 4)
    with PostgresSink(parts, spool=spool, close_timeout_s=TIMEOUT_S):
        pass
    assert values(postgres, parts.table) == float_range(40)


class NumberedSource:
    """A source of one sample per tick; ticks 10 to 19 are in April."""

    n = -1

    def prepare(self, parameters: object, **options: object) -> Poll:
        def poll(stop: threading.Event | None = None) -> list[Sample]:
            self.n += 1
            return in_month(4 if 10 <= self.n < 20 else 3, self.n, self.n + 1)

        return poll


def counts(report: SinkReport) -> tuple[int, int, int]:
    return report.rows_written, report.rows_waiting, report.rows_lost


@pytest.mark.usefixtures("quick_retry")
def test_the_summary_says_what_is_written_and_waiting_at_the_moment(
    postgres: PostgresServer, parts: PostgresConfig, spool: Path
) -> None:
    stream = record(
        NumberedSource(), parameters="pv", rate_hz=1e6, duration=1e-4, clock=InstantClock()
    )
    sink = PostgresSink(parts, spool=spool, close_timeout_s=TIMEOUT_S)
    postgres.stop()
    sink.open()
    with stream:
        summary = pipe(stream, sink, batch_size=5)
    assert counts(summary.sinks[0]) == (0, 100, 0)
    postgres.start()
    wait_for(lambda: counts(stream.summary.sinks[0]) == (90, 10, 0))
    add_partition(postgres, parts.table, 4)
    wait_for(lambda: counts(stream.summary.sinks[0]) == (100, 0, 0))
    sink.close()
    assert counts(stream.summary.sinks[0]) == (100, 0, 0)
    assert counts(summary.sinks[0]) == (0, 100, 0)
    assert values(postgres, parts.table) == float_range(100)


def test_the_summary_after_closing_says_how_many_rows_still_wait(
    parts: PostgresConfig, spool: Path
) -> None:
    stream = record(
        NumberedSource(), parameters="pv", rate_hz=1e6, duration=1e-4, clock=InstantClock()
    )
    sink = PostgresSink(parts, spool=spool, close_timeout_s=TIMEOUT_S)
    with pytest.raises(WatlowSinkError, match="10 rows wait as refused"):
        with sink, stream:
            pipe(stream, sink, batch_size=5)
    assert counts(stream.summary.sinks[0]) == (90, 10, 0)


@pytest.mark.parametrize("reachable", [True, False])
def test_the_record_command_says_how_many_rows_wait_where_and_why(
    postgres: PostgresServer, tmp_path: Path, monkeypatch: Any, capsys: Any, reachable: bool
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    create_table(PostgresConfig(dsn=postgres.url, create_table=True), tmp_path)
    url = postgres.url.replace("postgres:@", f"postgres:{SECRET}@")
    if reachable:
        postgres.query("DELETE FROM samples")
        postgres.query("ALTER TABLE samples ADD CONSTRAINT pv CHECK (parameter <> 'process_value')")
        reason = 'the server refuses: .*violates check constraint "pv".*'
    else:
        url = f"postgresql://ann:{SECRET}@127.0.0.1:1/lab?connect_timeout=2"
        monkeypatch.setattr(PostgresSink, "close", _close_at_once(PostgresSink.close))
        reason = ".*refused.*"
    code = main(["record", "--simulate", "1", "--duration", "0.5", "--rate", "20", "-o", url])
    shown = capsys.readouterr()
    postgres.query("DROP TABLE samples")
    assert code == 4
    assert SECRET not in shown.out + shown.err
    found = re.search(
        r"(\d+) rows written, (\d+) waiting in "
        rf"({tmp_path}/watlowlib/\S+\.spool) \({reason}\), 0 lost\n"
        r"1 controller, \d+\.\d s, (\d+) ticks, .*, 0 of \d+ reads without a value",
        shown.out,
    )
    assert found, shown.out
    written, waiting, _, ticks = found.groups()
    assert (int(written), int(waiting)) == (
        (int(ticks), int(ticks)) if reachable else (0, 2 * int(ticks))
    )
    if reachable:
        assert f"{waiting} rows wait as refused" in shown.err


def _close_at_once(close: Any) -> Any:
    def close_at_once(self: PostgresSink) -> None:
        self._close_timeout_s = 0.1
        close(self)

    return close_at_once


def require_password(server: PostgresServer, user: str) -> None:
    """Refuse other logins of `user` than with its password."""
    (path,) = server.query("SHOW hba_file")[0]
    lines = Path(path).read_text()
    Path(path).write_text(f"local all {user} scram-sha-256\n{lines}")
    server.query("SELECT pg_reload_conf()")


def chain(error: BaseException | None) -> list[str]:
    """Return the texts of all exceptions that can be reached from `error`."""
    if error is None:
        return []
    return [str(error), repr(error), *chain(error.__cause__), *chain(error.__context__)]


def test_a_login_that_is_refused_later_is_reported(
    postgres: PostgresServer, config: PostgresConfig, spool: Path, caplog: Any
) -> None:
    """The server is down when the sink is opened, and then refuses the password."""
    caplog.set_level(logging.DEBUG)
    user = f"{config.table}_user"
    create_table(config, spool.parent)
    postgres.query(f"CREATE ROLE {user} LOGIN SUPERUSER PASSWORD 'other'")
    require_password(postgres, user)
    postgres.stop()
    url = postgres.url.replace("postgres:@", f"{user}:{SECRET}@")
    sink = PostgresSink(
        dataclasses.replace(config, dsn=url, command_timeout_s=1.0), spool=spool,
        close_timeout_s=2.0,
    )  # fmt: skip
    sink.open()
    sink.write_many(numbered_samples(1, 4))
    postgres.start()
    wait_for(lambda: "password authentication failed" in str(sink.stats.last_error))
    sink.write_many(numbered_samples(4, 6))
    with pytest.raises(WatlowSinkError, match="5 rows wait in .*authentication failed") as refused:
        sink.close()
    logged = warnings_of(caplog, "rows wait in the spool")
    assert ["authentication failed" in each for each in logged] == [False, True]
    assert SECRET not in caplog.text + "".join(chain(refused.value))
    postgres.query(f"ALTER ROLE {user} PASSWORD '{SECRET}'")
    with PostgresSink(dataclasses.replace(config, dsn=url), spool=spool):
        pass
    assert values(postgres, config.table) == float_range(6)


def test_a_password_in_the_servers_messages_is_masked_everywhere(
    postgres: PostgresServer, config: PostgresConfig, spool: Path, caplog: Any
) -> None:
    """The server quotes the name of the role or of the constraint, which is the password."""
    caplog.set_level(logging.DEBUG)
    for name in ("psycopg", "psycopg.pool"):  # the command raises the level of the pool
        caplog.set_level(logging.DEBUG, name)
    create_table(config, spool.parent)
    dsn = f"host={postgres.socket_folder} user={SECRET} password={SECRET} dbname=postgres"
    refused_login = dataclasses.replace(config, dsn=dsn, command_timeout_s=0.5)
    with pytest.raises(WatlowSinkError, match=r"role \"\*\*\*\" does not exist") as error:
        PostgresSink(refused_login, spool=spool.with_name("login")).open()
    texts = chain(error.value)
    server = Server(refused_login)
    with closing(server):
        with pytest.raises(WatlowSinkError) as error:
            server.open(())
        texts += chain(error.value)
        with pytest.raises(WatlowSinkError) as error:
            server.check(ColumnLayout(COLUMN_TYPES))
        texts += chain(error.value)
    postgres.query(
        f"ALTER TABLE {config.table} ADD CONSTRAINT \"{SECRET}\" CHECK (device <> 'oven_top') "
        "NOT VALID"
    )
    url = postgres.url.replace("postgres:@", f"postgres:{SECRET}@")
    sink = PostgresSink(dataclasses.replace(config, dsn=url), spool=spool)
    with pytest.raises(WatlowSinkError, match=r"constraint \"\*\*\*\"") as error:
        with sink:
            sink.write_many(numbered_samples(0, 3))
    texts += [*chain(error.value), str(sink.stats), repr(sink)]
    assert {"psycopg", "psycopg.pool"} <= {each.name for each in caplog.records}
    assert SECRET not in caplog.text
    assert not [text for text in texts if SECRET in text]
    assert SECRET.encode() not in spool.read_bytes()


def test_no_error_of_the_server_has_psycopgs_error_as_its_context(
    postgres: PostgresServer, checked: PostgresConfig
) -> None:
    layout = ColumnLayout(COLUMN_TYPES)
    server = Server(checked)
    with closing(server):
        server.open(())
        data = b"".join(pack(layout, [replace(FIRST, value=1000.0)], *_KEYS))
        with pytest.raises(RowsRefusedError) as refused:
            server.send(sender.SpooledRows(layout, data, 1, 0, 0))
        postgres.stop()
        with pytest.raises(ServerUnavailableError) as unavailable:
            server.send(sender.SpooledRows(layout, data, 1, 0, 0))
    for error in (refused.value, unavailable.value):
        assert (error.__cause__, error.__context__) == (None, None)


def test_packed_rows_are_split_into_single_rows() -> None:
    layout = ColumnLayout(COLUMN_TYPES)
    data = b"".join(pack(layout, numbered_samples(0, 5), *_KEYS))
    rows = split_rows(data)
    assert len(rows) == 5
    assert b"".join(rows) == data


def test_a_batch_is_set_aside_by_one_recorder_only(spool: Path) -> None:
    one, two = (Spool(spool, 1 << 30, "lab.public.samples") for _ in range(2))
    one.put(ColumnLayout(COLUMN_TYPES), 2, b"ab")
    spooled = one.next()
    assert spooled is not None
    refused = [sender.Refused(1, b"a", "no")]
    assert one.set_aside(spooled, refused)
    assert not two.set_aside(spooled, refused)
    assert one.count() == two.count() == (1, 1, "no")
    one.close()
    two.close()
