"""Commands with a Modbus TCP server as their port."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from watlowlib.cli.main import main
from watlowlib.rig import load_rig
from watlowlib.simulator import SimulatedController, SimulatedGateway


@pytest.fixture
def gateway() -> Iterator[SimulatedGateway]:
    with SimulatedGateway([1, 2]) as running:
        yield running


def test_read_needs_no_protocol(
    gateway: SimulatedGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--parameter", "setpoint", "--address", "1,2", "--json", "--timeout", "10"]
    assert main(["read", gateway.port, *words]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["address"], row["protocol"], row["value"]) for row in rows] == [
        (1, "modbus_tcp", 75.0),
        (2, "modbus_tcp", 75.0),
    ]


def test_raw_reads_registers(gateway: SimulatedGateway, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["raw", gateway.port, "2160:2", "--type", "float", "--json"]) == 0
    values = [json.loads(line)["value"] for line in capsys.readouterr().out.splitlines()]
    assert 75.0 in values


def test_discover_lists_unit_ids_without_a_baud_rate(
    gateway: SimulatedGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["discover", gateway.port, "--address", "1,2", "--timeout", "10", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    found = [(row["address"], row["protocol"], row["baudrate"]) for row in rows]
    assert found == [(1, "modbus_tcp", None), (2, "modbus_tcp", None)]
    assert main(["discover", gateway.port, "--address", "1", "--timeout", "10"]) == 0
    assert re.search(r"modbus_tcp +- +1 ", capsys.readouterr().out)


def test_init_writes_a_rig_for_a_server(gateway: SimulatedGateway, tmp_path: Path) -> None:
    file = tmp_path / "rig.toml"
    words = ["--address", "1,2", "--timeout", "10", "-o", str(file)]
    assert main(["init", gateway.port, *words]) == 0
    rig = load_rig(file)
    assert rig.open_arguments("controller2")["port"] == gateway.port
    assert rig.open_arguments("controller2")["serial_settings"] is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["read", "tcp://gw", "--baudrate", "9600"], "a network has no baud rate"),
        (["read", "tcp://gw", "--protocol", "modbus_rtu"], "leave the protocol out"),
        (["read", "tcp://gw/1"], "the unit id is the address"),
        (["discover", "tcp://gw", "--baudrate", "9600"], "a network has no baud rate"),
        (["simulate", "2", "--modbus-tcp", "--tcp"], "without --tcp and --protocol"),
        (["simulate", "rig.toml", "--modbus-tcp"], "is for a number of controllers"),
    ],
)
def test_what_a_server_cannot_have_is_refused(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert message in capsys.readouterr().err


def test_configure_is_for_serial_lines(
    gateway: SimulatedGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["configure", gateway.port]) == 2
    assert "configure is for a controller on a serial line" in capsys.readouterr().err


def findings_of(words: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, list[str]]:
    main(["doctor", *words, "--json"])
    found: dict[str, list[str]] = {}
    for line in capsys.readouterr().out.splitlines():
        row = json.loads(line)
        found.setdefault(row["check"], []).append(f"{row['result']}: {row['found']}")
    return found


def test_doctor_checks_a_server_without_its_line(
    gateway: SimulatedGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    found = findings_of([gateway.port, "--address", "1,2", "--timeout", "10"], capsys)
    assert found["opening"] == ["ok: the server accepts connections"]
    assert not {"noise", "echo", "latency timer", "permission"} & set(found)
    assert found["data map and word order"] == ["ok: map 1, low_high"] * 2
    (line,) = found["protocol and baud rate"]
    assert line == "ok: modbus_tcp: a controller replies at address 1, 2"


def test_doctor_checks_the_zones_of_a_rig(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    zones = [SimulatedController(n, protocol="modbus_rtu", data_map=n) for n in (1, 2)]
    with SimulatedGateway(zones, gateway_offset=5000) as gateway:
        file = tmp_path / "rig.toml"
        tables = "".join(f'[controllers.z{n}]\nport = "gw"\nzone = {n}\n' for n in (1, 2, 3))
        file.write_text(f'[ports.gw]\nport = "{gateway.port}"\ntimeout = 10\n{tables}')
        found = findings_of(["--config", str(file)], capsys)
    assert found["data map and word order"] == ["ok: map 1, low_high", "ok: map 2, low_high"]
    (problem,) = found["zone"]
    assert problem.startswith("problem: ")
    assert "is the offset of zone 3 right?" in problem


def test_a_server_that_refuses_is_a_problem(capsys: pytest.CaptureFixture[str]) -> None:
    with SimulatedGateway([1]) as gateway:
        port = gateway.port
    found = findings_of([port], capsys)
    assert list(found) == ["port", "opening"]
    assert "refuses connections" in found["opening"][0]
