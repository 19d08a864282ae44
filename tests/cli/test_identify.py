"""`watlowlib identify`."""

from __future__ import annotations

import json

import pytest

from watlowlib.cli.main import main
from watlowlib.simulator import SimulatedBus, SimulatedSD


def test_identify_prints_what_is_known(
    bus: SimulatedBus, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["identify", bus.port, "--address", "2", "--unit", "F"]) == 0
    lines = capsys.readouterr().out.splitlines()
    facts = {" ".join(words[:2]): words[-1] for line in lines if (words := line.split())}
    assert facts["part number"] == "PM3R1CA-AAAAAAA"
    assert facts["serial number"] == "200002"
    assert facts["modbus rtu"] == "no"
    assert facts["temperature unit"] == "°F"


def test_identify_prints_json_for_those_that_reply(
    bus: SimulatedBus, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["identify", bus.port, "--address", "1,9", "--timeout", "0.05", "--json"]
    assert main(words) == 1
    output = capsys.readouterr()
    (row,) = map(json.loads, output.out.splitlines())
    assert (row["address"], row["serial_number"]) == (1, 200001)
    assert "1 of 2 not identified: no reply" in output.err


def test_identify_refuses_a_controller_that_reports_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with SimulatedBus([SimulatedSD(1)], baudrate=None, turnaround_s=0.0) as line:
        words = ["identify", line.port, "--protocol", "modbus_rtu", "--timeout", "10"]
        assert main(words) == 1
        output = capsys.readouterr()
        assert "no identity: a controller replies, but reports nothing that" in output.out
        assert output.err == "watlowlib: 1 of 1 not identified\n"
        assert main([*words, "--family", "sd"]) == 0


def test_identify_ends_with_3_when_nothing_replies(bus: SimulatedBus) -> None:
    assert main(["identify", bus.port, "--address", "9", "--timeout", "0.05"]) == 3
