"""What a session knows of its port and its controller without sending anything."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING

from watlowlib._internal.cache import Cache
from watlowlib._internal.process import NotCopied
from watlowlib.devices.driver import Driver, Target
from watlowlib.devices.eeprom import EepromCounter
from watlowlib.devices.targets import PLAIN, Parameters, plain_of, target_of, targets_of
from watlowlib.model import ControllerFamily, ProtocolKind, Unit
from watlowlib.protocol.port import Port
from watlowlib.protocol.port_pool import Lease
from watlowlib.registry.parameters import Registry, registry_of
from watlowlib.transport.settings import SerialSettings

if TYPE_CHECKING:
    from watlowlib.model.events import EventKind, EventListener


MOST_CALLS = 256
"""How many calls a session keeps the targets of."""


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
    names: Registry
    """Finds the parameters that the caller names; `watlowlib.sync` sets another one."""
    _lease: Lease
    _checked: Cache[Hashable, tuple[Target, ...]]
    """The targets of earlier calls, by what they depend on."""
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

    def target(self, parameter: str | int, instance: int) -> Target:
        """Return the target for a name, alias or number and an instance.

        Raises:
            WatlowConfigurationError: This controller has no such parameter or instance.
        """
        key: Hashable = None
        if type(parameter) in PLAIN and type(instance) is int:
            key = parameter, instance, self.names, self.driver.known_layout.data_map
        found = self._checked.get(key)
        if found is None:
            target = target_of(self.names, parameter, instance)
            found = self._check(key, (target,))
        return found[0]

    def targets(self, parameters: Parameters, instances: int | Iterable[int]) -> tuple[Target, ...]:
        """Return the targets for `parameters` x `instances`, in that order.

        Raises:
            WatlowConfigurationError: This controller cannot read one of them.
        """
        key: Hashable = None
        if plain := plain_of(parameters, instances):
            parameters, instances = plain  # another thread may change the lists meanwhile
            key = plain, self.names, self.driver.known_layout.data_map
        found = self._checked.get(key)
        if found is None:
            found = self._check(key, tuple(targets_of(self.names, parameters, instances)))
        return found

    def _check(self, key: Hashable, targets: tuple[Target, ...]) -> tuple[Target, ...]:
        for target in targets:
            self.driver.check(*target)
        if key is not None:
            self._checked.keep(key, targets)
        return targets

    def tell(self, kind: EventKind, text: str, value: float | int | str | None = None) -> None:
        """Report an event to the listeners."""
        for listener, name in tuple(self.listeners.items()):
            listener(name, kind, text, value)

    def note_eeprom_write(self) -> None:
        """Count an EEPROM write, unless persistent writes are switched off."""
        if self.persistent_writes and (warning := self.eeprom.note(self.name)):
            from watlowlib.model.events import EventKind  # rarely needed

            self.tell(EventKind.EEPROM_WARNING, warning, self.eeprom.writes)
