"""A simulated EZ-ZONE PM: every parameter of the table, and ovens under its control loops.

It answers payloads of the attribute service as a PM3 was seen to: error 81 for a class
it does not have, 83 for a member, 84 for an instance, 80 for a write it does not take.
That a value out of range, and a read of what can only be written, are refused with 80
too is an assumption.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

from watlowlib.clock import SystemClock, Ticking
from watlowlib.device.values import SETPOINT, as_stored, is_cool_side
from watlowlib.device.wire import tag_of
from watlowlib.errors import WatlowConfigurationError, WatlowFrameError
from watlowlib.model import Unit, Value
from watlowlib.protocol.stdbus.frames import ADDRESSES
from watlowlib.protocol.stdbus.payloads import (
    ErrorCode,
    ErrorReply,
    Payload,
    ReadReply,
    ReadRequest,
    Tag,
    WriteReply,
    WriteRequest,
    decode_value,
    encode_value,
)
from watlowlib.registry.parameters import PARAMETERS, DataType, ParameterSpec
from watlowlib.simulator.alarms import AlarmSettings, SimulatedAlarm
from watlowlib.simulator.loop import Settings, SimulatedLoop
from watlowlib.simulator.oven import Oven, Tuning

UNINITIALISED = -431602080.0
"""The float whose bits are 0xCDCDCDCD."""
OPEN_SENSOR = 2531.8017578125
"""What an open thermocouple reads as, on the captured unit."""
YES, NO = 106, 59
STDBUS = 1286
SENSOR_GOOD, SENSOR_OPEN = 61, 65
ALARMS = 4
_CLASSES = frozenset(spec.class_id for spec in PARAMETERS)
_SPECS = {spec.number: spec for spec in PARAMETERS}


@dataclass(frozen=True)
class Write:
    """A write that the controller took."""

    number: int
    instance: int
    value: Value


class SimulatedController:
    """One controller for a `SimulatedBus`.

    Safe to look at and to change from a test while the bus answers from it.

    Args:
        address: 1 to 16.
        setpoint: Set point at the start, °F.
        oven: What it heats; a second loop has a copy with another seed.
        loops: 1 or 2. A unit with one loop has instance 1 of everything, as a PM3 has.
        cooling: Whether it has a cooling output; without one the cool side holds bits
            that are no value.
        part_number: What 1009 says; None for one that says what the others say.
    """

    def __init__(
        self,
        address: int = 1,
        *,
        setpoint: float = 75.0,
        oven: Oven | None = None,
        loops: int = 1,
        cooling: bool = False,
        part_number: str | None = None,
    ) -> None:
        if address not in ADDRESSES or loops not in (1, 2):
            raise WatlowConfigurationError(
                f"address={address!r}, loops={loops!r}: allowed are 1 to 16, and 1 or 2"
            )
        self.loops = loops
        self.cooling = cooling
        self.writes: list[Write] = []
        self.eeprom_writes = 0
        """Writes that have worn the EEPROM."""
        oven = oven or Oven(seed=address)
        self._loops = [
            SimulatedLoop(replace(oven, seed=oven.seed + 100 * n), setpoint) for n in range(loops)
        ]
        self._alarms = [SimulatedAlarm() for _ in range(ALARMS)]
        self._lock = threading.RLock()
        self._clock: Ticking = SystemClock()
        self._seen_ns = self._clock.now_ns()
        self._values: dict[tuple[int, int], Value] = {}
        for spec in PARAMETERS:
            for instance in range(1, self.instances_of(spec) + 1):
                self._values[spec.number, instance] = _start_value(spec)
        for instance in range(1, loops + 1):
            self._values[SETPOINT, instance] = float(setpoint)
        first = {1001: 28, 1002: 1, 1003: 10, 1005: 1100, 1007: 200000 + address, 17001: address}
        for number, value in first.items():
            self._values[number, 1] = value
        self._values[1009, 1] = part_number or _part_number(loops, cooling)
        self._values[1011, 1] = "EZ-ZONE PM"

    def __repr__(self) -> str:
        return f"<SimulatedController address {self.address}>"

    @property
    def address(self) -> int:
        """Its Standard Bus address (17001)."""
        value = self._values[17001, 1]
        return value if isinstance(value, int) else 0

    @property
    def speaks_stdbus(self) -> bool:
        """Whether it is set to Standard Bus (17009); else it answers nothing there."""
        return self._values[17009, 1] == STDBUS

    def instances_of(self, spec: ParameterSpec) -> int:
        """How many instances of `spec` this unit has."""
        return spec.instances if self.loops > 1 else 1

    def live_by(self, clock: Ticking) -> None:
        """Take process time from `clock` from now on."""
        with self._lock:
            self._clock = clock
            self._seen_ns = clock.now_ns()

    def get(self, parameter: str | int, instance: int = 1) -> Value:
        """What a read of `parameter` would give now."""
        spec = PARAMETERS.resolve(parameter)
        with self._lock:
            self._catch_up()
            return self._live(spec, instance)

    def set(self, parameter: str | int, value: Value, instance: int = 1) -> None:
        """Change `parameter` from inside, as by the controller's own keys."""
        spec = PARAMETERS.resolve(parameter)
        with self._lock:
            self._catch_up()
            self._values[spec.number, instance] = value

    def open_sensor(self, instance: int = 1) -> None:
        """Break the thermocouple of one input; `close_sensor` mends it."""
        self.set(4001, OPEN_SENSOR, instance)
        self.set(4002, SENSOR_OPEN, instance)

    def close_sensor(self, instance: int = 1) -> None:
        """Mend the thermocouple."""
        self.set(4002, SENSOR_GOOD, instance)

    def answer(self, request: Payload) -> Payload | None:
        """The reply to `request`; None for what is no request."""
        if not isinstance(request, (ReadRequest, WriteRequest)):
            return None
        spec = _SPECS.get(request.class_id * 1000 + request.member_id)
        if request.class_id not in _CLASSES:
            return ErrorReply(ErrorCode.NO_SUCH_OBJECT)
        if spec is None:
            return ErrorReply(ErrorCode.NO_SUCH_ATTRIBUTE)
        if not 1 <= request.instance <= self.instances_of(spec):
            return ErrorReply(ErrorCode.NO_SUCH_INSTANCE)
        if isinstance(request, WriteRequest):
            return self._store(spec, request)
        if not spec.readable:
            return ErrorReply(ErrorCode.ACCESS_DENIED)
        tag = _tag(spec)
        return ReadReply(*request, tag, encode_value(tag, self.get(spec.number, request.instance)))

    def _store(self, spec: ParameterSpec, request: WriteRequest) -> Payload:
        try:
            value = decode_value(request.tag, request.data)
        except WatlowFrameError:
            return ErrorReply(ErrorCode.ACCESS_DENIED)
        right = spec.writable and request.tag == _tag(spec)
        if not right or not self._allowed(spec, request.instance, value):
            return ErrorReply(ErrorCode.ACCESS_DENIED)
        self.set(spec.number, value, request.instance)
        self._act(spec.number, request.instance, value)
        self.writes.append(Write(spec.number, request.instance, value))
        self.eeprom_writes += spec.persistent and self._values[17051, 1] == YES
        return WriteReply(*request)

    def _allowed(self, spec: ParameterSpec, instance: int, value: Value) -> bool:
        if not isinstance(value, (int, float)):
            return isinstance(value, str)
        if spec.codes:
            return value in spec.codes
        low, high = spec.limits(Unit.FAHRENHEIT)
        if spec.number == SETPOINT:
            low, high = self._number(7003, instance), self._number(7004, instance)
        # On the wire a limit is the 32-bit float next to it.
        return (low is None or value >= as_stored(spec, low)) and (
            high is None or value <= as_stored(spec, high)
        )

    def _act(self, number: int, instance: int, value: Value) -> None:
        """Do what a write asks for, beyond being stored."""
        with self._lock:
            if number == 8026:
                self._loops[instance - 1].autotune(value == YES)
            elif number == 9013:
                self._alarms[instance - 1].clear()
                self._values[number, instance] = 255
            elif number == 9014:
                self._alarms[instance - 1].silence()
                self._values[number, instance] = 255

    def _live(self, spec: ParameterSpec, instance: int) -> Value:
        """The value now, with the clock caught up."""
        number, stored = spec.number, self._values[spec.number, instance]
        if is_cool_side(spec) and not self.cooling and isinstance(stored, float):
            return UNINITIALISED
        if 9009 <= number <= 9012 and instance <= ALARMS:
            alarm = self._alarms[instance - 1]
            flags = {9010: alarm.latched, 9011: alarm.silenced, 9012: alarm.clearable}
            return alarm.state if number == 9009 else YES if flags[number] else NO
        return self._of_loop(number, instance, stored) if instance <= self.loops else stored

    def _of_loop(self, number: int, instance: int, stored: Value) -> Value:
        loop = self._loops[instance - 1]
        if number in (4001, 4022, 8031):
            good = self._values[4002, instance] == SENSOR_GOOD
            return loop.oven.measured if good else self._values[4001, instance]
        live: dict[int, Value] = {
            7007: loop.working,
            8002: self._values[8001, instance],
            8011: loop.pid.power,
            8027: loop.tune_status,
            8033: loop.pid.power,
        }
        return live.get(number, stored)

    def _catch_up(self) -> None:
        now_ns = self._clock.now_ns()
        seconds, self._seen_ns = (now_ns - self._seen_ns) / 1e9, now_ns
        for instance, loop in enumerate(self._loops, 1):
            loop.advance(seconds, self._settings(instance))
            if loop.tuned:
                self._values[8026, instance] = NO
                self._values[8009, instance] = 20.0
                self._values[8006, instance] = 60.0
        for number, alarm in enumerate(self._alarms, 1):
            if (9009, number) in self._values:
                self._look(alarm, number)

    def _look(self, alarm: SimulatedAlarm, instance: int) -> None:
        source = min(int(self._number(9018, instance)), self.loops)
        settings = AlarmSettings(
            type=int(self._number(9015, instance)),
            sides=int(self._number(9004, instance)),
            latching=int(self._number(9007, instance)),
            high=self._number(9001, instance),
            low=self._number(9002, instance),
            hysteresis=self._number(9003, instance),
        )
        measured = self._loops[source - 1].oven.measured
        sensor = int(self._number(4002, source))
        alarm.look(settings, measured, self._number(SETPOINT, source), sensor)

    def _settings(self, instance: int) -> Settings:
        return Settings(
            mode=int(self._number(8001, instance)),
            manual_power=self._number(7002, instance),
            tuning=Tuning(*(self._number(n, instance) for n in (SETPOINT, 8009, 8006, 8007))),
            ramp_action=int(self._number(7014, instance)),
            ramp_scale=int(self._number(7015, instance)),
            ramp_rate=self._number(7017, instance),
        )

    def _number(self, number: int, instance: int) -> float:
        value = self._values[number, instance]
        return float(value) if isinstance(value, (int, float)) else 0.0


def _tag(spec: ParameterSpec) -> Tag:
    """The tag on the wire; of what a pointer points at, and of pointers, it is a guess."""
    known = tag_of(spec)
    if known is not None:
        return known
    return Tag.U32 if spec.data_type is DataType.POINTER else Tag.FLOAT


def _start_value(spec: ParameterSpec) -> Value:
    """The factory setting, or what a unit that measures nothing yet shows."""
    whole = spec.data_type not in (DataType.FLOAT, DataType.ANY)
    if spec.data_type is DataType.STRING:
        return ""
    if spec.default_f is not None:
        return int(spec.default_f) if whole else spec.default_f
    if spec.codes:
        return next(iter(spec.codes)) if whole else float(next(iter(spec.codes)))
    return 0 if whole else 0.0


def _part_number(loops: int, cooling: bool) -> str:
    case, control = ("6", "U") if loops > 1 else ("3", "R")
    return f"PM{case}{control}1C{'C' if cooling else 'A'}-AAAAAAA"
