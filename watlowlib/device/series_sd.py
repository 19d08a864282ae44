"""A Series SD: one map, always the high word first, and temperatures in the scale it says.

Source: Watlow's register list and manuals for the Series SD.
"""

from __future__ import annotations

from watlowlib.device.blocks import Span
from watlowlib.device.layout import Layout
from watlowlib.device.registers import ModbusWire
from watlowlib.device.wire import Target
from watlowlib.errors import WatlowUncertainError
from watlowlib.model import Unit, WordOrder
from watlowlib.protocol.exchange import Patience
from watlowlib.protocol.modbus.client import ModbusClient

SCALE_REGISTER = 18
SCALES = {0: Unit.FAHRENHEIT, 1: Unit.CELSIUS}


class SdWire(ModbusWire):
    """A Series SD on Modbus RTU; see `ModbusWire`."""

    deciding = frozenset({SCALE_REGISTER})

    def __init__(
        self,
        client: ModbusClient,
        address: int,
        patience: Patience,
        *,
        registers_per_read: int = 32,
    ) -> None:
        super().__init__(
            client,
            address,
            patience,
            given=Layout(1, WordOrder.HIGH_LOW),
            registers_per_read=registers_per_read,
        )
        self._scale: Unit | None = None

    @property
    def temperature_unit(self) -> Unit | None:
        """The scale on the wire, once it has been asked for."""
        return self._scale

    def forget(self) -> None:
        """Ask for the scale anew before the next read."""
        self._scale = None

    def span(self, target: Target) -> Span:
        """The registers of a target; the scale is known then."""
        if self._scale is None:
            self._scale = self._asked_scale()
        return super().span(target)

    def _asked_scale(self) -> Unit:
        (code,) = self.ask(SCALE_REGISTER, 1)
        if code not in SCALES:
            raise WatlowUncertainError(
                f"register {SCALE_REGISTER} holds {code}, not 0 (°F) or 1 (°C): this is no "
                "Series SD; open it without family='sd'"
            )
        return SCALES[code]
