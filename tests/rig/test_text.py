"""The text of a rig file for controllers that were found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from watlowlib import Probe, Rig, WatlowConfigurationError, find_devices, load_rig
from watlowlib.model import ControllerFamily, ProtocolKind
from watlowlib.rig import rig_text
from watlowlib.simulator import SimulatedBus, SimulatedController, SimulatedSD

PATIENCE_S = 1.0


def loaded(text: str, folder: Path) -> Rig:
    file = folder / "rig.toml"
    file.write_text(text, "utf-8")
    return load_rig(file)


def openings(rig: Rig) -> list[tuple[object, ...]]:
    """Return how each controller of a rig is opened."""
    found: list[tuple[object, ...]] = []
    for name in rig.controllers:
        each = rig.open_arguments(name)
        settings = each["serial_settings"]
        baudrate = settings and settings.baudrate
        found.append((each["port"], each["protocol"], each["address"], each["family"], baudrate))
    return found


def test_the_controllers_found_are_those_of_the_text(tmp_path: Path) -> None:
    modbus = [SimulatedController(3, protocol=ProtocolKind.MODBUS_RTU), SimulatedSD(4)]
    with SimulatedBus([1, 2]) as line, SimulatedBus(modbus) as other:
        ports = [line.port, other.port]
        found = find_devices(ports, addresses=range(1, 5), baudrates=19200, timeout_s=PATIENCE_S)
    rig = loaded(rig_text(found), tmp_path)
    stdbus, unknown = ProtocolKind.STDBUS, ControllerFamily.UNKNOWN
    assert openings(rig) == [
        (ports[0], stdbus, 1, unknown, None),
        (ports[0], stdbus, 2, unknown, None),
        (ports[1], ProtocolKind.MODBUS_RTU, 3, unknown, 19200),
        (ports[1], ProtocolKind.MODBUS_RTU, 4, ControllerFamily.SD, 19200),
    ]
    assert list(rig.controllers) == [f"controller{n}" for n in (1, 2, 3, 4)]
    assert [sink.url for sink in rig.record.sinks] == [str(tmp_path / "run.sqlite")]


@pytest.fixture(scope="module")
def found() -> Sequence[Probe]:
    """One controller on Standard Bus."""
    with SimulatedBus([1]) as bus:
        return find_devices(bus.port, addresses=1, protocols="stdbus", timeout_s=PATIENCE_S)


@pytest.mark.parametrize("port", ["COM3", 'a"b\\c', "/dev/tty$X", "/dev/${X}", "/dev/\x7f\t\u00e9"])
def test_a_port_with_special_characters_is_read_back(
    port: str, found: Sequence[Probe], tmp_path: Path
) -> None:
    rig = loaded(rig_text([replace(found[0], port=port)]), tmp_path)
    assert rig.ports["line1"].port == port


def test_a_relative_port_is_written_as_an_absolute_path(
    found: Sequence[Probe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = rig_text([replace(found[0], port="./ttyV0")])
    (tmp_path / "other").mkdir()
    assert loaded(text, tmp_path / "other").ports["line1"].port == str(tmp_path / "ttyV0")


def test_the_parity_of_the_search_is_that_of_modbus_ports(
    found: Sequence[Probe], tmp_path: Path
) -> None:
    modbus = replace(found[0], port="b", protocol=ProtocolKind.MODBUS_RTU, baudrate=9600)
    rig = loaded(rig_text([*found, modbus], parity="E"), tmp_path)
    assert [port.parity for port in rig.ports.values()] == [None, "E"]


def test_a_part_number_with_a_line_break_does_not_end_its_comment(
    found: Sequence[Probe], tmp_path: Path
) -> None:
    info = found[0].info
    assert info is not None
    assert info.part_number is not None
    part_number = replace(info.part_number, text="PM\naddress = 9")
    odd = replace(found[0], info=replace(info, part_number=part_number))
    (controller,) = loaded(rig_text([odd]), tmp_path).controllers.values()
    assert controller.address == 1


def test_the_scale_of_the_wire_is_a_comment_to_fill_in(
    found: Sequence[Probe], tmp_path: Path
) -> None:
    text = rig_text(found)
    assert loaded(text, tmp_path).ports["line1"].temperature_unit is None
    completed = text.replace("# temperature_unit =", "temperature_unit =")
    assert loaded(completed, tmp_path).open_arguments("controller1")["temperature_unit"] == "F"
    info = found[0].info
    assert info is not None
    sd = replace(info, family=ControllerFamily.SD)
    modbus = {"protocol": ProtocolKind.MODBUS_RTU, "baudrate": 9600}
    assert "temperature_unit" not in rig_text([replace(found[0], info=sd, **modbus)])


def test_nothing_found_is_an_error(found: Sequence[Probe]) -> None:
    with pytest.raises(WatlowConfigurationError, match="no controller was found"):
        rig_text([replace(found[0], info=None, reason="no reply")])


def test_two_protocols_on_one_port_are_an_error(found: Sequence[Probe]) -> None:
    other = replace(found[0], protocol=ProtocolKind.MODBUS_RTU, baudrate=9600)
    with pytest.raises(
        WatlowConfigurationError, match="modbus_rtu at 9600 baud and stdbus at 38400 baud"
    ):
        rig_text([*found, other])
