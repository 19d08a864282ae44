"""A forked child does not touch the open files and connections of its parent's sinks."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.forked import DEADLINE_S, Child, assert_refused, in_child, needs_fork
from tests.sinks.postgres_server import PostgresServer
from tests.sinks.samples import FIRST
from watlowlib import (
    PostgresConfig,
    PostgresSink,
    SqliteSink,
    WatlowProcessError,
    open_sink,
    read_samples,
)
from watlowlib.simulator import SimulatedBus
from watlowlib.sinks.meta_file import meta_path
from watlowlib.sync import SyncCsvSink

pytestmark = needs_fork

ROOT = Path(__file__).parents[2]
SUFFIXES = ["csv", "jsonl", "sqlite", "parquet"]


def row(number: int) -> Any:
    return replace(FIRST, value=float(number))


def values(path: Path) -> list[object]:
    return [each["value"] for each in read_samples(path)]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_sink_of_the_parent_in_a_child_is_refused(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"run.{suffix}"
    with open_sink(path) as sink:
        sink.write_many([row(0)])
        before = sorted((each.name, each.read_bytes()) for each in tmp_path.iterdir())
        assert_refused(in_child(lambda: sink.write_many([row(1)])))
        assert_refused(in_child(sink.open))
        assert in_child(sink.close) is None
        assert in_child(lambda: (vars(sink).clear(), gc.collect())[0]) is None
        assert sorted((each.name, each.read_bytes()) for each in tmp_path.iterdir()) == before
        sink.write_many([row(2)])
    assert values(path) == [0.0, 2.0]


def test_closing_in_a_child_keeps_the_file_with_torn_lines(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    with open_sink(path) as sink:
        sink.write_many([row(0)])
    with path.open("a") as file:
        file.write("torn")
    with open_sink(path) as sink:
        files = sorted(tmp_path.iterdir())
        assert len(files) == 2
        assert in_child(sink.close) is None
        assert sorted(tmp_path.iterdir()) == files


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_closed_sink_can_be_opened_in_a_child(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"run.{suffix}"
    sink = open_sink(path)
    with sink:
        sink.write_many([row(0)])

    def write() -> None:
        with sink:
            sink.write_many([row(1)])

    assert in_child(write) is None
    assert values(path) == [0.0, 1.0]


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_file_is_free_after_the_parent_has_closed_it(suffix: str, tmp_path: Path) -> None:
    """Although a child that does nothing has inherited its lock."""
    path = tmp_path / f"run.{suffix}"
    with open_sink(path) as sink:
        sink.write_many([row(0)])
        child = Child(Child.wait_for_parent)
    with child, open_sink(path) as again:
        again.write_many([row(1)])
    assert values(path) == [0.0, 1.0]


def test_open_database_is_not_opened_again_in_a_child(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    link = tmp_path / "link.sqlite"
    link.symlink_to(path)
    with SqliteSink(path) as sink:
        sink.write_many([row(0)])
        for name in (path, link):
            result = in_child(SqliteSink(name).open)
            assert isinstance(result, WatlowProcessError)
            assert "was open when this process was forked" in str(result)
        assert in_child(SqliteSink(tmp_path / "other.sqlite").open) is None
    assert in_child(sink.open) is None


def test_open_spool_is_not_opened_again_in_a_child(
    postgres: PostgresServer, config: PostgresConfig, spool: Path
) -> None:
    with PostgresSink(config, spool=spool) as sink:
        sink.write_many([row(0)])
        assert isinstance(in_child(PostgresSink(config, spool=spool).open), WatlowProcessError)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_open_sink_of_a_server_is_not_copied(
    config: PostgresConfig, spool: Path, copied: Callable[[object], object]
) -> None:
    with PostgresSink(config, spool=spool) as sink:
        sink.write_many([row(0)])
        parts = [sink, sink._spool, sink._sender]
        for each in parts:
            with pytest.raises(TypeError, match="cannot be copied or pickled"):
                copied(each)
    assert sink.stats.rows_waiting == 0
    assert copy.copy(sink).spool == spool


def test_wrapped_sink_in_a_child_is_refused(tmp_path: Path) -> None:
    with SyncCsvSink(tmp_path / "run.csv") as sink:
        assert_refused(in_child(lambda: sink.write_many([row(0)])))
        assert in_child(sink.close) is None
        sink.write_many([row(1)])
    assert values(tmp_path / "run.csv") == [1.0]


def run_script(script: str, *arguments: object) -> str:
    """Run a program that forks; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-B", "-X", "dev", "-W", "ignore", "-c", script, *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE_S, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


END_OF_A_CHILD = """
import gc, os, sys
from watlowlib import *
port, path = sys.argv[1:]

def fork():
    pid = os.fork()
    if not pid:
        # Unwinds the with statements and finalizes the interpreter.
        sys.exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0

with WatlowManager() as mgr, open_sink(path) as sink:
    ctl = mgr.add("oven", port)
    with record(mgr, parameters="sp", rate_hz=20.0, duration=1.0) as stream:
        fork()
        pipe(stream, sink)
    fork()
    assert ctl.port_stats.reconnects == 0
    assert ctl.read_setpoint().value == 75.0
print(stream.summary.rows, stream.summary.gaps)
"""


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_end_of_a_child_harms_neither_recording_nor_sink(
    bus: SimulatedBus, suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"run.{suffix}"
    rows, gaps = map(int, run_script(END_OF_A_CHILD, bus.port, path).split())
    assert [each for each in tmp_path.iterdir() if each != meta_path(path)] == [path]
    assert values(path) == [75.0] * rows
    assert rows > 0
    assert gaps == 0


FORK_WITHIN_A_TRANSACTION = """
import os, sys
from watlowlib import SqliteSink
from tests.sinks.samples import FIRST

with SqliteSink(sys.argv[1], journal_mode=sys.argv[2]) as sink:
    sink.write_many([FIRST] * 100)
    # As if the writer's thread were within a transaction.
    sink._database.execute("BEGIN IMMEDIATE")
    sink._database.execute("UPDATE samples SET value = 7.0")
    pid = os.fork()
    if not pid:
        sys.exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    sink._database.execute("COMMIT")
    print(sink._database.execute("PRAGMA integrity_check").fetchone()[0])
"""


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_end_of_a_child_does_not_roll_back_a_transaction(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    assert run_script(FORK_WITHIN_A_TRANSACTION, path, mode) == "ok\n"
    assert values(path) == [7.0] * 100


FORK_WITH_A_SERVER = """
import gc, os, sys
from watlowlib import PostgresConfig, PostgresSink, WatlowProcessError
from tests.sinks.samples import FIRST

def fork():
    pid = os.fork()
    if not pid:
        try:
            sink.write_many([FIRST])
        except WatlowProcessError:
            sink.stats, sink.rows_waiting
            sys.exit(3)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3

config = PostgresConfig(dsn=sys.argv[1], create_table=True)
with PostgresSink(config, spool=sys.argv[2]) as sink:
    for _ in range(5):
        sink.write_many([FIRST] * 50)
        fork()
print(sink.stats.rows_waiting, sink.stats.failures)
"""


def test_end_of_a_child_harms_neither_spool_nor_server(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    postgres.query("DROP TABLE IF EXISTS samples")
    printed = run_script(FORK_WITH_A_SERVER, postgres.url, tmp_path / "run.spool")
    assert printed == "0 0\n"
    assert postgres.query("SELECT count(*) FROM samples") == [(250,)]
