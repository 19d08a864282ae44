"""`watlowlib doctor`."""

from __future__ import annotations

import getpass
import json
import signal
import zipfile
from pathlib import Path

import pytest

from watlowlib.cli import doctor
from watlowlib.cli.main import main
from watlowlib.diagnosis import line
from watlowlib.simulator import SimulatedBus

ONE = ["--protocol", "stdbus", "--address", "1"]


@pytest.fixture(autouse=True)
def short_listening(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "LISTEN_S", 0.05)


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No other program is seen: one may still have an old pty with the same number open."""
    monkeypatch.setattr("watlowlib.diagnosis.port._programs_with", lambda device: ([], 0))


def test_doctor_prints_a_line_for_each_finding(
    bus: SimulatedBus, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", bus.port, *ONE, "--unit", "F"]) == 0
    output = capsys.readouterr()
    lines = output.out.splitlines()
    assert lines[0] == bus.port
    assert lines[1] == "  ok         port: it exists"
    assert f"{bus.port}, address 1" in lines
    assert "PM3R1CA-AAAAAAA, serial number 200001" in output.out
    assert f"examining {bus.port} with reads only; this may take" in output.err
    assert f"searching {bus.port}, stdbus at 38400 baud" in output.err


def test_the_advice_about_units_is_printed_once(
    bus: SimulatedBus, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--protocol", "stdbus", "--address", "1-2", "--unit", "C"]
    assert main(["doctor", bus.port, *words]) == 0
    output = capsys.readouterr().out
    assert output.count("the setting is °F, °C was declared") == 2
    assert output.count("To find out, compare a reading") == 1
    assert output.endswith(" the advice is the same as above\n")


def test_a_problem_ends_with_1(bus: SimulatedBus, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--protocol", "stdbus", "--address", "9", "--timeout", "0.1", "--json"]
    assert main(["doctor", bus.port, *words]) == 1
    output = capsys.readouterr()
    rows = [json.loads(row) for row in output.out.splitlines()]
    assert [row["result"] for row in rows].count("problem") == 1
    assert "A and B of the line" in rows[-1]["advice"]
    assert output.err.endswith("1 problem found\n")


@pytest.mark.parametrize("words", [[], ["/dev/ttyUSB77", "--config", "rig.toml"]])
def test_a_port_or_a_rig_file_is_needed(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", *words]) == 2
    assert "give a port, such as /dev/ttyUSB0, or --config" in capsys.readouterr().err


def test_a_bundle_of_a_rig_has_frames_and_no_password(
    bus: SimulatedBus,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(doctor, "ALL_ADDRESSES", (1,))
    monkeypatch.setattr(getpass, "getuser", lambda: "zoe-x")
    monkeypatch.setenv("LAB_TOKEN", "secret-from-the-environment")
    rig, bundle = tmp_path / "rig.toml", tmp_path / "report.zip"
    rig.write_text(
        f'[ports.line]\nport = "{bus.port}"\n'
        '[controllers.oven]\nport = "line"\naddress = 1\n'
        '[controllers.gone]\nport = "line"\naddress = 9\n'
        '[record]\nrate_hz = 1.0\nmetadata = { note = "secret-from-the-environment zoe-x" }\n'
        '[[record.sinks]]\nurl = "postgresql://ann:hunter22@db/lab"\n',
        "utf-8",
    )
    words = ["--config", str(rig), "--protocol", "stdbus", "--timeout", "0.1"]
    assert main(["doctor", *words, "--bundle", str(bundle)]) == 1
    output = capsys.readouterr()
    assert "gone of the rig file does not reply" in output.out
    assert "report.zip' is written with all findings; check its contents" in output.err
    with zipfile.ZipFile(bundle) as archive:
        files = {name: archive.read(name).decode("utf-8") for name in archive.namelist()}
    assert "address 1 sent 55 ff 05 10" in files["log.txt"]
    assert "address 1 sent" not in output.err
    lines = [json.loads(line) for line in files["wire.jsonl"].splitlines()]
    assert {line["port"] for line in lines if "port" in line} == {bus.port}
    assert "55 ff 05 10" in {line["raw"][:11] for line in lines if line["what"] == "sent"}
    assert "timeout" in {line["what"] for line in lines}
    (identity,) = json.loads(files["identity.json"])
    assert identity["serial_number"] == 200001
    for secret in ("hunter22", "secret-from-the-environment", "zoe-x"):
        assert {name for name, text in files.items() if secret in text} == set()


def test_a_bundle_is_written_after_ctrl_c(
    bus: SimulatedBus,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupt(*arguments: object) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("watlowlib.diagnosis.controllers.check_units", interrupt)
    bundle = tmp_path / "report.zip"
    assert main(["doctor", bus.port, *ONE, "--bundle", str(bundle)]) == 130
    assert "is written with what was found before the end" in capsys.readouterr().err
    with zipfile.ZipFile(bundle) as archive:
        checks = [each["check"] for each in json.loads(archive.read("findings.json"))]
        assert checks[-2:] == ["replies", "protocol"]
        assert b"address 1 sent 55 ff 05 10" in archive.read("log.txt")
        assert b'"raw": "55 ff 05 10' in archive.read("wire.jsonl")


def test_a_bundle_that_exists_is_refused_before_the_first_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "report.zip").touch()
    assert main(["doctor", "/dev/ttyUSB77", "--bundle", str(tmp_path / "report.zip")]) == 2
    assert "exists already" in capsys.readouterr().err
