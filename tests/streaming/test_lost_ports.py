"""Ports that are unplugged during a recording and replugged, perhaps under another name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from watlowlib import CsvSink, Recording, WatlowManager, open_device, read_samples, record
from watlowlib._internal.clock import Deadline
from watlowlib.errors import WatlowConnectionError
from watlowlib.simulator import Fault, FaultPlan, SimulatedBus

PATIENCE_S = 20.0


@pytest.fixture
def mgr() -> Iterator[WatlowManager]:
    with WatlowManager() as manager:
        yield manager


def read_until(stream: Recording, **expected: str) -> list[dict[str, str]]:
    """Read batches until one has the expected statuses; return those of each batch by device."""
    deadline = Deadline.after(PATIENCE_S)
    seen: list[dict[str, str]] = []
    for batch in stream:
        seen.append({sample.device: sample.status for sample in batch})
        if seen[-1] == expected:
            return seen
        assert not deadline.passed(), seen[-1]
    raise AssertionError("the recording has ended")


@pytest.mark.skipif(os.name == "nt", reason="no ptys")
def test_a_port_with_a_new_name_is_found_by_its_link(mgr: WatlowManager, tmp_path: Path) -> None:
    link = tmp_path / "usb-FTDI_RS485-if00"
    quick = {"baudrate": None, "turnaround_s": 0.0}
    with SimulatedBus([1, 2], link=link, **quick) as bus, SimulatedBus([1], **quick) as other:  # type: ignore[arg-type]
        mgr.add("top", link, address=1)
        mgr.add("bottom", link, address=2)
        mgr.add("retort", other.port)
        with record(mgr, parameters="pv", rate_hz=100.0, buffer_size=1) as stream:
            read_until(stream, top="ok", bottom="ok", retort="ok")
            old_name = link.readlink()
            bus.unplug()
            seen = read_until(stream, top="disconnected", bottom="disconnected", retort="ok")
            bus.replug(elsewhere=True)
            assert link.readlink() != old_name
            seen += read_until(stream, top="ok", bottom="ok", retort="ok")
            assert stream.summary.disconnects == 1
            other.unplug()
            read_until(stream, top="ok", bottom="ok", retort="disconnected")
        # A port may be "busy" while it is reopened; on a slow machine any port may be.
        assert {each["retort"] for each in seen} - {"busy"} == {"ok"}
        assert {each["top"] for each in seen} - {"busy"} == {"ok", "disconnected"}
        assert stream.summary.disconnects == 2
        assert mgr.get("top").port_stats.reconnects == 1


def test_without_auto_reconnect_the_rows_are_kept_and_the_error_is_raised(
    mgr: WatlowManager, tmp_path: Path
) -> None:
    faults = FaultPlan()
    faults.next_are(*[None] * (2 * 3 + 5), Fault.CLOSE)  # two identities, then five values
    path = tmp_path / "run.csv"
    with SimulatedBus([1, 2], baudrate=None, faults=faults, transport="tcp") as bus:
        for address in (1, 2):
            mgr.add(f"oven_{address}", bus.port, address=address)
        with pytest.raises(WatlowConnectionError, match="the port of 'oven_2' was lost"):
            mgr.record_to_sink(
                parameters="pv", rate_hz=50.0, sink=CsvSink(path), auto_reconnect=False
            )
    statuses = [row["status"] for row in read_samples(path)]
    assert statuses == ["ok"] * 5 + ["disconnected"]


@pytest.mark.skipif(os.name == "nt", reason="no ptys")
def test_a_port_reopened_for_another_controller_counts_as_a_reconnect(
    mgr: WatlowManager, tmp_path: Path
) -> None:
    link = tmp_path / "usb-FTDI_RS485-if00"
    with SimulatedBus([1, 2], baudrate=None, turnaround_s=0.0, link=link) as bus:
        top = mgr.add("top", link, address=1)
        assert top.read_setpoint().value == 75.0
        bus.unplug()
        with pytest.raises(WatlowConnectionError):
            top.read_setpoint()
        bus.replug()
        assert top.port_stats.reconnects == 0
        bottom = mgr.add("bottom", link, address=2)
        assert bottom.port_stats is top.port_stats
        assert top.port_stats.reconnects == 1
        assert [each.error for each in mgr.poll("setpoint").values()] == [None, None]
        assert top.port_stats.reconnects == 1


@pytest.mark.skipif(os.name == "nt", reason="no ptys")
def test_a_port_that_does_not_exist_yet_is_opened_once_it_does(
    mgr: WatlowManager, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    link = tmp_path / "usb-FTDI_RS485-if00"
    with ExitStack() as stack:
        for address in (1, 2):
            waiting = open_device(link, address=address, timeout_s=0.25, wait_for_port=True)
            mgr.add(f"oven_{address}", stack.enter_context(waiting))
        stream = stack.enter_context(record(mgr, parameters="setpoint", rate_hz=50.0))
        read_until(stream, oven_1="disconnected", oven_2="disconnected")
        stack.enter_context(SimulatedBus([1, 2], link=link, baudrate=None, turnaround_s=0.0))
        read_until(stream, oven_1="ok", oven_2="ok")
        stream.stop()
    texts = [each.message for each in caplog.records if "port" in each.message]
    before, after = texts
    assert before.startswith(f"waiting for port {link}: ")
    assert after == f"port {link} is open"


def test_a_port_that_does_not_exist_is_an_error_unless_it_is_waited_for(tmp_path: Path) -> None:
    with pytest.raises(WatlowConnectionError):
        open_device(tmp_path / "none")
