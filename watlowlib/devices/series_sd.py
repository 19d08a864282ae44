"""The driver of a Series SD on Modbus RTU: one data map, high word first.

Register 18 holds the scale of its temperatures; the keys and every other master can change it.
So that register is read together with each temperature, and before each write.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from watlowlib.devices.driver import DecodedReply, Outcomes, Target, failed
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
        (outcomes,) = super().read_each([SCALE])
        scale = self._note_scale(outcomes)
        if isinstance(scale, WatlowError):
            raise scale
        return scale

    def forget(self) -> None:
        """Read the scale again when it is next needed."""
        self._scale = None

    def read(self, spec: ParameterSpec, instance: int) -> DecodedReply:
        """Read one parameter; a temperature together with its scale."""
        return self._read_one((spec, instance))

    def read_each(self, targets: Sequence[Target]) -> Iterator[Outcomes]:
        """Read several parameters; temperatures together with their scale."""
        if not any(spec.kind is Kind.TEMPERATURE for spec, _ in targets):
            yield from super().read_each(targets)
            return
        scale: Unit | WatlowError | None = None
        wanted = frozenset(targets)
        # The scale has the lower register, so its outcome precedes the temperatures.
        for outcomes in super().read_each(list(dict.fromkeys([SCALE, *targets]))):
            if outcomes.has(SCALE):
                scale = self._note_scale(outcomes)
            yield _with_scale(outcomes.of(wanted), scale)

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

    def _note_scale(self, outcomes: Outcomes) -> Unit | WatlowError:
        """Store the scale that was read, and return it; return an error if there is none.

        The scale of these results is the one returned: another thread may store another one.
        """
        if SCALE in outcomes.errors:
            self._scale = None
            return outcomes.errors[SCALE]
        found = outcomes.values[SCALE]
        self._scale = scale = SCALES.get(found)
        return scale or WatlowUncertainError(
            f"register {SCALE_REGISTER} holds {found}, not 0 (°F) or 1 (°C): this is not a "
            "Series SD; open it without family='sd'"
        )


def _with_scale(outcomes: Outcomes, scale: Unit | WatlowError | None) -> Outcomes:
    """Return the results with a scale; without a scale each temperature becomes an error."""
    if not isinstance(scale, WatlowError):
        return outcomes._replace(scale=scale)
    errors, values, reply, _ = outcomes
    temperatures = {each for each in (*errors, *values) if each[0].kind is Kind.TEMPERATURE}
    others = {target: value for target, value in values.items() if target not in temperatures}
    return Outcomes(errors | failed(temperatures, scale), others, reply)
