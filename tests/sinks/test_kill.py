"""SIGKILL at any moment: what was flushed is there, once, and nothing needs repair by hand."""

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

ROOT = Path(__file__).parents[2]
ENDINGS = ["csv", "jsonl", "sqlite", "parquet"]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")


def record_and_kill(name: str, spool: Path, first: int, chance: random.Random) -> int:
    """Record until a random moment; the number after the last that was surely flushed."""
    # Python would write its .pyc files again and again: the child is always killed.
    with subprocess.Popen(
        [sys.executable, "-B", "-m", "tests.sinks.recorder_process", name, str(spool)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{first}\n")
        process.stdin.flush()
        said = [process.stdout.readline() for _ in range(chance.randrange(1, 60))]
        try:
            process.wait(chance.uniform(0.0, 0.01))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        said += process.stdout.readlines()
    assert process.returncode == -signal.SIGKILL, "it ended by itself"
    return int([line for line in said if line.endswith("\n")][-1])


def check(ending: str, folder: Path, times: int, seed: int) -> None:
    path = folder / f"run.{ending}"
    chance = random.Random(seed)
    first = 0
    for _ in range(times):
        flushed = record_and_kill(str(path), folder, first, chance)
        values = [row["value"] for row in read_samples(path)]
        assert values == [float(n) for n in range(len(values))], "a row is lost, torn or doubled"
        # What was flushed, and perhaps the batch whose number was not yet said.
        assert first <= flushed <= len(values) <= flushed + BATCH
        first = len(values)
    with open_sink(path):
        pass
    left = {each.name for each in folder.iterdir()} - {path.name}
    assert not left, "something is left that nobody will clear away"
    assert [row["value"] for row in read_samples(path)] == [float(n) for n in range(first)]


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_after_a_kill(ending: str, tmp_path: Path) -> None:
    check(ending, tmp_path, 6, random.randrange(1 << 30))


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_after_many_kills(ending: str, tmp_path: Path) -> None:
    check(ending, tmp_path, 200, random.randrange(1 << 30))


def check_postgres(server: PostgresServer, spool: Path, times: int) -> None:
    server.query("DROP TABLE IF EXISTS samples")
    chance = random.Random()
    first = 0
    config = PostgresConfig(dsn=server.url, create_table=True)
    for _ in range(times):
        flushed = record_and_kill(server.url, spool, first, chance)
        with PostgresSink(config, spool=spool):
            pass
        values = [n for (n,) in server.query("SELECT value FROM samples ORDER BY value")]
        assert values == [float(n) for n in range(len(values))], "a row is lost or doubled"
        assert flushed <= len(values) <= flushed + BATCH
        first = len(values)


def test_a_server_has_all_rows_after_a_kill(postgres: PostgresServer, tmp_path: Path) -> None:
    check_postgres(postgres, tmp_path / "run.spool", 4)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_a_server_has_all_rows_after_many_kills(postgres: PostgresServer, tmp_path: Path) -> None:
    check_postgres(postgres, tmp_path / "run.spool", 200)
