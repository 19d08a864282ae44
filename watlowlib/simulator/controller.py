"""A simulated EZ-ZONE PM: parameters, and an oven under its control loop.

It answers payloads of the attribute service as a PM3 was seen to: error 81 for a class
it does not have, 83 for a member, 84 for an instance, 80 for a write it does not take
(that a value out of range is refused with 80 is an assumption).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

from watlowlib.clock import Clock, SystemClock
from watlowlib.device.values import tag_of
from watlowlib.errors import WatlowConfigurationError, WatlowFrameError
from watlowlib.model import Value
from watlowlib.protocol.stdbus.frames import ADDRESSES
from watlowlib.protocol.stdbus.payloads import (
    ErrorCode,
    ErrorReply,
    Payload,
    ReadReply,
    ReadRequest,
    WriteReply,
    WriteRequest,
    decode_value,
    encode_value,
)
from watlowlib.registry.parameters import PARAMETERS, DataType, ParameterSpec
from watlowlib.simulator.oven import STEP_S, Oven, PidLoop, Tuning

OFF, AUTO, MANUAL = 62, 10, 54
LONGEST_S = 7200.0
"""More than this is not caught up with: by then an oven has settled."""

_CLASSES = frozenset(spec.class_id for spec in PARAMETERS)
_SPECS = {spec.number: spec for spec in PARAMETERS}


@dataclass(frozen=True)
class Write:
    """A write that the controller took."""

    number: int
    instance: int
    value: Value


class _Loop:
    """One control loop and its oven, brought up to date when somebody looks."""

    def __init__(self, oven: Oven) -> None:
        self.oven = oven
        self.pid = PidLoop()
        self._behind_s = 0.0

    def advance(self, seconds: float, mode: Value, manual_power: float, tuning: Tuning) -> None:
        self._behind_s = min(self._behind_s + seconds, LONGEST_S)
        while self._behind_s >= STEP_S:
            self._behind_s -= STEP_S
            if mode == AUTO:
                power = self.pid.step(self.oven.measured, tuning)
            else:
                power = self.pid.rest(manual_power if mode == MANUAL else 0.0)
            self.oven.step(power)


class SimulatedController:
    """One controller for a `SimulatedBus`.

    Safe to look at and to change from a test while the bus answers from it.

    Args:
        address: 1 to 16.
        setpoint: Set point at the start, °F.
        oven: What it heats; a second loop has a copy with another seed.
        loops: 1 or 2. A unit with one loop has instance 1 of everything, as a PM3 has.
        part_number: What 1009 says.
    """

    def __init__(
        self,
        address: int = 1,
        *,
        setpoint: float = 75.0,
        oven: Oven | None = None,
        loops: int = 1,
        part_number: str = "PM3R1CA-AAAAAAA",
    ) -> None:
        if address not in ADDRESSES or loops not in (1, 2):
            raise WatlowConfigurationError(
                f"address={address!r}, loops={loops!r}: allowed are 1 to 16, and 1 or 2"
            )
        self.address = address
        self.loops = loops
        self.writes: list[Write] = []
        oven = oven or Oven(seed=address)
        self._loops = [_Loop(replace(oven, seed=oven.seed + 100 * n)) for n in range(loops)]
        self._lock = threading.RLock()
        self._clock: Clock = SystemClock()
        self._seen_ns = self._clock.now_ns()
        self._values: dict[tuple[int, int], Value] = {}
        for spec in PARAMETERS:
            for instance in range(1, self.instances_of(spec) + 1):
                self._values[spec.number, instance] = _start_value(spec)
        for instance in range(1, loops + 1):
            self._values[7001, instance] = float(setpoint)
        self._values[1001, 1] = 28
        self._values[1009, 1] = part_number
        self._values[17001, 1] = address

    def __repr__(self) -> str:
        return f"<SimulatedController address {self.address}>"

    def instances_of(self, spec: ParameterSpec) -> int:
        """How many instances of `spec` this unit has."""
        return spec.instances if self.loops > 1 else 1

    def live_by(self, clock: Clock) -> None:
        """Take process time from `clock` from now on."""
        with self._lock:
            self._clock = clock
            self._seen_ns = clock.now_ns()

    def get(self, parameter: str | int, instance: int = 1) -> Value:
        """What a read of `parameter` would give now."""
        spec = PARAMETERS.resolve(parameter)
        with self._lock:
            self._catch_up()
            return self._live(spec.number, instance)

    def set(self, parameter: str | int, value: Value, instance: int = 1) -> None:
        """Change `parameter` from inside, as by the controller's own keys."""
        spec = PARAMETERS.resolve(parameter)
        with self._lock:
            self._catch_up()
            self._values[spec.number, instance] = value

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
        tag = tag_of(spec)
        return ReadReply(*request, tag, encode_value(tag, self.get(spec.number, request.instance)))

    def _store(self, spec: ParameterSpec, request: WriteRequest) -> Payload:
        try:
            value = decode_value(request.tag, request.data)
        except WatlowFrameError:
            return ErrorReply(ErrorCode.ACCESS_DENIED)
        if not spec.writable or request.tag != tag_of(spec) or not _allowed(spec, value):
            return ErrorReply(ErrorCode.ACCESS_DENIED)
        self.set(spec.number, value, request.instance)
        self.writes.append(Write(spec.number, request.instance, value))
        return WriteReply(*request)

    def _live(self, number: int, instance: int) -> Value:
        """The value now, with the clock caught up."""
        if instance <= self.loops:
            loop = self._loops[instance - 1]
            if number == 4001 and self._values[4002, instance] == 61:
                return loop.oven.measured
            if number in (8011, 8033):
                return loop.pid.power
            if number == 8002:
                return self._values[8001, instance]
        return self._values[number, instance]

    def _catch_up(self) -> None:
        now_ns = self._clock.now_ns()
        seconds, self._seen_ns = (now_ns - self._seen_ns) / 1e9, now_ns
        for instance, loop in enumerate(self._loops, 1):
            tuning = Tuning(*(float(self._values[n, instance]) for n in (7001, 8009, 8006, 8007)))  # type: ignore[arg-type]
            manual = float(self._values[7002, instance])  # type: ignore[arg-type]
            loop.advance(seconds, self._values[8001, instance], manual, tuning)


def _start_value(spec: ParameterSpec) -> Value:
    """The factory setting, or what a unit that measures nothing yet shows."""
    if spec.data_type is DataType.STRING:
        return ""
    if spec.default is not None:
        return spec.default if spec.data_type is DataType.FLOAT else int(spec.default)
    if spec.codes:
        return next(iter(spec.codes))
    return 0.0 if spec.data_type is DataType.FLOAT else 0


def _allowed(spec: ParameterSpec, value: Value) -> bool:
    if not isinstance(value, (int, float)):
        return False
    if spec.codes:
        return value in spec.codes
    low, high = spec.low, spec.high
    return (low is None or value >= low) and (high is None or value <= high)
