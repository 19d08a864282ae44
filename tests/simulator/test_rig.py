"""The ports of a rig file with simulated controllers behind them."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from watlowlib import WatlowManager, load_rig
from watlowlib.simulator.fleet import simulated_oven
from watlowlib.simulator.rig import simulated_ports
from watlowlib.simulator.series_sd import SimulatedSD

RIG = """
[ports.line1]
port = "./line1"
temperature_unit = "C"
[ports.line2]
port = "./line2"
protocol = "modbus_rtu"
[ports.net]
port = "socket://localhost:{number}"
[ports.taken]
port = "./taken"
[ports.unused]
port = "./unused"
[controllers.top]
port = "line1"
address = 3
[controllers.retort]
port = "line2"
address = 40
data_map = 2
[controllers.sd]
port = "line2"
address = 41
family = "sd"
[controllers.far]
port = "net"
[controllers.other]
port = "taken"
"""


def test_the_ports_of_the_file_are_made(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        number = free.getsockname()[1]
    file = tmp_path / "rig.toml"
    file.write_text(RIG.format(number=number))
    (tmp_path / "taken").write_text("an adapter")
    (tmp_path / "line2").symlink_to("/dev/pts/99999")  # left by a simulation that was killed
    rig = load_rig(file)
    with ExitStack() as stack:
        ports = {each.name: each for each in simulated_ports(rig)}
        for each in ports.values():
            stack.enter_context(each.bus)
        assert list(ports) == ["line1", "line2", "net", "taken"]
        assert [name for name, each in ports.items() if each.reason] == ["taken"]
        assert ports["line1"].bus.port == str(tmp_path / "line1")
        assert ports["taken"].bus.port.startswith("/dev/")
        manager = stack.enter_context(WatlowManager())
        for name in ("top", "retort", "sd", "far"):
            arguments = rig.open_arguments(name)
            manager.add(name, arguments.pop("port"), **arguments)
        polled = manager.poll(["setpoint"])
        values = {name: result.unwrap()[0].value for name, result in polled.items()}
        unit = polled["top"].value[0].unit
    assert values == {
        "top": pytest.approx((150 - 32) / 1.8, abs=0.1),
        "retort": 200.0,
        "sd": 250.0,
        "far": 300.0,
    }
    assert unit == "°C"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["rig.toml", "taken"]


def test_an_oven_in_celsius_has_the_temperatures_of_one_in_fahrenheit() -> None:
    for make in ({}, {"make": SimulatedSD}):
        in_f = simulated_oven(1, 2, **make)  # type: ignore[arg-type]
        in_c = simulated_oven(1, 2, temperature_unit="C", **make)  # type: ignore[arg-type]
        for parameter in ("setpoint", "process_value"):
            fahrenheit, celsius = in_f.get(parameter), in_c.get(parameter)
            assert isinstance(fahrenheit, float)
            assert celsius == pytest.approx((fahrenheit - 32) / 1.8, abs=0.2)


def test_zones_of_a_gateway_are_simulated_at_their_offsets(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        number = free.getsockname()[1]
    file = tmp_path / "rig.toml"
    file.write_text(
        f"""
[ports.gw]
port = "tcp://localhost:{number}"
timeout = 10
[controllers.top]
port = "gw"
zone = 1
[controllers.retort]
port = "gw"
zone = 4
data_map = 2
[ports.units]
port = "tcp://192.0.2.1"
[controllers.far]
port = "units"
address = 40
"""
    )
    rig = load_rig(file)
    with ExitStack() as stack:
        zones, units = simulated_ports(rig)
        stack.enter_context(zones.bus)
        assert (zones.bus.port, zones.reason) == (f"tcp://127.0.0.1:{number}", "")
        assert units.reason == "which is on another machine"
        assert list(units.bus.controllers) == [40]
        manager = stack.enter_context(WatlowManager())
        for name, controller in zip(("top", "retort"), zones.bus.controllers.values()):
            arguments = rig.open_arguments(name)
            ctl = manager.add(name, arguments.pop("port"), **arguments)
            assert ctl.identify().serial_number == controller.get("serial_number")


def test_a_gateway_on_a_serial_line_has_its_zones(tmp_path: Path) -> None:
    line = tmp_path / "line"
    file = tmp_path / "rig.toml"
    file.write_text(
        f"""
[ports.line]
port = "{line}"
protocol = "modbus_rtu"
timeout = 10
[controllers.alone]
port = "line"
address = 7
[controllers.top]
port = "line"
address = 2
zone = 1
[controllers.retort]
port = "line"
address = 2
zone = 3
offset = 20000
data_map = 2
"""
    )
    rig = load_rig(file)
    (port,) = simulated_ports(rig)
    assert (port.count, list(port.bus.controllers)) == (3, [7])
    with port.bus, WatlowManager.from_file(file) as manager:
        found = manager.poll(["setpoint"])
        assert [each.unwrap()[0].value for each in found.values()] == [150.0, 200.0, 250.0]
        manager.get("retort").set_setpoint(251.0, confirm=True)
        assert [ctl.read_setpoint().value for ctl in map(manager.get, rig.controllers)] == [
            150.0,
            200.0,
            251.0,
        ]
