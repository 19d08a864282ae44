"""pymodbus on Modbus TCP: its client against the simulated server, its server against our client.

pymodbus is independent of this package. Its server runs in a thread of the test, with registers
of Watlow's list in two devices. The extra `judges` installs pymodbus.
"""

from __future__ import annotations

import asyncio
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.judges.test_modbus_server import (
    HEAT,
    KINDS,
    MODE,
    ORDER,
    PROCESS_VALUE,
    SETPOINT,
    both,
    image,
    readable_registers,
    two_words,
    value_of,
)
from watlowlib import open_device
from watlowlib.errors import WatlowNoSuchRegisterError, WatlowTimeoutError
from watlowlib.model import WordOrder
from watlowlib.simulator import SimulatedController, SimulatedGateway, Write

pytest.importorskip("pymodbus")
TIMEOUT_S = 10.0
F_392 = 392.0
KIND_OF_UNIT = dict(enumerate(KINDS, 1))


@pytest.fixture
def units() -> dict[int, SimulatedController]:
    return {
        unit: SimulatedController(
            1,
            protocol="modbus_rtu",
            modbus_address=unit,
            data_map=data_map,
            word_order=order,
            setpoint=100.0,
        )
        for unit, (data_map, order) in KIND_OF_UNIT.items()
    }


@pytest.fixture
def client(units: dict[int, SimulatedController]) -> Iterator[Any]:
    from pymodbus.client import ModbusTcpClient

    with SimulatedGateway(units.values()) as gateway:
        number = int(gateway.port.rpartition(":")[2])
        made = ModbusTcpClient("127.0.0.1", port=number, timeout=TIMEOUT_S, retries=0)
        assert made.connect()
        yield made
        made.close()


def test_its_client_reads_and_writes_all_units(
    client: Any, units: dict[int, SimulatedController]
) -> None:
    for unit, (data_map, order) in KIND_OF_UNIT.items():
        slave, register = {"device_id": unit}, SETPOINT[data_map]
        words = {"data_type": client.DATATYPE.FLOAT32,
                 "word_order": "little" if order == "low_high" else "big"}  # fmt: skip
        read = client.read_holding_registers(register, count=2, **slave)
        assert client.convert_from_registers(read.registers, **words) == 100.0
        written = client.convert_to_registers(F_392, **words)
        assert not client.write_registers(register, written, **slave).isError()
        read = client.read_input_registers(register, count=2, **slave)
        assert client.convert_from_registers(read.registers, **words) == F_392
        assert not client.write_register(register - 280, 54, **slave).isError()
        assert units[unit].writes == [Write(7001, 1, F_392), Write(8001, 1, 54)]


def test_its_client_understands_the_exceptions(client: Any) -> None:
    assert client.read_holding_registers(38, count=1, device_id=1).exception_code == 2
    assert client.write_register(1880, 55, device_id=1).exception_code == 3
    assert client.read_coils(0, count=1, device_id=1).exception_code == 1


class PymodbusServer:
    """pymodbus's server in a thread, with a device for each unit id."""

    def __init__(self) -> None:
        from pymodbus.datastore import ModbusDeviceContext, ModbusServerContext
        from pymodbus.datastore import ModbusSparseDataBlock as Block

        # Its datastores number registers from 1.
        self.blocks = {
            unit: Block({at + 1: word for at, word in image(*kind).items()}, mutable=False)
            for unit, kind in KIND_OF_UNIT.items()
        }
        devices = {
            unit: ModbusDeviceContext(hr=block, ir=block) for unit, block in self.blocks.items()
        }
        self._context = ModbusServerContext(devices=devices, single=False)
        self.port = ""
        self._loop = asyncio.new_event_loop()
        self._server: Any = None
        self._listening = threading.Event()

    def run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        from pymodbus.server import ModbusTcpServer

        self._server = ModbusTcpServer(self._context, address=("127.0.0.1", 0))
        await self._server.serve_forever(background=True)
        number = self._server.transport.sockets[0].getsockname()[1]
        self.port = f"tcp://127.0.0.1:{number}"
        self._ended = asyncio.Event()
        self._listening.set()
        await self._ended.wait()
        await self._server.shutdown()

    async def _without_connections(self) -> None:
        while self._server.active_connections:
            await asyncio.sleep(0)  # the server runs

    def wait_for_closed_connections(self) -> None:
        """Wait until the server has closed the connections that its clients have closed."""
        closed = asyncio.run_coroutine_threadsafe(self._without_connections(), self._loop)
        closed.result(TIMEOUT_S)

    @contextmanager
    def running(self) -> Iterator[PymodbusServer]:
        thread = threading.Thread(target=self.run)
        thread.start()
        assert self._listening.wait(TIMEOUT_S)
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._ended.set)
            thread.join(TIMEOUT_S)
            assert not thread.is_alive()


@pytest.fixture(scope="module")
def running_server() -> Iterator[PymodbusServer]:
    with PymodbusServer().running() as running:
        yield running


@pytest.fixture
def server(running_server: PymodbusServer) -> Iterator[PymodbusServer]:
    yield running_server
    running_server.wait_for_closed_connections()


def unit_of(port: str, unit: int, **options: Any) -> Any:
    return open_device(port, address=unit, timeout_s=TIMEOUT_S, retries=0, **options)


@pytest.mark.parametrize("unit", KIND_OF_UNIT)
def test_every_parameter_of_its_server_is_read(server: PymodbusServer, unit: int) -> None:
    data_map, order = KIND_OF_UNIT[unit]
    readable = list(readable_registers(data_map))
    uses = Counter(at for _, _, at in readable)
    # These registers identify the unit, and do not have their usual values.
    fixed = {0} | {each[data_map] for each in (MODE, HEAT, ORDER, PROCESS_VALUE, SETPOINT)}
    expected = {
        spec.number: value_of(spec, 1)
        for spec, instance, at in readable
        if instance == 1 and uses[at] == 1 and at not in fixed
    }
    with unit_of(server.port, unit, registers_per_read=125) as ctl:
        info = ctl.identify()
        assert (info.data_map, info.word_order) == (data_map, WordOrder(order))
        samples = ctl.poll(list(expected))
    assert {each.parameter_id: each.value for each in samples} == expected
    assert len(expected) > 100


@pytest.mark.parametrize("unit", KIND_OF_UNIT)
def test_a_write_changes_only_the_registers_of_its_unit(server: PymodbusServer, unit: int) -> None:
    data_map, order = KIND_OF_UNIT[unit]
    before = {each: dict(block.values) for each, block in server.blocks.items()}
    with unit_of(server.port, unit) as ctl:
        ctl.set_setpoint(81.25, confirm=True)
        assert ctl.read_setpoint().value == 81.25
    for at, word in zip(both(SETPOINT[data_map]), two_words(">f", 81.25, order)):
        before[unit][at + 1] = word
    assert {each: dict(block.values) for each, block in server.blocks.items()} == before


def test_its_exceptions_are_typed(server: PymodbusServer) -> None:
    with unit_of(server.port, 1) as ctl, pytest.raises(WatlowNoSuchRegisterError):
        ctl.session.driver.read_block(65000, 2)


def test_a_unit_that_its_server_lacks_does_not_reply(server: PymodbusServer) -> None:
    with open_device(server.port, address=9, timeout_s=0.05, retries=0) as ctl:
        with pytest.raises((WatlowTimeoutError, WatlowNoSuchRegisterError)) as raised:
            ctl.read_pv()
    assert struct.pack(">H", 0) in raised.value.context.request


def test_the_gateway_of_watlow_reads_and_writes_zones(monkeypatch: pytest.MonkeyPatch) -> None:
    watlow = pytest.importorskip("watlow")
    from pymodbus.client import AsyncModbusTcpClient

    options: Any = {"protocol": "modbus_rtu", "word_order": "high_low"}
    zones = [
        SimulatedController(1, modbus_address=zone, setpoint=70.0 + zone, **options)
        for zone in (1, 2, 13)
    ]
    with SimulatedGateway(zones, gateway_offset=5000) as gateway:
        number = int(gateway.port.rpartition(":")[2])

        class Client(AsyncModbusTcpClient):
            """The client with the port of the test, and the arguments of older versions."""

            def __init__(self, host: str, timeout: float) -> None:
                super().__init__(host, port=number, timeout=timeout)

            def read_holding_registers(self, address: int, count: int) -> Any:
                return super().read_holding_registers(address, count=count)

            def write_registers(self, address: int, values: Any, **_: Any) -> Any:
                return super().write_registers(address, list(values))

        monkeypatch.setattr(watlow.util, "AsyncModbusTcpClient", Client)

        async def use() -> list[dict[str, float]]:
            async with watlow.Gateway("127.0.0.1", timeout=TIMEOUT_S) as its:
                await its.set_setpoint(13, 90.5)
                return [await its.get(zone) for zone in (1, 2, 13)]

        with open_device(gateway.port, zone=2) as two, open_device(gateway.port, zone=13) as last:
            two.set_setpoint(81.25, confirm=True)
            found = asyncio.run(use())
            assert last.read_setpoint().value == 90.5
    assert [each["setpoint"] for each in found] == [71.0, 81.25, 90.5]
    # A room in °F: the words are in the order that it expects.
    assert all(32.0 < each["actual"] < 212.0 for each in found)
