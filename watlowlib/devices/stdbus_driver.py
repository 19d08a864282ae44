"""The driver of a controller on Standard Bus: one exchange per parameter."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property, lru_cache

from watlowlib.devices.driver import DecodedReply, Driver, Target
from watlowlib.devices.values import present
from watlowlib.errors import WatlowConfigurationError, WatlowDeviceError
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
from watlowlib.protocol.stdbus.requests import frame_read_request
from watlowlib.registry.parameters import DataType, ParameterSpec

HARDWARE_ID = ReadRequest(1, 1, 1)
READ_BYTES = len(frame_read_request(1, HARDWARE_ID).frame)
TEXT_BYTES = 20
"""An estimate for texts, which are mostly part numbers."""

_TAGS = {
    DataType.U8: Tag.U8,
    DataType.U16: Tag.U16,
    DataType.U32: Tag.U32,
    DataType.S32: Tag.S32,
    DataType.FLOAT: Tag.FLOAT,
    DataType.STRING: Tag.STRING,
    DataType.ENUM: Tag.ENUM,
}


class StdBusDriver(Driver):
    """A controller on Standard Bus, which can address every class, member and instance."""

    def __init__(self, client: StdBusClient, address: int, policy: RetryPolicy) -> None:
        super().__init__(address, policy)
        self._client = client

    @cached_property
    def stats(self) -> DeviceStats:
        """Counters of this controller."""
        return self._client.stats_of(mac_of(self.address))

    def check(self, spec: ParameterSpec, instance: int) -> None:
        """Refuse a parameter whose class and member are an inference.

        Raises:
            WatlowConfigurationError: They are.
        """
        if spec.modbus_only:
            raise WatlowConfigurationError(
                f"{spec.name} ({spec.number}): its class and member on Standard Bus are not known; "
                "nothing was sent"
            )

    def read(self, spec: ParameterSpec, instance: int) -> DecodedReply:
        """Read one parameter; see `StdBusClient.read`."""
        request = _request_of(spec, instance)
        return _decode(spec, self._client.read(self.address, request, self._policy))

    def read_object(self, class_id: int, member_id: int, instance: int) -> Reply:
        """Read any class, member and instance; the reply's content is a tag and its data."""
        request = ReadRequest(class_id, member_id, instance)
        return self._client.read(self.address, request, self._policy)

    def exchange_bytes(self, targets: Sequence[Target]) -> list[int]:
        """Return the bytes of each exchange; the reply repeats the request and adds the value."""
        return [2 * READ_BYTES + 1 + _value_bytes(spec) for spec, _ in targets]

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


@lru_cache(maxsize=4096)
def _request_of(spec: ParameterSpec, instance: int) -> ReadRequest:
    return ReadRequest(spec.class_id, spec.member_id, instance)


def tag_of(spec: ParameterSpec) -> Tag | None:
    """Return the Standard Bus tag of a value of `spec`; None where it is not known."""
    return _TAGS.get(spec.data_type)


def _value_bytes(spec: ParameterSpec) -> int:
    tag = tag_of(spec)
    if tag is None or tag is Tag.STRING:
        return TEXT_BYTES
    return len(encode_value(tag, 0))


def _decode(spec: ParameterSpec, reply: Reply) -> DecodedReply:
    content = reply.content
    return DecodedReply(present(spec, decode_value(content[0], content[1:])), reply)
