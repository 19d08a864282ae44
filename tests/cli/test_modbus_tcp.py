"""Commands with a Modbus TCP server as their port."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from watlowlib.cli.main import main
from watlowlib.diagnosis import examine
from watlowlib.rig import load_rig
from watlowlib.simulator import (
    SimulatedBus,
    SimulatedController,
    SimulatedGateway,
    SimulatedZones,
)


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


def test_configure_is_not_for_zones(capsys: pytest.CaptureFixture[str]) -> None:
    zones = SimulatedZones([1, 2])
    with SimulatedBus([zones], baudrate=None, turnaround_s=0.0) as line:
        words = ["--protocol", "modbus_rtu", "--zone", "2", "--new-address", "9", "--yes"]
        assert main(["configure", line.port, *words]) == 2
    assert "connect to the line behind the gateway" in " ".join(capsys.readouterr().err.split())
    assert [each.register_writes for each in zones.controllers.values()] == [[], []]


def test_a_zone_that_is_examined_is_in_the_capture(
    gateway: SimulatedGateway, tmp_path: Path
) -> None:
    file = tmp_path / "wire.jsonl"
    zone = {"port": gateway.port, "name": "one", "zone": 1, "timeout_s": 10.0}
    assert "zone" not in [each.check for each in examine(gateway.port, zones=[zone], capture=file)]
    assert file.stat().st_size > 1000


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
    results = [each.partition(":")[0] for each in found["controller"]]
    assert results == ["ok", "ok"]
    (problem,) = found["zone"]
    assert problem.startswith("problem: ")
    assert "zone 3: no controller is recognized in the registers 10000 to 14999" in problem


def test_a_server_that_refuses_is_a_problem(capsys: pytest.CaptureFixture[str]) -> None:
    with SimulatedGateway([1]) as gateway:
        port = gateway.port
    found = findings_of([port], capsys)
    assert list(found) == ["port", "opening"]
    assert "refuses connections" in found["opening"][0]


@pytest.fixture
def gateway_of_two() -> Iterator[str]:
    """The port of a gateway with the zones 1 and 2, of 5000 registers each."""
    with SimulatedGateway([1, 2], gateway_offset=5000) as running:
        yield running.port


@pytest.fixture
def zones() -> Iterator[SimulatedGateway]:
    """Zones with the set points 110, 120 and 130; the third one has an offset of its own."""
    made = [SimulatedController(n, protocol="modbus_rtu", setpoint=100.0 + 10 * n)
            for n in (1, 2, 3)]  # fmt: skip
    with SimulatedGateway(made, gateway_offset=4000, offsets={3: 20000}) as running:
        yield running


def rows_of(words: list[str], capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_commands_name_the_zones_of_a_gateway(
    zones: SimulatedGateway, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = [zones.port, "--zone", "1,2", "--gateway-offset", "4000", "--timeout", "10"]
    third = [zones.port, "--zone", "3", "--offset", "20000", "--timeout", "10"]
    second = [zones.port, "--zone", "2", "--gateway-offset", "4000", "--timeout", "10"]
    read = rows_of(["read", *both, "--parameter", "setpoint"], capsys)
    assert [(row["device"], row["value"]) for row in read] == [
        (f"zone1@{zones.port}", 110.0),
        (f"zone2@{zones.port}", 120.0),
    ]
    (row,) = rows_of(
        ["read", zones.port, "--offset", "4000", "--gateway-offset", "4000", "--parameter", "7001"],
        capsys,
    )
    assert (row["device"], row["value"]) == (f"offset4000@{zones.port}", 120.0)
    (row,) = rows_of(["identify", *third], capsys)
    assert row["serial_number"] == 200003
    raw = rows_of(["raw", *second, "2160:2", "--type", "float"], capsys)
    assert 120.0 in [row["value"] for row in raw]
    found = findings_of(second, capsys)
    assert found["data map and word order"] == ["ok: map 1, low_high"]
    file = tmp_path / "rows.csv"
    assert main(["record", *third, "--rate", "50", "--duration", "0.1", "-o", str(file)]) == 0
    assert ",setpoint,7001,1,130" in file.read_text()
    assert main(["set", *third[:1], "setpoint", "150", *third[1:], "--yes"]) == 0
    assert [each.get("setpoint") for each in zones.controllers.values()] == [110.0, 120.0, 150.0]


@pytest.mark.parametrize(("command", "code"), [("read", 1), ("identify --json", 2)])
def test_a_zone_without_a_controller_is_one_error_that_says_what_to_do(
    command: str, code: int, gateway_of_two: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command.split(), gateway_of_two, "--zone", "3", "--timeout", "10"]) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert line.count("zone 3: no controller is recognized in the registers 10000 to 14999") == 1
    assert "is it on? Give the zone, gateway_offset or offset that is set in the gateway" in line


def test_identify_of_a_zone_that_is_off_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    unit = SimulatedController(2, protocol="modbus_rtu", setpoint=100.0)
    with SimulatedGateway([unit], gateway_offset=5000) as gateway:
        unit.set("input_error", 0)  # none of its codes: the values are not believed
        assert main(["identify", gateway.port, "--zone", "2", "--timeout", "10", "--json"]) == 1
    output = capsys.readouterr()
    assert (output.out, "the input error of zone 2 is 0" in output.err) == ("", True)


def test_zone_selects_of_a_rig(
    zones: SimulatedGateway, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "rig.toml"
    tables = "".join(f'[controllers.z{n}]\nport = "gw"\nzone = {n}\ngateway_offset = 4000\n'
                     for n in (1, 2))  # fmt: skip
    file.write_text(f'[ports.gw]\nport = "{zones.port}"\ntimeout = 10\n{tables}')
    words = ["read", "--config", str(file), "--parameter", "setpoint"]
    assert [row["value"] for row in rows_of([*words, "--zone", "2"], capsys)] == [120.0]
    for more, message in (
        (["--zone", "3"], "--zone select"),
        (["--offset", "3"], "the rig file has those of its zones"),
    ):
        assert main([*words, *more]) == 2
        assert message in capsys.readouterr().err
    assert main(["doctor", "--config", str(file), "--zone", "2"]) == 2
    assert "doctor checks all zones of a rig file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("read tcp://gw --zone 0", "give 1 to 16"),
        ("read tcp://gw --zone 14", "exceed 65535"),
        ("identify tcp://gw --gateway-offset 3000", "give the zone too"),
        ("read tcp://gw --zone 1,2 --offset 10", "is that of one zone"),
        ("read tcp://gw --zone 1,2 --address 1,2", "give one --address"),
        ("read tcp://gw --zone 1,2 --name a", "1 name for 2 zones"),
        ("read /dev/ttyX --zone 2", "protocol='modbus_rtu'"),
        ("raw tcp://gw 360 --zone 1,2", "give one --zone"),
        ("raw tcp://gw 360 --zone 14", "exceed 65535"),
        ("doctor /dev/ttyX --zone 2 --baudrate 9600,19200", "give one --baudrate"),
        ("doctor tcp://gw --zone 14", "exceed 65535"),
        ("doctor tcp://gw --offset 70000", "give 0 to 65535"),
        ("configure /dev/ttyX --zone 2 --offset -1", "give 0 to 65535"),
    ],
)
def test_zones_that_cannot_be_are_refused(
    words: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words.split()) == 2
    assert message in capsys.readouterr().err


def test_discover_says_how_to_read_zones(
    zones: SimulatedGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    hint = f"'watlowlib identify {zones.port} --zone 1-13'"
    assert main(["discover", zones.port, "--address", "1,2", "--timeout", "10"]) == 0
    assert hint in " ".join(capsys.readouterr().out.split())
    with SimulatedGateway([2], gateway_offset=5000) as second:
        main(["discover", second.port, "--address", "1,2", "--timeout", "10"])
    assert "--zone 1-13" in capsys.readouterr().out
    with SimulatedGateway([1, 2]) as units:
        assert main(["discover", units.port, "--address", "1,2", "--timeout", "10"]) == 0
    assert "--zone" not in capsys.readouterr().out


def test_a_write_to_two_zones_names_both(
    zones: SimulatedGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["set", zones.port, "setpoint", "80", "--zone", "1,2", "--yes"]) == 2
    assert capsys.readouterr().err.rstrip().endswith("--address or --zone: zone1, zone2")
