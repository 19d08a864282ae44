"""What a controller object needs of the protocol below it, and Standard Bus as that.

Parameters and instances go in, values come out; how they are asked for is told here for
Standard Bus and in `device/registers.py` for Modbus.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple, Protocol, TypeAlias

from watlowlib.devices.layout import RegisterLayout
from watlowlib.devices.values import present
from watlowlib.errors import WatlowDeviceError, WatlowError
from watlowlib.model import Unit, Value
from watlowlib.protocol.exchange import Reply, RetryPolicy, WriteOptions
from watlowlib.protocol.stats import DeviceStats
from watlowlib.protocol.stdbus.client import StdBusClient
from watlowlib.protocol.stdbus.frames import mac_of
from watlowlib.protocol.stdbus.payloads import (
    ReadRequest,
    Tag,
    WriteRequest,
    decode_value,
    encode_value,
)
from watlowlib.registry.parameters import DataType, ParameterSpec

Target: TypeAlias = "tuple[ParameterSpec, int]"
"""One read: the parameter that is meant, and which instance of it."""

HARDWARE_ID = ReadRequest(1, 1, 1)

_TAGS = {
    DataType.U8: Tag.U8,
    DataType.U16: Tag.U16,
    DataType.U32: Tag.U32,
    DataType.S32: Tag.S32,
    DataType.FLOAT: Tag.FLOAT,
    DataType.STRING: Tag.STRING,
    DataType.ENUM: Tag.ENUM,
}


class DecodedReply(NamedTuple):
    """A value, and the answer that brought it."""

    value: Value
    reply: Reply


class ReadOutcome(NamedTuple):
    """What became of one of several reads."""

    target: Target
    got: DecodedReply | WatlowError


class Driver(Protocol):
    """One controller's place on a line, in the protocol that is spoken there."""

    @property
    def address(self) -> int:
        """Its address on the line."""

    @property
    def temperature_unit(self) -> Unit | None:
        """The scale of temperatures, where the controller itself says it reliably."""

    @property
    def layout(self) -> RegisterLayout:
        """Where values are, found out if need be; nothing where that does not matter.

        Raises:
            WatlowError: It does not answer.
        """

    def check(self, spec: ParameterSpec, instance: int) -> None:
        """Refuse what this protocol has no way to ask for.

        Raises:
            WatlowConfigurationError: There is none; nothing was sent.
        """

    def read(self, spec: ParameterSpec, instance: int) -> DecodedReply:
        """Read one parameter.

        Raises:
            WatlowError: Whatever went wrong.
        """

    def read_each(self, wanted: Sequence[Target]) -> Iterator[list[ReadOutcome]]:
        """Read several, in as few exchanges as there can be; lazily, and in any order.

        Yields:
            What one exchange has brought.
        """

    def write(
        self, spec: ParameterSpec, instance: int, value: float | int, options: WriteOptions
    ) -> DecodedReply:
        """Store a value that has been checked, and see that it arrived.

        Args:
            spec: What.
            instance: Which one.
            value: With what.
            options: Whether it can be read back, and what else there is to know.

        Raises:
            WatlowError: Whatever went wrong.
        """

    @property
    def stats(self) -> DeviceStats:
        """The counters of this controller."""

    def ping(self, *, within_s: float | None = None) -> None:
        """Have it answer anything at all, a refusal too, with one read.

        Args:
            within_s: Ask once, and wait for so many seconds, or as long as always if that is
                less, or more than usual; None for as long and as often as always.

        Raises:
            WatlowTimeoutError: It does not.
            WatlowCRCError: Something comes back, but damaged.
            WatlowConnectionError: The port is gone.
        """

    def forget(self) -> None:
        """Find out anew, when it matters next, what was found out about the controller."""

    def at(self, address: int) -> Driver:
        """The same at another address."""


class StdBusDriver:
    """A controller on Standard Bus: one exchange a parameter."""

    temperature_unit: Unit | None = None
    layout = RegisterLayout()

    def __init__(self, client: StdBusClient, address: int, policy: RetryPolicy) -> None:
        self.address = address
        self._client = client
        self._patience = policy

    def check(self, spec: ParameterSpec, instance: int) -> None:
        """Nothing: whatever has a class, a member and an instance can be asked for."""

    def read(self, spec: ParameterSpec, instance: int) -> DecodedReply:
        """Read one parameter; see `StdBusClient.read`."""
        request = ReadRequest(spec.class_id, spec.member_id, instance)
        return _got(spec, self._client.read(self.address, request, self._patience))

    def read_each(self, wanted: Sequence[Target]) -> Iterator[list[ReadOutcome]]:
        """Read one after the other."""
        for target in wanted:
            try:
                yield [ReadOutcome(target, self.read(*target))]
            except WatlowError as error:
                yield [ReadOutcome(target, error)]

    def write(
        self, spec: ParameterSpec, instance: int, value: float | int, options: WriteOptions
    ) -> DecodedReply:
        """Store a value; see `StdBusClient.write`."""
        tag = tag_of(spec)
        assert tag is not None
        request = WriteRequest(
            spec.class_id, spec.member_id, instance, tag, encode_value(tag, value)
        )
        reply = self._client.write(
            self.address,
            request,
            self._patience,
            options,
        )
        return _got(spec, reply)

    @property
    def stats(self) -> DeviceStats:
        """The counters of this controller."""
        return self._client.stats_of(mac_of(self.address))

    def ping(self, *, within_s: float | None = None) -> None:
        """Ask for the hardware ID (1001), which every unit has."""
        with suppress(WatlowDeviceError):
            self._client.read(self.address, HARDWARE_ID, self._patience.single_attempt(within_s))

    def forget(self) -> None:
        """Nothing is found out here."""

    def at(self, address: int) -> StdBusDriver:
        """The same at another address."""
        return StdBusDriver(self._client, address, self._patience)


def tag_of(spec: ParameterSpec) -> Tag | None:
    """The Standard Bus tag a value of `spec` is sent with; None where it is not known."""
    return _TAGS.get(spec.data_type)


def _got(spec: ParameterSpec, reply: Reply) -> DecodedReply:
    value = decode_value(reply.content[0], reply.content[1:])
    return DecodedReply(present(spec, value), reply)
