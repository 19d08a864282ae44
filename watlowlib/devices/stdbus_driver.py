"""The driver of a controller on Standard Bus: one exchange per parameter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from watlowlib.devices.driver import DecodedReply, ReadOutcome, Target
from watlowlib.devices.layout import RegisterLayout
from watlowlib.devices.values import present
from watlowlib.errors import WatlowDeviceError, WatlowError
from watlowlib.model import Unit
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


class StdBusDriver:
    """A controller on Standard Bus."""

    temperature_unit: Unit | None = None

    def __init__(self, client: StdBusClient, address: int, policy: RetryPolicy) -> None:
        self.address = address
        self._client = client
        self._policy = policy

    @property
    def stats(self) -> DeviceStats:
        """Counters of this controller."""
        return self._client.stats_of(mac_of(self.address))

    def discover_layout(self) -> RegisterLayout:
        """Return an empty layout: Standard Bus has no registers."""
        return RegisterLayout()

    def check(self, spec: ParameterSpec, instance: int) -> None:
        """Accept everything: Standard Bus can address every class, member and instance."""

    def read(self, spec: ParameterSpec, instance: int) -> DecodedReply:
        """Read one parameter; see `StdBusClient.read`."""
        request = ReadRequest(spec.class_id, spec.member_id, instance)
        return _decode(spec, self._client.read(self.address, request, self._policy))

    def read_each(self, targets: Sequence[Target]) -> Iterator[list[ReadOutcome]]:
        """Read one parameter after the other."""
        for target in targets:
            try:
                yield [ReadOutcome(target, self.read(*target))]
            except WatlowError as error:
                yield [ReadOutcome(target, error)]

    def write(
        self, spec: ParameterSpec, instance: int, value: float | int, options: WriteOptions
    ) -> DecodedReply:
        """Write one value; see `StdBusClient.write`."""
        tag = tag_of(spec)
        assert tag is not None
        data = encode_value(tag, value)
        request = WriteRequest(spec.class_id, spec.member_id, instance, tag, data)
        return _decode(spec, self._client.write(self.address, request, self._policy, options))

    def ping(self, *, within_s: float | None = None) -> None:
        """Read the hardware ID (1001), which every unit has."""
        with suppress(WatlowDeviceError):
            self._client.read(self.address, HARDWARE_ID, self._policy.single_attempt(within_s))

    def forget(self) -> None:
        """Do nothing: there is nothing to discover on Standard Bus."""

    def at(self, address: int) -> StdBusDriver:
        """Return a driver for another address on the same port."""
        return StdBusDriver(self._client, address, self._policy)


def tag_of(spec: ParameterSpec) -> Tag | None:
    """Return the Standard Bus tag of a value of `spec`; None where it is not known."""
    return _TAGS.get(spec.data_type)


def _decode(spec: ParameterSpec, reply: Reply) -> DecodedReply:
    value = decode_value(reply.content[0], reply.content[1:])
    return DecodedReply(present(spec, value), reply)
