"""A simulated Series SD: numbered registers that hold counts, and an oven under its control.

It has only Modbus RTU, high word first, at 9600 baud from the factory. Register 17 sets whether
writes are saved in EEPROM. It is 1 after every power-up; values written while it was 0 are lost
then.
"""

from __future__ import annotations

import threading

from watlowlib._internal.clock import SystemClock, Ticking
from watlowlib._internal.validation import as_int
from watlowlib.model import ProtocolKind, Value, WordOrder
from watlowlib.protocol.modbus.frames import SLAVES
from watlowlib.registry.parameters import SD_PARAMETERS, Kind, ParameterSpec
from watlowlib.simulator.loop import AUTO, MANUAL, OFF, PER_HOUR, LoopSettings, SimulatedLoop
from watlowlib.simulator.oven import Oven, Tuning
from watlowlib.simulator.registers import RegisterBank, Write
from watlowlib.simulator.slave import ModbusSlave

SAVE, SCALE, PV, FILTERED, ERROR = 17, 18, 20, 22, 24
MODE, POWER, SETPOINT, HEAT = 25, 26, 27, 256
CELSIUS = 1


class SimulatedSD:
    """One Series SD for a `SimulatedBus`.

    Thread-safe: a test may read and change values while the bus is running.

    Args:
        address: 1 to 247.
        setpoint: Initial set point, °F.
        oven: The oven it heats.
        registers_per_read: Most registers of one read, 1 to 125; None for 125.
        gaps: The reply to a read across unreadable registers: exception 02 with "refuse", 0 for
            these registers with "zero".

    Attributes:
        address: The Modbus address.
        modbus: The Modbus slave; with `modbus.failing = True` its replies are exception 04.
        register_writes: Every write request, also the rejected ones.
        writes: The accepted writes.
        eeprom_writes: The number of writes to the EEPROM: all, while register 17 is 1.
    """

    protocol = ProtocolKind.MODBUS_RTU
    word_order = WordOrder.HIGH_LOW

    def __init__(
        self,
        address: int = 1,
        *,
        setpoint: float = 75.0,
        oven: Oven | None = None,
        registers_per_read: int | None = None,
        gaps: str = "refuse",
    ) -> None:
        self.address = as_int("address", address, SLAVES[0], SLAVES[-1], "give 1 to 247")
        self.modbus = ModbusSlave(RegisterBank(self, SD_PARAMETERS, gaps=gaps), registers_per_read)
        self.register_writes = self.modbus.register_writes
        self.writes: list[Write] = []
        self.eeprom_writes = 0
        self._loop = SimulatedLoop(oven or Oven(seed=address), setpoint)
        self._lock = threading.RLock()
        self._clock: Ticking = SystemClock()
        self._updated_ns = self._clock.now_ns()
        # In the list's units; temperatures in °F, also when register 18 is set to °C.
        self._values: dict[int, float] = {
            spec.number: float(spec.default_f or 0) for spec in SD_PARAMETERS
        }
        identity = {7: 0x0003, 8: 0x0D40 + address, 10: 40, 11: 100, 13: 7}
        self._values |= identity | {SETPOINT: float(setpoint)}
        self._saved = dict(self._values)

    def __repr__(self) -> str:
        return f"<SimulatedSD address {self.address}>"

    @property
    def modbus_address(self) -> int:
        """The Modbus address; a write cannot change it."""
        return self.address

    def instances_of(self, spec: ParameterSpec) -> int:
        """Return 1: every parameter has one instance."""
        return 1

    def set_clock(self, clock: Ticking) -> None:
        """Use `clock` for the process time from now on."""
        with self._lock:
            self._clock = clock
            self._updated_ns = clock.now_ns()

    def power_up(self) -> None:
        """Load the values from EEPROM and set register 17 to 1."""
        with self._lock:
            self._update()
            self._values = dict(self._saved)

    def get(self, parameter: str | int) -> float:
        """Return the current value of `parameter`, in the unit set by register 18."""
        spec = SD_PARAMETERS.resolve(parameter)
        with self._lock:
            self._update()
            current = {HEAT: self._loop.pid.power}
            if not self._values[ERROR]:
                current |= dict.fromkeys((PV, FILTERED), self._loop.oven.measured)
            value = current.get(spec.number, self._values[spec.number])
            return (value - 32.0) / 1.8 if self._in_celsius(spec) else value

    def set(self, parameter: str | int, value: float) -> None:
        """Set `parameter` as with the controller's own keys; saved in EEPROM."""
        with self._lock:
            number = self._set(SD_PARAMETERS.resolve(parameter), value)
            self._saved[number] = self._values[number]

    def read_wire_value(self, spec: ParameterSpec, instance: int) -> Value:
        """Return the counts of `spec` for the registers."""
        return round(self.get(spec.number) / spec.scale)

    def accepts_wire_value(self, spec: ParameterSpec, instance: int, value: Value) -> bool:
        """Whether written counts are accepted."""
        if not isinstance(value, int):
            return False
        low, high = spec.limits_f
        number = value * spec.scale
        in_range = (low is None or number >= low) and (high is None or number <= high)
        return value in spec.codes if spec.codes else in_range

    def write_wire_value(self, spec: ParameterSpec, instance: int, value: Value) -> None:
        """Store counts written over the line."""
        assert isinstance(value, int)
        with self._lock:
            saving = self._values[SAVE] == 1 and spec.number != SAVE
            number = round(value * spec.scale, 3) if spec.scale != 1 else value
            self._set(spec, number)
            self.writes.append(Write(spec.number, instance, number))
            if saving:
                self._saved[spec.number] = self._values[spec.number]
                self.eeprom_writes += 1

    def _set(self, spec: ParameterSpec, value: float) -> int:
        self._update()
        self._values[spec.number] = value * 1.8 + 32.0 if self._in_celsius(spec) else float(value)
        return spec.number

    def _in_celsius(self, spec: ParameterSpec) -> bool:
        return spec.kind is Kind.TEMPERATURE and self._values[SCALE] == CELSIUS

    def _update(self) -> None:
        now_ns = self._clock.now_ns()
        seconds, self._updated_ns = (now_ns - self._updated_ns) / 1e9, now_ns
        settings = LoopSettings(
            mode=MANUAL if self._values[MODE] else AUTO,
            manual_power=self._values[POWER],
            tuning=Tuning(setpoint=self._values[SETPOINT]),
            ramp_action=OFF,
            ramp_scale=PER_HOUR,
            ramp_rate=0.0,
        )
        self._loop.advance(seconds, settings)
