"""What a session knows of its port and its controller without sending anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watlowlib._internal.process import NotCopied
from watlowlib.devices.driver import Driver
from watlowlib.devices.eeprom import EepromCounter
from watlowlib.model import ControllerFamily, ProtocolKind, Unit
from watlowlib.protocol.port import Port
from watlowlib.protocol.port_pool import Lease
from watlowlib.registry.parameters import Registry, registry_of
from watlowlib.transport.settings import SerialSettings

if TYPE_CHECKING:
    from watlowlib.model.events import EventKind, EventListener


class SessionAttributes(NotCopied):
    """The attributes of a `Session`."""

    driver: Driver
    name: str
    persistent_writes: bool
    eeprom: EepromCounter
    family: ControllerFamily
    listeners: dict[EventListener, str]
    """The listeners to events, each with its name of the controller."""
    port: Port
    """The port, which other controllers may share."""
    protocol: ProtocolKind
    """The wire protocol."""
    _lease: Lease
    _temperature_unit: Unit | None

    @property
    def address(self) -> int:
        """Controller address."""
        return self.driver.address

    @property
    def registry(self) -> Registry:
        """The parameters of the family."""
        return registry_of(self.family, gateway=self.driver.behind_gateway)

    @property
    def temperature_unit(self) -> Unit | None:
        """Scale of temperatures on the wire; None where it is not known."""
        return self.driver.temperature_unit or self._temperature_unit

    @property
    def declared_scale(self) -> Unit | None:
        """Scale of temperatures on the wire as the user has declared it, or None."""
        return self._temperature_unit

    @property
    def knows_scale(self) -> bool:
        """Whether the scale is declared, or reported by the controller with each value."""
        return self.driver.reports_scale or self._temperature_unit is not None

    @property
    def closed(self) -> bool:
        """Whether the session has released its port."""
        return not self._lease.active

    @property
    def serial_settings(self) -> SerialSettings:
        """The serial settings of the port."""
        return self._lease.shared.settings

    @property
    def port_key(self) -> str:
        """A key that is the same for all controllers on one port, under any name of the port."""
        return self._lease.shared.key

    def tell(self, kind: EventKind, text: str, value: float | int | str | None = None) -> None:
        """Report an event to the listeners."""
        for listener, name in tuple(self.listeners.items()):
            listener(name, kind, text, value)

    def note_eeprom_write(self) -> None:
        """Count an EEPROM write, unless persistent writes are switched off."""
        if self.persistent_writes and (warning := self.eeprom.note(self.name)):
            from watlowlib.model.events import EventKind  # rarely needed

            self.tell(EventKind.EEPROM_WARNING, warning, self.eeprom.writes)
