"""Controllers on Modbus TCP, behind the simulated server."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.forked import in_child, needs_fork
from tests.two_threads import TIMEOUT_S
from watlowlib import (
    SerialSettings,
    WatlowManager,
    WatlowProcessError,
    find_devices,
    open_device,
)
from watlowlib._internal.clock import Deadline, ManualClock
from watlowlib.devices.controller import Controller
from watlowlib.devices.maintenance import set_address
from watlowlib.errors import (
    WatlowConfigurationError,
    WatlowConnectionError,
    WatlowError,
    WatlowGatewayTargetError,
    WatlowOtherDeviceError,
    WatlowTimeoutError,
)
from watlowlib.model import ProtocolKind, WordOrder
from watlowlib.protocol import port_pool
from watlowlib.protocol.explain import Explainer
from watlowlib.protocol.trace import bytes_of
from watlowlib.simulator import (
    Fault,
    FaultPlan,
    SimulatedBus,
    SimulatedController,
    SimulatedGateway,
)


def pm(unit: int, **options: Any) -> SimulatedController:
    return SimulatedController(1, protocol="modbus_rtu", modbus_address=unit, **options)


@pytest.fixture
def gateway() -> Iterator[SimulatedGateway]:
    other = pm(2, data_map=2, word_order="high_low", setpoint=80.0)
    with SimulatedGateway([pm(1), other], clock=ManualClock()) as running:
        yield running


def test_map_and_word_order_of_each_unit_are_found_out(gateway: SimulatedGateway) -> None:
    with open_device(gateway.port) as one, open_device(gateway.port, address=2) as two:
        assert one.protocol is ProtocolKind.MODBUS_TCP
        assert one.read_setpoint().value == 75.0
        assert two.read_setpoint().value == 80.0
        layouts = [ctl.session.driver.discover_layout() for ctl in (one, two)]
        assert [(each.data_map, each.word_order) for each in layouts] == [
            (1, WordOrder.LOW_HIGH),
            (2, WordOrder.HIGH_LOW),
        ]
        two.set_setpoint(82.5, confirm=True)
        assert gateway.controllers[2].get("setpoint") == 82.5
        assert gateway.controllers[1].get("setpoint") == 75.0


def test_all_controllers_of_a_server_share_a_connection(gateway: SimulatedGateway) -> None:
    upper = gateway.port.replace("tcp", "TCP") + "/"
    with open_device(gateway.port) as one, open_device(upper, address=2) as two:
        assert one.port_stats is two.port_stats
        one.read_pv(), two.read_pv()
    assert gateway.connections == 1
    assert port_pool._ports == []


@pytest.mark.parametrize(
    ("port", "given", "message"),
    [
        ("tcp://gw", {"serial_settings": SerialSettings()}, "a network has no baud rate"),
        ("tcp://gw", {"protocol": "stdbus"}, "tcp:// is a Modbus TCP server; leave the protocol"),
        ("tcp://gw", {"protocol": "modbus_rtu"}, "behind a device server give 'socket://host:port"),
        ("tcp://gw", {"protocol": "auto"}, "leave the protocol out"),
        ("tcp://gw", {"address": 256}, "on modbus_tcp it is from 0 to 255"),
        ("tcp://gw:x", {}, "give tcp://host or tcp://host:port"),
        ("tcp://gw/1", {}, "the unit id is the address"),
        ("socket://gw:502", {"protocol": "modbus_tcp"}, "give the server as 'tcp://host'"),
        ("COM3", {"protocol": "modbus_tcp"}, "give the server as 'tcp://host'"),
    ],
)
def test_what_does_not_go_together_is_refused(
    port: str, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(WatlowConfigurationError, match=message):
        open_device(port, **given)
    assert port_pool._ports == []


def test_settings_of_a_serial_line_are_not_changed(gateway: SimulatedGateway) -> None:
    with open_device(gateway.port) as ctl:
        with pytest.raises(WatlowConfigurationError, match="on the serial line or with"):
            set_address(ctl, 5, confirm=True)
        with pytest.raises(WatlowConfigurationError):
            ctl.write_parameter("standard_bus_address", 5, confirm=True)
    assert gateway.controllers[1].register_writes == []


def test_a_lost_connection_is_opened_again_in_the_same_call(gateway: SimulatedGateway) -> None:
    with open_device(gateway.port) as ctl:
        ctl.identify()
        for count in (1, 2, 3):
            gateway.disconnect()
            assert ctl.read_setpoint().value == 75.0
            assert ctl.port_stats.reconnects == count


def test_a_server_that_closes_idle_connections_costs_no_read() -> None:
    # Longer than a busy machine needs between two requests of one call.
    with SimulatedGateway([1], idle_s=0.3) as gateway, open_device(gateway.port) as ctl:
        for _ in range(2):
            assert ctl.read_setpoint().value == 75.0
            closed, pause = Deadline.after(TIMEOUT_S), threading.Event()
            while gateway._clients:
                assert not closed.passed()
                pause.wait(0.01)


def test_another_controller_after_a_reconnect_is_noticed(gateway: SimulatedGateway) -> None:
    with open_device(gateway.port) as ctl:
        ctl.identify()
        gateway.unplug()
        gateway.controllers[1].set("serial_number", 4711)
        with pytest.raises(WatlowConnectionError, match="refuses connections"):
            ctl.read_pv()
        gateway.replug()
        with pytest.raises(WatlowOtherDeviceError):
            read_when_open(ctl)


def read_when_open(ctl: Controller) -> object:
    """Read again while the back-off lasts."""
    deadline = Deadline.after(TIMEOUT_S)
    while True:
        try:
            return ctl.read_pv()
        except WatlowConnectionError:
            assert not deadline.passed()


def test_a_second_client_of_a_server_for_one_gets_a_clear_error() -> None:
    with SimulatedGateway([1], max_clients=1) as gateway:
        number = int(gateway.port.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", number)):
            with open_device(gateway.port) as ctl:
                with pytest.raises(WatlowConnectionError, match="is another program connected"):
                    ctl.read_pv()
                (sample,) = ctl.poll("pv")
                assert sample.status == "disconnected"


def test_a_controller_that_is_off_is_a_gap_and_offline(gateway: SimulatedGateway) -> None:
    with WatlowManager() as manager:
        for unit in (1, 2):
            manager.add(f"oven{unit}", gateway.port, address=unit)
        poll = manager.prepare("setpoint")
        assert [sample.status for each in poll.reads().values() for sample, _ in each] == ["ok"] * 2
        gateway.power_off(2)
        statuses = [poll.reads()["oven2"][0][0].status for _ in range(3)]
        assert statuses == ["timeout", "offline", "offline"]
        assert poll.reads()["oven1"][0][0].value == 75.0
        with open_device(gateway.port, address=2) as ctl:
            with pytest.raises(WatlowGatewayTargetError):
                ctl.session.driver.ping()


def test_a_request_without_reply_is_no_value_of_a_later_one(gateway: SimulatedGateway) -> None:
    layout: Any = {"data_map": 1, "word_order": "low_high"}
    with open_device(gateway.port, retries=0, timeout_s=0.05, **layout) as ctl:
        gateway.faults.late_s = 0.1
        gateway.faults.next_are(Fault.LATE)
        with pytest.raises(WatlowTimeoutError):
            ctl.read_pv()
        for _ in range(5):
            assert ctl.read_setpoint(timeout=TIMEOUT_S).value == 75.0
        assert ctl.port_stats.late_replies == 1


def test_frames_in_the_log_are_explained(
    gateway: SimulatedGateway, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "watlowlib.wire")
    with open_device(gateway.port, word_order="low_high", data_map=1) as ctl:
        ctl.read_setpoint()
    frames = [bytes_of(record.message) or b"" for record in caplog.records]
    explainer = Explainer()
    found = [each for frame in frames for each in explainer.explain(frame)]
    assert [each.protocol for each in found] == [ProtocolKind.MODBUS_TCP] * len(frames)
    request, reply = found[-2:]
    assert (request.kind, reply.kind) == ("read request", "read reply")
    assert not request.problems and not reply.problems
    assert reply.data == frames[-1]
    names = {match.parameter: match.value for each in reply.fields for match in each.matches
             if match.word_order is WordOrder.LOW_HIGH}  # fmt: skip
    assert names["setpoint"] == 75.0


def test_unit_ids_are_searched(gateway: SimulatedGateway) -> None:
    gateway.controllers[6] = pm(6)  # replies as well, as the same controller
    gateway.controllers[6].set("serial_number", 100_001)
    gateway.controllers[1].set("serial_number", 100_001)
    gateway.controllers |= {0: pm(7), 255: pm(8)}
    gateway.controllers[255].set("serial_number", 100_255)
    gateway.power_off(0)
    probes = find_devices(gateway.port, addresses=[0, 1, 2, 6, 255], timeout_s=TIMEOUT_S)
    assert [(each.address, each.info is not None) for each in probes] == [
        (0, False),
        (1, True),
        (2, True),
        (6, False),
        (255, True),
    ]
    assert "the gateway got no reply" in probes[0].reason
    assert "the controller at 1 replies, to this unit id as well" in probes[3].reason
    assert {(each.protocol, each.baudrate) for each in probes} == {(ProtocolKind.MODBUS_TCP, None)}
    with pytest.raises(WatlowConfigurationError, match="a network has no baud rate"):
        find_devices(gateway.port, baudrates=9600)


def test_modbus_rtu_to_a_modbus_tcp_server_says_what_to_give(gateway: SimulatedGateway) -> None:
    port = "socket" + gateway.port[3:]
    with open_device(port, protocol="modbus_rtu", timeout_s=2.0, retries=0) as ctl:
        with pytest.raises(WatlowError, match=f"give 'tcp{gateway.port[3:]}'"):
            ctl.read_pv()


def test_modbus_tcp_to_a_serial_device_server_says_what_to_give() -> None:
    with SimulatedBus([pm(1)], transport="tcp", baudrate=None) as line:
        port = "tcp" + line.port[6:]
        with open_device(port, timeout_s=0.05, retries=0) as ctl:
            with pytest.raises(WatlowTimeoutError, match=f"serial line, give '{line.port}'"):
                ctl.read_pv()


def test_threads_get_their_own_replies(gateway: SimulatedGateway) -> None:
    wrong: list[float] = []

    def read(ctl: Controller, value: float) -> None:
        wrong.extend(each for _ in range(30) if (each := ctl.read_setpoint().value) != value)

    patient: Any = {"timeout_s": TIMEOUT_S}
    with (
        open_device(gateway.port, **patient) as one,
        open_device(gateway.port, address=2, **patient) as two,
    ):
        threads = [
            threading.Thread(target=read, args=each) for each in [(one, 75.0), (two, 80.0)] * 3
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60.0)
            assert not thread.is_alive()
    assert wrong == []


@needs_fork
def test_a_forked_child_does_not_use_the_connection(gateway: SimulatedGateway) -> None:
    with open_device(gateway.port) as ctl:
        ctl.read_pv()

        def use() -> str:
            try:
                ctl.read_pv()
            except WatlowProcessError:
                ctl.close()
                return "refused"
            return "used"

        assert in_child(use) == "refused"
        assert ctl.read_setpoint().value == 75.0
        assert gateway.connections == 1


def test_no_value_is_wrong_with_faults_of_every_kind() -> None:
    kinds = [each for each in Fault if each not in (Fault.SILENT, Fault.DELAY)]
    plan = FaultPlan(dict.fromkeys(kinds, 0.02), seed=5, late_s=0.03)
    counts = {"ok": 0, "error": 0}
    units = {unit: pm(unit, setpoint=60.0 + unit) for unit in (1, 2)}
    with SimulatedGateway(units.values(), faults=plan, clock=ManualClock()) as gateway:
        with open_device(gateway.port, timeout_s=0.02, word_order="low_high", data_map=1) as one:
            with open_device(
                gateway.port, address=2, timeout_s=0.02, word_order="low_high", data_map=1
            ) as two:
                for n in range(400):
                    ctl, expected = ((one, 61.0), (two, 62.0))[n % 2]
                    try:
                        assert ctl.read_setpoint().value == expected
                        counts["ok"] += 1
                    except WatlowError:
                        counts["error"] += 1
    assert set(plan.happened) == set(kinds)
    assert counts["ok"] > 50
