"""Third-party Modbus clients read and write simulated slaves, and get exceptions from them.

minimalmodbus and pymodbus are independent of this package, so they show that a slave complies
with Modbus RTU. The extra `judges` installs pymodbus.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from watlowlib.model import ProtocolKind, WordOrder
from watlowlib.simulator import SimulatedBus, SimulatedController, SimulatedSD, Write

TIMEOUT_S = 10.0
F_392 = 392.0


@pytest.fixture
def units() -> list[Any]:
    def pm(modbus_address: int, **settings: Any) -> SimulatedController:
        return SimulatedController(
            1,
            protocol=ProtocolKind.MODBUS_RTU,
            modbus_address=modbus_address,
            setpoint=100.0,
            **settings,
        )

    return [pm(1), pm(2, data_map=2, word_order=WordOrder.HIGH_LOW), SimulatedSD(3, setpoint=90.0)]


@pytest.fixture
def line(units: list[Any]) -> Iterator[SimulatedBus]:
    with SimulatedBus(units, transport="pty") as running:
        yield running


def instrument(bus: SimulatedBus, slave: int) -> Any:
    minimalmodbus = pytest.importorskip("minimalmodbus")
    made = minimalmodbus.Instrument(bus.port, slave)
    made.serial.timeout = TIMEOUT_S
    return made


@pytest.fixture
def instruments(line: SimulatedBus) -> Iterator[list[Any]]:
    made = [instrument(line, slave) for slave in (1, 2, 3)]
    yield made
    # They share one port, which minimalmodbus keeps in a module variable.
    made[0].serial.close()
    pytest.importorskip("minimalmodbus")._serialports.pop(line.port)


def test_minimalmodbus_reads_and_writes_both_maps_and_orders(
    instruments: list[Any], units: list[Any]
) -> None:
    minimalmodbus = pytest.importorskip("minimalmodbus")
    orders = (minimalmodbus.BYTEORDER_LITTLE_SWAP, minimalmodbus.BYTEORDER_BIG)
    for unit, client, order, setpoint, mode in zip(
        units, instruments, orders, (2160, 2640), (1882, 2362)
    ):
        assert client.read_float(setpoint, byteorder=order) == 100.0
        assert client.read_float(setpoint, 4, byteorder=order) == 100.0
        client.write_float(setpoint, F_392, byteorder=order)
        assert client.read_float(setpoint, byteorder=order) == F_392
        assert client.read_long(0, byteorder=order) == 28
        assert client.read_registers(mode, 4) == [10, 0, 71, 0]
        client.write_register(mode - 2, 54, functioncode=6)
        client.write_register(mode - 2, 62)
        assert client.read_register(mode) == 62
        assert unit.writes == [Write(7001, 1, F_392), Write(8001, 1, 54), Write(8001, 1, 62)]


def test_minimalmodbus_reads_an_sd(instruments: list[Any], units: list[Any]) -> None:
    client = instruments[2]
    assert client.read_long(27, signed=True) == 90_000
    client.write_long(27, -1000, signed=True)
    assert client.read_long(27, signed=True) == -1000
    client.write_register(26, -12.5, number_of_decimals=2, signed=True, functioncode=6)
    assert client.read_register(26, number_of_decimals=2, signed=True) == -12.5
    assert units[2].writes == [Write(27, 1, -1.0), Write(26, 1, -12.5)]


def test_minimalmodbus_raises_the_exceptions(instruments: list[Any], units: list[Any]) -> None:
    minimalmodbus = pytest.importorskip("minimalmodbus")
    client = instruments[0]
    # It waits for the length of a normal reply. An exception is shorter, so each call lasts for the
    # timeout.
    client.serial.timeout = 1.0
    with pytest.raises(minimalmodbus.IllegalRequestError, match="illegal function"):
        client.read_bit(0)
    with pytest.raises(minimalmodbus.IllegalRequestError, match="illegal data address"):
        client.read_register(38)
    with pytest.raises(minimalmodbus.IllegalRequestError, match="illegal data value"):
        client.write_register(1880, 55)
    assert units[0].writes == []


@pytest.fixture
def client(line: SimulatedBus) -> Iterator[Any]:
    pymodbus = pytest.importorskip("pymodbus.client")
    made = pymodbus.ModbusSerialClient(line.port, baudrate=38400, timeout=TIMEOUT_S, retries=0)
    assert made.connect()
    yield made
    made.close()


def test_pymodbus_reads_and_writes_both_maps_and_orders(client: Any, units: list[Any]) -> None:
    for unit, setpoint, order in zip(units, (2160, 2640), ("little", "big")):
        slave = {"device_id": unit.modbus_address}
        as_float = {"data_type": client.DATATYPE.FLOAT32, "word_order": order}
        read = client.read_holding_registers(setpoint, count=2, **slave)
        assert client.convert_from_registers(read.registers, **as_float) == 100.0
        words = client.convert_to_registers(F_392, **as_float)
        assert not client.write_registers(setpoint, words, **slave).isError()
        read = client.read_input_registers(setpoint, count=2, **slave)
        assert client.convert_from_registers(read.registers, **as_float) == F_392
        assert not client.write_register(setpoint - 280, 54, **slave).isError()
        assert unit.writes == [Write(7001, 1, F_392), Write(8001, 1, 54)]


def test_pymodbus_programs_an_assembly(client: Any) -> None:
    slave = {"device_id": 1}
    pointers = [2160, 2161, 1880, 1881, 0, 1]
    assert not client.write_registers(40, pointers, **slave).isError()
    assert client.read_holding_registers(40, count=6, **slave).registers == pointers
    values = client.read_holding_registers(200, count=6, **slave).registers
    assert values == [0x0000, 0x42C8, 10, 0, 28, 0]


def test_pymodbus_reads_an_sd(client: Any, units: list[Any]) -> None:
    slave = {"device_id": 3}
    counts = client.read_holding_registers(27, count=2, **slave).registers
    assert client.convert_from_registers(counts, client.DATATYPE.INT32) == 90_000
    assert not client.write_register(17, 0, **slave).isError()
    assert not client.write_register(25, 1, **slave).isError()
    assert (units[2].get("control_mode"), units[2].eeprom_writes) == (1, 0)


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda client: client.read_coils(0, count=1, device_id=1), 1),
        (lambda client: client.mask_write_register(address=1880, device_id=1), 1),
        (lambda client: client.report_device_id(device_id=1), 1),
        (lambda client: client.read_holding_registers(38, count=1, device_id=1), 2),
        (lambda client: client.write_register(1880, 55, device_id=1), 3),
        (lambda client: client.write_register(2160, 0, device_id=1), 3),
    ],
)
def test_pymodbus_receives_the_exceptions(client: Any, call: Any, code: int) -> None:
    reply = call(client)
    assert reply.isError()
    assert reply.exception_code == code
    assert reply.dev_id == 1


def test_pymodbus_receives_exception_4_from_a_failing_device(client: Any, units: list[Any]) -> None:
    units[0].modbus.failing = True
    assert client.read_holding_registers(1880, count=1, device_id=1).exception_code == 4
    units[0].modbus.failing = False
    assert client.read_holding_registers(1880, count=1, device_id=1).registers == [10]


def test_pymodbus_broadcasts_a_write(units: list[Any]) -> None:
    pymodbus = pytest.importorskip("pymodbus.client")
    # It sends the next request at once; a real master waits after a broadcast. On a line with
    # timing, the two requests would merge.
    with SimulatedBus(units, baudrate=None) as bus:
        client = pymodbus.ModbusSerialClient(bus.port, timeout=TIMEOUT_S, retries=0)
        client.write_register(1880, 54, device_id=0, no_response_expected=True)
        read = client.read_holding_registers(1882, count=1, device_id=1)
        client.close()
    assert read.registers == [54]
    # In map 2, register 1880 is the high set point of an alarm, and half a float is rejected.
    assert [unit.writes for unit in units] == [[Write(8001, 1, 54)], [], []]
