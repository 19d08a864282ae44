"""Controllers behind a gateway: registers of zones, and zones that are off."""

from __future__ import annotations

import math
from collections.abc import Iterator
from threading import Event
from typing import Any

import pytest

from watlowlib import WatlowManager, find_devices, open_device, record
from watlowlib._internal.clock import ManualClock
from watlowlib.devices.zones import make_zone
from watlowlib.errors import (
    WatlowAbsentError,
    WatlowConfigurationError,
    WatlowError,
    WatlowModbusTimeoutError,
    WatlowOtherDeviceError,
    WatlowUncertainError,
)
from watlowlib.model import WordOrder
from watlowlib.protocol import port_pool
from watlowlib.simulator import (
    Fault,
    SimulatedBus,
    SimulatedController,
    SimulatedGateway,
    SimulatedZones,
)

OFFSET = 20_000
"""That of zone 3, which is set apart."""


def pm(number: int, **options: Any) -> SimulatedController:
    return SimulatedController(1, protocol="modbus_rtu", modbus_address=number, **options)


def gateway_with(dead: str = "exception") -> SimulatedGateway:
    zones = [
        pm(1, setpoint=70.0),
        pm(2, setpoint=80.0, data_map=2, word_order="high_low"),
        pm(3, setpoint=90.0),
    ]
    return SimulatedGateway(
        zones, gateway_offset=5000, offsets={3: OFFSET}, dead=dead, clock=ManualClock()
    )


@pytest.fixture
def gateway() -> Iterator[SimulatedGateway]:
    with gateway_with() as running:
        yield running


@pytest.fixture
def fleet(gateway: SimulatedGateway) -> Iterator[WatlowManager]:
    with WatlowManager() as manager:
        add_zones(manager, gateway.port)
        yield manager


def add_zones(manager: WatlowManager, port: str, **options: Any) -> None:
    manager.add("one", port, zone=1, **options)
    manager.add("two", port, zone=2, **options)
    manager.add("three", port, zone=3, offset=OFFSET, **options)


def test_each_zone_is_read_and_written_at_its_offset(
    fleet: WatlowManager, gateway: SimulatedGateway
) -> None:
    assert [fleet.get(name).read_setpoint().value for name in fleet.names] == [70.0, 80.0, 90.0]
    layouts = [fleet.get(name).session.driver.discover_layout() for name in fleet.names]
    assert [(each.data_map, each.word_order) for each in layouts] == [
        (1, WordOrder.LOW_HIGH),
        (2, WordOrder.HIGH_LOW),
        (1, WordOrder.LOW_HIGH),
    ]
    fleet.get("two").set_setpoint(81.0, confirm=True)
    assert [gateway.controllers[n].get("setpoint") for n in (1, 2, 3)] == [70.0, 81.0, 90.0]
    assert [write.register for write in gateway.controllers[2].register_writes] == [2640]
    assert gateway.connections == 1


@pytest.mark.parametrize(
    ("given", "name"), [({"zone": 2}, "zone2"), ({"offset": 5000}, "offset5000")]
)
def test_a_zone_without_a_name_is_called_by_what_was_given(
    gateway: SimulatedGateway, given: dict[str, int], name: str
) -> None:
    with open_device(gateway.port, **given) as ctl:  # type: ignore[arg-type]
        assert ctl.name == f"{name}@{gateway.port}"


def test_a_fleet_is_polled_with_the_names_of_its_zones(fleet: WatlowManager) -> None:
    found = fleet.poll(["process_value", "setpoint"])
    values = {name: [each.value for each in result.value or ()] for name, result in found.items()}
    assert [values[name][1] for name in ("one", "two", "three")] == [70.0, 80.0, 90.0]
    assert {each.status for result in found.values() for each in result.value or ()} == {"ok"}


@pytest.mark.parametrize(
    ("given", "registers"),
    [
        ((1, 5000, None), range(5000)),
        ((3, 5000, None), range(10_000, 15_000)),
        ((13, 5000, None), range(60_000, 65_000)),
        ((16, 4096, None), range(61_440, 65_536)),
        ((2, 4000, 7), range(7, 4007)),
        ((None, 5000, 5000), range(5000, 10_000)),
    ],
)
def test_the_registers_of_a_zone(
    given: tuple[int | None, int, int | None], registers: range
) -> None:
    zone = make_zone(*given)
    assert zone is not None
    assert zone.registers == registers


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"zone": 0}, "zone=0: give 1 to 16"),
        ({"zone": 17}, "zone=17: give 1 to 16"),
        ({"zone": 14}, "registers 65000 to 69999 exceed 65535; the gateway has room for 13 zones"),
        ({"zone": 1, "offset": 60_537}, "registers 60537 to 65536 exceed 65535"),
        ({"zone": 1, "offset": -1}, "offset=-1: give 0 to 65535"),
        ({"zone": 1, "gateway_offset": 0}, "gateway_offset=0: give 1 to 65535"),
        ({"zone": 1, "family": "sd"}, "a gateway has zones of EZ-ZONE controllers only"),
    ],
)
def test_a_zone_that_cannot_be_is_refused(
    gateway: SimulatedGateway, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(WatlowConfigurationError, match=message):
        open_device(gateway.port, **given)
    assert port_pool._ports == []


def test_a_zone_on_standard_bus_is_refused() -> None:
    with pytest.raises(WatlowConfigurationError, match="a gateway is a Modbus device; give 'tcp:"):
        open_device("/dev/ttyUSB77", zone=2)


def test_zones_that_overlap_are_refused(gateway: SimulatedGateway) -> None:
    with open_device(gateway.port, zone=2):
        with pytest.raises(WatlowConfigurationError, match="7000 to 11999 overlap .* 5000 to 9999"):
            open_device(gateway.port, offset=7000)
        open_device(gateway.port, offset=7000, address=2).close()  # another gateway
        open_device(gateway.port, zone=2).close()  # the same
    with open_device(gateway.port, zone=1):
        open_device(gateway.port, zone=2).close()
        open_device(gateway.port, offset=7000).close()


def test_a_controller_without_a_zone_is_refused_beside_zones(gateway: SimulatedGateway) -> None:
    # Its registers may be those of the zones: 5000 in data map 2 is a profile step.
    with open_device(gateway.port, zone=2):
        with pytest.raises(WatlowConfigurationError, match="give each controller of a gateway"):
            open_device(gateway.port)
        with pytest.raises(WatlowConfigurationError, match="give each controller of a gateway"):
            open_device(gateway.port, family="sd")
        with open_device(gateway.port, address=2) as unit:  # another one of the server
            serial_number = unit.identify().serial_number
        first, second = find_devices(gateway.port, addresses=[1, 2])
        assert "give each controller of a gateway its zone" in first.reason
        assert second.info is not None
        assert second.info.serial_number == serial_number
    with open_device(gateway.port):
        for zone in (1, 2):
            with pytest.raises(WatlowConfigurationError, match=r"9 overlap .* 0 to 65535; give"):
                open_device(gateway.port, zone=zone)


def test_a_zone_is_added_once(fleet: WatlowManager, gateway: SimulatedGateway) -> None:
    with pytest.raises(WatlowConfigurationError, match="already added as 'two'"):
        fleet.add("again", gateway.port, offset=5000)


def test_a_read_that_crosses_into_another_zone_is_refused(gateway: SimulatedGateway) -> None:
    layout: Any = {"data_map": 1, "word_order": "low_high"}
    with open_device(gateway.port, zone=1, gateway_offset=2000, **layout) as ctl:
        assert ctl.read_pv().value is not None
        sent = ctl.stats.exchanges
        with pytest.raises(WatlowConfigurationError, match="2160 to 2161 are not within zone 1"):
            ctl.read_setpoint()
        with pytest.raises(WatlowConfigurationError, match="zone 1, which has 0 to 1999"):
            ctl.session.driver.read_block(1999, 2)  # type: ignore[attr-defined]
        with pytest.raises(WatlowConfigurationError):
            record(ctl, parameters=["pv", "setpoint"], rate_hz=1.0).__enter__()
        assert ctl.stats.exchanges == sent


def test_the_identity_of_a_zone_is_read_before_its_first_write(gateway: SimulatedGateway) -> None:
    with open_device(gateway.port, zone=2) as ctl:
        ctl.set_setpoint(85.0, confirm=True)
        assert ctl.session.identity.known
        assert ctl.session.identity.known.serial_number == gateway.controllers[2].get(
            "serial_number"
        )


def test_no_write_is_sent_while_the_identity_cannot_be_read(gateway: SimulatedGateway) -> None:
    with open_device(gateway.port, zone=2, data_map=2, word_order="high_low", retries=0) as ctl:
        gateway.faults.next_are(Fault.NO_TARGET)
        with pytest.raises(WatlowModbusTimeoutError):
            ctl.set_setpoint(85.0, confirm=True)
    assert gateway.controllers[2].register_writes == []


def test_another_controller_in_a_zone_is_noticed(gateway: SimulatedGateway) -> None:
    with open_device(gateway.port, zone=2) as ctl:
        ctl.read_pv()
        gateway.power_off(2)
        for _ in range(2):
            with pytest.raises(WatlowError):
                ctl.read_pv()
        gateway.controllers[2].set("serial_number", 4711)
        gateway.power_on(2)
        with pytest.raises(WatlowOtherDeviceError):
            ctl.set_setpoint(85.0, confirm=True)
    assert gateway.controllers[2].register_writes == []


STATUSES = {
    "exception": "timeout",
    "failure": "device_failure",
    "silence": "timeout",
    "stale": "timeout",
}


@pytest.mark.parametrize("dead", STATUSES)
@pytest.mark.parametrize("parameters", [["process_value", "setpoint"], ["setpoint"]])
def test_a_zone_that_is_off_gives_gaps_and_no_values(dead: str, parameters: list[str]) -> None:
    with gateway_with(dead) as gateway, WatlowManager() as manager:
        add_zones(manager, gateway.port, timeout_s=0.05 if dead == "silence" else 10.0)
        poll = manager.prepare(parameters)
        for zone, name in enumerate(manager.names, 1):
            # After a short timeout a zone may be offline for a while.
            while any(sample.value is None for sample, _ in poll.reads()[name]):
                pass
            gateway.power_off(zone)
            found = [[sample for sample, _ in poll.reads()[name]] for _ in range(4)]
            assert {sample.value for each in found for sample in each} == {None}
            assert found[0][0].status == STATUSES[dead]
            assert "offline" in {each[0].status for each in found}
            ctl = manager.get(name)
            with pytest.raises(WatlowError):
                ctl.read_pv()
            gateway.power_on(zone)


@pytest.mark.parametrize("dead", ["exception", "failure", "stale"])
def test_the_error_of_a_zone_that_is_off_names_the_zone(dead: str) -> None:
    with gateway_with(dead) as gateway, WatlowManager() as manager:
        add_zones(manager, gateway.port)
        three = manager.get("three")
        three.read_pv()
        gateway.power_off(3)
        with pytest.raises(WatlowError, match=r"^zone 3 at offset 20000: [^:]* replied"):
            three.read_pv()
        with pytest.raises(WatlowError, match=r"^zone 3 at offset 20000: [^:]* replied"):
            three.set_setpoint(60.0, confirm=True)
        assert manager.get("one").read_pv().value is not None


def test_a_silent_zone_is_named_by_what_was_given() -> None:
    with gateway_with("silence") as gateway:
        gateway.power_off(3)
        with (
            open_device(gateway.port, offset=OFFSET, timeout_s=0.05) as ctl,
            pytest.raises(WatlowModbusTimeoutError, match="^the zone at 20000: no reply"),
        ):
            ctl.read_pv()


def test_the_last_value_of_a_zone_that_is_off_confirms_no_write() -> None:
    with gateway_with("stale") as gateway, open_device(gateway.port, zone=1) as ctl:
        ctl.write_parameter("alarm_high_setpoint", 60.0, confirm=True)
        # The value is stored: it is read, and not written.
        assert ctl.write_parameter("alarm_high_setpoint", 60.0, confirm=True).value == 60.0
        gateway.power_off(1)
        with pytest.raises(WatlowModbusTimeoutError):
            ctl.write_parameter("alarm_high_setpoint", 60.0, confirm=True)


def test_values_without_a_valid_input_error_are_not_believed(gateway: SimulatedGateway) -> None:
    with open_device(gateway.port, zone=2) as ctl:
        gateway.controllers[2].set("input_error", 0)
        with pytest.raises(WatlowAbsentError, match="input error of zone 2 is 0, which is none of"):
            ctl.read_setpoint()
        samples = ctl.poll(["process_value", "setpoint"])
        assert [(each.value, each.status) for each in samples] == [(None, "absent")] * 2
        gateway.controllers[2].set("input_error", 65)  # open: the controller itself says so
        assert ctl.read_setpoint().value == 80.0


def test_a_zone_in_which_a_controller_appears_later_is_read_and_identified(
    gateway: SimulatedGateway,
) -> None:
    later = gateway.controllers.pop(2)
    with open_device(gateway.port, zone=2) as ctl:
        for _ in range(4):
            with pytest.raises(WatlowUncertainError, match="zone 2: no controller is recognized"):
                ctl.read_setpoint()
        gateway.controllers[2] = later
        assert ctl.read_setpoint().value == 80.0
        assert str(ctl.session.identity.known) == "serial number 200001"


def test_a_parameter_that_fails_keeps_its_own_error(gateway: SimulatedGateway) -> None:
    with open_device(gateway.port, zone=1) as ctl:
        found = ctl.poll(["setpoint", "process_value"], instances=(1, 2))
        statuses = {(each.parameter, each.instance): each.status for each in found}
        assert statuses["setpoint", 1] == statuses["process_value", 1] == "ok"
        assert statuses["setpoint", 2] == "no_such_register"


def test_a_stopped_poll_keeps_the_values_that_were_read_before_an_error_was_seen(
    gateway: SimulatedGateway,
) -> None:
    stop = Event()
    stop.set()
    with open_device(gateway.port, zone=1) as ctl:
        poll = ctl.prepare(["process_value", "setpoint"], instances=(1, 2))
        found = {(each.parameter, each.instance): each.status for each in poll(stop)}
    assert found["process_value", 1] == found["setpoint", 1] == "ok"
    assert found["setpoint", 2] == "no_such_register"


def test_a_gap_for_an_unusable_value_of_a_zone_has_the_time_of_its_reply(
    gateway: SimulatedGateway,
) -> None:
    unit = gateway.controllers[1]
    assert isinstance(unit, SimulatedController)
    unit.set("setpoint", math.nan)
    with open_device(gateway.port, zone=1) as ctl:
        found = {
            (each.parameter, each.instance): each
            for each in ctl.poll(["setpoint", "setpoint_minimum"], instances=(1, 2))
        }
    absent, value = found["setpoint", 1], found["setpoint_minimum", 1]
    statuses = absent.status, value.status, found["setpoint", 2].status
    assert statuses == ("absent", "ok", "no_such_register")
    assert absent.latency_s == value.latency_s


def test_the_assembly_is_refused(gateway: SimulatedGateway) -> None:
    with open_device(gateway.port, zone=1) as ctl:
        with pytest.raises(WatlowConfigurationError, match="leave assembly out"):
            with record(ctl, parameters=["pv"], rate_hz=1.0, assembly=True, confirm=True):
                pass


def test_a_gateway_on_modbus_rtu_has_zones_as_well() -> None:
    zones = SimulatedZones([pm(1, setpoint=70.0), pm(2, setpoint=80.0)], address=9, dead="stale")
    options: Any = {"protocol": "modbus_rtu", "address": 9, "timeout_s": 10.0}
    with SimulatedBus([zones, pm(3)], baudrate=None, turnaround_s=0.0) as line:
        with WatlowManager() as manager:
            manager.add("one", line.port, zone=1, **options)
            two = manager.add("two", line.port, zone=2, **options)
            other = manager.add("other", line.port, **{**options, "address": 3})
            assert other.read_setpoint().value == 75.0
            two.set_setpoint(81.0, confirm=True)
            found = manager.poll(["setpoint"], names=["one", "two"])
            assert [each.unwrap()[0].value for each in found.values()] == [70.0, 81.0]
            zones.off.add(2)
            with pytest.raises(WatlowModbusTimeoutError):
                two.read_setpoint()
            assert manager.get("one").read_setpoint().value == 70.0
        third = open_device(line.port, zone=3, **options)
        with third, pytest.raises(WatlowError):
            third.read_setpoint()


def test_a_register_that_only_one_data_map_has_outside_the_zone_needs_the_map() -> None:
    # The set point is at 2160 in data map 1 and at 2640 in data map 2.
    with SimulatedGateway([pm(1, setpoint=90.0)], gateway_offset=2500) as gateway:
        options: Any = {"zone": 1, "gateway_offset": 2500, "timeout_s": 10.0}
        with open_device(gateway.port, **options) as ctl:
            with pytest.raises(WatlowConfigurationError, match="2640 to 2641 .* or data_map="):
                ctl.read_setpoint()
        with open_device(gateway.port, data_map=1, **options) as ctl:
            assert ctl.read_setpoint().value == 90.0


def test_an_st_behind_a_gateway_has_registers_in_data_map_1() -> None:
    # Those of its first input and loop are those of a PM; the second input is at 360 + 160.
    with SimulatedGateway([pm(1), pm(2, setpoint=80.0)], gateway_offset=8000) as gateway:
        options: Any = {"zone": 2, "gateway_offset": 8000, "family": "st", "timeout_s": 10.0}
        with open_device(gateway.port, data_map=1, word_order="low_high", **options) as ctl:
            assert ctl.read_setpoint().value == 80.0
            ctl.set_setpoint(81.0, confirm=True)
            assert ctl.registry.resolve("process_value").register(2, 1) == 520
        assert [each.get("setpoint") for each in gateway.controllers.values()] == [75.0, 81.0]
        unknown = open_device(gateway.port, **options)
        with unknown, pytest.raises(WatlowUncertainError, match="family='st', or give data_map=1"):
            unknown.read_setpoint()


def test_an_offset_of_the_gateway_without_a_zone_is_refused() -> None:
    with pytest.raises(WatlowConfigurationError, match="gateway_offset=4000 without a zone"):
        open_device("tcp://gateway.invalid", gateway_offset=4000)


def test_zones_of_other_families_have_their_own_registers() -> None:
    modules = [
        pm(1, family="rmc", setpoint=70.0),
        pm(2, family="rmh", setpoint=80.0),
        pm(3, family="st", data_map=2),
    ]
    with SimulatedGateway(modules, gateway_offset=8000, clock=ManualClock()) as gateway:
        for zone, family in enumerate(("rmc", "rmh", "st"), 1):
            # Where their word order is set is not known.
            options: Any = {"family": family, "word_order": "low_high"}
            with open_device(gateway.port, zone=zone, gateway_offset=8000, **options) as ctl:
                assert ctl.read_pv().value == pytest.approx(
                    gateway.controllers[zone].get("process_value"), abs=1e-3
                )
                gateway.power_off(zone)
                with pytest.raises(WatlowError):
                    ctl.read_pv()


def test_a_zone_is_read_in_smaller_parts_than_a_unit(gateway: SimulatedGateway) -> None:
    # A gateway may need 10 ms for each two registers: 84 would take longer than the timeout.
    with open_device(gateway.port, zone=1) as zone:
        assert zone.session.driver.planner.limit == 32
    with open_device(gateway.port) as unit:
        assert unit.session.driver.planner.limit == 84
