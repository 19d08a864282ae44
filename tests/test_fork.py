"""A forked child does not use the ports, threads and sinks of its parent, and does not wait."""

from __future__ import annotations

import gc
import multiprocessing
import termios
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

import pytest

from tests.forked import DEADLINE_S, Child, assert_refused, in_child, needs_fork
from watlowlib import (
    Controller,
    ErrorPolicy,
    InMemorySink,
    WatlowManager,
    WatlowPortBusyError,
    WatlowProcessError,
    open_device,
    pipe,
    record,
)
from watlowlib._internal.threads import Worker
from watlowlib._labview import handles
from watlowlib.devices.maintenance import set_address
from watlowlib.protocol import port_pool
from watlowlib.simulator import SimulatedBus, SimulatedController
from watlowlib.simulator.processes import BusProcess
from watlowlib.sync import SyncPortal
from watlowlib.transport.serial_port import SerialTransport

pytestmark = needs_fork

# Start Python's own helper now: its descriptor stays open and is not a leak of a test.
resource_tracker.ensure_running()


@contextmanager
def port_in_use(bus: SimulatedBus, ctl: Controller) -> Iterator[None]:
    """Let another thread hold the lock of the port, in a read without a reply yet."""
    sent = threading.Event()
    portions = bus.faults.portions

    def hold(*arguments: Any) -> Any:
        bus_waits.wait(DEADLINE_S)
        return portions(*arguments)

    bus_waits = threading.Event()
    write = ctl.session.port.line.transport.write

    def write_and_tell(*arguments: Any) -> None:
        write(*arguments)
        sent.set()

    ctl.session.port.line.transport.write = write_and_tell  # type: ignore[method-assign]
    bus.faults.portions = hold  # type: ignore[method-assign]
    reader = threading.Thread(target=ctl.read_pv)
    reader.start()
    try:
        assert sent.wait(DEADLINE_S)
        yield
    finally:
        bus_waits.set()
        del bus.faults.portions
        ctl.session.port.line.transport.write = write  # type: ignore[method-assign]
        reader.join(DEADLINE_S)


@pytest.fixture
def patient(bus: SimulatedBus) -> Iterator[Controller]:
    """Controller 1 on `bus`, with a timeout longer than any child takes."""
    with open_device(bus.port, timeout_s=2 * DEADLINE_S) as opened:
        yield opened


@pytest.fixture
def received(bus: SimulatedBus, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """All bytes that have arrived at the controllers."""
    requests: list[bytes] = []
    request = bus.wire.request

    def count(now_s: float, data: bytes) -> float | None:
        requests.append(data)
        return request(now_s, data)

    monkeypatch.setattr(bus.wire, "request", count)
    return requests


CALLS: dict[str, Callable[[Controller], object]] = {
    "read": lambda ctl: ctl.read_pv(),
    "read_parameter": lambda ctl: ctl.read_parameter("part_number"),
    "write": lambda ctl: ctl.set_setpoint(80.0, confirm=True),
    "write_parameter": lambda ctl: ctl.write_parameter("control_mode", "auto", confirm=True),
    "poll": lambda ctl: ctl.poll(["pv", "sp"]),
    "prepare": lambda ctl: ctl.prepare(["pv"]),
    "identify": lambda ctl: ctl.identify(),
    "second loop": lambda ctl: ctl.loop(2),
    "loop": lambda ctl: ctl.loop(1).read_pid(),
    "alarm": lambda ctl: ctl.alarm(1).read(),
    "ramp": lambda ctl: ctl.ramp_to(90.0, 10.0, confirm=True),
    "wait": lambda ctl: ctl.wait_until(90.0, 1.0, 1.0),
    "record": lambda ctl: record(ctl, parameters=["pv"], rate_hz=1.0),
    "maintenance": lambda ctl: set_address(ctl, 3, confirm=True),
    "read_each": lambda ctl: list(ctl.session.read_each(ctl.session.targets("pv", 1))),
    "driver": lambda ctl: ctl.session.driver.ping(),
    "port": lambda ctl: ctl.session.port.open(),
    "transport": lambda ctl: ctl.session.port.line.transport.open(),
    "reopened transport": lambda ctl: open_device(ctl.session.port.line.transport),
    "check": lambda ctl: ctl.session.check_open(),
    "add to a manager": lambda ctl: WatlowManager().add("oven", ctl),
}


@pytest.mark.parametrize("name", CALLS)
def test_call_in_a_child_is_refused(ctl: Controller, received: list[bytes], name: str) -> None:
    ctl.read_pv()
    sent = len(received)
    assert_refused(in_child(lambda: CALLS[name](ctl)))
    assert len(received) == sent
    assert ctl.read_setpoint().value == 75.0


@pytest.fixture
def modbus() -> Iterator[Controller]:
    unit = SimulatedController(1, protocol="modbus_rtu")
    with SimulatedBus([unit], baudrate=None, turnaround_s=0.0) as line:
        with open_device(line.port, protocol="modbus_rtu") as opened:
            yield opened


def test_assembly_in_a_child_is_refused(modbus: Controller) -> None:
    assembly = modbus.assembly(["pv", "sp"], confirm=True)
    assert_refused(in_child(assembly.__enter__))
    assert_refused(in_child(lambda: modbus.poll(["pv", "sp"])))
    assert [sample.status for sample in modbus.poll(["pv", "sp"])] == ["ok", "ok"]


def test_end_of_an_assembly_in_a_child_changes_no_pointer(modbus: Controller) -> None:
    assembly = modbus.assembly(["pv", "hardware_id"], confirm=True)
    with assembly:
        assert in_child(lambda: assembly.__exit__(None, None, None)) in (None, False)
        before = modbus.stats.exchanges
        assert [sample.status for sample in modbus.poll(["pv", "hardware_id"])] == ["ok", "ok"]
        assert modbus.stats.exchanges == before + 1


def test_child_does_not_wait_for_a_lock_of_the_parent(
    bus: SimulatedBus, patient: Controller
) -> None:
    """Neither a call nor the ways to close a controller."""

    def use_and_close() -> list[object]:
        results: list[object] = []
        for call in (patient.read_pv, lambda: patient.set_setpoint(1.0, confirm=True)):
            try:
                results.append(call())
            except WatlowProcessError as error:
                results.append(error)
        with patient:
            pass
        patient.close()
        patient.session.port.close()
        patient.session.port.line.transport.close()
        return [*results, patient.closed]

    with port_in_use(bus, patient), patient.session.port._lock._mutex:
        *refused, closed = in_child(use_and_close)
    for each in refused:
        assert_refused(each)
    assert closed is True
    assert not patient.closed
    assert patient.read_setpoint().value == 75.0
    assert patient.port_stats.reconnects == 0


def test_poll_of_an_offline_controller_in_a_child_is_refused(bus: SimulatedBus) -> None:
    bus.power_off(1)
    with open_device(bus.port, timeout_s=0.05, retries=0) as ctl:
        poll = ctl.prepare("pv")
        statuses = [poll()[0].status for _ in range(3)]
        assert statuses[-1] == "offline"
        assert_refused(in_child(poll))


def test_call_after_closing_in_a_child_is_refused(ctl: Controller) -> None:
    def close_and_read() -> object:
        ctl.close()
        return ctl.read_pv()

    assert_refused(in_child(close_and_read))


def test_child_leaves_the_port_as_it_is(bus: SimulatedBus, ctl: Controller) -> None:
    file = ctl.session.port.line.transport._serial  # type: ignore[attr-defined]
    before = termios.tcgetattr(file.fileno())

    def close_all() -> None:
        ctl.close()
        file.close()
        gc.collect()

    assert in_child(close_all) is None
    assert termios.tcgetattr(file.fileno()) == before
    with pytest.raises(WatlowPortBusyError):
        SerialTransport(bus.port).open()  # the parent still has its lock
    assert ctl.read_pv().value is not None
    assert ctl.port_stats.reconnects == 0


def test_child_opens_the_port_when_the_parent_has_closed_it(bus: SimulatedBus) -> None:
    ctl = open_device(bus.port)

    def read_afresh(child: Child) -> object:
        child.wait_for_parent()
        with open_device(bus.port) as own:
            return own.read_setpoint().value

    with Child(read_afresh) as child:
        assert isinstance(in_child(lambda: open_device(bus.port)), WatlowPortBusyError)
        assert ctl.read_setpoint().value == 75.0
        ctl.close()
        child.go_on()
        assert child.result() == 75.0


def test_port_is_free_after_the_parent_has_closed_it(bus: SimulatedBus) -> None:
    """Although a child that does nothing has inherited it."""
    with open_device(bus.port):
        child = Child(Child.wait_for_parent)
    with child, open_device(bus.port) as again:
        assert again.read_setpoint().value == 75.0


@pytest.mark.parametrize("module", [port_pool, handles])
def test_child_renews_the_locks_of_modules(module: Any) -> None:
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with module._lock:
            held.set()
            release.wait(DEADLINE_S)

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert held.wait(DEADLINE_S)
        assert in_child(lambda: module._lock.acquire(timeout=0)) is True
    finally:
        release.set()
        holder.join(DEADLINE_S)


def test_tcp_connection_survives_a_child() -> None:
    with SimulatedBus([1], baudrate=None, turnaround_s=0.0, transport="tcp") as line:
        with open_device(line.port) as ctl:
            held = [ctl]

            def drop_and_collect() -> None:
                ctl.session.port.line.transport._serial.close()  # type: ignore[attr-defined]
                held.clear()
                gc.collect()

            assert in_child(drop_and_collect) is None
            assert ctl.read_setpoint().value == 75.0
            assert ctl.port_stats.reconnects == 0


def test_process_of_multiprocessing_is_refused(ctl: Controller) -> None:
    context = multiprocessing.get_context("fork")
    results, end = context.Pipe(duplex=False)

    def read() -> None:
        try:
            end.send(ctl.read_pv())
        except WatlowProcessError as error:
            end.send(error)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        process = context.Process(target=read)
        process.start()
    assert results.poll(DEADLINE_S)
    assert_refused(results.recv())
    process.join(DEADLINE_S)
    assert process.exitcode == 0
    process.close()
    results.close()
    end.close()
    assert ctl.read_pv().value is not None


@pytest.fixture
def fleet(bus: SimulatedBus) -> Iterator[WatlowManager]:
    """A manager of two ports, whose threads have run."""
    with SimulatedBus([1], baudrate=None, turnaround_s=0.0) as other, WatlowManager() as mgr:
        mgr.add("one", bus.port)
        mgr.add("other", other.port)
        mgr.poll("pv")
        yield mgr


FLEET_CALLS: dict[str, Callable[[WatlowManager], object]] = {
    "poll": lambda mgr: mgr.poll("pv"),
    "other poll": lambda mgr: mgr.poll("sp"),
    "execute_each": lambda mgr: mgr.execute_each(Controller.read_pv),
    "record": lambda mgr: record(mgr, parameters="pv", rate_hz=1.0),
    "record_to_sink": lambda mgr: mgr.record_to_sink(
        parameters="pv", rate_hz=1.0, duration=1.0, sink=InMemorySink()
    ),
    "prepare": lambda mgr: mgr.prepare("pv"),
    "assembly": lambda mgr: mgr.assembly("pv", confirm=True),
    "add": lambda mgr: mgr.add("new", "/dev/ttyUSB77"),
    "get": lambda mgr: mgr.get("one"),
    "remove": lambda mgr: mgr.remove("one"),
}


@pytest.mark.parametrize("policy", ErrorPolicy)
@pytest.mark.parametrize("name", FLEET_CALLS)
def test_call_of_a_manager_in_a_child_is_refused(
    fleet: WatlowManager, name: str, policy: ErrorPolicy
) -> None:
    fleet.error_policy = policy
    assert_refused(in_child(lambda: FLEET_CALLS[name](fleet)))
    assert fleet.poll("sp")["other"].unwrap()[0].value == 75.0


def test_planned_poll_in_a_child_is_refused(fleet: WatlowManager) -> None:
    poll = fleet.prepare("pv")
    for call in (poll, poll.reads, lambda: poll.read_within(None, 1.0), poll.finish):
        assert_refused(in_child(call))


def test_closing_a_manager_in_a_child_does_nothing(fleet: WatlowManager) -> None:
    lock = fleet._members._lock
    with lock:  # as if another thread were adding a controller
        assert in_child(fleet.close) is None
    assert fleet.poll("sp")["one"].unwrap()[0].value == 75.0


def test_empty_manager_can_be_used_in_a_child(bus: SimulatedBus) -> None:
    mgr = WatlowManager()

    def add_and_poll() -> object:
        mgr.add("oven", bus.port)
        return mgr.poll("sp")["oven"].unwrap()[0].value

    assert in_child(add_and_poll) == 75.0


def test_recording_goes_on_while_a_child_leaves_it(ctl: Controller) -> None:
    sink = InMemorySink()
    with sink, record(ctl, parameters="sp", rate_hz=50.0, duration=1.0) as stream:
        ticks = iter(stream)
        next(ticks)
        assert_refused(in_child(lambda: next(ticks)))
        assert_refused(in_child(lambda: list(stream)))
        assert_refused(in_child(stream.__enter__))
        assert_refused(in_child(stream.stop))
        assert_refused(in_child(lambda: pipe(stream, sink)))
        assert in_child(lambda: stream.summary.samples_emitted) >= 1
        with stream._queue.mutex:  # as if the recorder were adding a batch
            assert in_child(lambda: stream.__exit__(None, None, None)) is None
        summary = pipe(stream, sink)
    assert summary.samples_emitted + summary.samples_late == stream.ticks == 50
    assert summary.gaps == summary.disconnects == 0
    assert len(sink.samples) == summary.rows - 1


def test_worker_of_the_parent_counts_as_ended_in_a_child() -> None:
    end = threading.Event()

    def wait() -> None:
        end.wait(DEADLINE_S)

    worker = Worker("test", wait, end.set)
    worker.start()

    def end_in_child() -> tuple[bool, bool, bool]:
        worker.stop()
        worker.wait()
        return worker.alive, worker.join(2 * DEADLINE_S), end.is_set()

    assert in_child(end_in_child) == (False, True, False)
    assert_refused(in_child(worker.start))
    assert worker.alive
    worker.stop()
    assert worker.join(DEADLINE_S)


def test_portal_in_a_child_is_refused(ctl: Controller) -> None:
    with SyncPortal() as portal:
        items = portal.wrap_async_iter([1, 2])
        manager = portal.wrap_async_context_manager(open_device(ctl.port, address=2))
        inner = manager.__enter__()
        assert_refused(in_child(lambda: portal.call(ctl.read_pv)))
        assert_refused(in_child(lambda: next(items)))
        assert in_child(items.close) is None
        assert in_child(lambda: manager.__exit__(None, None, None)) in (None, False)
        assert in_child(lambda: portal.__exit__(None, None, None)) is None
        assert portal.call(inner.read_setpoint).value == 75.0
        manager.__exit__(None, None, None)


def test_simulated_bus_survives_a_child(tmp_path: Path) -> None:
    link = tmp_path / "oven"
    with SimulatedBus([1], baudrate=None, link=link) as line:
        assert in_child(line.close) is None
        for call in (line.unplug, line.replug, line.stall, partial(line.power_off, 1)):
            assert_refused(in_child(call))
        with open_device(link) as ctl:
            assert ctl.read_setpoint().value == 75.0


def test_bus_process_survives_a_child() -> None:
    with BusProcess(partial(SimulatedBus, [1], baudrate=None)) as line:
        port = line.port
        assert_refused(in_child(lambda: line.port))
        assert in_child(line.close) is None
        assert line.port == port
