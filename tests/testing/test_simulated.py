"""A bus for tests: its port, its ovens and its assertions on writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import watlowlib
from watlowlib import ControllerFamily, open_device
from watlowlib.errors import (
    WatlowClosedError,
    WatlowConfigurationError,
    WatlowConnectionError,
    WatlowTimeoutError,
    WatlowUnknownParameterError,
)
from watlowlib.registry.parameters import registry_of
from watlowlib.simulator import SimulatedController, SimulatedSD
from watlowlib.simulator.bus import Simulated
from watlowlib.testing import BusWrite, TestBus
from watlowlib.transport.capture_lines import read_capture

READ_PV = "55ff0510000006e8010301040101e399"
SD: dict[str, Any] = {"protocol": "modbus_rtu", "family": "sd"}


def failure(bus: TestBus, *given: object, **options: object) -> str:
    """Return the message of a failed assertion."""
    with pytest.raises(AssertionError) as caught:
        bus.assert_written(*given, **options)  # type: ignore[arg-type]
    return str(caught.value)


def test_the_port_keeps_its_name_and_is_removed_at_the_end() -> None:
    with watlowlib.testing.bus() as bus, open_device(bus.port, wait_for_port=True) as ctl:
        port = bus.port
        bus.unplug()
        assert bus.port == port
        assert not Path(port).exists()
        with pytest.raises(WatlowConnectionError):
            ctl.read_pv()
        bus.replug()
        with open_device(port) as again:
            assert again.read_setpoint().value == 75.0
    assert not Path(port).parent.exists()
    with pytest.raises(WatlowClosedError):
        _ = bus.port


def test_a_tcp_port_keeps_its_name() -> None:
    with watlowlib.testing.bus(transport="tcp") as bus:
        port = bus.port
        bus.unplug()
        bus.replug()
        assert bus.port == port
        with open_device(port) as ctl:
            assert ctl.read_setpoint().value == 75.0


def test_the_ovens_move_only_by_hand() -> None:
    unit = SimulatedController(1, setpoint=200.0)
    with watlowlib.testing.bus([unit, SimulatedSD(2, setpoint=150.0)]) as bus:
        assert unit.get("pv") == unit.get("pv") == 72.0
        bus.advance(minutes=20)
        assert unit.get("pv") == pytest.approx(200.0, abs=2.0)
        assert bus.controllers[2].get("pv") == pytest.approx(150.0, abs=2.0)


def test_a_long_time_is_simulated_completely() -> None:
    unit = SimulatedController(1, setpoint=100.0)
    unit.set(7017, 10.0)  # the ramp rate
    unit.set(7015, 39)  # an hour
    unit.set(7014, 13)  # at start and at a change of the set point
    with watlowlib.testing.bus([unit]) as bus:
        unit.set("setpoint", 130.0)
        bus.advance(hours=2, minutes=29, seconds=60)
        assert unit.get(7007) == pytest.approx(125.0, abs=0.1)


def test_the_ovens_can_run() -> None:
    unit = SimulatedController(1, setpoint=200.0)
    with watlowlib.testing.bus([unit], speed=1e6):
        while float(unit.get("pv")) < 190.0:  # type: ignore[arg-type]
            pass  # the test's timeout ends it


def test_writes_are_counted_by_value_address_and_instance() -> None:
    units = [SimulatedController(1, loops=2), 2]
    with watlowlib.testing.bus(units) as bus, open_device(bus.port) as one:
        bus.assert_nothing_written()
        one.set_setpoint(80.1, confirm=True)
        one.set_setpoint(90.0, confirm=True)
        one.loop(2).set_setpoint(80.1, confirm=True)
        one.write_parameter("mode", "off", confirm=True)
        bus.assert_written("setpoint")
        bus.assert_written("sp", 80.1, times=2)
        bus.assert_written(7001, 80.1, instance=2, times=1)
        bus.assert_written("setpoint", address=2, times=0)
        bus.assert_written("mode", "Off", times=1)
        assert bus.writes[1] == BusWrite(1, "setpoint", 1, 90.0, None)
        assert failure(bus, "setpoint", 90.0, times=2) == (
            "setpoint = 90 was written once, expected: 2 times; all writes:\n"
            "  setpoint = 80.1 (address 1, instance 1)\n"
            "  setpoint = 90 (address 1, instance 1)\n"
            "  setpoint = 80.1 (address 1, instance 2)\n"
            "  control_mode = 62 (Off) (address 1, instance 1)"
        )
        assert failure(bus, "sp", address=2).startswith(
            "setpoint was written to address 2 0 times, expected: at least once; all writes:\n"
        )
        with pytest.raises(AssertionError, match="expected no write; all writes:\n  setpoint = 80"):
            bus.assert_nothing_written()


@pytest.mark.parametrize(
    ("unit", "options"),
    [(SimulatedController(1, setpoint=80.1), {}), (SimulatedSD(1, setpoint=80.1), SD)],
    ids=["pm", "sd"],
)
def test_a_value_that_was_there_already_is_named(unit: Simulated, options: dict[str, Any]) -> None:
    with watlowlib.testing.bus([unit]) as bus, open_device(bus.port, **options) as ctl:
        ctl.set_setpoint(80.1, confirm=True)
        assert failure(bus, "setpoint", 80.1, times=1) == (
            "setpoint = 80.1 was written 0 times, expected: once; nothing was written\n"
            "The controller has this value, and the library does not write it again."
        )
        assert "has this value" not in failure(bus, "setpoint", 76.0)


def test_writes_to_both_families_are_found_by_one_name() -> None:
    pm = SimulatedController(1, protocol="modbus_rtu")
    with watlowlib.testing.bus([pm, SimulatedSD(2)]) as bus:
        with open_device(bus.port, protocol="modbus_rtu") as ctl:
            ctl.set_setpoint(80.5, confirm=True)
        with open_device(bus.port, address=2, **SD) as sd:
            sd.set_setpoint(80.5, confirm=True)
        bus.assert_written("setpoint", 80.5, times=2)
        bus.assert_written("setpoint", 80.5, address=2, times=1)


def test_a_parameter_of_another_family_has_its_name() -> None:
    unit = SimulatedController(1, family="rmh", protocol="modbus_rtu")
    spec = registry_of(ControllerFamily.RMH).resolve("alarm_source_zone")  # no PM has it
    with watlowlib.testing.bus([unit]) as bus:
        unit.write_wire_value(spec, 1, 2)  # as another program may write it
        bus.assert_written("alarm_source_zone", 2, times=1)


def test_a_label_has_the_code_of_each_family() -> None:
    pm = SimulatedController(1, protocol="modbus_rtu")
    with watlowlib.testing.bus([pm, SimulatedSD(2)]) as bus:
        with open_device(bus.port, address=2, **SD) as sd:
            sd.write_parameter("control_mode", "manual", confirm=True)
        bus.assert_written("control_mode", "manual", times=1)


def test_writes_to_a_replaced_controller_and_the_new_one_count() -> None:
    with watlowlib.testing.bus() as bus, open_device(bus.port) as ctl:
        ctl.set_setpoint(80.0, confirm=True)
        bus.replace(SimulatedController(1))
        ctl.set_setpoint(80.0, confirm=True)
        bus.assert_written("setpoint", 80.0, address=1, times=2)


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        (("setpiont", 1.0), {}, "did you mean 'setpoint'"),
        (("setpoint", 99999.0), {}, "allowed is"),
        (("setpoint",), {"address": 3}, "no controller has this address; there is 1"),
        (("setpoint", 80.0), {"instance": 2}, "setpoint has 1 to 1 on this controller"),
        (("setpoint",), {"times": -1}, "give 0 or a whole number above"),
        (("process_value",), {"times": 0}, None),
    ],
)
def test_an_expectation_that_cannot_be_is_refused(
    given: tuple[object, ...], options: dict[str, object], message: str | None
) -> None:
    with watlowlib.testing.bus() as bus:
        if message is None:
            bus.assert_written(*given, **options)  # type: ignore[arg-type]
            return
        with pytest.raises((WatlowConfigurationError, WatlowUnknownParameterError), match=message):
            bus.assert_written(*given, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"speed": -1.0}, "speed=-1.0: give 0"),
        ({"speed": "fast"}, "speed='fast': give 0"),
        ({"controllers": 3}, "controllers=3: give a list"),
        ({"controllers": "12"}, "controllers='12': give a list"),
        ({"faults": None}, "faults: a bus for tests has its own"),
        ({"link": "x"}, "link: a bus for tests has its own"),
    ],
)
def test_arguments_that_are_not_allowed(options: dict[str, object], message: str) -> None:
    with pytest.raises(WatlowConfigurationError, match=message):
        watlowlib.testing.bus(**options)  # type: ignore[arg-type]


def test_a_late_reply_of_another_bus_is_not_expected(tmp_path: Path) -> None:
    """The system gives a later line the name of the first, whose replies can no longer come."""
    devices: list[Path] = []
    # Other programs take and return names, too.
    while len(set(devices)) == len(devices) < 50:
        number = len(devices)
        wire = tmp_path / f"{number}.jsonl"
        with watlowlib.testing.bus() as bus:
            bus.faults.drop(times=1)
            with open_device(bus.port, retries=0, timeout_s=0.1, capture=wire) as ctl:
                with pytest.raises(WatlowTimeoutError):
                    ctl.read_pv()
            devices.append(Path(bus.port).resolve())
        requests = [line.data for line in read_capture(wire) if line.what == "sent"]
        assert [data.hex() for data in requests] == [READ_PV]
    assert len(set(devices)) < len(devices)


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf"), "5", None])
def test_time_does_not_go_back_or_end(seconds: float) -> None:
    with pytest.raises(WatlowConfigurationError, match="advance by"):
        watlowlib.testing.bus().advance(seconds=seconds)
