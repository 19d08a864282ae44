"""A simulated Series SD: numbered registers that hold counts, and an oven under its control.

It speaks Modbus RTU alone, high word first, at 9600 baud from the factory. Register 17 says
whether writes are kept in EEPROM; it is 1 again after every power-up, and what was written
while it was 0 is gone then.
"""

from __future__ import annotations

import threading

from watlowlib._internal.clock import SystemClock, Ticking
from watlowlib._internal.validation import as_int
from watlowlib.model import ProtocolKind, Value, WordOrder
from watlowlib.protocol.modbus.frames import SLAVES
from watlowlib.registry.parameters import SD_PARAMETERS, Kind, ParameterSpec
from watlowlib.simulator.loop import AUTO, MANUAL, OFF, PER_HOUR, Settings, SimulatedLoop
from watlowlib.simulator.oven import Oven, Tuning
from watlowlib.simulator.registers import RegisterBank
from watlowlib.simulator.slave import ModbusSlave
from watlowlib.simulator.writes import Write

SAVE, SCALE, PV, FILTERED, ERROR = 17, 18, 20, 22, 24
MODE, POWER, SETPOINT, HEAT = 25, 26, 27, 256
CELSIUS = 1


class SimulatedSD:
    """One Series SD for a `SimulatedBus`.

    Safe to look at and to change from a test while the bus answers from it.

    Args:
        address: 1 to 247.
        setpoint: Set point at the start, °F.
        oven: What it heats.
        registers_per_read: See `ModbusSlave`.
        gaps: See `RegisterBank`.

    Attributes:
        address: What was given.
        modbus: What answers; `modbus.failing = True` makes it answer exception 04.
        register_writes: Every write it was asked for, also the refused ones.
        writes: Those that it took.
        eeprom_writes: Writes that have worn the EEPROM: all, while register 17 is 1.
    """

    speaks = ProtocolKind.MODBUS_RTU
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
        self._seen_ns = self._clock.now_ns()
        # In the list's units, temperatures in °F whatever register 18 says.
        self._values: dict[int, float] = {
            spec.number: float(spec.default_f or 0) for spec in SD_PARAMETERS
        }
        identity = {7: 0x0003, 8: 0x0D40 + address, 10: 40, 11: 100, 13: 7}
        self._values |= identity | {SETPOINT: float(setpoint)}
        self._kept = dict(self._values)

    def __repr__(self) -> str:
        return f"<SimulatedSD address {self.address}>"

    @property
    def modbus_address(self) -> int:
        """Where it answers; the registers cannot change it."""
        return self.address

    def instances_of(self, spec: ParameterSpec) -> int:
        """One of everything."""
        return 1

    def live_by(self, clock: Ticking) -> None:
        """Take process time from `clock` from now on."""
        with self._lock:
            self._clock = clock
            self._seen_ns = clock.now_ns()

    def power_up(self) -> None:
        """Begin with what is in EEPROM, and with register 17 at 1."""
        with self._lock:
            self._catch_up()
            self._values = dict(self._kept)

    def get(self, parameter: str | int) -> float:
        """What `parameter` holds now, in the units that register 18 chooses."""
        spec = SD_PARAMETERS.resolve(parameter)
        with self._lock:
            self._catch_up()
            live = {HEAT: self._loop.pid.power}
            if not self._values[ERROR]:
                live |= dict.fromkeys((PV, FILTERED), self._loop.oven.measured)
            value = live.get(spec.number, self._values[spec.number])
            return (value - 32.0) / 1.8 if self._in_celsius(spec) else value

    def set(self, parameter: str | int, value: float) -> None:
        """Change `parameter` from inside, as by the controller's own keys: kept in EEPROM."""
        with self._lock:
            number = self._set(SD_PARAMETERS.resolve(parameter), value)
            self._kept[number] = self._values[number]

    def held(self, spec: ParameterSpec, instance: int) -> Value:
        """The counts that the registers show of `spec`."""
        return round(self.get(spec.number) / spec.scale)

    def takes(self, spec: ParameterSpec, instance: int, value: Value) -> bool:
        """Whether these counts are allowed."""
        if not isinstance(value, int):
            return False
        low, high = spec.limits_f
        number = value * spec.scale
        inside = (low is None or number >= low) and (high is None or number <= high)
        return value in spec.codes if spec.codes else inside

    def take(self, spec: ParameterSpec, instance: int, value: Value) -> None:
        """Store counts that came over the line."""
        assert isinstance(value, int)
        with self._lock:
            saving = self._values[SAVE] == 1 and spec.number != SAVE
            number = round(value * spec.scale, 3) if spec.scale != 1 else value
            self._set(spec, number)
            self.writes.append(Write(spec.number, instance, number))
            if saving:
                self._kept[spec.number] = self._values[spec.number]
                self.eeprom_writes += 1

    def _set(self, spec: ParameterSpec, value: float) -> int:
        self._catch_up()
        self._values[spec.number] = value * 1.8 + 32.0 if self._in_celsius(spec) else float(value)
        return spec.number

    def _in_celsius(self, spec: ParameterSpec) -> bool:
        return spec.kind is Kind.TEMPERATURE and self._values[SCALE] == CELSIUS

    def _catch_up(self) -> None:
        now_ns = self._clock.now_ns()
        seconds, self._seen_ns = (now_ns - self._seen_ns) / 1e9, now_ns
        settings = Settings(
            mode=MANUAL if self._values[MODE] else AUTO,
            manual_power=self._values[POWER],
            tuning=Tuning(setpoint=self._values[SETPOINT]),
            ramp_action=OFF,
            ramp_scale=PER_HOUR,
            ramp_rate=0.0,
        )
        self._loop.advance(seconds, settings)
