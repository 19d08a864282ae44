"""The driver of a Series SD on Modbus RTU: one data map, high word first.

Register 18 holds the scale of its temperatures; the keys and every other master can change it.
So that register is read together with each temperature, and before each write.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence

from watlowlib.devices.driver import DecodedReply, ReadOutcome, Target
from watlowlib.devices.layout import RegisterLayout
from watlowlib.devices.modbus_driver import ModbusDriver
from watlowlib.errors import WatlowError, WatlowUncertainError
from watlowlib.model import Unit, Value, WordOrder
from watlowlib.protocol.exchange import WriteOptions
from watlowlib.registry.parameters import SD_PARAMETERS, Kind, ParameterSpec

SCALE_REGISTER = 18
SCALE: Target = (SD_PARAMETERS.resolve(SCALE_REGISTER), 1)
LAYOUT = RegisterLayout(1, WordOrder.HIGH_LOW)
SCALES: dict[Value, Unit] = {0: Unit.FAHRENHEIT, 1: Unit.CELSIUS}


class SeriesSdDriver(ModbusDriver):
    """A Series SD: one data map, high word first, the scale in register 18."""

    reports_scale = True
    _scale: Unit | None = None

    @property
    def temperature_unit(self) -> Unit | None:
        """The scale on the wire, once it has been read."""
        return self._scale

    def read_scale(self) -> Unit | None:
        """Read register 18."""
        ((outcome,),) = super().read_each([SCALE])
        no_scale = self._store_scale(outcome.result)
        if no_scale is not None:
            raise no_scale
        return self._scale

    def forget(self) -> None:
        """Read the scale again when it is next needed."""
        self._scale = None

    def read(self, spec: ParameterSpec, instance: int) -> DecodedReply:
        """Read one parameter; a temperature together with its scale."""
        (outcome,) = (
            outcome for outcomes in self.read_each([(spec, instance)]) for outcome in outcomes
        )
        if isinstance(outcome.result, WatlowError):
            raise outcome.result
        return outcome.result

    def read_each(self, targets: Sequence[Target]) -> Iterator[list[ReadOutcome]]:
        """Read several parameters; temperatures together with their scale."""
        if not any(spec.kind is Kind.TEMPERATURE for spec, _ in targets):
            yield from super().read_each(targets)
            return
        no_scale: WatlowError | None = None
        # The scale has the lower register, so its outcome precedes the temperatures.
        for outcomes in super().read_each(list(dict.fromkeys([SCALE, *targets]))):
            for target, result in outcomes:
                if target == SCALE:
                    no_scale = self._store_scale(result)
            yield [_with_scale(each, no_scale) for each in outcomes if each.target in targets]

    def write(
        self, spec: ParameterSpec, instance: int, value: float | int, options: WriteOptions
    ) -> DecodedReply:
        """Write a value; a temperature only if the scale is still the one read last."""
        known = options.scale or self._scale
        scale = self.read_scale()
        if spec.kind is Kind.TEMPERATURE and known not in (None, scale):
            raise WatlowUncertainError(
                f"register {SCALE_REGISTER} is {scale} now and was {known} before; "
                "nothing was written: give the value in the present scale"
            )
        return super().write(spec, instance, value, options)

    def _store_scale(self, result: DecodedReply | WatlowError) -> WatlowError | None:
        """Store the scale that was read; return an error if it is not a scale."""
        if isinstance(result, WatlowError):
            self._scale = None
            return result
        self._scale = SCALES.get(result.value)
        if self._scale is not None:
            return None
        return WatlowUncertainError(
            f"register {SCALE_REGISTER} holds {result.value}, not 0 (°F) or 1 (°C): this is not a "
            "Series SD; open it without family='sd'"
        )


def _with_scale(outcome: ReadOutcome, no_scale: WatlowError | None) -> ReadOutcome:
    """Return the outcome; a temperature without a known scale becomes an error."""
    spec, _ = outcome.target
    if no_scale is None or spec.kind is not Kind.TEMPERATURE:
        return outcome
    return outcome._replace(result=copy.copy(no_scale))
