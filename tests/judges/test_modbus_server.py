"""Our client against pymodbus's serial server, loaded with the registers of a controller.

The registers are laid out from the parameter table, and their words made with `struct` alone;
the places and codes that decide (identity, word order, control mode, process value, set point)
are typed here from Watlow's list. pymodbus serves them from another process, behind two ptys
joined by a thread: one is its serial port, the other is ours. It knows nothing of a controller:
it takes every write, and refuses what is not in the image. It comes with the extra `judges`.
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
    pytest.mark.skipif(not hasattr(os, "openpty"), reason="there are no ptys here"),
    pytest.mark.skipif(not importlib.util.find_spec("pymodbus"), reason="needs pymodbus"),
]

Image = dict[int, int]

SLAVE = 7
PATIENCE_S = 10.0
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
"""Those of the set point, which a write is checked against."""


def two_words(form: str, value: float, order: str) -> list[int]:
    high, low = struct.unpack(">HH", struct.pack(form, value))
    return [low, high] if order == "low_high" else [high, low]


def value_of(spec: ParameterSpec, instance: int) -> float | int:
    """A value that no other parameter and instance has, where the type has room for one."""
    if spec.number in LIMITS:
        return LIMITS[spec.number]
    if spec.codes:
        return sorted(spec.codes)[(spec.number + instance) % len(spec.codes)]
    if spec.data_type is DataType.FLOAT:
        return spec.number / 16 + instance * 4096
    room = {DataType.U8: 199, DataType.S32: 2**31, DataType.U32: 2**31}
    return (spec.number * 8 + instance) % room.get(spec.data_type, 65521)


def words_of(spec: ParameterSpec, instance: int, order: str) -> list[int]:
    value = value_of(spec, instance)
    if spec.data_type is DataType.FLOAT:
        return two_words(">f", value, order)
    if spec.data_type in (DataType.U32, DataType.S32):
        return two_words(">i", value, order)
    return [int(value), 0]


def placed(data_map: int) -> Iterator[tuple[ParameterSpec, int, int]]:
    """Every readable parameter and instance, and its register."""
    for spec in PARAMETERS:
        if spec.readable and spec.class_id not in (19, 20):
            for instance in range(1, spec.instances + 1):
                at = spec.register(instance, data_map)
                if at is not None:
                    yield spec, instance, at


def image(data_map: int, order: str) -> Image:
    """The registers of a PM: two for every readable parameter, the assembly left out."""
    found: Image = {}
    for spec, instance, at in placed(data_map):
        first, second = words_of(spec, instance, order)
        found |= {at: first, at + 1: second}
    found |= {MODE[data_map]: AUTO, HEAT[data_map]: PID}
    found[ORDER[data_map]] = LOW_HIGH if order == "low_high" else HIGH_LOW
    found |= dict(zip((0, 1), two_words(">i", ARM_CPU, order)))
    found |= dict(zip(both(PROCESS_VALUE[data_map]), two_words(">f", 72.5, order)))
    return found | dict(zip(both(SETPOINT[data_map]), two_words(">f", 75.0, order)))


def both(register: int) -> tuple[int, int]:
    return register, register + 1


def serve(pipe: Connection, registers: Image) -> None:
    """pymodbus's serial server, until it is told to end; asked by pipe for its store."""
    import tty  # which Windows has not

    from pymodbus import FramerType
    from pymodbus.datastore import ModbusDeviceContext, ModbusServerContext, ModbusSparseDataBlock
    from pymodbus.server import ModbusSerialServer

    # Its datastores count registers from 1.
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
    """Hand what comes out of each pty to the other one."""
    while True:
        for ready in select.select(masters, [], [])[0]:
            data = os.read(ready, 256)
            os.write(masters[1 - masters.index(ready)], data)


class Judge:
    """The server in its process."""

    def __init__(self, port: str, pipe: Connection) -> None:
        self.port = port
        self._pipe = pipe

    def held(self) -> Image:
        """What its registers hold now."""
        self._pipe.send(True)
        assert self._pipe.poll(PATIENCE_S)
        registers: Image = self._pipe.recv()
        return registers

    def open(self, **settings: Any) -> Controller:
        settings = {"address": SLAVE, "timeout_s": PATIENCE_S, "retries": 0} | settings
        return open_device(self.port, protocol=ProtocolKind.MODBUS_RTU, **settings)


@contextmanager
def serving(registers: Image) -> Iterator[Judge]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, registers), daemon=True)
    process.start()
    theirs.close()
    try:
        assert ours.poll(3 * PATIENCE_S)
        yield Judge(ours.recv(), ours)
        ours.send(False)
        process.join(PATIENCE_S)
    finally:
        process.kill()
        process.join()
        process.close()
        ours.close()


@pytest.fixture(scope="module", autouse=True)
def tracker() -> None:
    """The helper that the first process brings along, and its descriptor, are for good."""
    resource_tracker.ensure_running()


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: f"map {kind[0]} {kind[1]}")
def kind(request: pytest.FixtureRequest) -> tuple[int, str]:
    found: tuple[int, str] = request.param
    return found


@pytest.fixture(scope="module")
def judge(kind: tuple[int, str]) -> Iterator[Judge]:
    with serving(image(*kind)) as running:
        yield running


def test_the_map_and_the_order_are_found(judge: Judge, kind: tuple[int, str]) -> None:
    before = judge.held()
    with judge.open() as ctl:
        info = ctl.identify()
    assert (info.data_map, info.word_order) == (kind[0], WordOrder(kind[1]))
    assert info.hardware_id == ARM_CPU
    assert judge.held() == before


def test_process_value_and_set_point_are_read(judge: Judge) -> None:
    with judge.open() as ctl:
        assert ctl.read_pv().value == 72.5
        assert ctl.read_setpoint().value == 75.0
        assert ctl.read_parameter("control_mode_active").label == "Auto"


def test_every_parameter_is_read_with_others(judge: Judge, kind: tuple[int, str]) -> None:
    decided = {places[kind[0]] for places in (MODE, HEAT, ORDER, PROCESS_VALUE, SETPOINT)} | {0}
    wanted = list(placed(kind[0]))
    times = Counter(at for _, _, at in wanted)
    with judge.open(registers_per_read=125) as ctl:
        for instance in (1, 2, 3, 4):
            asked = {
                spec.number: value_of(spec, instance)
                for spec, each, at in wanted
                # Where the list has two parameters at one register, one of them stands there.
                if each == instance and times[at] == 1 and at not in decided
            }
            samples = ctl.poll(list(asked), instances=instance)
            assert {each.parameter_id: each.value for each in samples} == asked
            assert {each.status for each in samples} == {"ok"}
        assert len(asked) > 20
        assert ctl.stats.exchanges < len(wanted) / 3


def test_ten_are_polled_together(judge: Judge) -> None:
    ten = range(8001, 8015)
    wanted = [n for n in ten if n not in (8002, 8003, 8005, 8011)]
    with judge.open() as ctl:
        assert ctl.session.driver.discover_layout().doubt == ""
        before = ctl.stats.exchanges
        samples = ctl.poll(wanted)
        assert ctl.stats.exchanges == before + 1
    assert [each.value for each in samples] == [
        value_of(PARAMETERS.resolve(number), 1) for number in wanted
    ]


def test_a_write_changes_its_own_registers_alone(judge: Judge, kind: tuple[int, str]) -> None:
    before = judge.held()
    with judge.open() as ctl:
        ctl.set_setpoint(OTHER, confirm=True)
        assert changed(before, judge.held()) == dict(
            zip(both(SETPOINT[kind[0]]), two_words(">f", OTHER, kind[1]))
        )
        assert ctl.read_setpoint().value == OTHER
        ctl.set_setpoint(75.0, confirm=True)
        ctl.write_parameter("control_mode", "Off", confirm=True)
        assert changed(before, judge.held()) == {MODE[kind[0]] - 2: OFF}
        ctl.write_parameter("control_mode", before[MODE[kind[0]] - 2], confirm=True)
    assert judge.held() == before


def changed(before: Image, after: Image) -> Image:
    return {at: word for at, word in after.items() if before.get(at) != word}


def test_what_is_not_in_the_image_is_refused_and_costs_only_itself() -> None:
    registers = image(1, "low_high")
    for at in both(364):
        del registers[at]
    with serving(registers) as judge, judge.open() as ctl:
        with pytest.raises(WatlowNoSuchRegisterError, match="02") as caught:
            ctl.read_parameter(4003)
        assert caught.value.code == 2
        samples = ctl.poll([4001, 4002, 4003, 4004, 4005])
        assert [each.status for each in samples] == ["ok", "ok", "no_such_register", "ok", "ok"]
        assert samples[3].value == value_of(PARAMETERS.resolve(4004), 1)


def map_of_both(registers: Image) -> None:
    registers |= {MODE[2]: AUTO, HEAT[2]: PID}


def map_of_none(registers: Image) -> None:
    registers[MODE[1]] = 0


def orders_that_disagree(registers: Image) -> None:
    registers[ORDER[1]] = HIGH_LOW


@pytest.mark.parametrize(
    ("spoil", "how"),
    [
        (map_of_both, "data_map=1 or data_map=2"),
        (map_of_none, "data_map=1 or data_map=2"),
        (orders_that_disagree, "word_order='low_high' or word_order='high_low'"),
    ],
)
def test_nothing_is_written_where_it_is_not_certain(
    spoil: Callable[[Image], None], how: str
) -> None:
    registers = image(1, "low_high")
    spoil(registers)
    with serving(registers) as judge, judge.open() as ctl:
        before = judge.held()
        with pytest.raises(WatlowUncertainError, match=how):
            ctl.set_setpoint(OTHER, confirm=True)
        with pytest.raises(WatlowUncertainError, match=how):
            ctl.write_parameter("control_mode", "Off", confirm=True)
        assert judge.held() == before
        with judge.open(data_map=1, word_order="low_high") as told:
            told.set_setpoint(OTHER, confirm=True)
        assert changed(before, judge.held()) == dict(
            zip(both(SETPOINT[1]), two_words(">f", OTHER, "low_high"))
        )
