"""A recording that goes on by itself: started, looked at, ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event

import pytest

from watlowlib._internal.clock import Deadline
from watlowlib._labview.background import Background, _Watched
from watlowlib.errors import WatlowClosedError, WatlowSinkError
from watlowlib.manager.manager import WatlowManager
from watlowlib.model import Sample
from watlowlib.simulator import SimulatedBus
from watlowlib.sinks.choose import open_sink
from watlowlib.sinks.reading import read_samples
from watlowlib.streaming.recorder import record

PATIENCE_S = 20.0


@pytest.fixture
def fleet(bus: SimulatedBus) -> Iterator[WatlowManager]:
    """A controller on each of two ports, so that one of them is asked in another thread."""
    with SimulatedBus([1], baudrate=None, turnaround_s=0.0) as other, WatlowManager() as mgr:
        mgr.add("one", bus.port)
        mgr.add("two", other.port)
        yield mgr


class Counting:
    """A sink that says when it has been given rows, and whether it is open."""

    def __init__(self) -> None:
        self.given = Event()
        self.open_now = False
        self.rows = 0

    def open(self) -> None:
        self.open_now = True

    def write_many(self, samples: Sequence[Sample]) -> None:
        self.rows += len(samples)
        self.given.set()

    def close(self) -> None:
        self.open_now = False


def test_it_opens_its_sink_fills_it_and_closes_it_and_the_fleet(fleet: WatlowManager) -> None:
    sink = Counting()
    background = Background(fleet, sink, parameters="sp", rate_hz=100.0)
    assert background.latest() == []
    background.start()
    assert sink.open_now
    assert sink.given.wait(PATIENCE_S)
    assert background.running
    late = Deadline.after(PATIENCE_S)
    # A tick may go without a port that is held up, as on a busy machine.
    while [(each.device, each.value) for each in background.latest()] != [
        ("one", 75.0),
        ("two", 75.0),
    ]:
        assert not late.passed(), background.latest()
    summary = background.stop()
    assert (background.running, background.failed, sink.open_now) == (False, "", False)
    assert sink.rows == summary.rows == 2 * summary.samples_emitted
    with pytest.raises(WatlowClosedError):
        fleet.poll("sp")


def test_a_file_is_finished_when_it_has_stopped(fleet: WatlowManager, tmp_path: Path) -> None:
    path = tmp_path / "run.parquet"
    background = Background(fleet, open_sink(path), parameters="sp", rate_hz=100.0, duration=0.05)
    background.start()
    summary = background.stop()
    assert [row["value"] for row in read_samples(path)] == [75.0] * summary.rows
    assert not list(tmp_path.glob("*.journal*"))


def test_what_has_ended_it_is_kept_and_raised(fleet: WatlowManager) -> None:
    class Full(Counting):
        def write_many(self, samples: Sequence[Sample]) -> None:
            super().write_many(samples)
            raise OSError(28, "No space left on device")

    sink = Full()
    background = Background(fleet, sink, parameters="sp", rate_hz=100.0)
    background.start()
    assert sink.given.wait(PATIENCE_S)
    with pytest.raises(WatlowSinkError, match="No space left"):
        background.stop()
    assert "No space left" in background.failed
    assert not sink.open_now


def test_a_fleet_that_is_watched_is_asked_as_any_other(bus: SimulatedBus) -> None:
    with SimulatedBus([1], baudrate=None) as slow, WatlowManager() as mgr:
        mgr.add("good", bus.port)
        mgr.add("slow", slow.port, timeout_s=30.0)
        rates = {"setpoint": 5.0, "process_value": 1.0}
        plan = record(_Watched(mgr), parameters=rates)._plan
        stop = Event()
        for due in plan.polls:
            plan.read(due, stop, 30.0)
        slow.stall()
        assert [sample.status for sample in plan.read((0, 1), stop, 0.0)[2:]] == ["busy"] * 2
        # For another of its polls the port is not asked anew, and in the end nothing is.
        assert [sample.status for sample in plan.read((0,), stop, 0.0)[1:]] == ["busy"]
        slow.resume()
        plan.finish()
        assert mgr.get("slow").stats.exchanges == 1 + 1 + 2 + 2
