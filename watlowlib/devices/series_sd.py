"""A Series SD on Modbus RTU: one data map, and always the high word first.

In which scale its temperatures are it says itself, in register 18, which its own keys and
every other master can change. So that register is read along with each temperature, and before
each write.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence

from watlowlib.devices.layout import RegisterLayout
from watlowlib.devices.modbus_driver import ModbusDriver
from watlowlib.devices.stdbus_driver import DecodedReply, ReadOutcome, Target
from watlowlib.errors import WatlowError, WatlowUncertainError
from watlowlib.model import Unit, Value, WordOrder
from watlowlib.protocol.exchange import RetryPolicy, WriteOptions
from watlowlib.protocol.modbus.client import ModbusClient
from watlowlib.registry.parameters import SD_PARAMETERS, Kind, ParameterSpec

SCALE_REGISTER = 18
SCALE: Target = (SD_PARAMETERS.resolve(SCALE_REGISTER), 1)
SCALES: dict[Value, Unit] = {0: Unit.FAHRENHEIT, 1: Unit.CELSIUS}


class SeriesSdDriver(ModbusDriver):
    """A Series SD: one map, high word first, its scale in register 18."""

    def __init__(
        self,
        client: ModbusClient,
        address: int,
        policy: RetryPolicy,
        *,
        registers_per_read: int = 32,
    ) -> None:
        super().__init__(
            client,
            address,
            policy,
            given=RegisterLayout(1, WordOrder.HIGH_LOW),
            registers_per_read=registers_per_read,
        )
        self._scale: Unit | None = None

    @property
    def temperature_unit(self) -> Unit | None:
        """The scale on the wire, once it has been asked for."""
        return self._scale

    def forget(self) -> None:
        """Ask for the scale anew before it matters next."""
        self._scale = None

    def read(self, spec: ParameterSpec, instance: int) -> DecodedReply:
        """Read one parameter; a temperature along with its scale."""
        (outcome,) = (each for part in self.read_each([(spec, instance)]) for each in part)
        if isinstance(outcome.got, WatlowError):
            raise outcome.got
        return outcome.got

    def read_each(self, wanted: Sequence[Target]) -> Iterator[list[ReadOutcome]]:
        """Read several; temperatures along with their scale, which another master may change."""
        if not any(spec.kind is Kind.TEMPERATURE for spec, _ in wanted):
            yield from super().read_each(wanted)
            return
        doubt: WatlowError | None = None
        # The scale has the lower register: it comes before the temperatures.
        for outcomes in super().read_each(list(dict.fromkeys([SCALE, *wanted]))):
            for target, got in outcomes:
                if target == SCALE:
                    doubt = self._scale_of(got)
            yield [_doubted(each, doubt) for each in outcomes if each.target in wanted]

    def write(
        self, spec: ParameterSpec, instance: int, value: float | int, options: WriteOptions
    ) -> DecodedReply:
        """Store a value, a temperature only in the scale that was read last."""
        known = self._scale
        ((outcome,),) = super().read_each([SCALE])
        doubt = self._scale_of(outcome.got)
        if doubt is not None:
            raise doubt
        if spec.kind is Kind.TEMPERATURE and known not in (None, self._scale):
            raise WatlowUncertainError(
                f"register {SCALE_REGISTER} says {self._scale} now, it said {known} before; "
                "nothing was written: give the value in that scale"
            )
        return super().write(spec, instance, value, options)

    def _scale_of(self, got: DecodedReply | WatlowError) -> WatlowError | None:
        """Take over the scale that has been read; what is wrong if it is none."""
        if isinstance(got, WatlowError):
            self._scale = None
            return got
        self._scale = SCALES.get(got.value)
        if self._scale is not None:
            return None
        return WatlowUncertainError(
            f"register {SCALE_REGISTER} holds {got.value}, not 0 (°F) or 1 (°C): this is no "
            "Series SD; open it without family='sd'"
        )


def _doubted(outcome: ReadOutcome, doubt: WatlowError | None) -> ReadOutcome:
    """What has been read, unless it is a temperature in a scale that is not known."""
    spec, _ = outcome.target
    if doubt is None or spec.kind is not Kind.TEMPERATURE:
        return outcome
    return outcome._replace(got=copy.copy(doubt))
