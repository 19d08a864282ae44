"""A psycopg connection with time limits, and log lines and messages without passwords."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Generator, Iterable
from typing import Any, TypeVar
from urllib.parse import quote

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from watlowlib._internal.process import abandon_in_child
from watlowlib.sinks.postgres.config import PostgresConfig

RV = TypeVar("RV")


class Connection(psycopg.Connection[Any]):
    """A connection on which no operation takes longer than `timeout_s`."""

    timeout_s = 10.0
    connect_error = ""
    """Why the last attempt to connect failed; the pool itself only reports a timeout."""

    @classmethod
    def connect(cls, *args: Any, **options: Any) -> Connection:
        """Connect; keep the reason of a failure in `connect_error`."""
        try:
            connection = super().connect(*args, **options)
        except psycopg.Error as error:
            cls.connect_error = str(error)
            raise
        cls.connect_error = ""
        abandon_in_child(connection)
        return connection

    def wait(
        self, gen: Generator[Any, Any, RV], interval: float = 0.1, timeout: float | None = None
    ) -> RV:
        """Run `gen` to its end, at most for `timeout_s`."""
        del timeout  # not in every psycopg version, and not the limit of a whole command
        return super().wait(self._with_time_limit(gen), interval)

    def _with_time_limit(self, gen: Generator[Any, Any, RV]) -> Generator[Any, Any, RV]:
        deadline_s = time.monotonic() + self.timeout_s
        try:
            state = next(gen)
            while True:
                ready = yield state
                if time.monotonic() > deadline_s:
                    raise psycopg.OperationalError(f"no reply for {self.timeout_s:g} s")
                state = gen.send(ready)
        except StopIteration as end:
            result: RV = end.value
            return result


def connection_parameters(config: PostgresConfig) -> dict[str, Any]:
    """Return the parameters of `config` under psycopg's names, without those in its dsn."""
    parameters = {
        "host": config.host,
        "port": None if config.host is None else config.port,
        "user": config.user,
        "password": config.password,
        "dbname": config.database,
        "connect_timeout": max(2, round(config.command_timeout_s)),
        "client_encoding": "UTF8",  # the encoding of packed rows, whatever the database uses
    }
    return {name: value for name, value in parameters.items() if value is not None}


def without_password(conninfo: str) -> str:
    """Return `conninfo` without passwords and other secrets."""
    parts = conninfo_to_dict(conninfo)
    secret = [name for name in parts if "password" in name or "secret" in name]
    return make_conninfo("", **{name: parts[name] for name in parts if name not in secret})


def secrets_of(conninfo: str) -> frozenset[str]:
    """Return the passwords in `conninfo` and the environment, also as they are in a URL."""
    parts = conninfo_to_dict(conninfo)
    secrets = [str(parts[name]) for name in parts if "password" in name or "secret" in name]
    secrets.append(os.environ.get("PGPASSWORD", ""))
    quoted = [quote(each, safe="") for each in secrets]
    return frozenset(filter(None, [*secrets, *quoted]))


def mask(text: str, secrets: Iterable[str]) -> str:
    """Return `text` with each of `secrets` replaced by asterisks."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


_nowhere = logging.NullHandler()


class MaskingFilter(logging.Filter):
    """Masks passwords in the log lines of psycopg and its pool, which quote the server."""

    def __init__(self) -> None:
        super().__init__()
        self._secrets: frozenset[str] = frozenset()

    def add(self, secrets: frozenset[str]) -> None:
        """Mask `secrets` from now on, until the program ends."""
        self._secrets |= secrets
        for name in ("psycopg", "psycopg.pool"):
            logger = logging.getLogger(name)
            logger.addFilter(self)
            # Without a logging configuration nothing is printed, as in this library.
            logger.addHandler(_nowhere)

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask the passwords in `record`."""
        text = record.getMessage()
        masked = mask(text, self._secrets)
        if masked != text:
            record.msg, record.args = masked, None
        return True


masking_filter = MaskingFilter()
