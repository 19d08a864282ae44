"""A simulated EZ-ZONE PM, RMC, RMH or ST: every parameter, and ovens under its control loops.

An RMC, RMH or ST has the parameters of a PM, with more instances, and over Modbus those whose
registers are known. What else it has is not public.

Its error replies to the attribute service are those observed on a PM3: 81 for an unknown class,
83 for an unknown member, 84 for an unknown instance, 80 for a rejected write. Error 80 for a value
out of range and for a read of a write-only parameter is an assumption. Set to Modbus, it has the
same values as registers (`registers.py`).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from enum import Enum
from functools import cached_property
from typing import TypeVar

from watlowlib._internal.clock import SystemClock, Ticking
from watlowlib._internal.validation import as_enum, as_int
from watlowlib.devices.stdbus_driver import tag_of
from watlowlib.devices.values import SETPOINT, as_stored, quantity_of
from watlowlib.errors import WatlowConfigurationError, WatlowFrameError
from watlowlib.model import ControllerFamily, ProtocolKind, Unit, Value, WordOrder
from watlowlib.protocol.modbus.frames import SLAVES
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
from watlowlib.registry.parameters import PARAMETERS, DataType, ParameterSpec, registry_of
from watlowlib.simulator import shipped
from watlowlib.simulator.alarms import AlarmSettings, SimulatedAlarm
from watlowlib.simulator.loop import LoopSettings, SimulatedLoop
from watlowlib.simulator.oven import Oven, Tuning
from watlowlib.simulator.registers import RegisterBank, Write
from watlowlib.simulator.slave import ModbusSlave
from watlowlib.units import as_scale, converted

E = TypeVar("E", bound=Enum)

UNINITIALISED = -431602080.0
"""The float whose bits are 0xCDCDCDCD."""
OPEN_SENSOR = 2531.8017578125
"""The process value with an open thermocouple, on the captured unit."""
YES, NO = 106, 59
PROTOCOLS = {ProtocolKind.STDBUS: 1286, ProtocolKind.MODBUS_RTU: 1057}
ORDERS = {WordOrder.HIGH_LOW: 1330, WordOrder.LOW_HIGH: 1331}
DISPLAY_UNITS = 17050
SCALE_CODES = {Unit.FAHRENHEIT: 30, Unit.CELSIUS: 15}
SENSOR_GOOD, SENSOR_OPEN = 61, 65
_CLASSES = frozenset(spec.class_id for spec in PARAMETERS)


class SimulatedController:
    """One controller for a `SimulatedBus`.

    Thread-safe: a test may read and change values while the bus is running.

    Args:
        address: Standard Bus address, 1 to 16 (17001).
        setpoint: Initial set point, in the scale of the wire.
        oven: The oven it heats, in the same scale; a second loop has a copy with another seed.
        loops: Of a PM 1 or 2; an RMC has 4, an RMH 16 and an ST 1. A unit with one loop has only
            instance 1 of each parameter, like a PM3.
        cooling: Whether it has a cooling output; without one, the cool-side parameters hold bits
            that are not a value.
        part_number: The part number (1009); None for one that matches the other arguments.
        protocol: The protocol it is set to (17009).
        modbus_address: 1 to 247 (17007); None for the same as `address`.
        data_map: The Modbus data map, 1 or 2; None for 1, of an ST 2.
        word_order: Word order of 32-bit values in two registers (17043).
        registers_per_read: Most registers of one Modbus read, 1 to 125; None for 125.
        temperature_unit: The scale of temperatures on the wire at the start, "F" or "C"; also
            that of the other arguments, of `get` and of `set`.
        fixed_wire_scale: Whether the scale on the wire stays when 17050 is written, as on one
            firmware; otherwise 17050 sets it.
        gaps: The reply to a Modbus read across unreadable registers: exception 02 with "refuse",
            0 for these registers with "zero".

        family: "pm", "rmc", "rmh" or "st".

    Attributes:
        modbus: The Modbus slave; with `modbus.failing = True` its replies are exception 04.
        register_writes: Every Modbus write request, also the rejected ones.
    """

    def __init__(
        self,
        address: int = 1,
        *,
        setpoint: float = 75.0,
        oven: Oven | None = None,
        loops: int | None = None,
        cooling: bool = False,
        part_number: str | None = None,
        protocol: ProtocolKind | str = ProtocolKind.STDBUS,
        modbus_address: int | None = None,
        data_map: int | None = None,
        word_order: WordOrder | str = WordOrder.LOW_HIGH,
        registers_per_read: int | None = None,
        temperature_unit: str = "F",
        fixed_wire_scale: bool = True,
        gaps: str = "refuse",
        family: ControllerFamily | str = ControllerFamily.PM,
    ) -> None:
        shipped.check_address(address)
        self.family = as_enum("family", ControllerFamily, family)
        self.loops = loops = shipped.loops_of(self.family, loops)
        self._registry = registry_of(self.family)
        self._scale = as_scale("temperature_unit", temperature_unit)
        self._fixed_wire_scale = fixed_wire_scale
        slave = address if modbus_address is None else modbus_address
        as_int("modbus_address", slave, SLAVES[0], SLAVES[-1], "give 1 to 247")
        protocol_code = _setting_code("protocol", ProtocolKind, protocol, PROTOCOLS)
        order_code = _setting_code("word_order", WordOrder, word_order, ORDERS)
        self.data_map = shipped.data_map_of(self._registry, data_map)
        bank = RegisterBank(self, self._registry, data_map=self.data_map, gaps=gaps)
        self.modbus = ModbusSlave(bank, registers_per_read)
        self.register_writes = self.modbus.register_writes
        self.cooling = cooling
        self.writes: list[Write] = []
        self.eeprom_writes = 0
        """The number of writes to the EEPROM."""
        oven = oven or Oven(seed=address)
        ovens = (replace(oven, seed=oven.seed + 100 * n) for n in range(loops))
        self._loops = [SimulatedLoop(each, setpoint) for each in ovens]
        self._alarms = [SimulatedAlarm() for _ in range(self._registry.resolve(9009).instances)]
        self._lock = threading.RLock()
        self._clock: Ticking = SystemClock()
        self._updated_ns = self._clock.now_ns()
        codes = {17001: address, 17007: slave, 17009: protocol_code, 17043: order_code}
        codes[DISPLAY_UNITS] = SCALE_CODES[self._scale]
        self._values = self._start_values(setpoint, shipped.identity(address, self.family) | codes)
        self._values[1009, 1] = part_number or shipped.part_number(
            self.family, loops, cooling, modbus=self.protocol is ProtocolKind.MODBUS_RTU
        )

    def _start_values(
        self, setpoint: float, identity: Mapping[int, Value]
    ) -> dict[tuple[int, int], Value]:
        """Return the values of all parameters and instances at the start."""
        shipped_values = shipped.values(self._registry, self._scale, self.loops, self.data_map)
        setpoints = {(SETPOINT, n): float(setpoint) for n in range(1, self.loops + 1)}
        identities = {(number, 1): value for number, value in identity.items()}
        return {**shipped_values, **setpoints, **identities}

    def __repr__(self) -> str:
        modbus = self.protocol is ProtocolKind.MODBUS_RTU
        where = f"Modbus address {self.modbus_address}" if modbus else f"address {self.address}"
        family = "" if self.family is ControllerFamily.PM else f"{self.family.value.upper()} "
        return f"<SimulatedController {family}{where}>"

    @property
    def address(self) -> int:
        """The Standard Bus address (17001)."""
        value = self._values[17001, 1]
        return value if isinstance(value, int) else 0

    @property
    def modbus_address(self) -> int:
        """The Modbus address (17007)."""
        return int(self._float(17007, 1))

    @property
    def protocol(self) -> ProtocolKind:
        """The protocol it is set to (17009); it does not reply to the other."""
        modbus = self._values[17009, 1] == PROTOCOLS[ProtocolKind.MODBUS_RTU]
        return ProtocolKind.MODBUS_RTU if modbus else ProtocolKind.STDBUS

    @property
    def word_order(self) -> WordOrder:
        """The word order of 32-bit values (17043)."""
        high_first = self._values[17043, 1] == ORDERS[WordOrder.HIGH_LOW]
        return WordOrder.HIGH_LOW if high_first else WordOrder.LOW_HIGH

    @property
    def wire_scale(self) -> Unit:
        """The scale of temperatures on the wire."""
        celsius = self._values[DISPLAY_UNITS, 1] == SCALE_CODES[Unit.CELSIUS]
        reported = Unit.CELSIUS if celsius else Unit.FAHRENHEIT
        return self._scale if self._fixed_wire_scale else reported

    def instances_of(self, spec: ParameterSpec) -> int:
        """Return the number of instances of `spec` that this unit has."""
        return shipped.instances_of(spec, self.loops)

    @cached_property
    def _specs(self) -> dict[int, ParameterSpec]:
        """The parameters on Standard Bus by number."""
        return {spec.number: spec for spec in self._registry if not spec.modbus_only}

    def set_clock(self, clock: Ticking) -> None:
        """Use `clock` for the process time from now on."""
        with self._lock:
            self._clock = clock
            self._updated_ns = clock.now_ns()

    def get(self, parameter: str | int, instance: int = 1) -> Value:
        """Return the current value of `parameter`, as a read would."""
        spec = self._registry.resolve(parameter)
        with self._lock:
            self._update()
            return self._current(spec, instance)

    def set(self, parameter: str | int, value: Value, instance: int = 1) -> None:
        """Set `parameter` inside the unit, as with the controller's own keys."""
        spec = self._registry.resolve(parameter)
        with self._lock:
            self._update()
            self._values[spec.number, instance] = value

    def read_wire_value(self, spec: ParameterSpec, instance: int) -> Value:
        """Return the value of `spec` on the wire, for the registers and replies."""
        value = self.get(spec.number, instance)
        return self._converted(spec, value, self._scale, self.wire_scale)

    def open_sensor(self, instance: int = 1) -> None:
        """Simulate an open thermocouple at one input, until `close_sensor`."""
        self.set(4001, OPEN_SENSOR, instance)
        self.set(4002, SENSOR_OPEN, instance)

    def close_sensor(self, instance: int = 1) -> None:
        """End the simulation of an open thermocouple."""
        self.set(4002, SENSOR_GOOD, instance)

    def reply_to(self, request: Payload) -> Payload | None:
        """Return the reply to `request`; None for a payload that is not a request."""
        if not isinstance(request, (ReadRequest, WriteRequest)):
            return None
        spec = self._specs.get(request.class_id * 1000 + request.member_id)
        if request.class_id not in _CLASSES:
            return ErrorReply(ErrorCode.NO_SUCH_OBJECT)
        if spec is None:
            return ErrorReply(ErrorCode.NO_SUCH_ATTRIBUTE)
        if not 1 <= request.instance <= self.instances_of(spec):
            return ErrorReply(ErrorCode.NO_SUCH_INSTANCE)
        if isinstance(request, WriteRequest):
            return self._handle_write(spec, request)
        if not spec.readable:
            return ErrorReply(ErrorCode.ACCESS_DENIED)
        tag, value = _wire_tag(spec), self.read_wire_value(spec, request.instance)
        return ReadReply(*request, tag, encode_value(tag, value))

    def _handle_write(self, spec: ParameterSpec, request: WriteRequest) -> Payload:
        try:
            value = decode_value(request.tag, request.data)
        except WatlowFrameError:
            return ErrorReply(ErrorCode.ACCESS_DENIED)
        allowed = spec.writable and request.tag == _wire_tag(spec)
        if not allowed or not self.accepts_wire_value(spec, request.instance, value):
            return ErrorReply(ErrorCode.ACCESS_DENIED)
        self.write_wire_value(spec, request.instance, value)
        return WriteReply(*request)

    def write_wire_value(self, spec: ParameterSpec, instance: int, value: Value) -> None:
        """Store a value written over the line, and carry out its action."""
        inner = self._converted(spec, value, self.wire_scale, self._scale)
        self.set(spec.number, inner, instance)
        self._run_action(spec.number, instance, value)
        self.writes.append(Write(spec.number, instance, value))
        self.eeprom_writes += spec.persistent and self._values[17051, 1] == YES

    def accepts_wire_value(self, spec: ParameterSpec, instance: int, value: Value) -> bool:
        """Whether a value written over the line is accepted."""
        if not isinstance(value, (int, float)):
            return isinstance(value, str)
        if spec.codes:
            return value in spec.codes
        low, high = spec.limits(self.wire_scale)
        if spec.number == SETPOINT:
            low, high = (self._limit_on_wire(number, instance) for number in (7003, 7004))
        # Compare with the limit as the nearest 32-bit float, like the value on the wire.
        return (low is None or value >= as_stored(spec, low)) and (
            high is None or value <= as_stored(spec, high)
        )

    def _limit_on_wire(self, number: int, instance: int) -> float:
        value = self.read_wire_value(self._specs[number], instance)
        return float(value) if isinstance(value, (int, float)) else 0.0

    def _converted(self, spec: ParameterSpec, value: Value, source: Unit, target: Unit) -> Value:
        quantity = quantity_of(spec)
        if quantity is None or source is target or value == UNINITIALISED:
            return value
        return converted(spec.name, value, quantity, source, target)

    def _run_action(self, number: int, instance: int, value: Value) -> None:
        """Start the action of a written parameter: autotune, clear or silence an alarm."""
        with self._lock:
            if number == 8026:
                self._loops[instance - 1].autotune(value == YES)
            elif number == 9013:
                self._alarms[instance - 1].clear()
                self._values[number, instance] = 255
            elif number == 9014:
                self._alarms[instance - 1].silence()
                self._values[number, instance] = 255

    def _current(self, spec: ParameterSpec, instance: int) -> Value:
        """Return the current value; call `_update` first."""
        number, stored = spec.number, self._values[spec.number, instance]
        if spec.is_cool_side and not self.cooling and isinstance(stored, float):
            return UNINITIALISED
        if 9009 <= number <= 9012:
            alarm = self._alarms[instance - 1]
            flags = {9010: alarm.latched, 9011: alarm.silenced, 9012: alarm.clearable}
            return alarm.state if number == 9009 else YES if flags[number] else NO
        return self._loop_value(number, instance, stored) if instance <= self.loops else stored

    def _loop_value(self, number: int, instance: int, stored: Value) -> Value:
        loop = self._loops[instance - 1]
        if number in (4001, 4022, 8031):
            good = self._values[4002, instance] == SENSOR_GOOD
            return loop.oven.measured if good else self._values[4001, instance]
        current: dict[int, Value] = {
            7007: loop.working_setpoint,
            8002: self._values[8001, instance],
            8011: loop.pid.power,
            8027: loop.tune_status,
            8033: loop.pid.power,
        }
        return current.get(number, stored)

    def _update(self) -> None:
        """Simulate the time since the last update."""
        now_ns = self._clock.now_ns()
        seconds, self._updated_ns = (now_ns - self._updated_ns) / 1e9, now_ns
        for instance, loop in enumerate(self._loops, 1):
            loop.advance(seconds, self._settings(instance))
            if loop.pop_autotune_done():
                self._values[8026, instance] = NO
                self._values[8009, instance] = 20.0
                self._values[8006, instance] = 60.0
        for number, alarm in enumerate(self._alarms, 1):
            if (9009, number) in self._values:
                self._update_alarm(alarm, number)

    def _update_alarm(self, alarm: SimulatedAlarm, instance: int) -> None:
        source = min(int(self._float(9018, instance)), self.loops)
        settings = AlarmSettings(
            type=int(self._float(9015, instance)),
            sides=int(self._float(9004, instance)),
            latching=int(self._float(9007, instance)),
            high=self._float(9001, instance),
            low=self._float(9002, instance),
            hysteresis=self._float(9003, instance),
        )
        measured = self._loops[source - 1].oven.measured
        sensor = int(self._float(4002, source))
        alarm.update(settings, measured, self._float(SETPOINT, source), sensor)

    def _settings(self, instance: int) -> LoopSettings:
        return LoopSettings(
            mode=int(self._float(8001, instance)),
            manual_power=self._float(7002, instance),
            tuning=Tuning(*(self._float(n, instance) for n in (SETPOINT, 8009, 8006, 8007))),
            ramp_action=int(self._float(7014, instance)),
            ramp_scale=int(self._float(7015, instance)),
            ramp_rate=self._float(7017, instance),
        )

    def _float(self, number: int, instance: int) -> float:
        value = self._values[number, instance]
        return float(value) if isinstance(value, (int, float)) else 0.0


def _wire_tag(spec: ParameterSpec) -> Tag:
    """Return the tag on the wire; for pointers and their targets it is a guess."""
    known = tag_of(spec)
    if known is not None:
        return known
    return Tag.U32 if spec.data_type is DataType.POINTER else Tag.FLOAT


def _setting_code(name: str, kind: type[E], given: object, codes: Mapping[E, int]) -> int:
    """Return the parameter code of a setting given by name."""
    code = codes.get(as_enum(name, kind, given))
    if code is None:
        raise WatlowConfigurationError(
            f"{name}={given!r}: allowed are {', '.join(each.value for each in codes)}"
        )
    return code
