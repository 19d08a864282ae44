"""The simulated Modbus TCP server, seen from a plain socket."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from watlowlib import WatlowClosedError, WatlowConfigurationError
from watlowlib._internal.clock import ManualClock
from watlowlib.simulator import Fault, SimulatedController, SimulatedGateway

TIMEOUT_S = 10.0
SETPOINT, PROCESS_VALUE, INPUT_ERROR = 2160, 360, 362


def pm(unit: int, **options: Any) -> SimulatedController:
    return SimulatedController(1, protocol="modbus_rtu", modbus_address=unit, **options)


def request(transaction: int, unit: int, register: int, count: int = 2) -> bytes:
    return struct.pack(">HHHBBHH", transaction, 0, 6, unit, 3, register, count)


class Client:
    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def send(self, data: bytes) -> None:
        self._connection.sendall(data)

    def reply(self) -> tuple[int, int, bytes]:
        """The next reply: transaction, unit, payload; `b""` at the end of the connection."""
        head = self._received(6)
        if not head:
            return 0, 0, b""
        transaction, protocol, length = struct.unpack(">HHH", head)
        assert protocol == 0
        rest = self._received(length)
        return transaction, rest[0], rest[1:]

    def read(self, register: int, *, unit: int = 1, count: int = 2) -> bytes:
        self.send(request(1, unit, register, count))
        return self.reply()[2]

    @property
    def ended(self) -> bool:
        try:
            return self._connection.recv(1) == b""
        except ConnectionError:
            return True

    def _received(self, size: int) -> bytes:
        data = b""
        while len(data) < size and (more := self._connection.recv(size - len(data))):
            data += more
        return data


@contextmanager
def connected(gateway: SimulatedGateway) -> Iterator[Client]:
    number = int(gateway.port.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", number), TIMEOUT_S) as connection:
        yield Client(connection)


def floats(value: float) -> bytes:
    """The reply payload of a float, low word first."""
    data = struct.pack(">f", value)
    return b"\x03\x04" + data[2:] + data[:2]


def test_pipelined_requests_are_answered_in_order() -> None:
    units = [pm(1, setpoint=75.0), pm(7, setpoint=90.0)]
    with SimulatedGateway(units) as gateway, connected(gateway) as client:
        both = request(0xFFFF, 7, SETPOINT) + request(0, 1, SETPOINT)
        client.send(both[:15])
        client.send(both[15:])
        assert client.reply() == (0xFFFF, 7, floats(90.0))
        assert client.reply() == (0, 1, floats(75.0))


def test_a_write_is_stored_and_echoes_its_registers() -> None:
    with SimulatedGateway([pm(1)]) as gateway, connected(gateway) as client:
        body = bytes.fromhex("01 10 0870 0002 04 0000 42a0".replace(" ", ""))
        client.send(struct.pack(">HHH", 5, 0, len(body)) + body)
        assert client.reply() == (5, 1, bytes.fromhex("1008700002"))
        assert gateway.controllers[1].get("setpoint") == 80.0


def test_an_unknown_unit_gets_no_reply() -> None:
    with SimulatedGateway([pm(2)]) as gateway, connected(gateway) as client:
        client.send(request(1, 3, SETPOINT) + request(2, 2, SETPOINT))
        assert client.reply()[:2] == (2, 2)


@pytest.mark.parametrize(
    ("dead", "first", "again"),
    [
        ("exception", "830b", "830b"),
        ("failure", "8304", "8304"),
        ("stale", "830b", floats(75.0).hex()),
    ],
)
def test_a_controller_that_is_off_gets_the_reply_of_the_option(
    dead: str, first: str, again: str
) -> None:
    with SimulatedGateway([pm(1)], dead=dead) as gateway, connected(gateway) as client:
        assert client.read(SETPOINT) == floats(75.0)
        gateway.power_off(1)
        assert client.read(PROCESS_VALUE).hex() == first
        assert client.read(SETPOINT).hex() == again
        gateway.power_on(1)
        assert client.read(PROCESS_VALUE)[:2] == b"\x03\x04"


def test_a_silent_controller_does_not_delay_the_others() -> None:
    with SimulatedGateway([1, 2], dead="silence") as gateway, connected(gateway) as client:
        gateway.power_off(1)
        client.send(request(1, 1, SETPOINT) + request(2, 2, SETPOINT))
        assert client.reply()[:2] == (2, 2)


def test_a_further_client_is_disconnected_at_once() -> None:
    with SimulatedGateway([1], max_clients=1) as gateway, connected(gateway) as client:
        assert client.read(SETPOINT) == floats(75.0)
        with connected(gateway) as second:
            assert second.ended
        assert client.read(SETPOINT) == floats(75.0)
        assert (gateway.connections, gateway.refused) == (2, 1)


def test_an_idle_connection_is_closed() -> None:
    with SimulatedGateway([1], idle_s=0.05) as gateway, connected(gateway) as client:
        assert client.read(SETPOINT) == floats(75.0)
        assert client.ended


def test_a_disconnected_client_can_connect_again() -> None:
    with SimulatedGateway([1], max_clients=1) as gateway:
        with connected(gateway) as client:
            client.read(SETPOINT)
            gateway.disconnect()
            assert client.ended
        with connected(gateway) as client:
            assert client.read(SETPOINT) == floats(75.0)


def test_bytes_that_are_no_request_end_the_connection() -> None:
    with SimulatedGateway([1]) as gateway, connected(gateway) as client:
        client.send(b"GET / HTTP/1.0\r\n")
        assert client.ended


GOOD = floats(75.0)
FAULTS = {
    Fault.DROP: [(2, 1, GOOD)],
    Fault.DUPLICATE: [(1, 1, GOOD), (1, 1, GOOD), (2, 1, GOOD)],
    Fault.ECHO: [(1, 1, bytes.fromhex("0308700002")), (1, 1, GOOD), (2, 1, GOOD)],
    Fault.NO_PATH: [(1, 1, b"\x83\x0a"), (2, 1, GOOD)],
    Fault.NO_TARGET: [(1, 1, b"\x83\x0b"), (2, 1, GOOD)],
    Fault.DELAY: [(1, 1, GOOD), (2, 1, GOOD)],
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_changes_one_reply(fault: Fault) -> None:
    with SimulatedGateway([1]) as gateway, connected(gateway) as client:
        gateway.faults.next_are(fault)
        client.send(request(1, 1, SETPOINT) + request(2, 1, SETPOINT))
        assert [client.reply() for _ in FAULTS[fault]] == FAULTS[fault]


def test_a_foreign_reply_has_another_transaction_or_unit_and_another_value() -> None:
    with SimulatedGateway([1]) as gateway, connected(gateway) as client:
        gateway.faults.next_are(*[Fault.FOREIGN] * 8)
        seen = set()
        for _ in range(8):
            client.send(request(1, 1, SETPOINT))
            transaction, unit, payload = client.reply()
            assert payload != GOOD
            seen.add((transaction == 1, unit == 1))
        assert seen == {(False, True), (True, False)}


def test_zones_are_at_their_offsets_at_any_unit() -> None:
    zones = [pm(1, setpoint=70.0), pm(2, setpoint=80.0), pm(3, setpoint=90.0)]
    with SimulatedGateway(zones, gateway_offset=5000, offsets={3: 20000}) as gateway:
        with connected(gateway) as client:
            for register, value in ((2160, 70.0), (7160, 80.0), (22160, 90.0)):
                assert client.read(register, unit=99) == floats(value)
            assert client.read(12160).hex() == "8302"  # of no zone
            assert client.read(4998, count=4).hex() == "8302"  # crosses into the next zone


def test_ovens_follow_the_clock() -> None:
    clock = ManualClock()
    with SimulatedGateway([pm(1, setpoint=200.0)], clock=clock) as gateway:
        with connected(gateway) as client:
            before = client.read(PROCESS_VALUE)
            assert client.read(PROCESS_VALUE) == before
            clock.advance(60.0)
            assert client.read(PROCESS_VALUE) != before


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(WatlowConfigurationError, match="dead='gone': give one of exception, fail"):
        SimulatedGateway([1], dead="gone")
    with pytest.raises(WatlowConfigurationError, match="Modbus address 1 is given twice"):
        SimulatedGateway([1, pm(1)])
    gateway = SimulatedGateway([1])
    with pytest.raises(WatlowClosedError, match="simulated gateway is not running"):
        gateway.port  # noqa: B018
    with pytest.raises(WatlowConfigurationError, match="address=2: no controller"):
        gateway.power_off(2)
