"""A simulated PM as registers: both maps, both word orders, exceptions, the assembly."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.simulator.modbus import code_of, read, write, write_one
from watlowlib._internal.clock import ManualClock
from watlowlib.errors import WatlowConfigurationError
from watlowlib.model import ProtocolKind, WordOrder
from watlowlib.registry.parameters import PARAMETERS, DataType, ParameterSpec
from watlowlib.simulator import RegisterWrite, SimulatedController, Write

LOW, HIGH = WordOrder.LOW_HIGH, WordOrder.HIGH_LOW
SHARED = {3031, 4022, 8031, 26028, 26029, 26030}
"""The list has another value at their registers too."""


def unit(**settings: object) -> SimulatedController:
    made = SimulatedController(1, protocol=ProtocolKind.MODBUS_RTU, **settings)  # type: ignore[arg-type]
    made.live_by(ManualClock())
    return made


def everywhere(data_map: int) -> Iterator[tuple[ParameterSpec, int, int]]:
    for spec in PARAMETERS:
        for instance in range(1, spec.instances + 1):
            register = spec.register(instance, data_map)
            if register is not None and spec.data_type not in (DataType.POINTER, DataType.ANY):
                yield spec, instance, register


def packed(spec: ParameterSpec, value: object, order: WordOrder) -> list[int]:
    """By hand: what the value is in registers."""
    if spec.data_type in (DataType.FLOAT, DataType.S32, DataType.U32):
        form = ">f" if spec.data_type is DataType.FLOAT else ">i"
        high, low = struct.unpack(">HH", struct.pack(form, value))
        return [low, high] if order is LOW else [high, low]
    assert isinstance(value, int)
    return [value & 0xFFFF, 0]


@pytest.mark.parametrize("order", [LOW, HIGH])
@pytest.mark.parametrize("data_map", [1, 2])
def test_everything_readable_stands_where_the_list_says(data_map: int, order: WordOrder) -> None:
    whole = unit(loops=2, cooling=True, data_map=data_map, word_order=order)
    seen: Counter[int] = Counter()
    for spec, instance, register in everywhere(data_map):
        if spec.number in SHARED:
            continue
        if not spec.readable:
            assert code_of(read, whole, register) == 2, spec
            continue
        # Two apart, and nothing between: the neighbour of a single register reads 0.
        expected = packed(spec, whole.get(spec.number, instance), order)
        assert read(whole, register, 2) == expected, spec
        seen[spec.class_id] += 1
    assert sum(seen.values()) > 650
    assert {1, 4, 7, 8, 9, 17, 21, 22} <= seen.keys()


@pytest.mark.parametrize("order", [LOW, HIGH])
@pytest.mark.parametrize("data_map", [1, 2])
def test_everything_writable_is_written_where_the_list_says(
    data_map: int, order: WordOrder
) -> None:
    whole = unit(loops=2, cooling=True, data_map=data_map, word_order=order)
    taken = []
    for spec, instance, register in everywhere(data_map):
        if not spec.writable or spec.number in SHARED | {17007, 17009, 17043}:
            continue
        value = spec.default_f if spec.default_f is not None else spec.limits_f[0]
        value = next(iter(spec.codes)) if spec.codes else value or 0.0
        held = value if spec.data_type is DataType.FLOAT else int(value)
        words = packed(spec, held, order)
        if spec.data_type in (DataType.FLOAT, DataType.S32, DataType.U32):
            write(whole, register, *words)
        else:
            write_one(whole, register, words[0])
        taken.append((spec.number, instance))
    assert [(each.number, each.instance) for each in whole.writes] == taken
    assert len(taken) > 450
    assert len(whole.register_writes) == len(taken)


@pytest.mark.parametrize(
    ("settings", "register", "words"),
    [
        ({}, 2160, [0x0000, 0x4296]),
        ({"data_map": 2}, 2640, [0x0000, 0x4296]),
        ({"word_order": HIGH}, 2160, [0x4296, 0x0000]),
        ({"data_map": 2, "word_order": "high_low"}, 2640, [0x4296, 0x0000]),
        # The order does not matter for what tells it: 17043 in either map, and its neighbour.
        ({}, 2488, [1331, 0]),
        ({"data_map": 2, "word_order": HIGH}, 2968, [1330, 0]),
        ({"word_order": HIGH}, 0, [0, 28]),
        ({}, 0, [28, 0]),
        # Control mode active and the heat algorithm, which tell the maps apart.
        ({}, 1882, [10, 0]),
        ({}, 1884, [71, 0]),
        ({"data_map": 2}, 2362, [10, 0]),
        ({"data_map": 2}, 2364, [71, 0]),
        # 3031 is listed there too.
        ({"data_map": 2}, 2360, [10, 0]),
        # Without cooling its side holds bits that are no value.
        ({}, PARAMETERS.resolve(8012).map1[0], [0xCDCD, 0xCDCD]),
    ],
)
def test_75_degrees_and_what_tells_maps_and_orders_apart(
    settings: dict[str, object], register: int, words: list[int]
) -> None:
    assert read(unit(**settings), register, 2) == words
    assert read(unit(**settings), register, 2, function=4) == words


def test_the_word_order_is_a_parameter_that_can_be_changed() -> None:
    pm = unit()
    write_one(pm, 2488, 1330)
    assert pm.word_order is HIGH
    assert read(pm, 2160, 2) == [0x4296, 0x0000]
    write(pm, 2160, 0x43C4, 0x0000)
    assert pm.get("setpoint") == 392.0


@pytest.mark.parametrize(
    ("start", "count", "code"),
    [
        (38, 1, 2),  # nothing there
        (24, 1, 2),  # can only be written
        (2240, 2, 2),  # the second loop's set point
        (1880, 6, 0),  # over two odd neighbours
        (1881, 1, 0),
        (0, 16, 0),  # eight values of class 1
        (0, 18, 2),  # and what is behind them
        (2160, 0, 3),
        (2160, 126, 3),
        (65535, 2, 2),
    ],
)
def test_reads_that_are_answered_and_reads_that_are_refused(
    start: int, count: int, code: int
) -> None:
    assert code_of(read, unit(), start, count) == code


def test_gaps_may_read_zero_between_what_is_there() -> None:
    pm = unit(gaps="zero")
    assert read(pm, 12, 20)[4:18] == [0] * 14
    assert code_of(read, pm, 12, 18) == 2
    assert code_of(read, pm, 18, 14) == 2
    assert code_of(read, unit(), 12, 20) == 2


def test_a_unit_takes_as_many_registers_at_a_time_as_it_is_said_to() -> None:
    pm = unit(registers_per_read=16)
    assert code_of(read, pm, 40, 16) == 0
    assert code_of(read, pm, 40, 17) == 2
    assert code_of(read, unit(), 40, 80) == 0


FLOAT_392 = (0x0000, 0x43C4)


@pytest.mark.parametrize(
    ("start", "words", "code"),
    [
        (2160, FLOAT_392, 0),
        (2160, FLOAT_392[:1], 3),  # half a value
        (2161, FLOAT_392[1:], 3),
        (2160, (0, 0x47C3), 3),  # 99840 °F
        (2160, (0, 0x7FC0), 3),  # no number at all
        (360, FLOAT_392, 3),  # read-only
        (1880, (54,), 0),
        (1880, (54, 0), 0),  # with its odd neighbour
        (1881, (0,), 3),  # the neighbour alone
        (1880, (55,), 3),  # no such mode
        (38, (1,), 2),
        (2240, FLOAT_392, 2),
        (1884, (62, 0, 0), 3),  # on into the cool algorithm, which has no code 0
    ],
)
def test_writes_that_are_taken_and_writes_that_are_refused(
    start: int, words: tuple[int, ...], code: int
) -> None:
    pm = unit()
    assert code_of(write, pm, start, *words) == code
    assert len(pm.writes) == (code == 0)
    # What it was asked for is remembered, whatever became of it.
    assert pm.register_writes == [RegisterWrite(start, words)]


def test_a_write_over_several_is_taken_as_a_whole_or_not_at_all() -> None:
    pm = unit()
    # The mode (1880) and the heat algorithm (1884) have a read-only parameter between them.
    assert code_of(write, pm, 1880, 54, 0, 10, 0, 62) == 3
    assert pm.writes == []
    first = PARAMETERS.resolve("alarm_high_setpoint").map1[0]
    assert first is not None
    write(pm, first, *FLOAT_392, *FLOAT_392)
    assert pm.writes == [Write(9001, 1, 392.0), Write(9002, 1, 392.0)]
    assert pm.eeprom_writes == 2


@pytest.mark.parametrize(
    ("payload", "reply"),
    [
        ("01 0000 0001", "81 01"),
        ("05 0000 FF00", "85 01"),
        ("11", "91 01"),
        ("10 0870 0002 02 0000", "90 03"),  # two registers, two bytes
        ("10 0870 0000 00", "90 03"),
        ("10 0870 0001 03 000000", "90 03"),
        ("03 0870 0002", "03 04 0000 4296"),
    ],
)
def test_the_bytes_of_requests_and_replies(payload: str, reply: str) -> None:
    assert unit().modbus.answer(bytes.fromhex(payload)) == bytes.fromhex(reply)


def test_a_device_that_fails() -> None:
    pm = unit()
    pm.modbus.failing = True
    assert [code_of(read, pm, 2160, 2), code_of(write, pm, 2160, *FLOAT_392)] == [4, 4]
    assert (pm.writes, pm.register_writes) == ([], [RegisterWrite(2160, FLOAT_392)])
    pm.modbus.failing = False
    assert code_of(read, pm, 2160, 2) == 0


@pytest.mark.parametrize("data_map", [1, 2])
def test_the_assembly_shows_what_its_pointers_name(data_map: int) -> None:
    pm = unit(data_map=data_map, setpoint=392.0)
    setpoint = 2160 if data_map == 1 else 2640
    mode = 1880 if data_map == 1 else 2360
    write(pm, 118, setpoint, setpoint + 1)
    write(pm, 40, mode, mode + 1, 0, 1)
    assert read(pm, 40, 4) == [mode, mode + 1, 0, 1]
    assert read(pm, 278, 2) == [0x0000, 0x43C4]
    assert read(pm, 200, 4) == [10, 0, 28, 0]
    assert [each.number for each in pm.writes] == [19020, 19001, 19002]
    assert pm.eeprom_writes == 3
    # Half a pointer, and a value through its pointer, are not taken.
    assert [code_of(write, pm, 40, setpoint), code_of(write, pm, 278, *FLOAT_392)] == [3, 3]


def test_the_assembly_is_shown_in_the_controllers_order() -> None:
    pm = unit(word_order=HIGH)
    write(pm, 40, 2160, 2161)
    assert read(pm, 200, 2) == [0x4296, 0x0000]
    # The pointer names registers, one by one: it may turn them round.
    write(pm, 40, 2161, 2160)
    assert read(pm, 200, 2) == [0x0000, 0x4296]


@pytest.mark.parametrize("pointer", [38, 2240, 200, 24])
def test_a_pointer_at_nothing_costs_the_read_of_its_value(pointer: int) -> None:
    pm = unit()
    write(pm, 42, pointer, pointer + 1)
    assert code_of(read, pm, 200, 2) == 0
    assert code_of(read, pm, 202, 2) == 2
    assert code_of(read, pm, 200, 4) == 2


def test_pointers_as_shipped() -> None:
    # 8001 and 7001 of instance 1; the other way, 4001 and 4002.
    assert read(unit(), 40, 4) == [1880, 1881, 2160, 2161]
    assert read(unit(), 80, 4) == [360, 361, 362, 363]
    assert read(unit(data_map=2), 40, 4) == [2360, 2361, 2640, 2641]


class CountingClock:
    """Time goes on with every look."""

    def __init__(self) -> None:
        self.looks = 0

    def now_ns(self) -> int:
        self.looks += 1
        return self.looks * 10**10


def test_the_two_words_of_a_value_are_of_one_moment() -> None:
    pm, clock = unit(setpoint=400.0), CountingClock()
    write(pm, 40, 360, 361)
    pm.live_by(clock)
    for register in (360, 200):
        looks = clock.looks
        first = read(pm, register, 2)
        # The pointers do not change by themselves; how often they are looked at is no matter.
        assert clock.looks - looks <= 1 + (register == 200)
        assert read(pm, register, 2) != first


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"modbus_address": 0}, "modbus_address=0: give 1 to 247"),
        ({"modbus_address": 248}, "modbus_address=248"),
        ({"data_map": 3}, "data_map=3.*allowed are 1 or 2"),
        ({"gaps": "none"}, "gaps='none'.*refuse or zero"),
        ({"word_order": "auto"}, "word_order='auto': allowed are high_low, low_high"),
        ({"word_order": "low"}, "word_order='low'"),
        ({"protocol": "auto"}, "protocol='auto': allowed are stdbus, modbus_rtu"),
        ({"registers_per_read": 126}, "registers_per_read=126: give 1 to 125"),
        ({"registers_per_read": 0}, "registers_per_read=0"),
    ],
)
def test_units_that_cannot_be(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(WatlowConfigurationError, match=message):
        SimulatedController(1, **wrong)  # type: ignore[arg-type]
