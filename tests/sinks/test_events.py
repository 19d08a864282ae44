"""Events in every sink: stored beside the rows, in order, and read back."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.sinks.postgres_server import PostgresServer
from tests.sinks.samples import FIRST, START, many
from tests.sinks.test_conformance import FILE_TARGETS, TARGETS, InstantClock, Source, Target
from watlowlib import (
    CsvSink,
    Event,
    EventKind,
    InMemorySink,
    ParquetSink,
    PostgresConfig,
    PostgresSink,
    SqliteSink,
    WatlowConfigurationError,
    WatlowSinkError,
    open_sink,
    pipe,
    read_events,
    read_samples,
    record,
)
from watlowlib._internal.clock import ManualClock
from watlowlib.cli.progress import WatchedSink
from watlowlib.model import Sample
from watlowlib.sinks import pipe as pipe_module
from watlowlib.sinks.pipe import SinkWriter
from watlowlib.sinks.reading.files import READERS
from watlowlib.streaming.counters import Batch
from watlowlib.streaming.event_log import EventLog
from watlowlib.streaming.recorder import Recording
from watlowlib.sync import SyncSinkAdapter

ROOT = Path(__file__).parents[2]


def event(n: int, kind: EventKind = EventKind.NOTE, **fields: Any) -> Event:
    time = START + timedelta(seconds=n, microseconds=1)
    return Event(**{"time": time, "tick": n, "device": None, "kind": kind, "text": "", **fields})


EVENTS = [
    event(0, EventKind.RECORDING_STARTED, tick=None, text="ab12"),
    event(1, text='door "opened",\nthen closed; Tür'),
    event(2, EventKind.PARAMETER_WRITTEN, device="oven_top", text="setpoint", value=81.5),
    event(3, EventKind.ALARM_RAISED, device="oven_bot", text="alarm 1", value=7),
    event(4, text="12", value="=1+1"),
]


@pytest.fixture(params=FILE_TARGETS)
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Target:
    return TARGETS[request.param](tmp_path, request)


def test_events_read_back_equal_and_are_no_rows(file: Target) -> None:
    for events in (EVENTS[:2], EVENTS[2:]):
        with file.make() as sink:
            sink.write_many([FIRST])
            sink.write_events(events)
            assert not read_events(file.path, kind="note", device="oven_top")
    assert read_events(file.path) == EVENTS
    assert [type(each.value) for each in read_events(file.path)] == [
        type(each.value) for each in EVENTS
    ]
    sources = [file.path]
    if file.path.is_file():
        sources += [file.path.parent, file.path.with_name("r*n*")]
    for source in sources:
        assert len(list(read_samples(source))) == 2
        assert read_events(source) == EVENTS
    with pytest.raises(WatlowSinkError, match="is not open"):
        sink.write_events(EVENTS)


def test_events_are_filtered(tmp_path: Path) -> None:
    with CsvSink(tmp_path / "run.csv") as sink:
        sink.write_events(EVENTS[::-1])
    path = tmp_path / "run.events.csv"
    assert read_events(path, kind="note") == [EVENTS[1], EVENTS[4]]
    assert read_events(path, kind=[EventKind.NOTE, "alarm_raised"]) == [
        EVENTS[1], EVENTS[3], EVENTS[4],
    ]  # fmt: skip
    assert read_events(path, device="oven_bot") == [EVENTS[3]]
    assert read_events(path, since=EVENTS[1].time, until=EVENTS[3].time) == EVENTS[1:3]
    with pytest.raises(WatlowConfigurationError, match="kind='nota': allowed are recording_st"):
        read_events(path, kind="nota")


def test_an_event_in_several_files_is_returned_once(tmp_path: Path) -> None:
    for name in ("run.csv", "run.sqlite", "other.jsonl"):
        with open_sink(tmp_path / name) as sink:
            sink.write_events(EVENTS)
    assert read_events(tmp_path) == EVENTS


def test_a_recording_without_events_has_none_and_no_file_for_them(file: Target) -> None:
    with file.make() as sink:
        sink.write_many([FIRST])
    assert read_events(file.path) == []
    assert not list(file.path.parent.glob("*.events.*"))
    with pytest.raises(WatlowSinkError, match="there is no file"):
        read_events(file.path.with_name("no" + file.path.suffix))
    with pytest.raises(WatlowConfigurationError, match="selects the format"):
        read_events(file.path.with_suffix(".txt"))


def test_a_file_with_other_columns_has_no_events(tmp_path: Path) -> None:
    (tmp_path / "run.events.csv").write_text("a,b\n1,2\n")
    with pytest.raises(WatlowSinkError, match="has no events: their columns are time, tick"):
        read_events(tmp_path / "run.events.csv")


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet", "sqlite"])
def test_events_of_a_rotated_file_are_read_with_its_parts(suffix: str, tmp_path: Path) -> None:
    with open_sink(tmp_path / f"roll.{suffix}", rotate="1 B") as sink:
        for n in range(3):
            sink.write_many([FIRST])
            sink.write_events([EVENTS[n]])
    for pattern in (f"roll*.{suffix}*", f"roll-*.{suffix}*", f"roll.{suffix}"):
        found = read_events(tmp_path / pattern)
        assert set(found) <= set(EVENTS[:3])
        assert len(found) == len(set(found))
        if suffix != "sqlite" or pattern.startswith("roll*"):
            assert found == EVENTS[:3]
    assert len(list(read_samples(tmp_path / f"roll*.{suffix}*"))) == 3


def test_events_of_a_folder_of_parquet_files_are_in_it(tmp_path: Path) -> None:
    with ParquetSink(tmp_path / "run", rotate_bytes=1) as sink:
        for n in range(2):
            sink.write_many([FIRST])
            sink.write_events([EVENTS[n]])
    assert read_events(tmp_path / "run") == EVENTS[:2]
    assert len(list(read_samples(tmp_path / "run"))) == 2
    assert [each.name for each in tmp_path.iterdir()] == ["run"]


def test_the_server_gets_events_exactly_once_also_after_an_outage(
    postgres: PostgresServer, config: PostgresConfig, table: str, tmp_path: Path
) -> None:
    postgres.query("DROP TABLE IF EXISTS events")
    assert read_events(postgres.url) == []
    config = replace(config, partition="1 month", keep="2 years")  # is not for the events
    sink = PostgresSink(config, spool=tmp_path / "run.spool", close_timeout_s=0.1)
    with sink:
        sink.write_many([FIRST])
        sink.write_events(EVENTS[:2])
        postgres.stop()
        sink.write_events(EVENTS[2:4])
    postgres.start()
    again = PostgresSink(config, spool=tmp_path / "run.spool")
    with again:
        again.write_many([FIRST])
        again.write_events(EVENTS[4:])
    assert read_events(postgres.url) == EVENTS
    assert len(list(read_samples(postgres.url, table=table))) == 2


class NoEventsSink(InMemorySink):
    """A sink whose events cannot be stored until `works` is set."""

    works = False

    def write_events(self, events: Sequence[Event]) -> None:
        if not self.works:
            raise OSError("no room for events")
        super().write_events(events)


def one_tick(**options: Any) -> Recording:
    return record(
        Source(), parameters="pv", rate_hz=1e6, duration=1e-6, clock=InstantClock(), **options
    )


def test_pipe_stores_events_after_the_rows_and_once(tmp_path: Path) -> None:
    order: list[str] = []

    class Ordered(InMemorySink):
        def write_many(self, samples: Sequence[Any]) -> None:
            order.append("rows")
            super().write_many(samples)

        def write_events(self, events: Sequence[Event]) -> None:
            order.extend(str(each.kind) for each in events)
            super().write_events(events)

    class Progress:
        def add_sink(self, sink: object) -> None:
            pass

        def add_written(self, samples: Sequence[Sample]) -> None:
            pass

    with Ordered() as memory, CsvSink(tmp_path / "run.csv") as csv, one_tick(events=True) as stream:
        pipe(stream, WatchedSink(memory, Progress()), SyncSinkAdapter(csv), batch_size=1)
    assert order == ["rows", "recording_started", "recording_stopped"]
    assert read_events(tmp_path / "run.csv") == memory.events


def test_without_events_no_further_file_is_written(tmp_path: Path) -> None:
    with CsvSink(tmp_path / "run.csv") as sink, one_tick() as stream:
        pipe(stream, sink)
    assert {each.name for each in tmp_path.iterdir()} == {"run.csv", "run.csv.meta.json"}


def test_rows_are_stored_where_events_cannot_be(caplog: pytest.LogCaptureFixture) -> None:
    with NoEventsSink() as sink, one_tick(events=True) as stream:
        (report,) = pipe(stream, sink).sinks
    assert (report.rows_written, report.rows_lost) == (1, 0)
    assert report.error == "events are not stored: no room for events"
    assert caplog.text.count("the events are not stored: no room for events") == 1


def test_events_that_could_not_be_stored_are_stored_later() -> None:
    with NoEventsSink() as sink:
        writer = SinkWriter(one_tick(), sink, batch_size=1, flush_interval=0.0)
        writer._keep_events(EVENTS[:1])
        writer._write([FIRST])
        sink.works = True
        writer._keep_events(EVENTS[1:])
        writer._write([FIRST])
    assert sink.events == EVENTS
    assert writer.report().error is None


def test_a_sink_that_takes_no_events_keeps_the_latest(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pipe_module, "MOST_EVENTS", 2)
    with NoEventsSink() as sink:
        writer = SinkWriter(one_tick(), sink, batch_size=1, flush_interval=0.0)
        writer._keep_events(EVENTS[:3])
        writer._keep_events(EVENTS[3:])
        sink.works = True
        writer._write([FIRST])
    assert [(each.kind, each.value) for each in sink.events] == [
        ("events_lost", 4), ("note", "=1+1"),
    ]  # fmt: skip
    assert "2 events are lost" in caplog.text


def test_events_of_refused_batches_come_with_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipe_module, "WAITING_BATCHES", 1)
    monkeypatch.setattr(pipe_module, "GRACE_S", 0.0)
    with InMemorySink() as sink:
        writer = SinkWriter(one_tick(), sink, batch_size=1, flush_interval=0.0)
        for each in EVENTS:  # the writer has not started: the queue is full after the first
            writer.offer(Batch([FIRST], events=(each,)), alone=False)
        writer.end()
        writer.worker.start()
        writer.worker.wait()
    assert (len(sink.samples), sink.events) == (1, EVENTS)


def test_a_failed_sink_is_an_event_of_the_others(caplog: pytest.LogCaptureFixture) -> None:
    class FailingSink(InMemorySink):
        def write_many(self, samples: Sequence[Any]) -> None:
            raise OSError("the disk is gone")

    failed = stream_until_sink_failed(FailingSink())
    assert [each.text.endswith("the disk is gone") for each in failed] == [True]


def stream_until_sink_failed(bad: InMemorySink) -> list[Event]:
    """Record into `bad` and a good sink until the good one has the event about the bad one."""

    class Good(InMemorySink):
        def write_events(self, events: Sequence[Event]) -> None:
            super().write_events(events)
            if any(each.kind == EventKind.SINK_FAILED for each in events):
                stream.stop()

    stream = record(Source(), parameters="pv", rate_hz=200.0, duration=20.0, events=True)
    with Good() as good, bad, pytest.raises(WatlowSinkError), stream:
        pipe(stream, good, bad, batch_size=1)
    return [each for each in good.events if each.kind == EventKind.SINK_FAILED]


def test_a_table_of_rows_named_events_takes_no_events(tmp_path: Path) -> None:
    with SqliteSink(tmp_path / "run.sqlite", table="events") as sink:
        sink.write_many(many(1))
        with pytest.raises(WatlowSinkError, match="the table events has the rows"):
            sink.write_events(EVENTS)


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_events_survive_a_kill(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"run.{suffix}"
    program = (
        "import os, signal\n"
        "from tests.sinks.test_events import EVENTS, FIRST, open_sink\n"
        f"sink = open_sink({str(path)!r}); sink.open()\n"
        "sink.write_many([FIRST]); sink.write_events(EVENTS[:3]); sink.write_events(EVENTS[3:])\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", program], cwd=ROOT, check=False, timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == -9
    assert read_events(path) == EVENTS
    with open_sink(path) as sink:
        sink.write_events([event(9)])
    assert read_events(path) == [*EVENTS, event(9)]


def test_the_example_of_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs" / "events.md").read_text("utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (printed,) = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(example, {})
    # Without the date, the time and the ID.
    shape = [re.sub(r"[0-9a-f]{32}", "ID", line[20:]) for line in printed.splitlines()]
    out = capsys.readouterr().out.splitlines()
    out = [line for line in out if "slots skipped" not in line]  # on a busy machine
    assert [re.sub(r"[0-9a-f]{32}", "ID", line[20:]) for line in out] == shape


def test_the_page_has_every_kind() -> None:
    page = (ROOT / "docs" / "events.md").read_text("utf-8")
    kinds = page[page.index("## Kinds") :]
    assert set(re.findall(r"`([a-z_]+)`", "".join(re.findall(r"^\| (`.*?) \|", kinds, re.M)))) == {
        kind.value for kind in EventKind
    }


def test_the_first_events_do_not_wait_for_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("psycopg_pool")
    from watlowlib.sinks.postgres.server import Server
    from watlowlib.sinks.postgres.spool import ServerUnavailableError

    def wait(self: Server, columns: tuple[str, ...]) -> None:
        waited.append(columns)
        self.start()
        raise ServerUnavailableError("it does not reply")

    waited: list[tuple[str, ...]] = []
    monkeypatch.setattr(Server, "open", wait)
    config = PostgresConfig(host="127.0.0.1", port=1, user="kim", database="ovens", password="x")
    sink = PostgresSink(config, spool=tmp_path / "run.spool", close_timeout_s=0.01)
    with sink:
        sink.write_events(EVENTS)
    assert len(waited) == 1  # by `open`, before the recording


def test_samples_in_a_file_named_as_one_with_events_are_read(file: Target) -> None:
    if file.path.suffix == ".sqlite" or file.path.suffix not in READERS:
        pytest.skip("no files with events")
    samples = file.path.with_name(f"other.events{file.path.suffix}")
    with open_sink(samples) as sink, open_sink(file.path) as other:
        sink.write_many([FIRST])
        other.write_many([FIRST])
        other.write_events(EVENTS[:2])
    assert len(list(read_samples(file.path.parent))) == 2
    assert read_events(file.path.parent) == EVENTS[:2]
    assert read_events(samples) == []
    with open_sink(samples) as sink:
        sink.write_events(EVENTS[2:3])
    assert read_events(samples) == EVENTS[2:3]


def test_a_torn_header_of_events_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "run.events.csv").write_bytes(b"time,tick,dev")
    with CsvSink(tmp_path / "run.csv") as sink:
        sink.write_events(EVENTS)
    assert read_events(tmp_path / "run.csv") == EVENTS


def test_events_that_a_slow_sink_loses_are_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pipe_module, "WAITING_BATCHES", 1)
    monkeypatch.setattr(pipe_module, "GRACE_S", 0.0)
    monkeypatch.setattr(pipe_module, "MOST_EVENTS", 2)
    writer = SinkWriter(one_tick(), InMemorySink(), batch_size=1, flush_interval=0.0)
    for each in EVENTS:
        writer.offer(Batch([FIRST], events=(each,)), alone=False)
    assert "3 events are lost: the sink does not keep up" in caplog.text


def test_events_that_no_attempt_has_stored_are_logged_at_the_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with NoEventsSink() as sink, one_tick(events=True) as stream:
        pipe(stream, sink)
    assert "2 events are lost: events are not stored: no room for events" in caplog.text


def test_no_event_keeps_a_sink_from_storing_the_others(file: Target) -> None:
    log = EventLog(ManualClock())
    log.add([
        event(0, text="half of \ud83d", device="\udcff", value="\udcff\0"),
        event(1, text="null\0" + 2000 * "x", value=10**30),
        event(2, value=Fraction(3, 2)),
    ])  # fmt: skip
    with file.make() as sink:
        sink.write_many([FIRST])
        sink.write_events(log.take())
    found = read_events(file.path)
    assert [(each.text, each.device, each.value) for each in found] == [
        ("half of ?", "?", "??"),
        ("null?" + 995 * "x", None, 1e30),
        ("", None, 1.5),
    ]
