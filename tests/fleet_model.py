"""A fleet of controllers on two simulated lines, and a simple model of what it may do.

`Fleet` has the real manager and the model: what is plugged in, switched on and added, and which
set points each controller may hold. An operation is a frozen value with a method `run`, which
calls the library, and `check`, which compares the outcome with the model. `Fleet.perform` runs
one operation, or several at the same time in threads. `check` then allows what the operations
could do to each other (`during`), and nothing else.

The process value and the heat power of each controller are counts of its reads which name their
source, so a value of another controller or parameter and an old value are detected.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import library_threads, open_descriptors
from tests.soak_line import COUNT_BITS, Sources, TaggedController
from watlowlib import ErrorPolicy, Recording, Sample, WatlowManager, record
from watlowlib._internal.clock import Deadline, ManualClock
from watlowlib.devices.controller import Controller
from watlowlib.errors import WatlowClosedError, WatlowError
from watlowlib.model import Value
from watlowlib.protocol import port_pool
from watlowlib.registry.parameters import PARAMETERS
from watlowlib.simulator import SimulatedBus
from watlowlib.transport import serial_port
from watlowlib.transport.settings import SerialSettings

ADDRESSES = (1, 2)
NAMES = ("a", "b", "c", "d")
SOURCES = Sources(ADDRESSES, {4001: "process_value", 8011: "heat_power"})
READ = (*SOURCES.parameters.values(), "setpoint")
PATIENCE_S = 30.0
LONG_S, SHORT_S = 20.0, 0.02
"""The timeouts for a controller that is on, and for one from which no reply is expected."""
QUIET_S = 0.005
PERIOD_S = 100.0
"""Of a recording, on its manual clock; in real time the longest wait for a port in a tick."""


class Unit(TaggedController):
    """One simulated controller, and what the model knows about it."""

    def __init__(self, line: int, address: int, protocol: str) -> None:
        super().__init__(line, address, SOURCES, protocol=protocol)
        self._place = line, address
        self.on = True
        self.silent = False
        """Whether it was off since the last read that succeeded; polls may skip it."""
        self.setpoints: set[Value] = {75.0}
        """Those it may hold: the last one confirmed, and later ones that were not."""

    def source(self, parameter: str) -> int:
        """Return the number that the values of a parameter have."""
        return SOURCES.number(*self._place, PARAMETERS.resolve(parameter).number)

    def counts(self) -> dict[str, int]:
        """Return how often each parameter was read."""
        return {name: self._counts[number] for number, name in SOURCES.parameters.items()}


class Line:
    """One simulated line, and whether it is plugged in."""

    def __init__(self, number: int, protocol: str, link: Path | None) -> None:
        self.number = number
        self.protocol = protocol
        self.plugged = True
        self.lost = False
        """Whether a client of the port may have to open it again."""
        self.units = {address: Unit(number, address, protocol) for address in ADDRESSES}
        self.bus = SimulatedBus(self.units.values(), baudrate=None, turnaround_s=0.0, link=link)
        self.bus.start()
        self.port = self.bus.port
        """Its name when it was plugged in last."""

    def entry(self) -> SimpleNamespace | None:
        """Return its USB adapter, as pyserial lists it; None while it is not plugged in."""
        try:
            self.port = self.bus.port
        except WatlowClosedError:
            return None
        return SimpleNamespace(
            device=self.port, vid=1, pid=1, serial_number=f"L{self.number}", location="1-1:1.0"
        )

    def open_arguments(self, address: int) -> dict[str, Any]:
        """Return the arguments of `open_device`, after the port."""
        return {
            "protocol": self.protocol,
            "address": address,
            "serial_settings": SerialSettings(baudrate=115200),
            "timeout_s": LONG_S if self.units[address].on else SHORT_S,
            "retries": 0,
        }


class Member:
    """A controller of the manager, which closes it if it is `owned`."""

    def __init__(self, controller: Controller, line: Line, address: int, owned: bool) -> None:
        self.controller = controller
        self.line = line
        self.unit = line.units[address]
        self.owned = owned
        self.controller.session.port.line.quiet_s = QUIET_S

    def set_timeout(self, seconds: float) -> None:
        """Set the timeout of all requests: a test has no time to wait for replies in vain."""
        driver = self.controller.session.driver
        driver._usual_policy = driver._usual_policy._replace(timeout_s=seconds)


class Operation:
    """What a program or a person does to a fleet; the subclasses are frozen dataclasses."""

    def run(self, fleet: Fleet) -> object:
        """Do it; return what the library returns."""
        raise NotImplementedError

    def check(self, fleet: Fleet, outcome: object, during: Sequence[Operation]) -> None:
        """Compare the outcome with the model as it was before, and change the model."""
        raise NotImplementedError

    def note(self, fleet: Fleet, outcome: object) -> None:
        """Note what must be closed at the end, also if a check fails."""

    # What is allowed to operations that run at the same time.
    moves: int | None = None
    """The line that is plugged in or out."""
    switches: tuple[int, int] | None = None
    """The line and address of the controller that is switched on or off."""
    adds: str | None = None
    """The member that it adds."""
    removes: tuple[str, ...] = ()
    """The members that it removes."""
    writes: float | None = None
    """The set point that it writes."""


class Fleet:
    """A manager on two lines, and the model of both.

    Args:
        folder: For the links to the ports; None for USB adapters with serial numbers, whose
            names may change, and become those of other adapters.
        protocols: The protocols of the lines.
    """

    def __init__(self, folder: Path | None, protocols: Sequence[str]) -> None:
        self._descriptors = open_descriptors()
        links = [folder and folder / f"line-{n}" for n in range(len(protocols))]
        self.lines = [Line(n, *each) for n, each in enumerate(zip(protocols, links))]
        self._patch = pytest.MonkeyPatch()
        self._unplugged = "/dev/ttyNONE" if folder is None else "{}"
        if folder is None:
            self._patch.setattr(serial_port, "entries", self._adapters)
        self.history: list[Sequence[Operation]] = []
        self.manager = new_manager()
        self.closed = False
        self.members: dict[str, Member] = {}
        # The state before the operations that are being performed.
        self.before: dict[str, Member] = {}
        self.closed_before = False
        self.open_before: set[Line] = set()
        self.lost_before: set[Line] = set()
        self.silent_before: set[Unit] = set()
        self.writes: dict[Unit, int] = {}
        self.setpoints: dict[Unit, set[Value]] = {}
        self.counts: dict[Unit, dict[str, int]] = {}
        self.handles: list[Member] = []
        """Every controller that was ever opened."""
        self.recording: Recording | None = None
        self.recorded: dict[str, Member] = {}
        self.batches: Iterator[list[Sample]] = iter(())
        self.clock = ManualClock()
        self.ticks = 0

    def _adapters(self) -> list[SimpleNamespace]:
        return [entry for entry in (line.entry() for line in self.lines) if entry]

    def port_of(self, line: Line) -> str:
        """Return the name of a port, or of none: another program may have its old name."""
        entry = line.entry()
        return entry.device if entry else self._unplugged.format(line.port)

    def perform(self, *operations: Operation) -> None:
        """Run the operations at the same time, and check their outcomes and the model."""
        self.history.append(operations)
        self._note_state()
        for unit in (self.unit_at(each.switches) for each in operations if each.switches):
            self._set_timeouts(unit, SHORT_S)
        outcomes = run_at_once([partial(each.run, self) for each in operations])
        for operation, outcome in zip(operations, outcomes):
            operation.note(self, outcome)
        try:
            self._check(operations, outcomes)
        except AssertionError as error:
            cause = next((each for each in outcomes if isinstance(each, Exception)), error)
            what = f"{error}\noutcomes: {outcomes}\nafter: {self.history}"
            raise AssertionError(what) from cause

    def _check(self, operations: Sequence[Operation], outcomes: Sequence[object]) -> None:
        for place, (operation, outcome) in enumerate(zip(operations, outcomes)):
            others = [*operations[:place], *operations[place + 1 :]]
            assert isinstance(outcome, WatlowError) or not isinstance(outcome, Exception)
            operation.check(self, outcome, others)
        self._update_members(operations)
        self._check_ports()

    def _note_state(self) -> None:
        units = [unit for line in self.lines for unit in line.units.values()]
        self.before, self.closed_before = dict(self.members), self.closed
        self.open_before = {each.line for each in self.handles if not each.controller.closed}
        self.lost_before = {line for line in self.lines if line.lost}
        self.silent_before = {unit for unit in units if unit.silent}
        self.writes = {unit: len(unit.writes) for unit in units}
        self.setpoints = {unit: set(unit.setpoints) for unit in units}
        self.counts = {unit: unit.counts() for unit in units}

    def _update_members(self, operations: Sequence[Operation]) -> None:
        """Check which controllers the manager has."""
        controllers = {name: self.manager.get(name) for name in self.manager.names}
        self.members = {
            name: next(each for each in self.handles if each.controller is controller)
            for name, controller in controllers.items()
        }
        added = {each.adds for each in operations}
        removed = {name for each in operations for name in each.removes}
        for name, member in self.before.items():
            if name not in removed:
                assert self.members.get(name) is member, f"{name} is no longer a member"
        for name in self.members:
            assert name in added or (name in self.before and name not in removed)
        for each in self.handles:
            is_open = not each.owned or each in self.members.values()
            assert each.controller.closed != is_open, f"{each.controller} is not closed"

    def _check_ports(self) -> None:
        for line in self.lines:
            opened = [each.controller for each in self.handles if each.line is line]
            ports = {each.session.port for each in opened if not each.closed}
            assert len(ports) <= 1, f"{len(ports)} clients of one port: {opened}"
            line.lost = line.lost and bool(ports)
            for unit in line.units.values():
                assert unit.get("setpoint") in unit.setpoints, "a write was lost or invented"
                self._set_timeouts(unit, LONG_S if unit.on else SHORT_S)

    def _set_timeouts(self, unit: Unit, seconds: float) -> None:
        for each in self.handles:
            if each.unit is unit:
                each.set_timeout(seconds)

    def unit_at(self, place: tuple[int, int]) -> Unit:
        """Return the controller at a line and address."""
        line, address = place
        return self.lines[line].units[address]

    def disturbed(self, member: Member, during: Sequence[Operation]) -> bool:
        """Whether its port or its power changes at the same time."""
        return self._moved(member.line, during) or self._switched(member.unit, during)

    def _moved(self, line: Line, during: Sequence[Operation]) -> bool:
        return any(self.lines[n] is line for n in (each.moves for each in during) if n is not None)

    def _switched(self, unit: Unit, during: Sequence[Operation]) -> bool:
        return any(each.switches and self.unit_at(each.switches) is unit for each in during)

    def statuses(self, member: Member, during: Sequence[Operation]) -> set[str]:
        """Return the statuses that a request to a member may have."""
        line, unit = member.line, member.unit
        moved, switched = self._moved(line, during), self._switched(unit, during)
        allowed = {"disconnected"} if moved or not line.plugged else set()
        if moved or line.plugged:
            allowed |= {"ok", "timeout"} if switched else {"ok" if unit.on else "timeout"}
        return allowed

    def poll_statuses(self, member: Member, during: Sequence[Operation]) -> set[str]:
        """Return the statuses that a sample of a member may have."""
        closed = {"closed"} if member.controller.closed else set()
        if closed and member not in self.before.values():
            return closed  # it was closed before
        allowed = self.statuses(member, during) | closed
        if member.line.lost or member.line in self.lost_before:
            allowed.add("disconnected")
        switched = self._switched(member.unit, during)
        if switched or member.unit.silent or member.unit in self.silent_before:
            allowed |= {"offline", "timeout"}  # a probe waits for a short time only
        return allowed

    def check_value(
        self, unit: Unit, parameter: str, value: object, during: Sequence[Operation]
    ) -> None:
        """Check that a value was read from this unit and parameter, and is not old."""
        if parameter == "setpoint":
            written = {each.writes for each in during} - {None}
            assert value in self.setpoints[unit] | written, f"{value} is an old set point"
            if not written:
                assert value == unit.get("setpoint")
                unit.setpoints = {value}
            return
        assert isinstance(value, float)
        source, count = divmod(int(value), 1 << COUNT_BITS)
        assert source == unit.source(parameter), f"{value} is of another source"
        assert count > self.counts[unit][parameter], f"{value} is old"

    def settle(self, name: str, call: Callable[[], object]) -> object:
        """Call; where the port of a member was lost, again until it is open."""
        deadline = Deadline.after(PATIENCE_S)
        while True:
            try:
                return call()
            except WatlowError as error:
                line = self.before[name].line if name in self.before else None
                lost = line is not None and line.lost and line.plugged
                if not lost or error.status != "disconnected" or deadline.passed():
                    raise

    def end_recording(self) -> None:
        """End the recording, if there is one, and check its summary."""
        recording, self.recording = self.recording, None
        if recording is None:
            return
        recording.__exit__(None, None, None)
        summary = recording.summary
        assert (summary.samples_emitted, summary.ticks_dropped) == (self.ticks, 0)
        assert summary.rows == self.ticks * len(self.recorded) * len(READ)

    def start_recording(self) -> None:
        """Start a recording of all members on a manual clock."""
        self.clock, self.ticks, self.recorded = ManualClock(), 0, dict(self.members)
        recording = record(self.manager, parameters=READ, rate_hz=1 / PERIOD_S, clock=self.clock)
        self.recording, self.batches = recording.__enter__(), iter(recording)

    def close(self) -> None:
        """Close everything; check that no thread, port or descriptor is left."""
        try:
            self.end_recording()
        finally:
            self.manager.close()
            for handle in self.handles:
                handle.controller.close()
            for line in self.lines:
                line.bus.close()
            self._patch.undo()
        for handle in self.handles:
            with pytest.raises(WatlowClosedError):
                handle.controller.read_pv()
        assert library_threads() == []
        assert port_pool._ports == []
        port_pool._pending_replies.clear()
        assert open_descriptors() <= self._descriptors


def new_manager() -> WatlowManager:
    """Return a manager that reports each controller's error in its result."""
    return WatlowManager(error_policy=ErrorPolicy.RETURN)


def run_at_once(calls: Sequence[Callable[[], object]]) -> list[object]:
    """Return the results of the calls, or their exceptions; several start at the same time."""
    results: list[object] = [AssertionError("has not ended")] * len(calls)
    barrier = threading.Barrier(len(calls))

    def run(place: int) -> None:
        barrier.wait(PATIENCE_S)
        try:
            results[place] = calls[place]()
        except Exception as error:
            results[place] = error

    if len(calls) == 1:
        run(0)
        return results
    threads = [threading.Thread(target=run, args=(n,), daemon=True) for n in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * PATIENCE_S)
    assert not any(thread.is_alive() for thread in threads), "a call has not ended"
    return results
