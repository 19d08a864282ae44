"""RFC 2217 servers: reads end to end, lost connections, and servers that never stop sending."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from serial.rfc2217 import PURGE_TRANSMIT_BUFFER

from tests.rfc2217_server import Rfc2217Server
from watlowlib._internal.clock import Deadline
from watlowlib._internal.threads import Worker
from watlowlib.devices.factory import open_device
from watlowlib.errors import WatlowConnectionError
from watlowlib.simulator import SimulatedBus, SimulatedController
from watlowlib.transport.rfc2217 import LONGEST_COMMAND, MOST_PORTIONS, PORTION
from watlowlib.transport.serial_port import SerialTransport

TIMEOUT_S = 10.0
NOW = Deadline(0.0)
NOISE = bytes(1 << 16)


@pytest.fixture
def server(bus: SimulatedBus) -> Iterator[Rfc2217Server]:
    with Rfc2217Server(bus.port) as running:
        yield running


@pytest.fixture
def transport(server: Rfc2217Server) -> Iterator[SerialTransport]:
    opened = SerialTransport(server.url)
    opened.open()
    yield opened
    opened.close()


def test_controller_is_read_through_a_server(server: Rfc2217Server, bus: SimulatedBus) -> None:
    unit = bus.controllers[1]
    assert isinstance(unit, SimulatedController)
    with open_device(server.url, timeout_s=TIMEOUT_S) as ctl:
        assert server.served.baudrate == 38400
        assert ctl.set_setpoint(190.0, confirm=True).value == 190.0
        assert ctl.read_setpoint().value == 190.0
        assert ctl.identify().part_number is not None


def test_lost_server_is_connected_again(server: Rfc2217Server) -> None:
    with open_device(server.url, timeout_s=TIMEOUT_S) as ctl:
        ctl.read_pv()
        server.disconnect()
        with pytest.raises(WatlowConnectionError, match="lost"):
            ctl.read_pv()
        deadline = Deadline.after(TIMEOUT_S)
        while ctl.port_stats.reconnects == 0:
            assert not deadline.passed()
            with suppress(WatlowConnectionError):
                ctl.read_pv()
        assert ctl.read_pv().value is not None


def test_flood_of_a_server_does_not_fill_the_memory(
    server: Rfc2217Server, transport: SerialTransport
) -> None:
    server.send_raw(NOISE * 128)
    assert transport._serial is not None
    # The server's answer comes after the flood: all of it has been received.
    transport._serial.rfc2217_send_purge(PURGE_TRANSMIT_BUFFER)  # type: ignore[attr-defined]
    size = 0
    while data := transport.read(NOW):
        size += len(data)
    assert 0 < size <= MOST_PORTIONS * PORTION
    server.send_raw(b"after it")
    assert transport.read(Deadline.after(TIMEOUT_S)) == b"after it"


def test_endless_command_of_a_server_ends_the_connection(
    server: Rfc2217Server, transport: SerialTransport
) -> None:
    server.send_raw(b"\xff\xfa" + bytes(2 * LONGEST_COMMAND))
    with pytest.raises(WatlowConnectionError, match="lost"):
        transport.read(Deadline.after(TIMEOUT_S))


def test_commands_are_separated_from_data(
    server: Rfc2217Server, transport: SerialTransport
) -> None:
    # An unknown option, an unknown subnegotiation with FF in it, and a command of one byte.
    commands = (b"\xff\xfd\x63", b"\xff\xfa\x63\xff\xff\x01\xff\xf0", b"\xff\xf1")
    stream = b"\xff\xff" + b"".join(each + b"data" for each in commands) + b"\xff\xff\xff\xff"
    for byte in stream:
        server.send_raw(bytes((byte,)))
    expected = b"\xff" + 3 * b"data" + b"\xff\xff"
    data = b""
    while len(data) < len(expected):
        data += transport.read(Deadline.after(TIMEOUT_S))
    assert data == expected


@contextmanager
def flooding(send: Callable[[], None]) -> Iterator[Callable[[], bool]]:
    """Call `send` in a thread until the block ends or `TIMEOUT_S` have passed.

    Yields a function that returns whether the flood continues.
    """
    deadline, stop = Deadline.after(TIMEOUT_S), threading.Event()

    def flood() -> None:
        with suppress(OSError):
            while not stop.is_set() and not deadline.passed():
                send()

    worker = Worker("flood", flood, stop.set)
    worker.start()
    yield lambda: not deadline.passed()
    worker.stop()
    worker.wait()
    worker.reraise()


def test_flooding_server_does_not_keep_the_port_from_opening(
    server: Rfc2217Server,
) -> None:
    def send() -> None:
        if server.connected.wait(TIMEOUT_S):
            server.send_raw(NOISE)

    transport = SerialTransport(server.url)
    with flooding(send) as continues:
        transport.open()
        assert continues()
        transport.close()
