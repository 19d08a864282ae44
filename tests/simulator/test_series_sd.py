"""The registers of a simulated Series SD."""

from __future__ import annotations

import pytest

from tests.simulator.modbus import exception_code, read, write, write_one
from watlowlib._internal.clock import ManualClock
from watlowlib.errors import WatlowConfigurationError
from watlowlib.simulator import Oven, RegisterWrite, SimulatedSD, Write


def signed(words: list[int]) -> int:
    return int.from_bytes(b"".join(word.to_bytes(2, "big") for word in words), "big", signed=True)


def test_registers_hold_thousandths_high_word_first() -> None:
    sd = SimulatedSD(1, setpoint=392.0)
    assert read(sd, 27, 2) == [0x0005, 0xFB40]
    write(sd, 27, 0xFFFF, 0xFC18)
    assert sd.get("setpoint") == -1.0
    assert sd.writes == [Write(27, 1, -1.0)]
    assert sd.register_writes == [RegisterWrite(27, (0xFFFF, 0xFC18))]


def test_a_negative_process_value() -> None:
    sd = SimulatedSD(1, oven=Oven(ambient=-40.5, noise=0.0))
    sd.set_clock(ManualClock())
    assert signed(read(sd, 20, 2)) == signed(read(sd, 22, 2)) == -40500


def test_register_18_converts_only_temperatures() -> None:
    sd = SimulatedSD(1, setpoint=392.0, oven=Oven(ambient=212.0, noise=0.0))
    sd.set_clock(ManualClock())
    write_one(sd, 26, 2550)
    write_one(sd, 18, 1)
    assert [signed(read(sd, at, 2)) for at in (20, 22, 27)] == [100_000, 100_000, 200_000]
    assert read(sd, 26) == [2550]
    write(sd, 27, 0, 24_000)
    assert signed(read(sd, 27, 2)) == 24_000
    write_one(sd, 18, 0)
    assert signed(read(sd, 27, 2)) == 75_200
    assert sd.get("setpoint") == pytest.approx(75.2)


def test_heat_power_in_auto_and_manual_mode() -> None:
    clock = ManualClock()
    sd = SimulatedSD(1, setpoint=200.0)
    sd.set_clock(clock)
    clock.advance(1800.0)
    assert signed(read(sd, 20, 2)) == pytest.approx(200_000, abs=1000)
    write_one(sd, 26, 3000)
    write_one(sd, 25, 1)
    clock.advance(1800.0)
    assert read(sd, 256, 2) == [3000, 0]
    # 30 % of a rise of 500 °F, above 72 °F.
    assert signed(read(sd, 20, 2)) == pytest.approx(222_000, abs=1000)


def test_writes_go_to_the_eeprom_until_register_17_is_0() -> None:
    sd = SimulatedSD(1)
    write_one(sd, 25, 1)
    write(sd, 27, 1, 0)
    assert sd.eeprom_writes == 2
    write_one(sd, 17, 0)
    write(sd, 27, 2, 0)
    assert (sd.eeprom_writes, signed(read(sd, 27, 2))) == (2, 131_072)
    sd.power_up()
    assert (read(sd, 17), signed(read(sd, 27, 2))) == ([1], 65_536)
    write(sd, 27, 3, 0)
    assert sd.eeprom_writes == 3


def test_identification_and_alarm_registers() -> None:
    sd = SimulatedSD(9)
    assert len({*read(sd, 7, 2), *read(sd, 10, 2), *read(sd, 13)} - {0}) == 5
    assert read(SimulatedSD(10), 7, 2) != read(sd, 7, 2)
    assert read(sd, 29, 6) == [0] * 6
    sd.set("alarm_high_1_status", 1)
    assert read(sd, 30) == [1]


def test_input_error_freezes_the_process_value() -> None:
    sd = SimulatedSD(1)
    sd.set("process_value", 2531.5)
    assert signed(read(sd, 20, 2)) != 2_531_500
    sd.set("input_error", 1)
    assert read(sd, 24) == [1]
    assert signed(read(sd, 20, 2)) == 2_531_500


@pytest.mark.parametrize(
    ("call", "arguments", "code"),
    [
        (read, (9, 1), 2),
        (read, (7, 4), 2),
        (read, (20, 5), 0),
        (read, (256, 3), 2),
        (write, (20, 0, 0), 3),  # read-only
        (write, (27, 0), 3),  # half a set point
        (write_one, (26, 10_001), 3),  # above 100 %
        (write_one, (26, 65_536 - 10_000), 0),
        (write_one, (18, 2), 3),
        (write_one, (19, 0), 2),
    ],
)
def test_exception_codes(call: object, arguments: tuple[int, ...], code: int) -> None:
    assert exception_code(call, SimulatedSD(1), *arguments) == code


@pytest.mark.parametrize("address", [0, 248, "1", True])
def test_invalid_addresses_are_rejected(address: object) -> None:
    with pytest.raises(WatlowConfigurationError, match="give 1 to 247"):
        SimulatedSD(address)  # type: ignore[arg-type]
