"""SIGKILL at random moments: flushed rows are stored once, and nothing needs manual repair."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sinks.postgres_server import PostgresServer
from tests.sinks.recorder_process import BATCH
from watlowlib import PostgresConfig, PostgresSink, open_sink, read_samples
from watlowlib.sinks.parquet.journal import journal_of

ROOT = Path(__file__).parents[2]
LARGE_BATCH = 1500
"""Rows of a batch that the server receives while it is packed."""

SUFFIXES = ["csv", "jsonl", "sqlite", "parquet"]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")


def record_and_kill(
    name: str, spool: Path, first: int, rng: random.Random, batch: int = BATCH
) -> int:
    """Record until a random moment; return the number after the last row printed as flushed."""
    # -B: no .pyc files; each child is killed, and the next one would write them again.
    with subprocess.Popen(
        [sys.executable, "-B", "-m", "tests.sinks.recorder_process", name, str(spool), str(batch)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{first}\n")
        process.stdin.flush()
        printed = [process.stdout.readline() for _ in range(rng.randrange(1, 60))]
        try:
            process.wait(rng.uniform(0.0, 0.01))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        printed += process.stdout.readlines()
    assert process.returncode == -signal.SIGKILL, "the process ended by itself"
    return int([line for line in printed if line.endswith("\n")][-1])


def kill_and_check_file(suffix: str, folder: Path, times: int, seed: int) -> None:
    path = folder / f"run.{suffix}"
    rng = random.Random(seed)
    first = 0
    for _ in range(times):
        flushed = record_and_kill(str(path), folder, first, rng)
        values = [row["value"] for row in read_samples(path)]
        assert values == [float(n) for n in range(len(values))], "a row is lost, torn or duplicated"
        # The flushed rows, and possibly a batch whose number was not yet printed.
        assert first <= flushed <= len(values) <= flushed + BATCH
        first = len(values)
    with open_sink(path):
        pass
    # A kill within the write of a batch leaves a part of it, which is kept beside.
    torn = journal_of(path).name + ".torn"
    left = {each.name for each in folder.iterdir()} - {path.name, torn}
    assert not left, "files are left behind"
    assert [row["value"] for row in read_samples(path)] == [float(n) for n in range(first)]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_file_keeps_flushed_rows_after_kills(suffix: str, tmp_path: Path) -> None:
    kill_and_check_file(suffix, tmp_path, 6, random.randrange(1 << 30))


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_file_keeps_flushed_rows_after_many_kills(suffix: str, tmp_path: Path) -> None:
    kill_and_check_file(suffix, tmp_path, 200, random.randrange(1 << 30))


def kill_and_check_postgres(server: PostgresServer, spool: Path, times: int, batch: int) -> None:
    server.query("DROP TABLE IF EXISTS samples")
    rng = random.Random()
    first = 0
    config = PostgresConfig(dsn=server.url, create_table=True)
    for _ in range(times):
        flushed = record_and_kill(server.url, spool, first, rng, batch)
        with PostgresSink(config, spool=spool):
            pass
        values = [n for (n,) in server.query("SELECT value FROM samples ORDER BY value")]
        assert values == [float(n) for n in range(len(values))], "a row is lost or duplicated"
        assert flushed <= len(values) <= flushed + batch
        first = len(values)


@pytest.mark.parametrize("batch", [BATCH, LARGE_BATCH])
def test_server_has_all_rows_after_kills(
    postgres: PostgresServer, tmp_path: Path, batch: int
) -> None:
    kill_and_check_postgres(postgres, tmp_path / "run.spool", 3, batch)


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("batch", [BATCH, LARGE_BATCH])
def test_server_has_all_rows_after_many_kills(
    postgres: PostgresServer, tmp_path: Path, batch: int
) -> None:
    kill_and_check_postgres(postgres, tmp_path / "run.spool", 200, batch)
