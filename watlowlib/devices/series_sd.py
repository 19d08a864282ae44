"""The driver of a Series SD on Modbus RTU: one data map, high word first.

Register 18 holds the scale of its temperatures; the keys and every other master can change it.
So that register is read together with each temperature, and before each write.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence

from watlowlib.devices.driver import DecodedReply, Outcomes, Target
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
        ((result,),) = (each.values() for each in super().read_each([SCALE]))
        scale = self._note_scale(result)
        if isinstance(scale, WatlowError):
            raise scale
        return scale

    def forget(self) -> None:
        """Read the scale again when it is next needed."""
        self._scale = None

    def read(self, spec: ParameterSpec, instance: int) -> DecodedReply:
        """Read one parameter; a temperature together with its scale."""
        (result,) = (
            result for each in self.read_each([(spec, instance)]) for result in each.values()
        )
        if isinstance(result, WatlowError):
            raise result
        return result

    def read_each(self, targets: Sequence[Target]) -> Iterator[Outcomes]:
        """Read several parameters; temperatures together with their scale."""
        if not any(spec.kind is Kind.TEMPERATURE for spec, _ in targets):
            yield from super().read_each(targets)
            return
        scale: Unit | WatlowError | None = None
        wanted = frozenset(targets)
        # The scale has the lower register, so its outcome precedes the temperatures.
        for outcomes in super().read_each(list(dict.fromkeys([SCALE, *targets]))):
            if SCALE in outcomes:
                scale = self._note_scale(outcomes[SCALE])
            yield {
                target: _with_scale(target, result, scale)
                for target, result in outcomes.items()
                if target in wanted
            }

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
        written = super().write(spec, instance, value, options)
        return written._replace(scale=scale) if spec.kind is Kind.TEMPERATURE else written

    def _note_scale(self, result: DecodedReply | WatlowError) -> Unit | WatlowError:
        """Return the scale that was read, or the error if it is none; note it.

        What belongs to this result is returned: another thread may note another scale meanwhile.
        """
        scale = None if isinstance(result, WatlowError) else SCALES.get(result.value)
        self._scale = scale
        if isinstance(result, WatlowError):
            return result
        return scale or WatlowUncertainError(
            f"register {SCALE_REGISTER} holds {result.value}, not 0 (°F) or 1 (°C): this is not a "
            "Series SD; open it without family='sd'"
        )


def _with_scale(
    target: Target, result: DecodedReply | WatlowError, scale: Unit | WatlowError | None
) -> DecodedReply | WatlowError:
    """Return the result; a temperature with its scale, or as an error without one."""
    spec, _ = target
    if spec.kind is not Kind.TEMPERATURE:
        return result
    if isinstance(scale, WatlowError):
        return copy.copy(scale)
    return result if isinstance(result, WatlowError) else result._replace(scale=scale)
