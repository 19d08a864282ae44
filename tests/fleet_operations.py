"""The operations of the model of a fleet; see `tests/fleet_model.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.fleet_model import NAMES, PERIOD_S, READ, Fleet, Member, Operation, new_manager
from tests.forked import in_child
from watlowlib import DeviceResult, Sample, open_device
from watlowlib.devices.controller import Controller
from watlowlib.errors import WatlowError, WatlowProcessError
from watlowlib.model import Reading


def status_of(outcome: object) -> str:
    """Return "ok", or the status of an error."""
    return outcome.status if isinstance(outcome, WatlowError) else "ok"


def request_statuses(
    fleet: Fleet, name: str, during: Sequence[Operation]
) -> tuple[Member | None, set[str]]:
    """Return a member and the statuses that a request to it may have."""
    member = fleet.before.get(name)
    if member is None:
        return None, {"configuration"}
    allowed = fleet.statuses(member, during)
    if any(name in each.removes for each in during):
        allowed |= {"configuration", "closed"}
    return member, allowed


def note_reply(fleet: Fleet, member: Member, during: Sequence[Operation]) -> None:
    """Note that a controller has replied to a request."""
    if not fleet.disturbed(member, during):
        member.unit.silent = member.line.lost = False


@dataclass(frozen=True)
class Read(Operation):
    """Read one parameter of a member."""

    name: str
    parameter: str

    def run(self, fleet: Fleet) -> object:
        controller = fleet.manager.get(self.name)
        return fleet.settle(self.name, lambda: controller.read_parameter(self.parameter))

    def check(self, fleet: Fleet, outcome: object, during: Sequence[Operation]) -> None:
        if any(each.adds == self.name for each in during):
            return
        member, allowed = request_statuses(fleet, self.name, during)
        assert status_of(outcome) in allowed, allowed
        if member is not None and isinstance(outcome, Reading):
            fleet.check_value(member.unit, self.parameter, outcome.value, during)
            note_reply(fleet, member, during)


@dataclass(frozen=True)
class Write(Operation):
    """Write the set point of a member."""

    name: str
    value: float

    @property
    def writes(self) -> float:  # type: ignore[override]
        return self.value

    def run(self, fleet: Fleet) -> object:
        controller = fleet.manager.get(self.name)
        return fleet.settle(self.name, lambda: controller.set_setpoint(self.value, confirm=True))

    def check(self, fleet: Fleet, outcome: object, during: Sequence[Operation]) -> None:
        member, allowed = request_statuses(fleet, self.name, during)
        added = [each for each in during if isinstance(each, Add) and each.name == self.name]
        assert added or status_of(outcome) in allowed, allowed
        for each in added:
            fleet.unit_at((each.line, each.address)).setpoints.add(self.value)
        if member is None:
            return
        unit = member.unit
        if isinstance(outcome, Reading):
            assert outcome.value == self.value
            rivals = {each.writes for each in during if each.writes is not None}
            unit.setpoints = {self.value, *rivals}
            if not during:
                written = len(unit.writes) - fleet.writes[unit]
                assert written == (fleet.setpoints[unit] != {self.value}) or (
                    len(fleet.setpoints[unit]) > 1
                )
            note_reply(fleet, member, during)
        elif member.line.plugged or fleet.disturbed(member, during):
            unit.setpoints.add(self.value)


@dataclass(frozen=True)
class Poll(Operation):
    """Read all members once."""

    def run(self, fleet: Fleet) -> object:
        return fleet.manager.poll(READ)

    def check(self, fleet: Fleet, outcome: object, during: Sequence[Operation]) -> None:
        if fleet.closed_before:
            assert status_of(outcome) == "closed"
            return
        closing = any(isinstance(each, Close) for each in during)
        removed = {name for each in during for name in each.removes}
        if not isinstance(outcome, dict):
            assert status_of(outcome) in {"closed", "configuration"}
            assert closing or set(fleet.before) <= removed
            return
        added = {each.adds for each in during}
        assert set(fleet.before) - removed <= set(outcome) <= set(fleet.before) | added
        for name, result in outcome.items():
            if name not in added:
                self._check_result(fleet, fleet.before[name], result, during)

    def _check_result(
        self,
        fleet: Fleet,
        member: Member,
        result: DeviceResult[list[Sample]],
        during: Sequence[Operation],
    ) -> None:
        allowed = fleet.poll_statuses(member, during)
        if result.error is not None:
            assert status_of(result.error) in allowed - {"ok"}, result.error
            return
        assert [each.parameter for each in result.value] == list(READ)
        check_samples(fleet, member, result.value, allowed, during)


def check_samples(
    fleet: Fleet,
    member: Member,
    samples: Sequence[Sample],
    allowed: set[str],
    during: Sequence[Operation],
) -> None:
    """Check the statuses and values of the samples of one member."""
    for sample in samples:
        assert sample.status in allowed, (sample, allowed)
        assert (sample.value is None) == (sample.status != "ok")
        if sample.value is not None:
            fleet.check_value(member.unit, sample.parameter, sample.value, during)


@dataclass(frozen=True)
class Tick(Operation):
    """Let the recording read all its controllers once."""

    def run(self, fleet: Fleet) -> object:
        if fleet.recording is None:
            return None
        if fleet.ticks:
            fleet.clock.advance(PERIOD_S)
        fleet.ticks += 1
        return next(fleet.batches)

    def check(self, fleet: Fleet, outcome: object, during: Sequence[Operation]) -> None:
        if fleet.recording is None:
            return
        assert isinstance(outcome, list)
        expected = [(name, parameter) for name in fleet.recorded for parameter in READ]
        assert [(each.device, each.parameter) for each in outcome] == expected
        for name, member in fleet.recorded.items():
            samples = [each for each in outcome if each.device == name]
            check_samples(fleet, member, samples, fleet.poll_statuses(member, during), during)


@dataclass(frozen=True)
class Record(Tick):
    """Start a recording of all members, and let it read them once."""

    def run(self, fleet: Fleet) -> object:
        fleet.end_recording()
        fleet.start_recording()
        return super().run(fleet)

    def check(self, fleet: Fleet, outcome: object, during: Sequence[Operation]) -> None:
        if not fleet.closed_before and fleet.before:
            super().check(fleet, outcome, during)
            return
        assert status_of(outcome) == ("closed" if fleet.closed_before else "configuration")


@dataclass(frozen=True)
class Add(Operation):
    """Add a controller by the name of its port, or one that is open."""

    name: str
    line: int
    address: int
    owned: bool

    @property
    def adds(self) -> str:  # type: ignore[override]
        return self.name

    def run(self, fleet: Fleet) -> object:
        line = fleet.lines[self.line]
        arguments = line.open_arguments(self.address)
        if self.owned:
            return fleet.manager.add(self.name, fleet.port_of(line), **arguments)
        controller = open_device(fleet.port_of(line), **arguments)
        try:
            return fleet.manager.add(self.name, controller)
        except BaseException:
            controller.close()
            raise

    def check(self, fleet: Fleet, outcome: object, during: Sequence[Operation]) -> None:
        assert status_of(outcome) in self._allowed(fleet, during), self._allowed(fleet, during)

    def note(self, fleet: Fleet, outcome: object) -> None:
        if isinstance(outcome, Controller):
            line = fleet.lines[self.line]
            fleet.handles.append(Member(outcome, line, self.address, self.owned))

    def _allowed(self, fleet: Fleet, during: Sequence[Operation]) -> set[str]:
        line = fleet.lines[self.line]
        moved = any(each.moves == self.line for each in during)
        allowed = {"disconnected"} if moved or not line.plugged else set()
        if fleet.closed_before:
            return {"closed"} if self.owned or not allowed else {"closed", "disconnected"}
        rivals = {
            name
            for name, member in fleet.before.items()
            if name == self.name or member.unit is line.units[self.address]
        }
        removed = {name for each in during for name in each.removes}
        adding = [each for each in during if isinstance(each, Add)]
        if rivals or any(
            each.name == self.name or (each.line, each.address) == (self.line, self.address)
            for each in adding
        ):
            allowed.add("configuration")
        # A port that is open is not opened again, although it may be lost.
        if rivals <= removed and (moved or line.plugged or line in fleet.open_before):
            allowed.add("ok")
        if any(isinstance(each, Close) for each in during):
            allowed.add("closed")
        return allowed


@dataclass(frozen=True)
class Remove(Operation):
    """Remove a member."""

    name: str

    @property
    def removes(self) -> tuple[str, ...]:  # type: ignore[override]
        return (self.name,)

    def run(self, fleet: Fleet) -> object:
        fleet.manager.remove(self.name)
        return None

    def check(self, fleet: Fleet, outcome: object, during: Sequence[Operation]) -> None:
        shared = any(self.name in (each.adds, *each.removes) for each in during)
        expected = "ok" if self.name in fleet.before else "configuration"
        assert status_of(outcome) in ({"ok", "configuration"} if shared else {expected})


@dataclass(frozen=True)
class Close(Operation):
    """Close the manager."""

    anew: bool = False
    """Whether the program makes another manager."""

    @property
    def removes(self) -> tuple[str, ...]:  # type: ignore[override]
        return NAMES

    def run(self, fleet: Fleet) -> object:
        fleet.manager.close()
        return None

    def check(self, fleet: Fleet, outcome: object, during: Sequence[Operation]) -> None:
        assert outcome is None
        assert fleet.manager.names == ()
        fleet.closed = not self.anew
        if self.anew:
            fleet.manager = new_manager()


@dataclass(frozen=True)
class Plug(Operation):
    """Plug a port out if it is in, and else in; `elsewhere` gives it another name than before."""

    line: int
    elsewhere: bool

    @property
    def moves(self) -> int:  # type: ignore[override]
        return self.line

    def run(self, fleet: Fleet) -> object:
        line = fleet.lines[self.line]
        if line.plugged:
            line.bus.unplug()
        else:
            line.bus.replug(elsewhere=self.elsewhere)
        return None

    def check(self, fleet: Fleet, outcome: object, during: Sequence[Operation]) -> None:
        assert outcome is None
        line = fleet.lines[self.line]
        line.plugged = not line.plugged
        line.lost = True


@dataclass(frozen=True)
class Switch(Operation):
    """Switch a controller off if it is on, and else on."""

    unit: tuple[int, int]

    @property
    def switches(self) -> tuple[int, int]:  # type: ignore[override]
        return self.unit

    def run(self, fleet: Fleet) -> object:
        line, address = self.unit
        bus = fleet.lines[line].bus
        (bus.power_off if fleet.unit_at(self.unit).on else bus.power_on)(address)
        return None

    def check(self, fleet: Fleet, outcome: object, during: Sequence[Operation]) -> None:
        assert outcome is None
        unit = fleet.unit_at(self.unit)
        unit.on, unit.silent = not unit.on, True


@dataclass(frozen=True)
class Fork(Operation):
    """Use everything in a forked child, and close it there."""

    def run(self, fleet: Fleet) -> object:
        return in_child(lambda: self._use(fleet))

    def _use(self, fleet: Fleet) -> list[str]:
        calls = [each.controller.read_pv for each in fleet.handles]
        if fleet.before:
            calls.append(lambda: fleet.manager.poll(READ))
            calls.append(lambda: fleet.manager.get("a"))
        if fleet.recording is not None:
            calls.append(lambda: next(iter(fleet.recording)))
        outcomes = []
        for call in calls:
            try:
                outcomes.append(f"{call} returned {call()}")
            except WatlowProcessError:
                continue
            except Exception as error:
                outcomes.append(f"{call} raised {error!r}")
        fleet.manager.close()
        for each in fleet.handles:
            each.controller.close()
        if fleet.recording is not None:
            fleet.recording.__exit__(None, None, None)
        return outcomes

    def check(self, fleet: Fleet, outcome: object, during: Sequence[Operation]) -> None:
        assert outcome == []
