"""A recording of a rig file: what it does when the file is loaded again, and when a sink fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.service.conftest import RigFile
from tests.streaming.test_replace_plan import PATIENCE_S, advance
from watlowlib import (
    Sample,
    WatlowClosedError,
    WatlowConfigurationError,
    WatlowSinkError,
    read_events,
    read_samples,
)
from watlowlib._internal.clock import ManualClock
from watlowlib.rig.values import RigSink
from watlowlib.service import writers
from watlowlib.service.recorder import RigService
from watlowlib.simulator import SimulatedBus
from watlowlib.sinks.base import TableSink
from watlowlib.sinks.csv import CsvSink


def ticks(path: Path, device: str, parameter: str = "setpoint") -> list[tuple[int, float]]:
    """Return the tick and the time of each row of a parameter; every row has a value."""
    rows = [each for each in read_samples(path) if each["device"] == device]
    found = [each for each in rows if each["parameter"] == parameter]
    assert all(each["status"] == "ok" for each in found)
    return [(each["tick"], each["scheduled_at"].timestamp()) for each in found]


def states(service: RigService) -> set[tuple[str, str]]:
    return {(each.device, each.status) for each in service.latest.all()}


def test_a_reload_keeps_every_slot_of_what_stays(rig_file: RigFile, line1: SimulatedBus) -> None:
    rig_file.write("top=line1:1 gone=line1:2", sinks="kept.csv removed.csv")
    clock = ManualClock()
    with RigService(rig_file.path, clock=clock) as service:
        advance(clock, 2.5)
        top = service.fleet.members["top"].controller
        sink = service._writers[0]
        wait_for(lambda: sink.report().rows_written == 6)
        rig_file.write(
            "new=line1:2 top=line1:1",
            "rates = { setpoint = 1.0, process_value = 4.0 }\nmetadata = { batch = 2 }",
            sinks="added.csv kept.csv",
        )
        service.reload()
        advance(clock, 1.5)
        assert service.fleet.members["top"].controller is top
        assert sink in service._writers
        wait_for(lambda: states(service) == {("top", "ok"), ("new", "ok")})
        names = [Path(each.name.split("'")[1]).name for each in service.summary.sinks]
        assert sorted(names) == ["added.csv", "kept.csv"]
    folder = rig_file.folder
    kept = ticks(folder / "kept.csv", "top")
    assert [at for _, at in kept] == [0.0, 1.0, 2.0, 3.0, 4.0]
    # The ticks at 2.5 and 2.75 s have the numbers 3 and 4.
    assert [number for number, _ in kept] == [0, 1, 2, 5, 9]
    fast = ticks(folder / "kept.csv", "new", "process_value")
    assert fast == [(3 + n, 2.5 + n / 4) for n in range(7)]
    assert ticks(folder / "kept.csv", "gone") == [(0, 0.0), (1, 1.0), (2, 2.0)]
    assert ticks(folder / "removed.csv", "top") == [(0, 0.0), (1, 1.0), (2, 2.0)]
    assert ticks(folder / "added.csv", "top") == [(5, 3.0), (9, 4.0)]
    recordings = read_samples(folder / "kept.csv").metadata
    assert [each["metadata"] for each in recordings] == [{}, {"batch": 2}]


def test_a_file_with_problems_changes_nothing(rig_file: RigFile, line1: SimulatedBus) -> None:
    clock = ManualClock()
    with RigService(rig_file.path, clock=clock) as service:
        advance(clock, 1.0)
        before = service.fleet, service._writers
        rig_file.write(record='parameters = ["setpiont"]')
        with pytest.raises(WatlowConfigurationError, match="setpoint"):
            service.reload()
        rig_file.write("top=line1:1 new=line2:1", sinks="run.csv missing/other.csv")
        with pytest.raises(WatlowSinkError, match="missing"):
            service.reload()
        rig_file.write(ports='baudrate = 9600\nprotocol = "modbus_rtu"')
        with pytest.raises(WatlowConfigurationError, match="cannot change the protocol"):
            service.reload()
        rig_file.write(ports='capture = "wire.jsonl"')
        with pytest.raises(WatlowConfigurationError, match="or the capture of a port that is in"):
            service.reload()
        assert (service.fleet, service._writers) == before
        assert service.reloads == 0
        advance(clock, 1.0)
    assert [number for number, _ in ticks(rig_file.folder / "run.csv", "top")] == [0, 1, 2]


def test_a_controller_at_another_address_is_opened_with_its_old_name(
    rig_file: RigFile, line1: SimulatedBus
) -> None:
    line1.controllers[1].set("setpoint", 11.0)
    line1.controllers[2].set("setpoint", 22.0)
    rig_file.write("top=line1:1 bottom=line1:2")
    clock = ManualClock()
    with RigService(rig_file.path, clock=clock) as service:
        advance(clock, 1.0)
        rig_file.write("top=line1:2 bottom=line1:1")
        service.reload()
        advance(clock, 1.0)
    rows = list(read_samples(rig_file.folder / "run.csv"))
    assert [each["value"] for each in rows if each["device"] == "top"] == [11.0, 11.0, 22.0]


def test_other_keys_of_a_sink_that_stays_are_used_without_losing_a_row(
    rig_file: RigFile, line1: SimulatedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    def add_rotation(size: str) -> None:
        rig_file.write()
        text = rig_file.path.read_text("utf-8")
        rig_file.path.write_text(f'{text}rotate = "{size}"\n', "utf-8")

    clock = ManualClock()
    with RigService(rig_file.path, clock=clock) as service:
        (writer,) = service._writers
        advance(clock, 1.0)
        add_rotation("500 MB")
        service.reload()
        assert service._writers == (writer,)
        assert writer.rig_sink.rotate == "500 MB"
        advance(clock, 1.0)

        def refuse(rig_sink: RigSink) -> TableSink:
            return FailingSink(rig_sink.url)

        monkeypatch.setattr(writers, "sink_of", refuse)
        FailingSink.broken.set()
        add_rotation("600 MB")
        with pytest.raises(WatlowSinkError, match="disk is full"):
            service.reload()
        assert writer.rig_sink.rotate == "500 MB"
        advance(clock, 1.0)
        assert writer.report().error is None
    assert [number for number, _ in ticks(rig_file.folder / "run.csv", "top")] == [0, 1, 2, 3]


def test_a_new_port_that_does_not_exist_is_waited_for(
    rig_file: RigFile, line1: SimulatedBus
) -> None:
    clock = ManualClock()
    with RigService(rig_file.path, clock=clock) as service:
        advance(clock, 1.0)
        rig_file.write("top=line1:1 far=line2:1")
        service.reload()
        advance(clock, 1.0)
        wait_for(lambda: ("far", "disconnected") in states(service))
    assert len(ticks(rig_file.folder / "run.csv", "top")) == 3


def test_a_protocol_that_needs_the_controllers_is_refused(rig_file: RigFile) -> None:
    rig_file.write(ports='protocol = "auto"')
    with pytest.raises(WatlowConfigurationError, match="may start before them"):
        RigService(rig_file.path).__enter__()


class FailingSink(CsvSink):
    """A CSV file; `write_many` and `open` fail while `broken` is set."""

    broken = threading.Event()
    failures: list[str] = []  # noqa: RUF012

    def open(self) -> None:
        self._check()
        super().open()

    def write_many(self, samples: Sequence[Sample]) -> None:  # type: ignore[override]
        self._check()
        super().write_many(samples)

    def _check(self) -> None:
        if self.broken.is_set():
            self.failures.append(repr(self))
            raise WatlowSinkError("the disk is full")


def wait_for(reached: Callable[[], bool]) -> None:
    waiting = threading.Event()
    for _ in range(round(PATIENCE_S / 0.01)):
        if reached():
            return
        waiting.wait(0.01)
    raise AssertionError("not reached")


def test_a_sink_that_fails_is_opened_again_and_the_others_continue(
    rig_file: RigFile, line1: SimulatedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"REOPEN_FIRST_S": 0.0, "BATCH_SIZE": 1}.items():
        monkeypatch.setattr(writers, name, value)
    make = writers.sink_of
    monkeypatch.setattr(
        "watlowlib.service.recorder.sink_of",
        lambda each: FailingSink(each.url) if each.url.endswith("bad.csv") else make(each),
    )
    rig_file.write(sinks="bad.csv good.csv")
    clock = ManualClock()
    FailingSink.broken.clear()
    FailingSink.failures.clear()
    with RigService(rig_file.path, clock=clock) as service:
        bad = service._writers[0]
        advance(clock, 1.0)
        wait_for(lambda: bad.report().rows_written == 2)
        FailingSink.broken.set()
        advance(clock, 2.0)
        wait_for(lambda: len(FailingSink.failures) == 2)  # to write, and to open it again
        bad._events_problem = "events are not stored"
        assert bad.report().error == "the disk is full"
        bad._events_problem = None
        FailingSink.broken.clear()
        advance(clock, 1.0)
        wait_for(lambda: bad.report().rows_written == 3)
        report = bad.report()
        assert (report.rows_lost, report.error) == (2, None)
    folder = rig_file.folder
    assert [number for number, _ in ticks(folder / "bad.csv", "top")] == [0, 1, 4]
    assert [number for number, _ in ticks(folder / "good.csv", "top")] == [0, 1, 2, 3, 4]
    assert len(read_samples(folder / "bad.csv").metadata) == 1
    for name in ("bad.csv", "good.csv"):
        assert [each.kind for each in read_events(folder / name)] == [
            "recording_started", "sink_failed", "sink_back", "recording_stopped",
        ]  # fmt: skip


def test_the_end_waits_for_a_reload_in_progress(
    rig_file: RigFile, line1: SimulatedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening, ended = threading.Event(), threading.Event()
    refused: list[WatlowClosedError] = []

    def reload() -> None:
        with pytest.raises(WatlowClosedError) as caught:
            service.reload()
        refused.append(caught.value)
        assert not ended.is_set()

    class SlowSink(CsvSink):
        def open(self) -> None:
            opening.set()
            assert service.recording._stop.wait(PATIENCE_S)
            ended.wait(0.2)
            super().open()

    with RigService(rig_file.path, clock=ManualClock()) as service:
        monkeypatch.setattr("watlowlib.service.recorder.sink_of", lambda each: SlowSink(each.url))
        rig_file.write(sinks="run.csv added.csv")
        reloading = threading.Thread(target=reload)
        reloading.start()
        assert opening.wait(PATIENCE_S)
    ended.set()
    reloading.join(PATIENCE_S)
    assert len(refused) == 1
    with pytest.raises(WatlowClosedError):
        service.reload()
