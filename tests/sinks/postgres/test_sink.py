"""Tests with a real server that is stopped, killed, slow, full or misconfigured."""

from __future__ import annotations

import dataclasses
import logging
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.sinks.postgres_server import PostgresServer, Proxy
from tests.sinks.samples import EVERY_KIND, FIRST, many
from tests.sinks.test_conformance import InstantClock, size_limit
from watlowlib import (
    InMemorySink,
    PostgresConfig,
    PostgresSink,
    Sample,
    WatlowConfigurationError,
    WatlowSinkError,
    pipe,
    record,
)
from watlowlib.cli.main import main
from watlowlib.devices.poll import Poll
from watlowlib.sinks.postgres.server import Server
from watlowlib.sinks.postgres.spool import ServerUnavailableError, Spool, SpooledRows
from watlowlib.sinks.rows import COLUMN_TYPES, ColumnLayout

TIMEOUT_S = 20.0


def values(server: PostgresServer, table: str) -> list[float]:
    return [n for (n,) in server.query(f"SELECT value FROM {table} ORDER BY value, seq")]


def numbered_samples(start: int, stop: int) -> list[Sample]:
    return [replace(FIRST, value=float(n)) for n in range(start, stop)]


def float_range(stop: int) -> list[float]:
    return [float(n) for n in range(stop)]


def test_no_rows_are_lost_if_the_server_is_stopped_and_killed(
    postgres: PostgresServer, config: PostgresConfig, spool: Path
) -> None:
    actions: dict[int, Callable[[], None]] = {
        100: postgres.stop,
        300: postgres.start,
        500: postgres.kill,
        700: postgres.start,
        800: postgres.kill,
        801: postgres.start,
    }

    class Source:
        n = -1

        def prepare(self, parameters: object, **options: object) -> Poll:
            def poll(stop: threading.Event | None = None) -> list[Sample]:
                self.n += 1
                actions.get(self.n, lambda: None)()
                return numbered_samples(self.n, self.n + 1)

            return poll

    memory = InMemorySink()
    sink = PostgresSink(config, spool=spool, close_timeout_s=TIMEOUT_S)
    stream = record(Source(), parameters="pv", rate_hz=1e6, duration=1e-3, clock=InstantClock())
    with sink, memory, stream:
        summary = pipe(stream, sink, memory, batch_size=5)
    assert [each.rows_lost for each in summary.sinks] == [0, 0]
    assert values(postgres, config.table) == float_range(1000)
    assert sink.stats.rows_sent == 1000
    assert sink.stats.rows_waiting == 0
    assert sink.stats.failures > 0


def test_rows_wait_if_the_server_is_down_from_the_beginning(
    postgres: PostgresServer, config: PostgresConfig, spool: Path, caplog: Any
) -> None:
    postgres.stop()
    config = dataclasses.replace(config, command_timeout_s=0.5)
    sink = PostgresSink(config, spool=spool, close_timeout_s=0.1)
    with sink:
        sink.write_many(numbered_samples(0, 50))
    assert sink.stats.rows_waiting == 50
    assert "rows wait in the spool" in caplog.text
    assert f"50 rows wait in {spool} until the sink is opened again" in caplog.text
    postgres.start()
    with PostgresSink(config, spool=spool) as again:
        again.write_many(numbered_samples(50, 60))
    assert again.stats.rows_sent == 60
    assert values(postgres, config.table) == float_range(60)


@pytest.mark.parametrize("use_copy", [True, False])
def test_a_commit_whose_reply_is_lost_gives_no_duplicates(
    postgres: PostgresServer, config: PostgresConfig, spool: Path, use_copy: bool
) -> None:
    with PostgresSink(config, spool=spool) as sink:
        sink.write_many(numbered_samples(0, 10))  # creates the table
    # The path of a socket must be short.
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        proxy = Proxy(postgres, Path(folder), lose=5)
        stack.callback(proxy.close)
        url = postgres.url.replace(str(postgres.socket_folder), folder)
        through = dataclasses.replace(config, dsn=url, use_copy=use_copy)
        with PostgresSink(through, spool=spool, close_timeout_s=TIMEOUT_S) as sink:
            for start in range(10, 100, 10):
                sink.write_many(numbered_samples(start, start + 10))
        assert proxy.lost == 5
    assert sink.stats.failures > 0
    assert values(postgres, config.table) == float_range(100)


@pytest.mark.parametrize(("given", "opened"), [(0, 1), (1, 1), (3, 3)])
def test_a_sink_opens_no_more_connections_than_it_keeps(
    config: PostgresConfig, given: int, opened: int
) -> None:
    """A pool that grows in an outage would take the connections of other recorders after it."""
    with closing(Server(dataclasses.replace(config, pool_min_size=given))) as server:
        assert server._pool.max_size == opened


def test_a_table_whose_creation_was_not_committed_is_created_again(
    postgres: PostgresServer, config: PostgresConfig, spool: Path
) -> None:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        proxy = Proxy(postgres, Path(folder), lose=2, lose_create=True)
        stack.callback(proxy.close)
        url = postgres.url.replace(str(postgres.socket_folder), folder)
        through = dataclasses.replace(config, dsn=url)
        with PostgresSink(through, spool=spool, close_timeout_s=TIMEOUT_S) as sink:
            sink.write_many(numbered_samples(0, 10))
        assert proxy.lost == 2
    assert sink.stats.rows_waiting == 0
    assert values(postgres, config.table) == float_range(10)


def lock_table(server: PostgresServer, table: str) -> psycopg.Connection[Any]:
    connection = psycopg.connect(server.url)
    connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
    return connection


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"statement_timeout_ms": 50}, "statement timeout"),
        ({"statement_timeout_ms": 0, "command_timeout_s": 0.3}, "no reply for 0.3 s"),
    ],
)
def test_rows_are_sent_again_if_the_server_is_slow(
    postgres: PostgresServer, config: PostgresConfig, spool: Path, limits: Any, reason: str
) -> None:
    with PostgresSink(config, spool=spool) as sink:
        sink.write_many(numbered_samples(0, 10))
    sink = PostgresSink(
        dataclasses.replace(config, **limits), spool=spool, close_timeout_s=TIMEOUT_S
    )
    with sink:
        with lock_table(postgres, config.table):
            sink.write_many(numbered_samples(10, 20))
            wait_for(lambda: reason in str(sink.stats.last_error))
            sink.write_many(numbered_samples(20, 30))
    assert values(postgres, config.table) == float_range(30)


def wait_for(condition: Callable[[], bool]) -> None:
    never = threading.Event()
    for _ in range(int(TIMEOUT_S / 0.01)):
        if condition():
            return
        never.wait(0.01)
    pytest.fail("the condition was not met in time")


def refuse_inserts(server: PostgresServer, table: str, sqlstate: str) -> None:
    server.query(
        f"CREATE OR REPLACE FUNCTION {table}_no() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = '{sqlstate}'; END$$"
    )
    server.query(
        f"CREATE TRIGGER no BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_no()"
    )


def test_rows_are_sent_once_the_servers_disk_has_room_again(
    postgres: PostgresServer, config: PostgresConfig, spool: Path
) -> None:
    with PostgresSink(config, spool=spool, close_timeout_s=TIMEOUT_S) as sink:
        sink.write_many(numbered_samples(0, 10))
        wait_for(lambda: sink.stats.rows_waiting == 0)
        refuse_inserts(postgres, config.table, "53100")
        sink.write_many(numbered_samples(10, 20))
        wait_for(lambda: sink.stats.failures > 0)
        sink.write_many(numbered_samples(20, 30))
        with PostgresSink(config, spool=spool, close_timeout_s=1.0) as other:
            pass
        assert other.stats.rows_waiting > 0
        assert other.stats.failures < 50, "there is no delay between retries"
        postgres.query(f"DROP TRIGGER no ON {config.table}")
    assert values(postgres, config.table) == float_range(30)


def test_closing_does_not_wait_for_the_connection_and_keeps_the_reason(
    spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = PostgresConfig(
        host="127.0.0.1", port=1, user="ann", database="lab", command_timeout_s=TIMEOUT_S
    )
    sink = PostgresSink(config, spool=spool, close_timeout_s=0.1)
    sink.open()
    sink.write_many(many(3))
    start_s = time.monotonic()
    sink.close()
    assert time.monotonic() - start_s < TIMEOUT_S / 2
    assert "refused" in str(sink.stats.last_error)
    assert sink.stats.rows_waiting == 3


def test_a_timeout_of_the_pool_has_the_reason() -> None:
    config = PostgresConfig(
        host="127.0.0.1", port=1, user="ann", database="lab", command_timeout_s=0.1
    )
    server = Server(config)
    with pytest.raises(ServerUnavailableError, match="refused"):
        server.open(())
    with pytest.raises(ServerUnavailableError, match="refused"):
        server.send(SpooledRows(ColumnLayout(COLUMN_TYPES), b"", 0, 0, 0))
    server.close()


def test_the_table_is_created_again_if_the_restarted_server_lacks_it(
    postgres: PostgresServer, config: PostgresConfig
) -> None:
    """As after a crash with synchronous_commit off, or after restoring a backup."""
    no_rows = SpooledRows(ColumnLayout(COLUMN_TYPES), b"", 0, 0, 0)
    server = Server(config)
    with closing(server):
        server.open(())
        server.send(no_rows)
        postgres.stop()
        with pytest.raises(ServerUnavailableError):
            server.send(no_rows)
        postgres.start()
        postgres.query(f"DROP TABLE {config.table}")
        server.send(no_rows)
    assert values(postgres, config.table) == []


def test_shrinking_the_spool_on_a_full_disk_loses_no_rows(spool: Path) -> None:
    opened = Spool(spool, 1 << 30, "lab.public.samples")
    opened.put(ColumnLayout(COLUMN_TYPES), 1, bytes(100_000))
    with size_limit(4096):
        opened.shrink()
    assert opened.rows_waiting() == 1
    opened.close()


def test_a_full_spool_is_an_error_and_keeps_its_rows(
    postgres: PostgresServer, config: PostgresConfig, spool: Path
) -> None:
    postgres.stop()
    config = dataclasses.replace(config, command_timeout_s=0.5)
    sink = PostgresSink(config, spool=spool, spool_limit_bytes=300_000, close_timeout_s=0.1)
    kept = 0
    with sink:
        with pytest.raises(
            WatlowSinkError, match=r"is full with \d+ rows, 0 of .*make the server available"
        ):
            while kept < 10_000:
                sink.write_many(numbered_samples(kept, kept + 50))
                kept += 50
    assert kept > 100
    assert spool.stat().st_size <= 300_000
    postgres.start()
    with PostgresSink(config, spool=spool, close_timeout_s=TIMEOUT_S):
        pass
    assert values(postgres, config.table) == float_range(kept)
    assert spool.stat().st_size < 140_000, "the disk space is not released"


def test_a_full_disk_is_an_error_and_the_spool_keeps_its_rows(
    postgres: PostgresServer, config: PostgresConfig, spool: Path
) -> None:
    kept = 0
    with PostgresSink(config, spool=spool) as sink:
        with size_limit(300_000):
            with pytest.raises(WatlowSinkError, match="could not be written"):
                while kept < 100_000:
                    sink.write_many(numbered_samples(kept, kept + 500))
                    kept += 500
    with PostgresSink(config, spool=spool):
        pass
    assert values(postgres, config.table) == float_range(kept)


def test_several_recorders_write_to_one_table_at_once(
    postgres: PostgresServer, config: PostgresConfig, tmp_path: Path
) -> None:
    start = threading.Barrier(4)

    def run(number: int) -> None:
        # Each spool is shared by two recorders, like by two programs of one user.
        spool = tmp_path / f"{number // 2}.spool"
        sink = PostgresSink(config, spool=spool, close_timeout_s=TIMEOUT_S)
        start.wait(TIMEOUT_S)
        with sink:
            for n in range(0, 100, 10):
                sink.write_many(numbered_samples(100 * number + n, 100 * number + n + 10))

    errors: list[BaseException] = []

    def run_and_keep_error(number: int) -> None:
        try:
            run(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run_and_keep_error, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(3 * TIMEOUT_S)
    assert errors == []
    assert values(postgres, config.table) == float_range(400)


def test_the_created_table_has_column_types_and_a_unique_index(
    postgres: PostgresServer, config: PostgresConfig, spool: Path
) -> None:
    with PostgresSink(config, spool=spool) as sink:
        sink.write_many(EVERY_KIND)
    types = dict(
        postgres.query(
            "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = %s",
            config.table,
        )
    )
    times = ("requested_at", "received_at", "midpoint_at", "scheduled_at")
    assert {types[name] for name in times} == {"timestamp with time zone"}
    assert types["value"] == types["latency_s"] == "double precision"
    assert types["value_text"] == types["device"] == types["status"] == "text"
    assert (types["run_id"], types["seq"], types["tick"]) == ("uuid", "bigint", "bigint")
    (average,) = postgres.query(
        f"SELECT avg(value) FROM {config.table} WHERE parameter = 'process_value'"
    )[0]
    assert average == pytest.approx((72.4 + 72.0 + 72.4 + 0.2) / 4)
    with pytest.raises(psycopg.errors.UniqueViolation):
        postgres.query(f"INSERT INTO {config.table} SELECT * FROM {config.table}")


def test_rows_go_into_a_partitioned_table(
    postgres: PostgresServer, config: PostgresConfig, spool: Path
) -> None:
    with PostgresSink(config, spool=spool) as sink:
        sink.write_many(numbered_samples(0, 1))
    name = f"{config.table}_parts"
    postgres.query(
        f"CREATE TABLE {name} (LIKE {config.table} INCLUDING INDEXES) "
        "PARTITION BY RANGE (requested_at)"
    )
    for month in (3, 4):
        postgres.query(
            f"CREATE TABLE {name}_{month} PARTITION OF {name} "
            f"FOR VALUES FROM ('2026-0{month}-01') TO ('2026-0{month + 1}-01')"
        )
    parts = dataclasses.replace(config, table=name, create_table=False)
    april = FIRST.requested_at.replace(month=4)
    with PostgresSink(parts, spool=spool.with_name("parts")) as sink:
        sink.write_many([*numbered_samples(0, 5), replace(FIRST, value=5.0, requested_at=april)])
    assert values(postgres, name) == float_range(6)
    assert len(values(postgres, f"{name}_4")) == 1


def test_the_server_converts_to_the_types_of_an_existing_table(
    postgres: PostgresServer, config: PostgresConfig, spool: Path
) -> None:
    postgres.query(
        f"CREATE TABLE {config.table} (seq int8, run_id uuid, id serial, device varchar(40), "
        "address smallint, protocol text, parameter text, parameter_id integer, instance integer, "
        "value real, value_text text, unit text, requested_at timestamptz, received_at timestamp, "
        "midpoint_at timestamptz, latency_s numeric, status text, UNIQUE (run_id, seq))"
    )
    with PostgresSink(dataclasses.replace(config, create_table=False), spool=spool) as sink:
        sink.write_many(numbered_samples(0, 3))
    found = postgres.query(f"SELECT address, value, latency_s::text FROM {config.table}")
    assert found == [(1, float(n), "0.02") for n in range(3)]


@pytest.mark.parametrize(
    ("create", "message"),
    [
        (None, "does not exist; create the table, or give create_table=True"),
        ("(device text, run_id uuid, seq bigint)", "has no column address, protocol"),
        ("no text", "has no column value_text, midpoint_at; add it"),
        ("no index", "has no unique index on run_id and seq.*CREATE UNIQUE INDEX ON"),
    ],
)
def test_opening_reports_an_unsuitable_table(
    postgres: PostgresServer, config: PostgresConfig, spool: Path, create: str, message: str
) -> None:
    if create in ("no index", "no text"):
        model = dataclasses.replace(config, table=f"{config.table}_model")
        with PostgresSink(model, spool=spool.with_name("model")) as sink:
            sink.write_many(many(1))
        missing = "value_text, DROP midpoint_at" if create == "no text" else "tick"
        postgres.query(f"ALTER TABLE {model.table} DROP {missing}")
        create = f"AS SELECT * FROM {model.table}"
    if create is not None:
        postgres.query(f"CREATE TABLE {config.table} {create}")
    sink = PostgresSink(dataclasses.replace(config, create_table=False), spool=spool)
    for _ in range(2):
        with pytest.raises(WatlowSinkError, match=message):
            sink.open()


def test_opening_reports_a_missing_database(
    postgres: PostgresServer, config: PostgresConfig, spool: Path
) -> None:
    url = postgres.url.replace("/postgres?", "/nowhere?")
    with pytest.raises(WatlowSinkError, match='database "nowhere" does not exist'):
        PostgresSink(dataclasses.replace(config, dsn=url), spool=spool).open()


SECRET = "open-sesame"


@pytest.fixture
def messages(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """Texts that, like the debug log, must not contain the password; checked at the end."""
    caplog.set_level(logging.DEBUG)
    texts: list[str] = []
    yield texts
    assert caplog.text or texts
    assert SECRET not in caplog.text
    assert not [text for text in texts if SECRET in text]


@pytest.mark.parametrize(
    "settings",
    [
        {"dsn": f"postgresql://ann:{SECRET}@127.0.0.1:1/lab"},
        {"dsn": f"host=127.0.0.1 port=1 user=ann password={SECRET} dbname=lab"},
        {"dsn": f"postgresql//ann:{SECRET}@127.0.0.1:1/lab"},
        {"dsn": f"postgresql://ann:{SECRET}@127.0.0.1:port/lab"},
        {"host": "127.0.0.1", "port": 1, "user": "ann", "password": SECRET, "database": "lab"},
    ],
)
def test_no_message_has_the_password(
    settings: dict[str, Any], spool: Path, messages: list[str]
) -> None:
    config = PostgresConfig(**settings, command_timeout_s=0.5)
    sink = PostgresSink(config, spool=spool, close_timeout_s=0.1)
    messages += [repr(config), str(config), config.target(), repr(sink)]
    try:
        with sink:
            sink.write_many(many(3))
            messages.append(str(sink.stats))
    except (WatlowSinkError, WatlowConfigurationError) as error:
        messages += [str(error), repr(error), repr(error.__cause__), repr(error.__context__)]
    assert SECRET not in "".join(each.name for each in spool.parent.iterdir())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "give dsn, or host, user and database"),
        ({"host": "h", "user": "u"}, "give dsn, or host, user and database"),
        ({"dsn": "postgresql://h/d", "host": "h"}, "not both"),
        ({"dsn": "postgresql://h/d", "table": "a; DROP TABLE b"}, "table='a; DROP.*allowed are"),
        ({"dsn": "postgresql://h/d", "schema": 'pub"lic'}, "schema=.*allowed are"),
        ({"dsn": "postgresql://h/d", "port": 0}, "port=0: give 1 to 65535"),
        ({"dsn": "postgresql://h/d", "pool_min_size": 5}, "pool_max_size=4: give 5 or more"),
        ({"dsn": "postgresql://h/d", "statement_timeout_ms": -1}, "statement_timeout_ms=-1"),
        ({"dsn": "postgresql://h/d", "command_timeout_s": 0}, "command_timeout_s=0"),
    ],
)
def test_invalid_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(WatlowConfigurationError, match=message):
        PostgresConfig(**settings)


def test_invalid_options_are_refused() -> None:
    config = PostgresConfig(dsn="postgresql://h/d")
    for options in ({"spool_limit_bytes": 10}, {"close_timeout_s": -1}):
        with pytest.raises(WatlowConfigurationError, match="give"):
            PostgresSink(config, **options)  # type: ignore[arg-type]
    with pytest.raises(WatlowConfigurationError, match=r"is a str: give PostgresConfig"):
        PostgresSink("postgresql://h/d")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("dsn", "target"),
    [
        ("postgresql://u:p@h:5433/d", "h:5433/d.public.samples"),
        ("postgresql://u:p@/d?host=/run/pg", "/run/pg:5432/d.public.samples"),
        ("postgresql://u:20/p@h/d", "?.public.samples"),
        ("host=h password=p\\ dbname=p port=6000", "h:6000/?.public.samples"),
        ("host=h port=6000 dbname='my db' password='a b'", "h:6000/'my db'.public.samples"),
    ],
)
def test_a_target_has_host_port_and_table_only(dsn: str, target: str) -> None:
    assert PostgresConfig(dsn=dsn).target() == target


def test_each_table_has_its_own_default_spool(monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    config = PostgresConfig(dsn=f"postgresql://u:{SECRET}@h/d")
    one = PostgresSink(config).spool
    two = PostgresSink(dataclasses.replace(config, table="other")).spool
    assert one != two
    assert one == PostgresSink(config).spool
    assert one.parent == two.parent == tmp_path / "watlowlib"


def test_a_cell_that_the_server_cannot_store_is_refused_before_the_spool(
    postgres: PostgresServer, config: PostgresConfig, spool: Path
) -> None:
    with PostgresSink(config, spool=spool) as sink:
        for row, message in (
            ({"device": "a\0b", "requested_at": FIRST.requested_at}, "PostgreSQL cannot store"),
            ({"address": 1 << 70, "requested_at": FIRST.requested_at}, "'address' holds integer"),
            ({"device": "a"}, "give every row a requested_at"),
        ):
            with pytest.raises(WatlowSinkError, match=message):
                sink.write_many([FIRST, row])
        sink.write_many(numbered_samples(0, 1))
    assert values(postgres, config.table) == [0.0]


def test_rows_written_while_the_sender_reads_the_spool_are_sent_at_closing(
    postgres: PostgresServer, config: PostgresConfig, spool: Path, monkeypatch: Any
) -> None:
    was_read, finishing = threading.Event(), threading.Event()
    read = Spool.next

    def read_and_wait(self: Spool, *batches: int, **options: Any) -> SpooledRows | None:
        spooled = read(self, *batches, **options)
        was_read.set()
        assert finishing.wait(TIMEOUT_S)
        return spooled

    monkeypatch.setattr(Spool, "next", read_and_wait)
    sink = PostgresSink(config, spool=spool, close_timeout_s=TIMEOUT_S)
    sink.open()
    assert was_read.wait(TIMEOUT_S)
    sink.write_many(numbered_samples(0, 5))
    assert sink._sender is not None
    # The first read finds no rows, but `read_and_wait` returns only once the sink is closing.
    event = sink._sender._finishing
    set_event = event.set
    monkeypatch.setattr(event, "set", lambda: (set_event(), finishing.set()))
    sink.close()
    assert values(postgres, config.table) == float_range(5)


def test_opening_and_closing_sends_a_long_backlog(
    postgres: PostgresServer, config: PostgresConfig, spool: Path
) -> None:
    postgres.stop()
    unreachable = dataclasses.replace(config, command_timeout_s=0.5)
    with PostgresSink(unreachable, spool=spool, close_timeout_s=0.1) as sink:
        for start in range(0, 20_000, 2000):
            sink.write_many(numbered_samples(start, start + 2000))
    postgres.start()
    with PostgresSink(config, spool=spool, close_timeout_s=TIMEOUT_S) as again:
        pass
    assert again.stats.rows_sent == 20_000
    assert values(postgres, config.table) == float_range(20_000)


def test_rows_with_different_columns_wait_in_one_spool(
    postgres: PostgresServer, config: PostgresConfig, spool: Path
) -> None:
    postgres.stop()
    unreachable = dataclasses.replace(config, command_timeout_s=0.5)
    other = {"device": "argon", "value": 2.0, "requested_at": FIRST.requested_at}
    for rows in (numbered_samples(0, 2), [other], numbered_samples(3, 5)):
        with PostgresSink(unreachable, spool=spool, close_timeout_s=0.1) as sink:
            sink.write_many(rows)
    postgres.start()
    with PostgresSink(config, spool=spool, close_timeout_s=TIMEOUT_S):
        pass
    assert values(postgres, config.table) == float_range(5)


def test_the_bytes_sent_at_once_are_limited(spool: Path) -> None:
    opened = Spool(spool, 1 << 30, "lab.public.samples")
    for size in (100, 100, 1 << 20, 2 << 20, 100):
        opened.put(ColumnLayout(COLUMN_TYPES), 1, bytes(size))
    sizes = []
    while spooled := opened.next():
        sizes.append(len(spooled.data))
        opened.remove(spooled)
    opened.close()
    assert sizes == [200, 1 << 20, 2 << 20, 100]


def test_the_command_line_records_and_recovers(
    postgres: PostgresServer, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    postgres.query("DROP TABLE IF EXISTS samples")
    url = postgres.url.replace("postgres:@", f"postgres:{SECRET}@")
    assert main(["record", "--simulate", "1", "--duration", "0.5", "-o", url]) == 0
    rows = len(values(postgres, "samples"))
    assert main(["recover", url]) == 0
    shown = capsys.readouterr()
    assert f"{rows} rows written" in shown.out
    assert "0 rows sent, 0 still waiting" in shown.out
    assert SECRET not in shown.out + shown.err
    assert rows > 0
