"""The registers of a simulated PM: both maps, both word orders, exceptions, the assembly."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.simulator.modbus import exception_code, read, write, write_one
from watlowlib._internal.clock import ManualClock
from watlowlib.errors import WatlowConfigurationError
from watlowlib.model import ProtocolKind, WordOrder
from watlowlib.registry.parameters import PARAMETERS, DataType, ParameterSpec
from watlowlib.simulator import RegisterWrite, SimulatedController, Write

LOW, HIGH = WordOrder.LOW_HIGH, WordOrder.HIGH_LOW
SHARED = {4022, 8031, 26028, 26029, 26030}
"""Parameters whose registers also have another value in the list."""


def unit(**settings: object) -> SimulatedController:
    pm = SimulatedController(1, protocol=ProtocolKind.MODBUS_RTU, **settings)  # type: ignore[arg-type]
    pm.set_clock(ManualClock())
    return pm


def all_registers(data_map: int) -> Iterator[tuple[ParameterSpec, int, int]]:
    for spec in PARAMETERS:
        for instance in range(1, spec.instances + 1):
            register = spec.register(instance, data_map)
            if register is not None and spec.data_type not in (DataType.POINTER, DataType.ANY):
                yield spec, instance, register


def packed(spec: ParameterSpec, value: object, order: WordOrder) -> list[int]:
    """Return the words of a value, encoded independently of the library."""
    if spec.data_type in (DataType.FLOAT, DataType.S32, DataType.U32):
        form = ">f" if spec.data_type is DataType.FLOAT else ">i"
        high, low = struct.unpack(">HH", struct.pack(form, value))
        return [low, high] if order is LOW else [high, low]
    assert isinstance(value, int)
    return [value & 0xFFFF, 0]


@pytest.mark.parametrize("order", [LOW, HIGH])
@pytest.mark.parametrize("data_map", [1, 2])
def test_every_readable_parameter_is_at_its_listed_register(
    data_map: int, order: WordOrder
) -> None:
    pm = unit(loops=2, cooling=True, data_map=data_map, word_order=order)
    seen: Counter[int] = Counter()
    for spec, instance, register in all_registers(data_map):
        if spec.number in SHARED:
            continue
        if not spec.readable:
            assert exception_code(read, pm, register) == 2, spec
            continue
        # Parameters are two registers apart; the register after a single one reads 0.
        expected = packed(spec, pm.get(spec.number, instance), order)
        assert read(pm, register, 2) == expected, spec
        seen[spec.class_id] += 1
    assert sum(seen.values()) > 650
    assert {1, 4, 7, 8, 9, 17, 21, 22} <= seen.keys()


@pytest.mark.parametrize("order", [LOW, HIGH])
@pytest.mark.parametrize("data_map", [1, 2])
def test_every_writable_parameter_is_at_its_listed_register(
    data_map: int, order: WordOrder
) -> None:
    pm = unit(loops=2, cooling=True, data_map=data_map, word_order=order)
    written = []
    for spec, instance, register in all_registers(data_map):
        if not spec.writable or spec.number in SHARED | {17007, 17009, 17043}:
            continue
        value = spec.default_f if spec.default_f is not None else spec.limits_f[0]
        value = next(iter(spec.codes)) if spec.codes else value or 0.0
        stored = value if spec.data_type is DataType.FLOAT else int(value)
        words = packed(spec, stored, order)
        if spec.data_type in (DataType.FLOAT, DataType.S32, DataType.U32):
            write(pm, register, *words)
        else:
            write_one(pm, register, words[0])
        written.append((spec.number, instance))
    assert [(each.number, each.instance) for each in pm.writes] == written
    assert len(written) > 450
    assert len(pm.register_writes) == len(written)


@pytest.mark.parametrize(
    ("settings", "register", "words"),
    [
        ({}, 2160, [0x0000, 0x4296]),
        ({"data_map": 2}, 2640, [0x0000, 0x4296]),
        ({"word_order": HIGH}, 2160, [0x4296, 0x0000]),
        ({"data_map": 2, "word_order": "high_low"}, 2640, [0x4296, 0x0000]),
        # 17043, the word order itself, is one register and reads the same in both orders.
        ({}, 2488, [1331, 0]),
        ({"data_map": 2, "word_order": HIGH}, 2968, [1330, 0]),
        ({"word_order": HIGH}, 0, [0, 28]),
        ({}, 0, [28, 0]),
        # Control mode active and heat algorithm, which identify the data map.
        ({}, 1882, [10, 0]),
        ({}, 1884, [71, 0]),
        ({"data_map": 2}, 2362, [10, 0]),
        ({"data_map": 2}, 2364, [71, 0]),
        # Control mode; Watlow's list has 3031 at this register too.
        ({"data_map": 2}, 2360, [10, 0]),
        # Without cooling, cool-side parameters hold bits that are not a value.
        ({}, PARAMETERS.resolve(8012).map1[0], [0xCDCD, 0xCDCD]),
    ],
)
def test_words_of_known_registers_in_maps_and_orders(
    settings: dict[str, object], register: int, words: list[int]
) -> None:
    assert read(unit(**settings), register, 2) == words
    assert read(unit(**settings), register, 2, function=4) == words


def test_the_word_order_can_be_changed() -> None:
    pm = unit()
    write_one(pm, 2488, 1330)
    assert pm.word_order is HIGH
    assert read(pm, 2160, 2) == [0x4296, 0x0000]
    write(pm, 2160, 0x43C4, 0x0000)
    assert pm.get("setpoint") == 392.0


@pytest.mark.parametrize(
    ("start", "count", "code"),
    [
        (38, 1, 2),  # no parameter
        (24, 1, 2),  # write-only
        (2240, 2, 2),  # the second loop's set point
        (1880, 6, 0),  # includes two odd registers
        (1881, 1, 0),
        (0, 16, 0),  # eight values of class 1
        (0, 18, 2),  # and a register without a parameter
        (2160, 0, 3),
        (2160, 126, 3),
        (65535, 2, 2),
    ],
)
def test_exception_code_of_reads(start: int, count: int, code: int) -> None:
    assert exception_code(read, unit(), start, count) == code


def test_gaps_between_parameters_can_read_zero() -> None:
    pm = unit(gaps="zero")
    assert read(pm, 12, 20)[4:18] == [0] * 14
    assert exception_code(read, pm, 12, 18) == 2
    assert exception_code(read, pm, 18, 14) == 2
    assert exception_code(read, unit(), 12, 20) == 2


def test_registers_per_read_limits_a_read() -> None:
    pm = unit(registers_per_read=16)
    assert exception_code(read, pm, 40, 16) == 0
    assert exception_code(read, pm, 40, 17) == 2
    assert exception_code(read, unit(), 40, 80) == 0


FLOAT_392 = (0x0000, 0x43C4)


@pytest.mark.parametrize(
    ("start", "words", "code"),
    [
        (2160, FLOAT_392, 0),
        (2160, FLOAT_392[:1], 3),  # half a value
        (2161, FLOAT_392[1:], 3),
        (2160, (0, 0x47C3), 3),  # 99840 °F
        (2160, (0, 0x7FC0), 3),  # not a number
        (360, FLOAT_392, 3),  # read-only
        (1880, (54,), 0),
        (1880, (54, 0), 0),  # with the odd register after it
        (1881, (0,), 3),  # the odd register alone
        (1880, (55,), 3),  # no such mode
        (38, (1,), 2),
        (2240, FLOAT_392, 2),
        (1884, (62, 0, 0), 3),  # continues into the cool algorithm, which has no code 0
    ],
)
def test_exception_code_of_writes(start: int, words: tuple[int, ...], code: int) -> None:
    pm = unit()
    assert exception_code(write, pm, start, *words) == code
    assert len(pm.writes) == (code == 0)
    # A rejected write is recorded too.
    assert pm.register_writes == [RegisterWrite(start, words)]


def test_a_write_to_several_parameters_is_atomic() -> None:
    pm = unit()
    # Between the mode (1880) and the heat algorithm (1884) is a read-only parameter.
    assert exception_code(write, pm, 1880, 54, 0, 10, 0, 62) == 3
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
def test_request_and_reply_bytes(payload: str, reply: str) -> None:
    assert unit().modbus.reply_to(bytes.fromhex(payload)) == bytes.fromhex(reply)


def test_a_failing_device_replies_with_exception_4() -> None:
    pm = unit()
    pm.modbus.failing = True
    assert [exception_code(read, pm, 2160, 2), exception_code(write, pm, 2160, *FLOAT_392)] == [
        4,
        4,
    ]
    assert (pm.writes, pm.register_writes) == ([], [RegisterWrite(2160, FLOAT_392)])
    pm.modbus.failing = False
    assert exception_code(read, pm, 2160, 2) == 0


@pytest.mark.parametrize("data_map", [1, 2])
def test_the_assembly_shows_the_targets_of_its_pointers(data_map: int) -> None:
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
    # A write of half a pointer, or of a value through a pointer, is rejected.
    assert [
        exception_code(write, pm, 40, setpoint),
        exception_code(write, pm, 278, *FLOAT_392),
    ] == [3, 3]


def test_the_assembly_has_the_word_order_of_the_controller() -> None:
    pm = unit(word_order=HIGH)
    write(pm, 40, 2160, 2161)
    assert read(pm, 200, 2) == [0x4296, 0x0000]
    # A pointer has two register numbers, which may be in reverse order.
    write(pm, 40, 2161, 2160)
    assert read(pm, 200, 2) == [0x0000, 0x4296]


@pytest.mark.parametrize("pointer", [38, 2240, 200, 24])
def test_a_read_through_an_invalid_pointer_fails(pointer: int) -> None:
    pm = unit()
    write(pm, 42, pointer, pointer + 1)
    assert exception_code(read, pm, 200, 2) == 0
    assert exception_code(read, pm, 202, 2) == 2
    assert exception_code(read, pm, 200, 4) == 2


def test_factory_pointers() -> None:
    # 8001 and 7001 of instance 1; in the other direction 4001 and 4002.
    assert read(unit(), 40, 4) == [1880, 1881, 2160, 2161]
    assert read(unit(), 80, 4) == [360, 361, 362, 363]
    assert read(unit(data_map=2), 40, 4) == [2360, 2361, 2640, 2641]


class CountingClock:
    """A clock that advances by 10 s with every call."""

    def __init__(self) -> None:
        self.calls = 0

    def now_ns(self) -> int:
        self.calls += 1
        return self.calls * 10**10


def test_both_words_of_a_value_are_from_one_moment() -> None:
    pm, clock = unit(setpoint=400.0), CountingClock()
    write(pm, 40, 360, 361)
    pm.set_clock(clock)
    for register in (360, 200):
        calls = clock.calls
        first = read(pm, register, 2)
        # A read of the pointer is one more call; a pointer does not change by itself.
        assert clock.calls - calls <= 1 + (register == 200)
        assert read(pm, register, 2) != first


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"modbus_address": 0}, "modbus_address=0: give 1 to 247"),
        ({"modbus_address": 248}, "modbus_address=248"),
        ({"data_map": 3}, "data_map=3: .*must be 1 or 2"),
        ({"gaps": "none"}, "gaps='none'.*refuse or zero"),
        ({"word_order": "auto"}, "word_order='auto': allowed are high_low, low_high"),
        ({"word_order": "low"}, "word_order='low'"),
        ({"protocol": "auto"}, "protocol='auto': allowed are stdbus, modbus_rtu"),
        ({"registers_per_read": 126}, "registers_per_read=126: give 1 to 125"),
        ({"registers_per_read": 0}, "registers_per_read=0"),
    ],
)
def test_invalid_arguments_are_rejected(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(WatlowConfigurationError, match=message):
        SimulatedController(1, **wrong)  # type: ignore[arg-type]
