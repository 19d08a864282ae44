"""Another controller behind the same port and address: none of its values is used."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from watlowlib import Controller, WatlowOtherDeviceError, open_device
from watlowlib.errors import (
    WatlowConfigurationError,
    WatlowConnectionError,
    WatlowDeviceError,
    WatlowError,
    WatlowTimeoutError,
)
from watlowlib.model import ProtocolKind, WordOrder
from watlowlib.protocol.exchange import WriteOptions
from watlowlib.protocol.line import PortReopenedError
from watlowlib.protocol.stdbus.payloads import ErrorReply
from watlowlib.simulator import (
    Fault,
    SimulatedBus,
    SimulatedController,
    SimulatedGateway,
    SimulatedSD,
)

MODBUS = ProtocolKind.MODBUS_RTU
OLD, NEW = 200001, 300005


def make_unit(setpoint: float, serial: int | None = None, **options: object) -> SimulatedController:
    unit = SimulatedController(1, setpoint=setpoint, **options)  # type: ignore[arg-type]
    if serial is not None:
        unit.set("serial_number", serial)
    return unit


@pytest.fixture
def unit() -> SimulatedController:
    return make_unit(100.0)


@pytest.fixture
def other() -> SimulatedController:
    return make_unit(300.0, NEW)


@pytest.fixture
def bus(unit: SimulatedController) -> Iterator[SimulatedBus]:
    with SimulatedBus([unit, 2], baudrate=None, turnaround_s=0.0, transport="tcp") as running:
        yield running


@pytest.fixture
def known(bus: SimulatedBus) -> Iterator[Controller]:
    """A controller whose identity has been read."""
    with open_device(bus.port, timeout_s=0.2) as ctl:
        assert ctl.identify().serial_number == OLD
        yield ctl


def reconnect(bus: SimulatedBus, ctl: Controller, new: object = None) -> None:
    """Unplug the port, replace the controller by `new`, and plug the port in again."""
    bus.unplug()
    with pytest.raises(WatlowConnectionError):
        ctl.session.driver.ping()
    if new is not None:
        bus.replace(new)  # type: ignore[arg-type]
    bus.replug()
    ctl.session.port.open()  # at once, without the back-off


def test_no_read_returns_a_value_of_another_controller(
    bus: SimulatedBus, known: Controller, other: SimulatedController
) -> None:
    assert known.read_setpoint().value == 100.0
    reconnect(bus, known, other)
    calls: list[Callable[[], object]] = [
        known.read_setpoint,
        known.read_pv,
        known.loop(1).read_setpoint,
        known.identify,
        lambda: known.wait_until(300.0, 1.0, 5.0),
    ]
    for call in calls:
        with pytest.raises(WatlowOtherDeviceError) as caught:
            call()
    error = caught.value
    assert (error.expected, error.found) == (f"serial number {OLD}", f"serial number {NEW}")
    assert "accept_replacement()" in str(error)
    assert (error.context.address, error.context.port) == (1, bus.port)
    samples = known.poll(["setpoint", "process_value"])
    assert [(each.value, each.status) for each in samples] == [(None, "other_device")] * 2


def test_nothing_is_written_to_another_controller(
    bus: SimulatedBus, known: Controller, other: SimulatedController
) -> None:
    reconnect(bus, known, other)
    for force in (False, True):
        with pytest.raises(WatlowOtherDeviceError):
            known.set_setpoint(120.0, confirm=True, force=force)
        with pytest.raises(WatlowOtherDeviceError):
            known.write_parameter("alarm_silence_request", "Silence", force=force)
    assert (other.writes, known.eeprom_writes) == ([], 0)


def test_identify_notices_a_swap_without_an_interruption(
    bus: SimulatedBus, known: Controller, other: SimulatedController
) -> None:
    bus.replace(other)
    assert known.read_setpoint().value == 300.0  # the limit of the check
    with pytest.raises(WatlowOtherDeviceError):
        known.identify()
    with pytest.raises(WatlowOtherDeviceError):
        known.read_setpoint()


@pytest.mark.parametrize("protocol", [ProtocolKind.STDBUS, MODBUS])
@pytest.mark.parametrize("write", [False, True])
def test_a_request_that_opens_the_port_itself_is_not_sent_to_another_controller(
    protocol: ProtocolKind, write: bool
) -> None:
    """The check before the request sees no interruption: the request itself opens the port."""
    units = [make_unit(setpoint, serial, protocol=protocol) for setpoint, serial in
             ((100.0, OLD), (300.0, NEW))]  # fmt: skip
    with SimulatedBus(units[:1], baudrate=None, turnaround_s=0.0, transport="tcp") as bus, \
            open_device(bus.port, protocol=protocol) as known:  # fmt: skip
        known.identify()
        assert known.read_setpoint().value == 100.0
        bus.unplug()
        with pytest.raises(WatlowConnectionError):
            known.session.driver.ping()
        bus.replace(units[1])
        bus.replug()
        known.session.port.line._backoff.succeeded()
        assert known.port_stats.reconnects == 0
        with pytest.raises(WatlowOtherDeviceError):
            if write:
                known.write_parameter("setpoint", 150.0, confirm=True, force=True)
            else:
                known.read_setpoint()
        assert known.port_stats.reconnects == 1
        assert (units[1].writes, units[1].register_writes) == ([], [])


@pytest.mark.parametrize("protocol", ["modbus_rtu", "modbus_tcp"])
def test_a_request_that_is_not_sent_after_a_loss_names_its_cause(protocol: str) -> None:
    with ExitStack() as stack:
        lost: SimulatedBus | SimulatedGateway
        if protocol == "modbus_tcp":
            lost = SimulatedGateway([1])
        else:
            units = [make_unit(100.0, OLD, protocol=MODBUS)]
            lost = SimulatedBus(units, baudrate=None, turnaround_s=0.0, transport="tcp")
        port = stack.enter_context(lost).port
        ctl = stack.enter_context(open_device(port, protocol=protocol))
        driver = ctl.session.driver
        driver.ping()
        lost.unplug()
        if protocol == "modbus_rtu":  # over TCP the next request connects again within its call
            with pytest.raises(WatlowConnectionError):
                driver.ping()
        lost.replug()
        ctl.session.port.line._backoff.succeeded()
        driver.send_in(0)
        with pytest.raises(PortReopenedError, match=r"again after it was lost \(the .* was lost: "):
            driver.ping()
        assert ctl.port_stats.reconnects == 1


def test_the_same_controller_continues_after_a_reconnect_at_the_cost_of_one_exchange(
    bus: SimulatedBus, known: Controller
) -> None:
    assert known.read_setpoint().value == 100.0
    reconnect(bus, known)
    before = known.stats.exchanges
    for _ in range(3):
        assert known.read_setpoint().value == 100.0
    assert known.stats.exchanges == before + 1 + 3
    bus.unplug()
    with pytest.raises(WatlowConnectionError):
        known.read_setpoint()
    bus.replug()
    known.session.port.line._backoff.succeeded()
    before = known.stats.exchanges
    assert known.read_setpoint().value == 100.0  # this read opens the port
    assert known.stats.exchanges == before + 2
    assert known.stats.late_replies == 0
    reconnect(bus, known)
    assert known.set_setpoint(110.0, confirm=True).value == 110.0


def test_the_old_controller_continues_when_it_is_back(
    bus: SimulatedBus, unit: SimulatedController, known: Controller, other: SimulatedController
) -> None:
    reconnect(bus, known, other)
    with pytest.raises(WatlowOtherDeviceError):
        known.read_setpoint()
    bus.replace(unit)
    assert known.read_setpoint().value == 100.0


def test_accept_replacement_continues_with_the_new_controller(
    bus: SimulatedBus, known: Controller, other: SimulatedController
) -> None:
    assert known.set_setpoint(101.0, confirm=True).value == 101.0
    reconnect(bus, known, other)
    with pytest.raises(WatlowOtherDeviceError):
        known.read_setpoint()
    info = known.accept_replacement()
    assert info.serial_number == NEW
    assert known.eeprom_writes == 0
    assert known.read_setpoint().value == 300.0
    assert known.set_setpoint(310.0, confirm=True).value == 310.0
    reconnect(bus, known)
    assert known.read_setpoint().value == 310.0
    reconnect(bus, known, make_unit(100.0))
    with pytest.raises(
        WatlowOtherDeviceError, match=f"expected serial number {NEW}, found .*{OLD}"
    ):
        known.read_setpoint()


def test_accept_replacement_without_a_reply_accepts_nothing(
    bus: SimulatedBus, known: Controller, other: SimulatedController
) -> None:
    reconnect(bus, known, other)
    bus.power_off(1)
    with pytest.raises(WatlowTimeoutError):
        known.accept_replacement()
    bus.power_on(1)
    with pytest.raises(WatlowOtherDeviceError):
        known.read_setpoint()


def test_a_controller_that_is_opened_again_accepts_the_new_one(
    bus: SimulatedBus, known: Controller, other: SimulatedController
) -> None:
    reconnect(bus, known, other)
    with pytest.raises(WatlowOtherDeviceError):
        known.read_setpoint()
    with open_device(bus.port) as again:
        assert again.read_setpoint().value == 300.0
    with pytest.raises(WatlowOtherDeviceError):
        known.read_setpoint()


def test_two_controllers_at_one_address_are_checked_and_accepted_separately(
    bus: SimulatedBus, known: Controller, other: SimulatedController
) -> None:
    with open_device(bus.port) as second:
        second.identify()
        reconnect(bus, known, other)
        for each in (known, second):
            with pytest.raises(WatlowOtherDeviceError):
                each.read_setpoint()
        known.accept_replacement()
        assert known.read_setpoint().value == 300.0
        with pytest.raises(WatlowOtherDeviceError):
            second.read_setpoint()


def test_nothing_is_believed_until_the_identity_is_read(
    bus: SimulatedBus, known: Controller, other: SimulatedController
) -> None:
    reconnect(bus, known, other)
    bus.faults.next_are(Fault.DROP, Fault.DROP)
    with pytest.raises(WatlowTimeoutError):
        known.read_setpoint()
    bus.faults.next_are(Fault.DROP, Fault.DROP)
    assert [each.status for each in known.poll(["setpoint", "pv"])] == ["timeout"] * 2
    assert [each.status for each in known.poll(["setpoint", "pv"])] == ["other_device"] * 2


def test_an_identity_that_cannot_be_read_again_is_one_warning(
    bus: SimulatedBus, known: Controller, caplog: pytest.LogCaptureFixture
) -> None:
    def warnings() -> int:
        return caplog.text.count("its identity could not be read after an interruption")

    for outage in range(2):
        reconnect(bus, known)
        counts = []
        for _ in range(4):
            bus.faults.next_are(Fault.DROP, Fault.DROP)
            assert known.poll("sp")[0].status == "timeout"
            counts.append(warnings())
        assert counts == [outage, outage, outage + 1, outage + 1]
        assert known.read_setpoint().value == 100.0


def test_a_controller_that_was_off_is_checked_too(
    bus: SimulatedBus, known: Controller, other: SimulatedController
) -> None:
    bus.power_off(1)
    with pytest.raises(WatlowTimeoutError):
        known.read_setpoint()
    bus.power_on(1)
    before = known.stats.exchanges
    assert known.read_setpoint().value == 100.0
    assert known.stats.exchanges == before + 2
    bus.power_off(1)
    with pytest.raises(WatlowTimeoutError):
        known.read_setpoint()
    bus.replace(other)
    with pytest.raises(WatlowOtherDeviceError):
        known.read_setpoint()


def test_a_controller_without_a_serial_number_is_known_by_its_part_number(
    bus: SimulatedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_serial_number(monkeypatch)
    with open_device(bus.port) as ctl:
        assert ctl.identify().serial_number is None
        reconnect(bus, ctl)
        assert ctl.read_setpoint().value == 100.0
        reconnect(bus, ctl, make_unit(300.0, cooling=True))
        with pytest.raises(WatlowOtherDeviceError, match="part number PM3R1CA-AAAAAAA, found part"):
            ctl.read_setpoint()


def test_a_controller_with_neither_number_is_not_checked(
    bus: SimulatedBus, unit: SimulatedController, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_serial_number(monkeypatch)
    unit.set("part_number", "")
    with open_device(bus.port) as ctl:
        ctl.identify()
        poll = ctl.prepare("setpoint")
        assert [each.value for each in poll()] == [100.0]
        reconnect(bus, ctl, make_unit(300.0, NEW))
        before = ctl.stats.exchanges
        assert [each.value for each in poll()] == [300.0]
        assert ctl.stats.exchanges == before + 1


def without_serial_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every simulated controller refuse reads of the serial number."""
    answer = SimulatedController.reply_to

    def refuse(unit: SimulatedController, request: object) -> object:
        if request[:2] == (1, 7):  # type: ignore[index]
            request = request._replace(member_id=99)  # type: ignore[attr-defined]
        return answer(unit, request)  # type: ignore[arg-type]

    monkeypatch.setattr(SimulatedController, "reply_to", refuse)


def test_a_replacement_without_a_serial_number_is_another_controller(
    bus: SimulatedBus, known: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_serial_number(monkeypatch)
    reconnect(bus, known, make_unit(300.0))
    with pytest.raises(WatlowOtherDeviceError, match="found part number PM3"):
        known.read_setpoint()


def test_the_part_number_and_the_limits_of_a_replaced_controller_are_forgotten(
    bus: SimulatedBus, unit: SimulatedController
) -> None:
    """Also where no identity is known, and so no replacement is noticed."""
    unit.set("setpoint_maximum", 150.0)
    with open_device(bus.port) as ctl:
        for _ in range(2):
            with pytest.raises(WatlowConfigurationError, match="limits"):
                ctl.set_setpoint(200.0, confirm=True)
            with pytest.raises(WatlowError, match="no cooling output"):
                ctl.read_parameter("cool_power")
            with pytest.raises(WatlowConfigurationError, match="this unit has 1"):
                ctl.loop(2)
        new = make_unit(100.0, cooling=True, loops=2)
        reconnect(bus, ctl, new)
        assert ctl.set_setpoint(200.0, confirm=True).value == 200.0
        assert ctl.read_parameter("cool_power").value == 0.0
        reconnect(bus, ctl, unit)
        reconnect(bus, ctl, new)
        assert ctl.loop(2).number == 2


# Over Modbus


def modbus_unit(setpoint: float, serial: int, **options: object) -> SimulatedController:
    return make_unit(setpoint, serial, protocol=MODBUS, **options)


def test_over_modbus_the_new_controller_s_layout_is_discovered() -> None:
    unit = modbus_unit(100.0, OLD, registers_per_read=2)
    new = modbus_unit(300.0, NEW, data_map=2, word_order=WordOrder.HIGH_LOW)
    targets = ["setpoint", "process_value", "input_error"]
    with SimulatedBus([unit], baudrate=None, turnaround_s=0.0, transport="tcp") as bus, \
            open_device(bus.port, protocol=MODBUS) as ctl:  # fmt: skip
        ctl.identify()
        assert {each.status for each in ctl.poll(targets)} == {"ok"}
        driver = ctl.session.driver
        learnt = driver.planner.limit  # type: ignore[attr-defined]
        assert learnt == 2
        reconnect(bus, ctl, new)
        for _ in range(2):
            assert {each.status for each in ctl.poll(targets)} == {"other_device"}
        with pytest.raises(WatlowOtherDeviceError):
            ctl.set_setpoint(120.0, confirm=True)
        info = ctl.accept_replacement()
        assert (info.serial_number, info.data_map) == (NEW, 2)
        assert info.word_order is WordOrder.HIGH_LOW
        assert driver.planner.limit == 32  # type: ignore[attr-defined]
        assert ctl.poll(targets)[0].value == 300.0
        assert ctl.set_setpoint(310.0, confirm=True).value == 310.0
        assert unit.register_writes == []


def test_over_modbus_the_old_controller_keeps_its_own_layout() -> None:
    """The maps differ and the word orders do not: the serial number is readable in both."""
    unit, other = modbus_unit(100.0, OLD), modbus_unit(300.0, NEW, data_map=2)
    with SimulatedBus([unit], baudrate=None, turnaround_s=0.0, transport="tcp") as bus, \
            open_device(bus.port, protocol=MODBUS) as ctl:  # fmt: skip
        ctl.identify()
        reconnect(bus, ctl, other)
        with pytest.raises(WatlowOtherDeviceError):
            ctl.read_setpoint()
        before = ctl.stats.exchanges
        with pytest.raises(WatlowOtherDeviceError):
            ctl.read_setpoint()
        assert ctl.stats.exchanges == before + 1
        bus.replace(unit)
        assert ctl.read_setpoint().value == 100.0


def test_a_replaced_series_sd_is_noticed() -> None:
    new = SimulatedSD(1, setpoint=300.0)
    new.set("serial_number_high", 7)
    with SimulatedBus([SimulatedSD(1, setpoint=100.0)], baudrate=None, transport="tcp") as bus, \
            open_device(bus.port, protocol=MODBUS, family="sd") as ctl:  # fmt: skip
        assert ctl.identify().serial_number == 200001
        reconnect(bus, ctl, new)
        found = 7 * 65536 + 0x0D41
        with pytest.raises(WatlowOtherDeviceError, match=f"found serial number {found}"):
            ctl.read_setpoint()
        with pytest.raises(WatlowOtherDeviceError):
            ctl.set_setpoint(120.0, confirm=True)
        assert new.writes == []
        assert ctl.accept_replacement().serial_number == found
        assert ctl.read_setpoint().value == 300.0


def test_an_uncertain_word_order_at_the_return_confirms_nothing() -> None:
    unit, other = modbus_unit(100.0, OLD), modbus_unit(300.0, NEW)
    other.set("hardware_id", 0)
    with SimulatedBus([unit], baudrate=None, turnaround_s=0.0, transport="tcp") as bus, \
            open_device(bus.port, protocol=MODBUS) as ctl:  # fmt: skip
        ctl.identify()
        reconnect(bus, ctl, other)
        assert [each.status for each in ctl.poll(["input_error"])] == ["uncertain"]


def test_the_assembly_of_a_new_controller_is_left_as_it_is() -> None:
    unit, new = modbus_unit(100.0, OLD), modbus_unit(300.0, NEW)
    with SimulatedBus([unit], baudrate=None, turnaround_s=0.0, transport="tcp") as bus, \
            open_device(bus.port, protocol=MODBUS) as ctl:  # fmt: skip
        ctl.identify()
        with pytest.raises(WatlowOtherDeviceError), ctl.assembly(["pv", "sp"], confirm=True):
            reconnect(bus, ctl, new)
        bus.replace(unit)
        ctl.read_setpoint()
        with ctl.assembly(["pv", "sp"], confirm=True):
            reconnect(bus, ctl, new)
            ctl.accept_replacement()
            assert ctl.poll("sp")[0].value == 300.0
        assert new.register_writes == []


def test_a_timeout_of_a_block_write_forgets_the_layout() -> None:
    unit = modbus_unit(100.0, OLD)
    with SimulatedBus([unit], baudrate=None, turnaround_s=0.0) as bus, \
            open_device(bus.port, protocol=MODBUS, timeout_s=0.1, retries=0) as ctl:  # fmt: skip
        assert ctl.read_setpoint().value == 100.0
        driver = ctl.session.driver
        assert driver.known_layout.data_map == 1  # type: ignore[attr-defined]
        bus.power_off(1)
        with pytest.raises(WatlowTimeoutError):
            driver.write_block(40, [360, 361], WriteOptions())  # type: ignore[attr-defined]
        assert driver.known_layout.data_map is None  # type: ignore[attr-defined]


@pytest.mark.skipif(os.name == "nt", reason="no ptys")
def test_a_link_that_moves_to_another_line_is_noticed(tmp_path: Path) -> None:
    link = tmp_path / "usb-FTDI_RS485-if00"
    quick = {"baudrate": None, "turnaround_s": 0.0}
    with SimulatedBus([make_unit(100.0)], **quick) as first, \
            SimulatedBus([make_unit(300.0, NEW)], **quick) as second:  # type: ignore[arg-type]  # fmt: skip
        link.symlink_to(first.port)
        with open_device(link) as ctl:
            ctl.identify()
            link.unlink()
            link.symlink_to(second.port)
            first.unplug()
            with suppress(WatlowConnectionError):
                ctl.read_setpoint()
            for _ in range(2):
                with pytest.raises(WatlowOtherDeviceError):
                    ctl.read_setpoint()
            assert ctl.port_stats.reconnects == 1


# Replies that do not tell the identity


@pytest.mark.parametrize("code", [0x85, 0x90])
def test_an_error_that_does_not_mean_absence_is_no_other_controller(
    bus: SimulatedBus, known: Controller, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """For example the Modbus exceptions 06 (busy) and 11 (a gateway got no reply)."""
    reconnect(bus, known)
    with monkeypatch.context() as patch:
        refuse_serial_number(patch, code)
        with pytest.raises(WatlowDeviceError):
            known.read_setpoint()
    assert known.read_setpoint().value == 100.0


def test_a_first_error_that_does_not_mean_absence_leaves_the_check_on(
    bus: SimulatedBus, other: SimulatedController, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_device(bus.port) as ctl:
        poll = ctl.prepare("setpoint")
        with monkeypatch.context() as patch:
            refuse_serial_number(patch, 0x85)
            assert [each.status for each in poll()] == ["device_error"]
        assert [each.value for each in poll()] == [100.0]
        reconnect(bus, ctl, other)
        assert [each.status for each in poll()] == ["other_device"]


def refuse_serial_number(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    answer = SimulatedController.reply_to

    def refuse(unit: SimulatedController, request: object) -> object:
        return ErrorReply(code) if request[:2] == (1, 7) else answer(unit, request)  # type: ignore[index, arg-type]

    monkeypatch.setattr(SimulatedController, "reply_to", refuse)


def test_the_serial_number_0_does_not_identify_a_controller(
    bus: SimulatedBus, unit: SimulatedController
) -> None:
    unit.set("serial_number", 0)
    with open_device(bus.port) as ctl:
        assert ctl.identify().serial_number == 0
        reconnect(bus, ctl)
        assert ctl.read_setpoint().value == 100.0
        reconnect(bus, ctl, make_unit(300.0, 0, cooling=True))
        with pytest.raises(WatlowOtherDeviceError, match="part number PM3R1CA-AAAAAAA, found part"):
            ctl.read_setpoint()


def test_accept_replacement_raises_an_error_however_often_reading_failed_before(
    bus: SimulatedBus, unit: SimulatedController, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_device(bus.port, timeout_s=0.1, retries=0) as ctl:
        poll = ctl.prepare(["setpoint", "process_value"])
        for _ in range(3):
            bus.faults.next_are(Fault.DROP)
            assert [each.status for each in poll()] == ["timeout", "ok"]
        poll()
        assert ctl.session.identity.known
        bus.faults.next_are(Fault.DROP)
        with pytest.raises(WatlowTimeoutError):
            ctl.accept_replacement()
        assert ctl.session.identity.known
