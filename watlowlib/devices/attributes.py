"""What is known about a controller: its attributes, which send nothing."""

from __future__ import annotations

from watlowlib._internal.process import NotCopied
from watlowlib.devices.session import Session
from watlowlib.model import ControllerFamily, ProtocolKind, Unit
from watlowlib.protocol.stats import DeviceStats, PortStats
from watlowlib.registry.parameters import Registry


class ControllerAttributes(NotCopied):
    """The attributes of a `Controller`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @property
    def name(self) -> str:
        """Name of the controller in samples and messages."""
        return self._session.name

    @property
    def port(self) -> str:
        """The port as the user named it."""
        return self._session.port.name

    @property
    def address(self) -> int:
        """Controller address."""
        return self._session.address

    @property
    def protocol(self) -> ProtocolKind:
        """The wire protocol."""
        return self._session.protocol

    @property
    def family(self) -> ControllerFamily:
        """The product family that was given to `open_device`."""
        return self._session.family

    @property
    def registry(self) -> Registry:
        """The parameters of the family."""
        return self._session.registry

    @property
    def temperature_unit(self) -> Unit | None:
        """Scale of temperatures on the wire; None where it is not known."""
        return self._session.temperature_unit

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._session.closed

    @property
    def persistent_writes(self) -> bool:
        """Whether the controller stores writes in its EEPROM, as far as this program knows."""
        return self._session.persistent_writes

    @property
    def eeprom_writes(self) -> int:
        """Writes of this program that have reached the controller's EEPROM."""
        return self._session.eeprom.writes

    @property
    def stats(self) -> DeviceStats:
        """Counters of this controller since its port was opened."""
        return self._session.driver.stats

    @property
    def port_stats(self) -> PortStats:
        """Counters of the port, all its controllers together."""
        return self._session.port.stats

    @property
    def session(self) -> Session:
        """The layer below: reads and writes by `ParameterSpec`."""
        return self._session
