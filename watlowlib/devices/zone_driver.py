"""The driver of a controller behind a gateway: one of its zones.

What a gateway replies for a controller that is switched off is not published. It may be an
exception, nothing, or the last value that it has seen. So the input error of the zone is read with
each value, and a value is only believed if the input error is one of its codes.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from watlowlib.devices.driver import DecodedReply, Outcomes, Target, failed
from watlowlib.devices.layout import NEITHER, RegisterLayout
from watlowlib.devices.modbus_driver import ModbusDriver
from watlowlib.devices.zones import UnrecognizedError, Zone
from watlowlib.errors import (
    WatlowAbsentError,
    WatlowConfigurationError,
    WatlowDeviceFailureError,
    WatlowError,
    WatlowTimeoutError,
    WatlowTransportError,
)
from watlowlib.protocol.exchange import Reply, RetryPolicy, WriteOptions
from watlowlib.protocol.modbus.registers import RegisterClient
from watlowlib.protocol.stats import DeviceStats
from watlowlib.registry.parameters import ParameterSpec


class ZoneClient:
    """The registers of one zone, with the methods of a `RegisterClient`."""

    def __init__(self, client: RegisterClient[Any], zone: Zone) -> None:
        self.byte_time_s = client.byte_time_s
        self.zone = zone
        self._client = client

    def counter_of(self, slave: int) -> Hashable:
        """Return the key of the counters of this zone."""
        return slave, self.zone.offset

    def stats_of(self, counter: Hashable) -> DeviceStats:
        """Return the counters of a controller."""
        return self._client.stats_of(counter)

    def read(self, slave: int, register: int, count: int, policy: RetryPolicy) -> Reply:
        """Read registers of the zone; errors as in `RegisterClient.read`."""
        wire = self.zone.check(register, count)
        with self._naming_zone():
            return self._client.read(slave, wire, count, policy, counter=self.counter_of(slave))

    def write(
        self,
        slave: int,
        register: int,
        words: Sequence[int],
        policy: RetryPolicy,
        options: WriteOptions,
    ) -> Reply:
        """Write registers of the zone; errors as in `RegisterClient.write`."""
        wire = self.zone.check(register, len(words))
        with self._naming_zone():
            return self._client.write(
                slave, wire, words, policy, options, counter=self.counter_of(slave)
            )

    @contextmanager
    def _naming_zone(self) -> Iterator[None]:
        """Name the zone in the error of one that does not reply: others at the address may."""
        try:
            yield
        except (WatlowTimeoutError, WatlowDeviceFailureError) as error:
            zone = self.zone
            at = "" if zone.number is None else f" at offset {zone.offset}"
            error.message = f"{zone}{at}: {error.message}"
            raise


class ZoneDriver(ModbusDriver):
    """An EZ-ZONE PM as a zone of a gateway."""

    behind_gateway = True
    _client: ZoneClient

    @property
    def input_error(self) -> Target:
        """The input error of the first input, in the registers of the family."""
        return self.registry.resolve("input_error"), 1

    @property
    def zone(self) -> Zone:
        """The zone."""
        return self._client.zone

    def discover_layout(self) -> RegisterLayout:
        """Return the data map and word order, reading them from the zone if needed.

        Raises:
            UnrecognizedError: No controller is recognized; none of its values can be read.
        """
        layout = super().discover_layout()
        if not layout.doubt:
            return layout
        if NEITHER in layout.doubt:
            first, last = self.zone.registers[0], self.zone.registers[-1]
            raise UnrecognizedError(
                f"{self.zone}: no controller is recognized in the registers {first} to {last}; is "
                "it on? Give the zone, gateway_offset or offset that is set in the gateway, and "
                "for an RM or ST its family"
            )
        return layout._replace(doubt=f"{layout.doubt}; is the offset of {self.zone} right?")

    def check(self, spec: ParameterSpec, instance: int) -> None:
        """Refuse a parameter whose registers are not in the zone, in any possible data map.

        Raises:
            WatlowConfigurationError: They are another controller's.
        """
        super().check(spec, instance)
        possible = self.possible_registers(spec, instance)
        try:
            for register, count in possible:
                self.zone.check(register, count)
        except WatlowConfigurationError as error:
            if not any(self.zone.holds(*each) for each in possible):
                raise
            raise WatlowConfigurationError(
                f"{error.message}, or data_map=, if in that of the controller they are"
            ) from None

    def exchange_bytes(self, targets: Sequence[Target]) -> list[int]:
        """Return the bytes of each exchange, also of that with the input error."""
        return super().exchange_bytes(list(dict.fromkeys([*targets, self.input_error])))

    def read(self, spec: ParameterSpec, instance: int) -> DecodedReply:
        """Read one parameter together with the input error."""
        return self._read_one((spec, instance))

    def read_each(self, targets: Sequence[Target]) -> Iterator[Outcomes]:
        """Read several parameters together with the input error; all are yielded at the end."""
        wanted = dict.fromkeys(targets)
        if not wanted:
            return
        exchanges: list[Outcomes] = []
        errors: dict[Target, WatlowError] = {}
        no_reply: WatlowError | None = None
        for outcomes in super().read_each([*(wanted | {self.input_error: None})]):
            exchanges.append(outcomes)
            errors |= outcomes.errors
            failures = outcomes.errors.values()
            no_reply = next((e for e in failures if isinstance(e, WatlowTransportError)), None)
            if no_reply is not None:
                break  # the other reads would only wait for the same controller
        doubt = no_reply or self._doubt(exchanges)
        if doubt is not None:
            yield Outcomes(failed(wanted, doubt) | errors).of(wanted)
            return
        # Values come before errors: a poll that was stopped ends at the first error.
        for outcomes in exchanges:
            yield outcomes._replace(errors={}).of(wanted)
        yield Outcomes(errors).of(wanted)

    def write(
        self, spec: ParameterSpec, instance: int, value: float | int, options: WriteOptions
    ) -> DecodedReply:
        """Write one value after a read of the input error has shown that the controller is on.

        The last value that the gateway has seen would confirm a write that was not needed.
        """
        self.read(*self.input_error)
        return super().write(spec, instance, value, options)

    def _doubt(self, exchanges: Iterable[Outcomes]) -> WatlowError | None:
        """Return why the values that were read with the input error are not believed."""
        check = self.input_error
        exchange = next(each for each in exchanges if each.has(check))
        if check in exchange.errors:
            return exchange.errors[check]
        found = exchange.values[check]
        if found in check[0].codes:
            return None
        return WatlowAbsentError(
            f"the input error of {self.zone} is {found!r}, which is none of its codes: "
            "the gateway has no values of this controller; is it on, and the offset right?"
        )
