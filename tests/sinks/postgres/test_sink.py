"""A real server that is stopped, killed, slow, full or another than expected."""

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
from watlowlib.sinks.postgres import sender
from watlowlib.sinks.postgres.server import Server
from watlowlib.sinks.postgres.spool import Spool, SpooledRows
from watlowlib.sinks.rows import COLUMN_TYPES, ColumnLayout

PATIENCE_S = 20.0


def values(server: PostgresServer, table: str) -> list[float]:
    return [n for (n,) in server.query(f"SELECT value FROM {table} ORDER BY value, seq")]


def numbered(start: int, stop: int) -> list[Sample]:
    return [replace(FIRST, value=float(n)) for n in range(start, stop)]


def counting(stop: int) -> list[float]:
    return [float(n) for n in range(stop)]


def test_a_server_that_is_stopped_and_killed_during_a_recording(
    postgres: PostgresServer, config: PostgresConfig, spool: Path
) -> None:
    events: dict[int, Callable[[], None]] = {
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
                events.get(self.n, lambda: None)()
                return numbered(self.n, self.n + 1)

            return poll

    memory = InMemorySink()
    sink = PostgresSink(config, spool=spool, close_timeout_s=PATIENCE_S)
    stream = record(Source(), parameters="pv", rate_hz=1e6, duration=1e-3, clock=InstantClock())
    with sink, memory, stream:
        summary = pipe(stream, sink, memory, batch_size=5)
    assert [each.rows_lost for each in summary.sinks] == [0, 0]
    assert values(postgres, config.table) == counting(1000)
    assert sink.stats.rows_sent == 1000
    assert sink.stats.rows_waiting == 0
    assert sink.stats.failures > 0


def test_a_server_that_is_away_from_the_beginning(
    postgres: PostgresServer, config: PostgresConfig, spool: Path, caplog: Any
) -> None:
    postgres.stop()
    config = dataclasses.replace(config, command_timeout_s=0.5)
    sink = PostgresSink(config, spool=spool, close_timeout_s=0.1)
    with sink:
        sink.write_many(numbered(0, 50))
    assert sink.stats.rows_waiting == 50
    assert "rows wait in the spool" in caplog.text
    assert f"50 rows wait in {spool} and are sent when the sink is opened again" in caplog.text
    postgres.start()
    with PostgresSink(config, spool=spool) as again:
        again.write_many(numbered(50, 60))
    assert again.stats.rows_sent == 60
    assert values(postgres, config.table) == counting(60)


@pytest.mark.parametrize("use_copy", [True, False])
def test_a_commit_whose_answer_is_lost_is_not_doubled(
    postgres: PostgresServer, config: PostgresConfig, spool: Path, use_copy: bool
) -> None:
    with PostgresSink(config, spool=spool) as sink:
        sink.write_many(numbered(0, 10))  # the table is there
    # A socket's name must be short.
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        proxy = Proxy(postgres, Path(folder), lose=5)
        stack.callback(proxy.close)
        url = postgres.url.replace(str(postgres.socket_folder), folder)
        through = dataclasses.replace(config, dsn=url, use_copy=use_copy)
        with PostgresSink(through, spool=spool, close_timeout_s=PATIENCE_S) as sink:
            for start in range(10, 100, 10):
                sink.write_many(numbered(start, start + 10))
        assert proxy.lost == 5
    assert sink.stats.failures > 0
    assert values(postgres, config.table) == counting(100)


def test_a_table_whose_making_was_not_committed_is_made_again(
    postgres: PostgresServer, config: PostgresConfig, spool: Path
) -> None:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        proxy = Proxy(postgres, Path(folder), lose=2, made=True)
        stack.callback(proxy.close)
        url = postgres.url.replace(str(postgres.socket_folder), folder)
        through = dataclasses.replace(config, dsn=url)
        with PostgresSink(through, spool=spool, close_timeout_s=PATIENCE_S) as sink:
            sink.write_many(numbered(0, 10))
        assert proxy.lost == 2
    assert sink.stats.rows_waiting == 0
    assert values(postgres, config.table) == counting(10)


def lock_table(server: PostgresServer, table: str) -> psycopg.Connection[Any]:
    connection = psycopg.connect(server.url)
    connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
    return connection


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        ({"statement_timeout_ms": 50}, "statement timeout"),
        ({"statement_timeout_ms": 0, "command_timeout_s": 0.3}, "no answer for 0.3 s"),
    ],
)
def test_a_server_that_is_slow(
    postgres: PostgresServer, config: PostgresConfig, spool: Path, limits: Any, why: str
) -> None:
    with PostgresSink(config, spool=spool) as sink:
        sink.write_many(numbered(0, 10))
    sink = PostgresSink(
        dataclasses.replace(config, **limits), spool=spool, close_timeout_s=PATIENCE_S
    )
    with sink:
        with lock_table(postgres, config.table):
            sink.write_many(numbered(10, 20))
            wait_for(lambda: why in str(sink.stats.last_error))
            sink.write_many(numbered(20, 30))
    assert values(postgres, config.table) == counting(30)


def wait_for(what: Callable[[], bool]) -> None:
    turn = threading.Event()
    for _ in range(int(PATIENCE_S / 0.01)):
        if what():
            return
        turn.wait(0.01)
    pytest.fail("it has not happened")


def refusing(server: PostgresServer, table: str, sqlstate: str) -> None:
    server.query(
        f"CREATE OR REPLACE FUNCTION {table}_no() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = '{sqlstate}'; END$$"
    )
    server.query(
        f"CREATE TRIGGER no BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_no()"
    )


def test_a_server_whose_disk_is_full_is_waited_for(
    postgres: PostgresServer, config: PostgresConfig, spool: Path
) -> None:
    with PostgresSink(config, spool=spool, close_timeout_s=PATIENCE_S) as sink:
        sink.write_many(numbered(0, 10))
        wait_for(lambda: sink.stats.rows_waiting == 0)
        refusing(postgres, config.table, "53100")
        sink.write_many(numbered(10, 20))
        wait_for(lambda: sink.stats.failures > 0)
        sink.write_many(numbered(20, 30))
        with PostgresSink(config, spool=spool, close_timeout_s=1.0) as other:
            pass
        assert other.stats.rows_waiting > 0
        assert other.stats.failures < 50, "it does not wait between one time and the next"
        postgres.query(f"DROP TRIGGER no ON {config.table}")
    assert values(postgres, config.table) == counting(30)


def test_closing_does_not_wait_for_a_server_that_is_away_and_says_why(
    spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = PostgresConfig(
        host="127.0.0.1", port=1, user="ann", database="lab", command_timeout_s=PATIENCE_S
    )
    sink = PostgresSink(config, spool=spool, close_timeout_s=0.1)
    sink.open()
    sink.write_many(many(3))
    begin_s = time.monotonic()
    sink.close()
    assert time.monotonic() - begin_s < PATIENCE_S / 2
    assert "refused" in str(sink.stats.last_error)
    assert sink.stats.rows_waiting == 3


def test_a_pool_that_waited_in_vain_says_why() -> None:
    config = PostgresConfig(
        host="127.0.0.1", port=1, user="ann", database="lab", command_timeout_s=0.1
    )
    server = Server(config)
    with pytest.raises(sender.ServerUnavailable, match="refused"):
        server.open(())
    with pytest.raises(sender.ServerUnavailable, match="refused"):
        server.send(SpooledRows(ColumnLayout(COLUMN_TYPES), b"", 0, 0, 0))
    server.close()


def test_a_server_that_comes_back_without_the_table(
    postgres: PostgresServer, config: PostgresConfig
) -> None:
    """As after a crash with synchronous_commit off, or from a backup."""
    nothing = SpooledRows(ColumnLayout(COLUMN_TYPES), b"", 0, 0, 0)
    server = Server(dataclasses.replace(config, pool_max_size=1))
    with closing(server):
        server.open(())
        server.send(nothing)
        postgres.stop()
        with pytest.raises(sender.ServerUnavailable):
            server.send(nothing)
        postgres.start()
        postgres.query(f"DROP TABLE {config.table}")
        server.send(nothing)
    assert values(postgres, config.table) == []


def test_a_disk_without_room_to_shrink_the_spool(spool: Path) -> None:
    waiting = Spool(spool, 1 << 30, "lab.public.samples")
    waiting.put(ColumnLayout(COLUMN_TYPES), 1, bytes(100_000))
    with size_limit(4096):
        waiting.shrink()
    assert waiting.waiting() == 1
    waiting.close()


def test_rows_that_are_refused_for_good_are_an_error_and_stay_in_the_spool(
    postgres: PostgresServer, config: PostgresConfig, spool: Path
) -> None:
    # The server's own words may have the password in them.
    url = config.dsn.replace("postgres:@", "postgres:room@") if config.dsn else None
    sink = PostgresSink(dataclasses.replace(config, dsn=url), spool=spool)
    sink.open()
    sink.write_many(numbered(0, 10))
    wait_for(lambda: sink.stats.rows_waiting == 0)
    refusing(postgres, config.table, "23514")
    sink.write_many(numbered(10, 20))

    def refused() -> bool:
        try:
            sink.write_many([])
        except WatlowSinkError:
            return True
        return False

    wait_for(refused)
    with pytest.raises(WatlowSinkError, match=r"the server refuses: no \*\*\*"):
        sink.write_many([])
    with pytest.raises(WatlowSinkError, match="sends no more.*is in the spool"):
        sink.close()
    postgres.query(f"DROP TRIGGER no ON {config.table}")
    with PostgresSink(config, spool=spool):
        pass
    assert values(postgres, config.table) == counting(20)


def test_a_spool_that_is_full(
    postgres: PostgresServer, config: PostgresConfig, spool: Path
) -> None:
    postgres.stop()
    config = dataclasses.replace(config, command_timeout_s=0.5)
    sink = PostgresSink(config, spool=spool, spool_limit_bytes=300_000, close_timeout_s=0.1)
    kept = 0
    with sink:
        with pytest.raises(WatlowSinkError, match=r"is full with \d+ rows .*bring the server back"):
            while kept < 10_000:
                sink.write_many(numbered(kept, kept + 50))
                kept += 50
    assert kept > 100
    assert spool.stat().st_size <= 300_000
    postgres.start()
    with PostgresSink(config, spool=spool, close_timeout_s=PATIENCE_S):
        pass
    assert values(postgres, config.table) == counting(kept)
    assert spool.stat().st_size < 100_000, "the disk space is not given back"


def test_a_disk_too_full_for_the_spool(
    postgres: PostgresServer, config: PostgresConfig, spool: Path
) -> None:
    kept = 0
    with PostgresSink(config, spool=spool) as sink:
        with size_limit(300_000):
            with pytest.raises(WatlowSinkError, match="could not be written"):
                while kept < 100_000:
                    sink.write_many(numbered(kept, kept + 500))
                    kept += 500
    with PostgresSink(config, spool=spool):
        pass
    assert values(postgres, config.table) == counting(kept)


def test_several_recorders_write_one_table_at_once(
    postgres: PostgresServer, config: PostgresConfig, tmp_path: Path
) -> None:
    start = threading.Barrier(4)

    def run(number: int) -> None:
        # Two share a spool, as two programs of one user do.
        spool = tmp_path / f"{number // 2}.spool"
        sink = PostgresSink(config, spool=spool, close_timeout_s=PATIENCE_S)
        start.wait(PATIENCE_S)
        with sink:
            for n in range(0, 100, 10):
                sink.write_many(numbered(100 * number + n, 100 * number + n + 10))

    errors: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            run(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(3 * PATIENCE_S)
    assert errors == []
    assert values(postgres, config.table) == counting(400)


def test_the_table_has_proper_types_and_what_keeps_rows_apart(
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
    assert {types[name] for name in ("requested_at", "received_at", "midpoint_at")} == {
        "timestamp with time zone"
    }
    assert types["value"] == types["latency_s"] == "double precision"
    assert types["value_text"] == types["device"] == types["status"] == "text"
    assert (types["run_id"], types["seq"], types["address"]) == ("uuid", "bigint", "bigint")
    (average,) = postgres.query(
        f"SELECT avg(value) FROM {config.table} WHERE parameter = 'process_value'"
    )[0]
    assert average == pytest.approx((72.4 + 72.0 + 0.2) / 3)
    with pytest.raises(psycopg.errors.UniqueViolation):
        postgres.query(f"INSERT INTO {config.table} SELECT * FROM {config.table}")


def test_a_partitioned_table(postgres: PostgresServer, config: PostgresConfig, spool: Path) -> None:
    with PostgresSink(config, spool=spool) as sink:
        sink.write_many(numbered(0, 1))
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
        sink.write_many([*numbered(0, 5), replace(FIRST, value=5.0, requested_at=april)])
    assert values(postgres, name) == counting(6)
    assert len(values(postgres, f"{name}_4")) == 1


def test_a_table_with_types_of_its_own(
    postgres: PostgresServer, config: PostgresConfig, spool: Path
) -> None:
    postgres.query(
        f"CREATE TABLE {config.table} (seq int8, run_id uuid, id serial, device varchar(40), "
        "address smallint, protocol text, parameter text, parameter_id integer, instance integer, "
        "value real, value_text text, unit text, requested_at timestamptz, received_at timestamp, "
        "midpoint_at timestamptz, latency_s numeric, status text, UNIQUE (run_id, seq))"
    )
    with PostgresSink(dataclasses.replace(config, create_table=False), spool=spool) as sink:
        sink.write_many(numbered(0, 3))
    found = postgres.query(f"SELECT address, value, latency_s::text FROM {config.table}")
    assert found == [(1, float(n), "0.02") for n in range(3)]


@pytest.mark.parametrize(
    ("create", "message"),
    [
        (None, "is not there; make the table, or give create_table=True"),
        ("(device text, run_id uuid, seq bigint)", "has no column address, protocol"),
        ("no index", "has no unique index on run_id and seq.*CREATE UNIQUE INDEX ON"),
    ],
)
def test_a_table_that_will_not_do_is_said_at_opening(
    postgres: PostgresServer, config: PostgresConfig, spool: Path, create: str, message: str
) -> None:
    if create == "no index":
        model = dataclasses.replace(config, table="model")
        with PostgresSink(model, spool=spool.with_name("model")) as sink:
            sink.write_many(many(1))
        create = "AS SELECT * FROM model"
    if create is not None:
        postgres.query(f"CREATE TABLE {config.table} {create}")
    sink = PostgresSink(dataclasses.replace(config, create_table=False), spool=spool)
    for _ in range(2):
        with pytest.raises(WatlowSinkError, match=message):
            sink.open()


def test_a_database_that_is_not_there_is_said_at_opening(
    postgres: PostgresServer, config: PostgresConfig, spool: Path
) -> None:
    url = postgres.url.replace("/postgres?", "/nowhere?")
    with pytest.raises(WatlowSinkError, match='database "nowhere" does not exist'):
        PostgresSink(dataclasses.replace(config, dsn=url), spool=spool).open()


SECRET = "open-sesame"


@pytest.fixture
def everything(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """All that is said, down to the debug log."""
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    yield said
    assert caplog.text or said
    assert SECRET not in caplog.text
    assert not [text for text in said if SECRET in text]


@pytest.mark.parametrize(
    "where",
    [
        {"dsn": f"postgresql://ann:{SECRET}@127.0.0.1:1/lab"},
        {"dsn": f"host=127.0.0.1 port=1 user=ann password={SECRET} dbname=lab"},
        {"dsn": f"postgresql//ann:{SECRET}@127.0.0.1:1/lab"},
        {"dsn": f"postgresql://ann:{SECRET}@127.0.0.1:port/lab"},
        {"host": "127.0.0.1", "port": 1, "user": "ann", "password": SECRET, "database": "lab"},
    ],
)
def test_the_password_is_nowhere(where: dict[str, Any], spool: Path, everything: list[str]) -> None:
    config = PostgresConfig(**where, command_timeout_s=0.5)
    sink = PostgresSink(config, spool=spool, close_timeout_s=0.1)
    everything += [repr(config), str(config), config.target(), repr(sink)]
    try:
        with sink:
            sink.write_many(many(3))
            everything.append(str(sink.stats))
    except (WatlowSinkError, WatlowConfigurationError) as error:
        everything += [str(error), repr(error), repr(error.__cause__), repr(error.__context__)]
    assert SECRET not in "".join(each.name for each in spool.parent.iterdir())


@pytest.mark.parametrize(
    ("given", "message"),
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
def test_settings_that_cannot_be(given: dict[str, Any], message: str) -> None:
    with pytest.raises(WatlowConfigurationError, match=message):
        PostgresConfig(**given)


def test_options_that_cannot_be() -> None:
    config = PostgresConfig(dsn="postgresql://h/d")
    for wrong in ({"spool_limit_bytes": 10}, {"close_timeout_s": -1}):
        with pytest.raises(WatlowConfigurationError, match="give"):
            PostgresSink(config, **wrong)  # type: ignore[arg-type]
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
def test_a_target_says_where_and_no_more(dsn: str, target: str) -> None:
    assert PostgresConfig(dsn=dsn).target() == target


def test_each_table_has_a_spool_of_its_own(monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    config = PostgresConfig(dsn=f"postgresql://u:{SECRET}@h/d")
    one = PostgresSink(config).spool
    two = PostgresSink(dataclasses.replace(config, table="other")).spool
    assert one != two
    assert one == PostgresSink(config).spool
    assert one.parent == two.parent == tmp_path / "watlowlib"


def test_a_cell_a_server_cannot_hold_is_said_before_it_is_in_the_spool(
    postgres: PostgresServer, config: PostgresConfig, spool: Path
) -> None:
    with PostgresSink(config, spool=spool) as sink:
        for row, message in (
            ({"device": "a\0b", "requested_at": FIRST.requested_at}, "PostgreSQL cannot hold"),
            ({"address": 1 << 70, "requested_at": FIRST.requested_at}, "'address' holds integer"),
            ({"device": "a"}, "without requested_at"),
        ):
            with pytest.raises(WatlowSinkError, match=message):
                sink.write_many([FIRST, row])
        sink.write_many(numbered(0, 1))
    assert values(postgres, config.table) == [0.0]


def test_rows_that_come_while_the_sender_looks_are_sent_before_it_ends(
    postgres: PostgresServer, config: PostgresConfig, spool: Path, monkeypatch: Any
) -> None:
    looked, ending = threading.Event(), threading.Event()
    look = Spool.next

    def look_and_wait(self: Spool) -> SpooledRows | None:
        found = look(self)
        looked.set()
        assert ending.wait(PATIENCE_S)
        return found

    monkeypatch.setattr(Spool, "next", look_and_wait)
    sink = PostgresSink(config, spool=spool, close_timeout_s=PATIENCE_S)
    sink.open()
    assert looked.wait(PATIENCE_S)
    sink.write_many(numbered(0, 5))
    assert sink._sender is not None
    # It goes on looking at nothing only once it has been told to end.
    set_ending = sink._sender._ending.set
    monkeypatch.setattr(sink._sender._ending, "set", lambda: (set_ending(), ending.set()))
    sink.close()
    assert values(postgres, config.table) == counting(5)


def test_a_long_backlog_is_sent_by_opening_and_closing(
    postgres: PostgresServer, config: PostgresConfig, spool: Path
) -> None:
    postgres.stop()
    away = dataclasses.replace(config, command_timeout_s=0.5)
    with PostgresSink(away, spool=spool, close_timeout_s=0.1) as sink:
        for start in range(0, 20_000, 2000):
            sink.write_many(numbered(start, start + 2000))
    postgres.start()
    with PostgresSink(config, spool=spool, close_timeout_s=PATIENCE_S) as again:
        pass
    assert again.stats.rows_sent == 20_000
    assert values(postgres, config.table) == counting(20_000)


def test_rows_of_several_kinds_wait_in_one_spool(
    postgres: PostgresServer, config: PostgresConfig, spool: Path
) -> None:
    postgres.stop()
    away = dataclasses.replace(config, command_timeout_s=0.5)
    other = {"device": "argon", "value": 2.0, "requested_at": FIRST.requested_at}
    for rows in (numbered(0, 2), [other], numbered(3, 5)):
        with PostgresSink(away, spool=spool, close_timeout_s=0.1) as sink:
            sink.write_many(rows)
    postgres.start()
    with PostgresSink(config, spool=spool, close_timeout_s=PATIENCE_S):
        pass
    assert values(postgres, config.table) == counting(5)


def test_what_is_sent_at_once_is_limited(spool: Path) -> None:
    waiting = Spool(spool, 1 << 30, "lab.public.samples")
    for size in (100, 100, 1 << 20, 2 << 20, 100):
        waiting.put(ColumnLayout(COLUMN_TYPES), 1, bytes(size))
    sizes = []
    while parcel := waiting.next():
        sizes.append(len(parcel.data))
        waiting.remove(parcel)
    waiting.close()
    assert sizes == [200, 1 << 20, 2 << 20, 100]


def test_on_the_command_line(
    postgres: PostgresServer, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    postgres.query("DROP TABLE IF EXISTS samples")
    url = postgres.url.replace("postgres:@", f"postgres:{SECRET}@")
    assert main(["record", "--simulate", "1", "--duration", "0.5", url]) == 0
    rows = len(values(postgres, "samples"))
    assert main(["recover", url]) == 0
    shown = capsys.readouterr()
    assert f"{rows} rows written" in shown.out
    assert "0 rows sent, 0 still wait" in shown.out
    assert SECRET not in shown.out + shown.err
    assert rows > 0
