"""`watlowlib set`."""

from __future__ import annotations

import io
import json
import sys

import pytest

from watlowlib.cli.main import main
from watlowlib.simulator import SimulatedBus


def answer(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


@pytest.mark.parametrize(
    ("text", "code", "held"),
    [("y\n", 0, 80.0), ("yes\n", 0, 80.0), ("n\n", 1, 75.0), ("", 1, 75.0)],
)
def test_set_shows_the_change_and_asks(
    text: str,
    code: int,
    held: float,
    bus: SimulatedBus,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bus.controllers[2].set("setpoint_minimum", 10.0)
    answer(monkeypatch, text)
    assert main(["set", bus.port, "setpoint", "80", "--address", "2", "--unit", "F"]) == code
    shown = capsys.readouterr().err
    for pattern in ("old     75 °F", "new     80 °F", "range   10 to 9999 °F", "EEPROM  yes"):
        assert pattern in shown
    assert [bus.controllers[n].get("setpoint") for n in (1, 2)] == [75.0, held]


def test_set_says_that_a_value_is_lost_when_writes_are_not_stored(
    bus: SimulatedBus, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bus.controllers[1].set("non_volatile_save", 59)
    for parameter, value, text in (
        ("setpoint", "80", "no: non_volatile_save (17051) is No: what is written is lost"),
        ("non_volatile_save", "Yes", "yes: the value survives a power cut"),
        ("setpoint", "81", "yes: the value survives a power cut"),
    ):
        answer(monkeypatch, "y\n")
        assert main(["set", bus.port, parameter, value]) == 0
        assert f"EEPROM  {text}" in capsys.readouterr().err


def test_a_value_with_a_scale_is_converted(
    bus: SimulatedBus, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bus.controllers[1].set("setpoint", 77.0)
    answer(monkeypatch, "y\n")
    assert main(["set", bus.port, "setpoint", "30C", "--unit", "F"]) == 0
    output = capsys.readouterr()
    assert "old     77 °F, which is 25 °C\n" in output.err
    assert "new     30 °C, which is 86 °F on the wire\n" in output.err
    assert output.out.endswith(": 30 °C (setpoint, instance 1)\n")
    assert main(["set", bus.port, "setpoint", "-5.5 °c", "--unit", "F", "--yes", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["value"], row["unit"], row["old_value"]) == (pytest.approx(-5.5), "°C", 30.0)
    assert bus.controllers[1].get("setpoint") == pytest.approx(22.1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("setpoint 30C", "setpoint cannot be converted"),
        ("setpoint 9000C --unit F", "9000 °C is 16232 °F on the wire"),
        ("manual_power 5C --unit F", "manual_power is not known to be a temperature"),
        ("setpoint 30K --unit F", "setpoint (7001) = '30K'"),
    ],
)
def test_a_value_that_cannot_be_converted_asks_nothing(
    words: str, message: str, bus: SimulatedBus, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["set", bus.port, *words.split()]) == 2
    assert message in capsys.readouterr().err
    assert bus.controllers[1].writes == []


def test_yes_writes_without_a_question(
    bus: SimulatedBus, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["set", bus.port, "heat_algorithm", "off", "--yes", "--json"]) == 0
    output = capsys.readouterr()
    row = json.loads(output.out)
    assert (row["parameter"], row["value"], row["old_value"]) == ("heat_algorithm", 62, 71)
    assert output.err == ""
    assert bus.controllers[1].get("heat_algorithm") == 62


def test_a_negative_value_is_no_option(bus: SimulatedBus) -> None:
    assert main(["set", bus.port, "setpoint", "-5.5", "--yes"]) == 0
    assert bus.controllers[1].get("setpoint") == -5.5


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("setpoint 99999", "allowed is"),
        ("heat_algorithm oof", "allowed are"),
        ("process_value 5", "is read-only"),
        ("address 5", "is a communication setting"),
        ("setpont 5", "did you mean"),
    ],
)
def test_a_write_that_is_not_allowed_asks_nothing(
    words: str, message: str, bus: SimulatedBus, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["set", bus.port, *words.split()]) == 2
    assert message in capsys.readouterr().err
    assert bus.controllers[1].writes == []


def test_a_set_point_outside_the_own_limits_asks_nothing(
    bus: SimulatedBus, capsys: pytest.CaptureFixture[str]
) -> None:
    bus.controllers[1].set("setpoint_maximum", 100.0)
    assert main(["set", bus.port, "setpoint", "101"]) == 2
    assert "the controller's own limits" in capsys.readouterr().err


def test_a_silent_controller_ends_with_3(bus: SimulatedBus) -> None:
    words = ["set", bus.port, "setpoint", "80", "--address", "9", "--timeout", "0.05", "--yes"]
    assert main(words) == 3
