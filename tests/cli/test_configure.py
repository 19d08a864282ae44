"""`watlowlib configure`."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from watlowlib.cli.main import main as run
from watlowlib.devices import maintenance
from watlowlib.devices.controller import Controller
from watlowlib.model import ProtocolKind
from watlowlib.simulator import SimulatedBus, SimulatedController

WITH_MODBUS = "PM3R1CA-1AAAAAA"


def main(words: list[str]) -> int:
    """Run the command; a silent probe takes a short time."""
    return run([*words, "--timeout", "0.25"])


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedBus]:
    """Controllers 1, with Modbus, and 2, without; one silent probe shows a free address."""
    monkeypatch.setattr(maintenance, "PROBES", 1)
    units = [SimulatedController(1, part_number=WITH_MODBUS), 2]
    with SimulatedBus(units, baudrate=None, turnaround_s=0.0) as running:
        yield running


def test_without_an_option_the_settings_are_printed(
    bus: SimulatedBus, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["configure", bus.port, "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["standard_bus_address"], row["modbus_baudrate"]) == (1, 9600)
    assert row["protocol"] == "Standard Bus"
    assert bus.controllers[1].writes == []


def test_a_controller_exchanged_during_the_question_is_not_changed(
    bus: SimulatedBus, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    unit = bus.controllers[1]
    assert isinstance(unit, SimulatedController)
    monkeypatch.setattr("watlowlib.cli.configure.ask", lambda: unit.set("serial_number", 4711))
    assert main(["configure", bus.port, "--new-address", "5"]) == 1
    assert "another controller replies now; nothing was written" in capsys.readouterr().err
    assert (unit.address, unit.writes) == (1, [])


@pytest.mark.parametrize(("text", "code", "address"), [("y\n", 0, 5), ("n\n", 1, 1), ("", 1, 1)])
def test_the_change_is_shown_and_asked(
    text: str,
    code: int,
    address: int,
    bus: SimulatedBus,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    assert main(["configure", bus.port, "--new-address", "5"]) == code
    output = capsys.readouterr().err
    assert "standard_bus_address (17001): 1 -> 5" in output
    assert f"watlowlib read {bus.port} --address 5\n" in output
    assert ("a rig file needs address = 5" in output) == (code == 0)
    assert bus.controllers[1].get("standard_bus_address") == address


def test_the_protocol_is_the_last_of_several_changes(
    bus: SimulatedBus, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "--new-protocol modbus_rtu --new-address 30 --new-baudrate 19200 --yes --json"
    assert main(["configure", bus.port, *words.split()]) == 0
    output = capsys.readouterr()
    numbers = [each.number for each in bus.controllers[1].writes]
    assert numbers == [17002, 17007, 17009]
    command = f"watlowlib read {bus.port} --address 30 --protocol modbus_rtu --baudrate 19200"
    assert json.loads(output.out)["command"] == command
    assert "verified: the controller replies there" in output.err
    # The command works as it is printed.
    assert main([*command.split()[1:], "--json"]) == 0


def test_a_controller_on_modbus_returns_to_standard_bus(
    bus: SimulatedBus, capsys: pytest.CaptureFixture[str]
) -> None:
    bus.controllers[1].set("protocol", 1057)
    words = "--protocol modbus_rtu --new-protocol stdbus --new-address 3 --yes"
    assert main(["configure", bus.port, *words.split()]) == 0
    assert bus.controllers[1].protocol is ProtocolKind.STDBUS
    assert f"watlowlib read {bus.port} --address 3\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--new-address 2 --new-baudrate 19200", "another controller replies there"),
        ("--new-address 17", "on stdbus it is from 1 to 16"),
        ("--address 2 --new-baudrate 19200 --new-protocol modbus_rtu", "does not say that this"),
        ("--address 1,2 --new-address 5", "select one controller"),
        ("--new-adress 5", "no such option"),
    ],
)
def test_an_impossible_change_writes_nothing(
    words: str, message: str, bus: SimulatedBus, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["configure", bus.port, *words.split(), "--yes"]) == 2
    assert message in capsys.readouterr().err
    assert [bus.controllers[n].writes for n in (1, 2)] == [[], []]


def test_an_address_in_use_on_modbus_is_refused(
    bus: SimulatedBus, capsys: pytest.CaptureFixture[str]
) -> None:
    bus.controllers[2].set("modbus_address", 30)
    bus.controllers[2].set("protocol", 1057)
    words = "--new-protocol modbus_rtu --new-address 30 --yes"
    assert main(["configure", bus.port, *words.split()]) == 2
    assert "address=30: another controller replies there" in capsys.readouterr().err
    assert bus.controllers[1].writes == []


def test_a_new_baud_rate_is_refused_over_modbus(
    bus: SimulatedBus, capsys: pytest.CaptureFixture[str]
) -> None:
    bus.controllers[1].set("protocol", 1057)
    words = "--protocol modbus_rtu --new-baudrate 19200 --yes"
    assert main(["configure", bus.port, *words.split()]) == 2
    assert "first give --new-protocol stdbus" in capsys.readouterr().err


def test_settings_that_are_there_already_are_not_written(
    bus: SimulatedBus, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["configure", bus.port, "--new-address", "1", "--new-protocol", "stdbus"]) == 0
    assert "nothing was written" in capsys.readouterr().err
    assert bus.controllers[1].writes == []


def test_an_interruption_says_where_the_controller_is(
    bus: SimulatedBus, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(ctl: Controller, address: int, *, confirm: bool) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(maintenance, "set_address", interrupt)
    words = "--new-baudrate 38400 --new-address 5 --yes"
    assert main(["configure", bus.port, *words.split()]) == 130
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "written and verified: modbus_baudrate (17002): 9600 -> 38400",
        "not completed: standard_bus_address (17001): 1 -> 5",
        f"the controller is reached with: watlowlib read {bus.port} --address 1",
        f"or, if it has stored the change: watlowlib read {bus.port} --address 5",
    ]


def test_a_controller_that_is_silent_after_the_change_is_reported(
    bus: SimulatedBus, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    original = maintenance.set_protocol

    def set_and_switch_off(ctl: Controller, kind: ProtocolKind, *, confirm: bool) -> None:
        original(ctl, kind, confirm=confirm)
        bus.power_off(1)

    monkeypatch.setattr(maintenance, "set_protocol", set_and_switch_off)
    assert main(["configure", bus.port, "--new-protocol", "modbus_rtu", "--yes"]) == 3
    assert "switch the controller off and on, then try: watlowlib read" in capsys.readouterr().err


def test_the_rig_file_to_change_is_named(
    bus: SimulatedBus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = tmp_path / "rig.toml"
    rig.write_text(
        f'[ports.line]\nport = "{bus.port}"\n'
        '[controllers.oven]\nport = "line"\naddress = 1\n[record]\nrate_hz = 1.0\n',
        "utf-8",
    )
    assert main(["configure", "--config", str(rig), "--new-address", "5", "--yes"]) == 0
    assert f"change {rig}: [controllers.oven] address = 5" in capsys.readouterr().err


def test_a_series_sd_is_refused(bus: SimulatedBus, capsys: pytest.CaptureFixture[str]) -> None:
    words = "--protocol modbus_rtu --family sd"
    assert main(["configure", bus.port, *words.split()]) == 2
    assert "with its keys" in capsys.readouterr().err
