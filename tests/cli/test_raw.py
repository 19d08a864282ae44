"""`watlowlib raw`."""

from __future__ import annotations

import json
import re

import pytest

from watlowlib.cli.main import main
from watlowlib.simulator import SimulatedBus, SimulatedController


def test_objects_are_printed_with_name_value_and_bytes(
    bus: SimulatedBus, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["raw", bus.port, "7.1.1", "8.3.1", "--address", "2"]) == 0
    output = capsys.readouterr().out
    assert re.search(
        r"^7.1.1 +7001 setpoint, instance 1 +float +75 .* 42 96 00 00 *$", output, re.M
    )
    assert re.search(r"^8.3.1 +8003 heat_algorithm, .* PID \(71\) .* 01 00 47 *$", output, re.M)
    assert bus.controllers[2].writes == []


def test_a_refusal_is_printed_with_its_meaning(
    bus: SimulatedBus, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["raw", bus.port, "4.99.1", "7.1.1", "--json"]) == 1
    output = capsys.readouterr()
    (row,) = map(json.loads, output.out.splitlines())
    assert (row["what"], row["value"], row["data"]) == ("7.1.1", 75.0, "42 96 00 00")
    assert "4.99.1: the controller replied with error 83: the class has no such" in output.err


def test_no_reply_ends_with_3(bus: SimulatedBus, capsys: pytest.CaptureFixture[str]) -> None:
    words = "--address 9 --timeout 0.05 --retries 0".split()
    assert main(["raw", bus.port, "4.1.1", *words]) == 3
    output = capsys.readouterr()
    assert output.out == ""
    assert "4.1.1: no reply" in output.err


def test_registers_are_printed_as_words_and_parameters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    unit = SimulatedController(1, protocol="modbus_rtu", modbus_address=40)
    with SimulatedBus([unit], baudrate=None) as bus:
        words = ["raw", bus.port, "--address", "40", "--protocol", "modbus_rtu"]
        assert main([*words, "2160:2"]) == 0
        output = capsys.readouterr().out
        assert re.search(r"^2161 +- +u16 +17046 +- +42 96 *$", output, re.M)
        name = r"7001 setpoint, instance 1 \(map 1\)"
        assert re.search(rf"^2160 +{name} +float +75 +low_high +00 00 42 96 *$", output, re.M)
        assert main([*words, "2160:2", "--type", "u32"]) == 0
        output = capsys.readouterr().out
        assert re.search(r"^2160 +- +u32 +1117126656 +low_high +00 00 42 96 *$", output, re.M)
        assert main([*words, "65000"]) == 1
        assert "65000:1: the controller replied to a read with exc" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("4.1", "give CLASS.MEMBER.INSTANCE"),
        ("4.1.300", "give 0 to 255"),
        ("360 4.1.1", "either objects"),
        ("360 --protocol stdbus", "--protocol stdbus reads CLASS.MEMBER.INSTANCE"),
        ("4.1.1 --type float", "--type is for registers"),
        ("360 --type float", "give 360:2"),
        ("360:126", "give 1 to 125"),
    ],
)
def test_wrong_usage_sends_nothing(
    words: str, message: str, bus: SimulatedBus, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["raw", bus.port, *words.split()]) == 2
    assert message in capsys.readouterr().err
