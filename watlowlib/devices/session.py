"""What a controller object is below its methods: an address on a port, read and written.

Everything that knows a parameter by name stands above, in `controller.py` and the files
beside it; here a `ParameterSpec` and an instance go in and a `Reading` comes out.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from watlowlib.devices.availability import Availability
from watlowlib.devices.eeprom import EepromCounter
from watlowlib.devices.samples import reading_of
from watlowlib.devices.stdbus_driver import Driver, Target
from watlowlib.devices.values import is_cool_side
from watlowlib.errors import (
    ErrorContext,
    WatlowAbsentError,
    WatlowClosedError,
    WatlowConfigurationError,
    WatlowCRCError,
    WatlowDeviceError,
    WatlowError,
    WatlowTimeoutError,
)
from watlowlib.model import ControllerFamily, PartNumber, ProtocolKind, Reading, Unit
from watlowlib.protocol.exchange import WriteOptions
from watlowlib.protocol.port import Port
from watlowlib.protocol.port_pool import Lease, forget
from watlowlib.protocol.stats import DeviceStats, PortStats
from watlowlib.registry.parameters import (
    PARAMETERS,
    SD_PARAMETERS,
    ParameterSpec,
    Registry,
)
from watlowlib.registry.part_numbers import decode_part_number

A = TypeVar("A", bound="Session")


class Session:
    """One controller's place on a shared port; `Controller` is what users see of it."""

    def __init__(
        self,
        lease: Lease,
        wire: Driver,
        *,
        name: str,
        family: ControllerFamily = ControllerFamily.UNKNOWN,
        temperature_unit: Unit | None = None,
    ) -> None:
        self.wire = wire
        self.name = name
        self.family = family
        self.persistent_writes = True
        """Whether what is written goes into the EEPROM, as far as this program knows."""
        self._temperature_unit = temperature_unit
        self.wear = EepromCounter()
        """The writes of this program that have reached the controller's EEPROM."""
        self.setpoint_limits: dict[int, tuple[float | None, float | None]] = {}
        """What 7003 and 7004 of each loop say, once they have been read."""
        self.presence = Availability(self)
        """Whether it is there, as far as its last answers tell."""
        self._lease = lease
        self._part: PartNumber | None = None
        # A controller nobody holds any more must not keep its port from others.
        self._forgotten = weakref.finalize(self, forget, lease)
        self._forgotten.atexit = False

    def __repr__(self) -> str:
        state = ", closed" if self.closed else ""
        kind = type(self).__name__
        return f"<{kind} {self.name!r} on {self.port} address {self.address}{state}>"

    @property
    def address(self) -> int:
        """Its address on the line."""
        return self.wire.address

    @property
    def registry(self) -> Registry:
        """The parameters it can have."""
        return SD_PARAMETERS if self.family is ControllerFamily.SD else PARAMETERS

    @property
    def temperature_unit(self) -> Unit | None:
        """The scale of temperatures on the wire; None where it is not known."""
        return self.wire.temperature_unit or self._temperature_unit

    @property
    def closed(self) -> bool:
        """Whether it has let go of the port."""
        return not self._lease.active

    @property
    def port(self) -> str:
        """The port as it was named."""
        return self.line.name

    @property
    def port_key(self) -> str:
        """The same text for all controllers that share a port, whatever it was called."""
        return self._lease.key

    @property
    def protocol(self) -> ProtocolKind:
        """The wire protocol spoken."""
        return self._lease.shared.protocol

    @property
    def stats(self) -> DeviceStats:
        """Counters of this controller, since the port was opened."""
        return self.wire.stats

    @property
    def port_stats(self) -> PortStats:
        """Counters of the port; shared by all controllers on it."""
        return self.line.stats

    @property
    def line(self) -> Port:
        """The port, which may be shared."""
        return self._lease.client.port

    @property
    def eeprom_writes(self) -> int:
        """How many writes of this program have reached the controller's EEPROM."""
        return self.wear.writes

    def part_number(self, *, again: bool = False) -> PartNumber | None:
        """The part number (1009); None when the controller does not tell it.

        Args:
            again: Whether to ask also when it is known already.
        """
        if self._part is None or again:
            try:
                spec = self.registry.resolve("part_number")
                self.check_wire(spec, 1)
                text = self._read(spec, 1).value
            except (WatlowConfigurationError, WatlowDeviceError, WatlowAbsentError):
                return None
            self._part = decode_part_number(text) if isinstance(text, str) and text else None
        return self._part

    def store(
        self, spec: ParameterSpec, instance: int, value: float | int, options: WriteOptions
    ) -> Reading:
        """Send a write that has been checked; see `Driver.write`."""
        try:
            self.check_open()
            got = self.wire.write(spec, instance, value, options)
        except WatlowError as error:
            self.place(error, spec, instance)
            raise
        return reading_of(self, spec, instance, got)

    def note_wear(self) -> None:
        """Count a write to the EEPROM, unless the controller was told to keep none."""
        if self.persistent_writes:
            self.wear.note(self.name)

    def heard_at(self, address: int) -> bool:
        """Whether anything at all comes back when `address` is asked for something."""
        self.check_open()
        try:
            self.wire.at(address).ping()
        except WatlowTimeoutError as error:
            return bool(error.context.reply)
        except WatlowCRCError:
            return True
        return True

    def check_wire(self, spec: ParameterSpec, instance: int) -> None:
        """Refuse what the protocol has no way to ask for, before anything is sent.

        Raises:
            WatlowConfigurationError: It has none.
        """
        self.wire.check(spec, instance)

    def check_cooling(self, spec: ParameterSpec) -> None:
        """Refuse the cool side of a unit that has none.

        Raises:
            WatlowAbsentError: By its part number it has no cooling output.
        """
        part = self.part_number() if is_cool_side(spec) else None
        if part is not None and part.cooling is False:
            raise WatlowAbsentError(
                f"{spec.name} ({spec.number}): by its part number {part.text} this controller "
                "has no cooling output"
            )

    def context_of(self, spec: ParameterSpec, instance: int) -> ErrorContext:
        """Where an error about a parameter of this controller has happened."""
        return ErrorContext(
            port=self.port,
            address=self.address,
            parameter=spec.name,
            parameter_id=spec.number,
            instance=instance,
        )

    def place(self, error: WatlowError, spec: ParameterSpec, instance: int) -> None:
        """Let `error` tell also which parameter of which controller it was about."""
        known = error.context
        error.context = replace(
            self.context_of(spec, instance),
            request=known.request,
            reply=known.reply,
            elapsed_s=known.elapsed_s,
        )

    def close(self) -> None:
        """Let go of the port; it is closed when no other controller uses it."""
        self._forgotten.detach()
        self.line.away.discard(self.address)
        self._lease.give_back()

    def __enter__(self: A) -> A:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _read(self, spec: ParameterSpec, instance: int) -> Reading:
        try:
            self.check_open()
            self.check_cooling(spec)
            got = self.wire.read(spec, instance)
        except WatlowError as error:
            self.place(error, spec, instance)
            raise
        return reading_of(self, spec, instance, got)

    def read_each(self, wanted: Sequence[Target]) -> Iterator[dict[Target, Reading | WatlowError]]:
        """Read several, lazily, in as few exchanges as the protocol has it.

        Yields:
            What one exchange has brought.
        """
        asked: list[Target] = []
        for target in wanted:
            try:
                self.check_open()
                self.check_cooling(target[0])
                asked.append(target)
            except WatlowError as error:
                self.place(error, *target)
                yield {target: error}
        for outcomes in self.wire.read_each(asked):
            for target, got in outcomes:
                if isinstance(got, WatlowError):
                    self.place(got, *target)
            yield {
                target: got if isinstance(got, WatlowError) else reading_of(self, *target, got)
                for target, got in outcomes
            }

    def check_open(self) -> None:
        """Refuse to work with one that was closed.

        Raises:
            WatlowClosedError: It was.
        """
        if self.closed:
            raise WatlowClosedError("the controller was closed; open it again")
