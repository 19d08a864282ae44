"""A recording in the background: start, latest samples, stop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event

import pytest

from watlowlib._internal.clock import Deadline
from watlowlib._labview.background import Background
from watlowlib.errors import WatlowClosedError, WatlowSinkError
from watlowlib.manager.manager import WatlowManager
from watlowlib.model import Sample
from watlowlib.simulator import SimulatedBus
from watlowlib.sinks.choose import open_sink
from watlowlib.sinks.reading import read_samples

PATIENCE_S = 20.0


@pytest.fixture
def fleet(bus: SimulatedBus) -> Iterator[WatlowManager]:
    """One controller on each of two ports; one of them is read in another thread."""
    with SimulatedBus([1], baudrate=None, turnaround_s=0.0) as other, WatlowManager() as mgr:
        mgr.add("one", bus.port)
        mgr.add("two", other.port)
        yield mgr


class CountingSink:
    """A sink that counts its rows, and shows whether it has any and whether it is open."""

    def __init__(self) -> None:
        self.has_rows = Event()
        self.is_open = False
        self.rows = 0

    def open(self) -> None:
        self.is_open = True

    def write_many(self, samples: Sequence[Sample]) -> None:
        self.rows += len(samples)
        self.has_rows.set()

    def close(self) -> None:
        self.is_open = False


def test_stop_writes_all_rows_and_closes_the_sink_and_the_fleet(fleet: WatlowManager) -> None:
    sink = CountingSink()
    background = Background(fleet, sink, parameters="sp", rate_hz=100.0)
    assert background.latest() == []
    background.start()
    assert sink.is_open
    assert sink.has_rows.wait(PATIENCE_S)
    assert background.running
    deadline = Deadline.after(PATIENCE_S)
    # On a busy machine a port may be "busy" in some ticks.
    while [(each.device, each.value) for each in background.latest()] != [
        ("one", 75.0),
        ("two", 75.0),
    ]:
        assert not deadline.passed(), background.latest()
    summary = background.stop()
    assert (background.running, background.failed, sink.is_open) == (False, "", False)
    assert sink.rows == summary.rows == 2 * summary.samples_emitted
    with pytest.raises(WatlowClosedError):
        fleet.poll("sp")


def test_a_file_is_complete_after_stop(fleet: WatlowManager, tmp_path: Path) -> None:
    path = tmp_path / "run.parquet"
    background = Background(fleet, open_sink(path), parameters="sp", rate_hz=100.0, duration=0.05)
    background.start()
    summary = background.stop()
    assert [row["value"] for row in read_samples(path)] == [75.0] * summary.rows
    assert not list(tmp_path.glob("*.journal*"))


def test_an_error_that_ends_the_recording_is_kept_and_raised(fleet: WatlowManager) -> None:
    class FullSink(CountingSink):
        def write_many(self, samples: Sequence[Sample]) -> None:
            super().write_many(samples)
            raise OSError(28, "No space left on device")

    sink = FullSink()
    background = Background(fleet, sink, parameters="sp", rate_hz=100.0)
    background.start()
    assert sink.has_rows.wait(PATIENCE_S)
    with pytest.raises(WatlowSinkError, match="No space left"):
        background.stop()
    assert "No space left" in background.failed
    assert not sink.is_open


def test_a_sink_that_cannot_be_opened_closes_those_opened_before(fleet: WatlowManager) -> None:
    class MissingSink(CountingSink):
        def open(self) -> None:
            raise WatlowSinkError("there is no folder")

    first = CountingSink()
    background = Background(fleet, first, MissingSink(), parameters="sp", rate_hz=100.0)
    with pytest.raises(WatlowSinkError, match="there is no folder"):
        background.start()
    assert not first.is_open
