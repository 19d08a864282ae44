"""The Modbus client against pymodbus's serial server with the registers of a controller.

The register addresses come from the parameter table and the words from `struct` alone. The
registers and codes that identify a unit (hardware ID, word order, control mode, process value,
set point) are copied here from Watlow's list. pymodbus serves them in another process, over two
ptys joined by a thread: one is its serial port, the other is ours. It accepts every write, and
rejects registers that are not in the image. The extra `judges` installs it.
"""

from __future__ import annotations

import asyncio
import importlib.util
import multiprocessing
import os
import select
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from typing import Any

import pytest

from watlowlib import Controller, WatlowUncertainError, open_device
from watlowlib.errors import WatlowNoSuchRegisterError
from watlowlib.model import ProtocolKind, WordOrder
from watlowlib.registry.parameters import PARAMETERS, DataType, ParameterSpec

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs ptys"),
    pytest.mark.skipif(not importlib.util.find_spec("pymodbus"), reason="needs pymodbus"),
]

Image = dict[int, int]

SLAVE = 7
TIMEOUT_S = 10.0
KINDS = [(1, "low_high"), (1, "high_low"), (2, "low_high"), (2, "high_low")]

# Watlow's list: 8002 and 8003, 17043, 4001 and 7001, in the two maps.
MODE, HEAT, ORDER = {1: 1882, 2: 2362}, {1: 1884, 2: 2364}, {1: 2488, 2: 2968}
PROCESS_VALUE, SETPOINT = {1: 360, 2: 360}, {1: 2160, 2: 2640}
AUTO, OFF, PID = 10, 62, 71
HIGH_LOW, LOW_HIGH = 1330, 1331
ARM_CPU = 28
OTHER = 392.203125
"""Differs from 75.0 in both words."""
LIMITS = {7003: -1999.0, 7004: 9999.0}
"""The limits of the set point, which a write is checked against."""


def two_words(form: str, value: float, order: str) -> list[int]:
    high, low = struct.unpack(">HH", struct.pack(form, value))
    return [low, high] if order == "low_high" else [high, low]


def value_of(spec: ParameterSpec, instance: int) -> float | int:
    """Return a value unique to the parameter and instance, as far as the type allows."""
    if spec.number in LIMITS:
        return LIMITS[spec.number]
    if spec.codes:
        return sorted(spec.codes)[(spec.number + instance) % len(spec.codes)]
    if spec.data_type is DataType.FLOAT:
        return spec.number / 16 + instance * 4096
    modulus = {DataType.U8: 199, DataType.S32: 2**31, DataType.U32: 2**31}
    return (spec.number * 8 + instance) % modulus.get(spec.data_type, 65521)


def words_of(spec: ParameterSpec, instance: int, order: str) -> list[int]:
    value = value_of(spec, instance)
    if spec.data_type is DataType.FLOAT:
        return two_words(">f", value, order)
    if spec.data_type in (DataType.U32, DataType.S32):
        return two_words(">i", value, order)
    return [int(value), 0]


def readable_registers(data_map: int) -> Iterator[tuple[ParameterSpec, int, int]]:
    """Yield every readable parameter and instance with its register."""
    for spec in PARAMETERS:
        if spec.readable and spec.class_id not in (19, 20):
            for instance in range(1, spec.instances + 1):
                at = spec.register(instance, data_map)
                if at is not None:
                    yield spec, instance, at


def image(data_map: int, order: str) -> Image:
    """Return the registers of a PM: two per readable parameter, without the assembly."""
    registers: Image = {}
    for spec, instance, at in readable_registers(data_map):
        first, second = words_of(spec, instance, order)
        registers |= {at: first, at + 1: second}
    registers |= {MODE[data_map]: AUTO, HEAT[data_map]: PID}
    registers[ORDER[data_map]] = LOW_HIGH if order == "low_high" else HIGH_LOW
    registers |= dict(zip((0, 1), two_words(">i", ARM_CPU, order)))
    registers |= dict(zip(both(PROCESS_VALUE[data_map]), two_words(">f", 72.5, order)))
    return registers | dict(zip(both(SETPOINT[data_map]), two_words(">f", 75.0, order)))


def both(register: int) -> tuple[int, int]:
    return register, register + 1


def serve(pipe: Connection, registers: Image) -> None:
    """Run pymodbus's serial server; over the pipe it sends its registers, or ends on False."""
    import tty  # not on Windows

    from pymodbus import FramerType
    from pymodbus.datastore import ModbusDeviceContext, ModbusServerContext, ModbusSparseDataBlock
    from pymodbus.server import ModbusSerialServer

    # Its datastores number registers from 1.
    holding, inputs = (
        ModbusSparseDataBlock({at + 1: word for at, word in registers.items()}, mutable=False)
        for _ in range(2)
    )
    device = ModbusDeviceContext(hr=holding, ir=inputs)
    ends = [os.openpty() for _ in range(2)]
    for _, name in ends:
        tty.setraw(name)
    masters = [master for master, _ in ends]
    threading.Thread(target=pump, args=(masters,), daemon=True).start()

    async def run() -> None:
        server = ModbusSerialServer(
            ModbusServerContext(devices={SLAVE: device}, single=False),
            framer=FramerType.RTU,
            port=os.ttyname(ends[0][1]),
            baudrate=9600,
            ignore_missing_devices=True,
        )
        await server.serve_forever(background=True)
        pipe.send(os.ttyname(ends[1][1]))
        while await asyncio.to_thread(pipe.recv):
            pipe.send({at - 1: word for at, word in holding.values.items()})
        await server.shutdown()

    asyncio.run(run())


def pump(masters: list[int]) -> None:
    """Copy the output of each pty to the other one."""
    while True:
        for ready in select.select(masters, [], [])[0]:
            data = os.read(ready, 256)
            os.write(masters[1 - masters.index(ready)], data)


class ServerProcess:
    """A running server and its pipe."""

    def __init__(self, port: str, pipe: Connection) -> None:
        self.port = port
        self._pipe = pipe

    def registers(self) -> Image:
        """Return the current registers."""
        self._pipe.send(True)
        assert self._pipe.poll(TIMEOUT_S)
        registers: Image = self._pipe.recv()
        return registers

    def open(self, **settings: Any) -> Controller:
        settings = {"address": SLAVE, "timeout_s": TIMEOUT_S, "retries": 0} | settings
        return open_device(self.port, protocol=ProtocolKind.MODBUS_RTU, **settings)


@contextmanager
def running_server(registers: Image) -> Iterator[ServerProcess]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, registers), daemon=True)
    process.start()
    theirs.close()
    try:
        assert ours.poll(3 * TIMEOUT_S)
        yield ServerProcess(ours.recv(), ours)
        ours.send(False)
        process.join(TIMEOUT_S)
    finally:
        process.kill()
        process.join()
        process.close()
        ours.close()


@pytest.fixture(scope="module", autouse=True)
def tracker() -> None:
    """Start the resource tracker, whose descriptor stays open, before any leak check."""
    resource_tracker.ensure_running()


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: f"map {kind[0]} {kind[1]}")
def kind(request: pytest.FixtureRequest) -> tuple[int, str]:
    param: tuple[int, str] = request.param
    return param


@pytest.fixture(scope="module")
def server(kind: tuple[int, str]) -> Iterator[ServerProcess]:
    with running_server(image(*kind)) as running:
        yield running


def test_data_map_and_word_order_are_detected(server: ServerProcess, kind: tuple[int, str]) -> None:
    before = server.registers()
    with server.open() as ctl:
        info = ctl.identify()
    assert (info.data_map, info.word_order) == (kind[0], WordOrder(kind[1]))
    assert info.hardware_id == ARM_CPU
    assert server.registers() == before


def test_process_value_and_set_point_are_read(server: ServerProcess) -> None:
    with server.open() as ctl:
        assert ctl.read_pv().value == 72.5
        assert ctl.read_setpoint().value == 75.0
        assert ctl.read_parameter("control_mode_active").label == "Auto"


def test_every_parameter_is_read_in_a_poll(server: ServerProcess, kind: tuple[int, str]) -> None:
    fixed = {of_map[kind[0]] for of_map in (MODE, HEAT, ORDER, PROCESS_VALUE, SETPOINT)} | {0}
    readable = list(readable_registers(kind[0]))
    uses = Counter(at for _, _, at in readable)
    with server.open(registers_per_read=125) as ctl:
        for instance in (1, 2, 3, 4):
            expected = {
                spec.number: value_of(spec, instance)
                for spec, each, at in readable
                # Where the list has two parameters at one register, the image has one of them.
                if each == instance and uses[at] == 1 and at not in fixed
            }
            samples = ctl.poll(list(expected), instances=instance)
            assert {each.parameter_id: each.value for each in samples} == expected
            assert {each.status for each in samples} == {"ok"}
        assert len(expected) > 20
        assert ctl.stats.exchanges < len(readable) / 3


def test_ten_parameters_are_polled_in_one_exchange(server: ServerProcess) -> None:
    parameters = [n for n in range(8001, 8015) if n not in (8002, 8003, 8005, 8011)]
    with server.open() as ctl:
        assert ctl.session.driver.discover_layout().doubt == ""
        before = ctl.stats.exchanges
        samples = ctl.poll(parameters)
        assert ctl.stats.exchanges == before + 1
    assert [each.value for each in samples] == [
        value_of(PARAMETERS.resolve(number), 1) for number in parameters
    ]


def test_a_write_changes_only_its_own_registers(
    server: ServerProcess, kind: tuple[int, str]
) -> None:
    before = server.registers()
    with server.open() as ctl:
        ctl.set_setpoint(OTHER, confirm=True)
        assert changed(before, server.registers()) == dict(
            zip(both(SETPOINT[kind[0]]), two_words(">f", OTHER, kind[1]))
        )
        assert ctl.read_setpoint().value == OTHER
        ctl.set_setpoint(75.0, confirm=True)
        ctl.write_parameter("control_mode", "Off", confirm=True)
        assert changed(before, server.registers()) == {MODE[kind[0]] - 2: OFF}
        ctl.write_parameter("control_mode", before[MODE[kind[0]] - 2], confirm=True)
    assert server.registers() == before


def changed(before: Image, after: Image) -> Image:
    return {at: word for at, word in after.items() if before.get(at) != word}


def test_a_missing_register_fails_only_its_own_parameter() -> None:
    registers = image(1, "low_high")
    for at in both(364):
        del registers[at]
    with running_server(registers) as server, server.open() as ctl:
        with pytest.raises(WatlowNoSuchRegisterError, match="02") as caught:
            ctl.read_parameter(4003)
        assert caught.value.code == 2
        samples = ctl.poll([4001, 4002, 4003, 4004, 4005])
        assert [each.status for each in samples] == ["ok", "ok", "no_such_register", "ok", "ok"]
        assert samples[3].value == value_of(PARAMETERS.resolve(4004), 1)


def set_both_maps(registers: Image) -> None:
    registers |= {MODE[2]: AUTO, HEAT[2]: PID}


def set_no_map(registers: Image) -> None:
    registers[MODE[1]] = 0


def set_conflicting_word_orders(registers: Image) -> None:
    registers[ORDER[1]] = HIGH_LOW


@pytest.mark.parametrize(
    ("make_ambiguous", "message"),
    [
        (set_both_maps, "data_map=1 or data_map=2"),
        (set_no_map, "data_map=1 or data_map=2"),
        (set_conflicting_word_orders, "word_order='low_high' or word_order='high_low'"),
    ],
)
def test_a_write_with_uncertain_layout_is_rejected(
    make_ambiguous: Callable[[Image], None], message: str
) -> None:
    registers = image(1, "low_high")
    make_ambiguous(registers)
    with running_server(registers) as server, server.open() as ctl:
        before = server.registers()
        with pytest.raises(WatlowUncertainError, match=message):
            ctl.set_setpoint(OTHER, confirm=True)
        with pytest.raises(WatlowUncertainError, match=message):
            ctl.write_parameter("control_mode", "Off", confirm=True)
        assert server.registers() == before
        with server.open(data_map=1, word_order="low_high") as explicit:
            explicit.set_setpoint(OTHER, confirm=True)
        assert changed(before, server.registers()) == dict(
            zip(both(SETPOINT[1]), two_words(">f", OTHER, "low_high"))
        )
