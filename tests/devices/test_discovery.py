"""Discovery: controllers that are found, and the reason where there is none."""

from __future__ import annotations

import os
import threading
import tty
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from watlowlib import (
    Controller,
    ControllerFamily,
    Probe,
    ProtocolKind,
    SerialSettings,
    WatlowConfigurationError,
    WatlowCRCError,
    WatlowTimeoutError,
    WordOrder,
    find_devices,
    open_device,
)
from watlowlib.protocol import port_pool
from watlowlib.protocol.modbus.frames import RtuFrame
from watlowlib.simulator import Fault, FaultPlan, SimulatedBus, SimulatedController, SimulatedSD
from watlowlib.transport.scripted import ScriptedTransport

# A PM3's reply to a read of 4001, as captured.
PV_REPLY = bytes.fromhex("55FF060010000B8802030104010108451E3CD4A728")
STDBUS, MODBUS, AUTO = ProtocolKind.STDBUS, ProtocolKind.MODBUS_RTU, ProtocolKind.AUTO
SHORT_S = 0.5
"""Enough for a reply on a busy machine; an address without a controller costs this time."""


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def open_bus(stack: ExitStack, *units: object, **options: object) -> SimulatedBus:
    return stack.enter_context(
        SimulatedBus(units, baudrate=None, turnaround_s=0.0, **options)  # type: ignore[arg-type]
    )


def test_every_controller_is_found_and_nothing_is_written(stack: ExitStack) -> None:
    pm = SimulatedController(1)
    slave = SimulatedController(2, protocol=MODBUS, data_map=2, word_order=WordOrder.HIGH_LOW)
    sd = SimulatedSD(3)
    ports = [open_bus(stack, pm).port, open_bus(stack, slave, sd).port]
    probes = find_devices(ports, addresses=range(1, 5), baudrates=9600, timeout_s=SHORT_S)
    # Per port: Standard Bus at its only speed and Modbus at the given one, four addresses each.
    assert [probe.port for probe in probes] == [ports[0]] * 8 + [ports[1]] * 8
    found = {(p.protocol, p.address): p.info for p in probes if p.info is not None}
    assert list(found) == [(STDBUS, 1), (MODBUS, 2), (MODBUS, 3)]
    assert found[STDBUS, 1].serial_number == 200001
    assert (found[MODBUS, 2].data_map, found[MODBUS, 2].word_order) == (2, WordOrder.HIGH_LOW)
    assert found[MODBUS, 3].family is ControllerFamily.SD
    assert all(probe.reason == "" for probe in probes if probe.info)
    assert all("no reply" in probe.reason for probe in probes if not probe.info)
    assert (pm.writes, slave.register_writes, sd.register_writes) == ([], [], [])
    assert port_pool._ports == []


def test_the_reason_depends_on_the_bytes_received(stack: ExitStack) -> None:
    def reason(**options: object) -> str:
        port = open_bus(stack, 1, **options).port
        (probe,) = find_devices(port, protocols=STDBUS, addresses=1, timeout_s=SHORT_S)
        assert probe.info is None
        return probe.reason

    assert "no reply" in reason(faults=FaultPlan({Fault.DROP: 1.0}))
    assert "another baud rate or parity" in reason(garbled=True)
    assert "another baud rate or parity" in reason(faults=FaultPlan({Fault.TRUNCATE: 1.0}))


def test_garbled_bytes_on_modbus_suggest_another_baud_rate(stack: ExitStack) -> None:
    port = open_bus(stack, 1, garbled=True).port
    probes = find_devices(
        port, protocols=MODBUS, baudrates=9600, addresses=range(1, 5), timeout_s=SHORT_S
    )
    assert all("another baud rate or parity" in probe.reason for probe in probes)
    # Random bytes rarely look like a frame.
    assert sum("only damaged frames" in probe.reason for probe in probes) < len(probes)


def test_a_line_that_is_never_quiet_gives_one_result_per_speed(
    stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A pause of the thread below on a busy machine must not count as silence.
    monkeypatch.setattr("watlowlib.protocol.line.GAP_S", 1.0)
    master, slave = os.openpty()
    stack.callback(os.close, slave)
    stack.callback(os.close, master)
    tty.setraw(slave)
    os.set_blocking(master, False)
    stop = threading.Event()

    def chatter() -> None:
        while not stop.wait(0.005):
            with suppress(BlockingIOError):
                os.write(master, b"\x55\xaa")

    thread = threading.Thread(target=chatter)
    stack.callback(thread.join)
    stack.callback(stop.set)
    thread.start()
    probes = find_devices(
        os.ttyname(slave), protocols=MODBUS, baudrates=9600, addresses=range(1, 248)
    )
    assert len(probes) <= 2
    assert probes[-1].address is None
    assert "has not been quiet" in probes[-1].reason


def test_an_echo_without_a_reply_is_reported() -> None:
    for protocol in (STDBUS, MODBUS):
        echo = ScriptedTransport(lambda data: [data[:3], data[3:]])
        with open_device(echo, protocol=protocol, retries=0) as ctl:
            with pytest.raises(WatlowTimeoutError, match="only our own request was received"):
                ctl.session.driver.ping()


def test_damaged_replies_are_reported() -> None:
    for protocol, good in ((STDBUS, PV_REPLY), (MODBUS, RtuFrame(1, b"\x03\x02\x00\x1c").raw)):
        damaged = good[:-3] + bytes((good[-3] ^ 1,)) + good[-2:]
        transport = ScriptedTransport(lambda data, damaged=damaged: [damaged])
        with open_device(transport, protocol=protocol, retries=0) as ctl:
            with pytest.raises(WatlowCRCError, match="only damaged frames"):
                ctl.session.driver.ping()


def test_a_missing_port_gives_one_result(stack: ExitStack) -> None:
    probes = find_devices(["/dev/ttyUSB77", open_bus(stack, 1).port], protocols=STDBUS, addresses=1)
    assert probes[0].address is None
    assert "there is no port" in probes[0].reason
    assert probes[1].info is not None


def test_a_port_open_in_this_process_is_searched(stack: ExitStack) -> None:
    bus = open_bus(stack, 1)
    with open_device(bus.port) as ctl:
        found = find_devices(bus.port, addresses=1, baudrates=9600)
        assert [probe.info is not None for probe in found] == [True, False]
        assert "already open" in found[1].reason
        assert ctl.read_setpoint().value == 75.0


def test_progress_is_called_in_the_thread_of_each_port(stack: ExitStack) -> None:
    ports = [open_bus(stack, 1).port for _ in range(3)]
    calls: list[tuple[Probe, str]] = []
    probes = find_devices(
        ports,
        protocols=STDBUS,
        addresses=1,
        progress=lambda probe: calls.append((probe, threading.current_thread().name)),
    )
    assert {probe for probe, _ in calls} == set(probes)
    assert all(name.startswith("watlowlib-discover-") for _, name in calls)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"addresses": 0}, "from 1 to 247"),
        ({"addresses": [1, 248]}, "from 1 to 247"),
        ({"addresses": []}, "at least one address"),
        ({"protocols": "bacnet"}, "allowed are stdbus, modbus_rtu"),
        ({"protocols": AUTO}, "'stdbus', 'modbus_rtu' or both"),
        ({"baudrates": 9601}, "9601 is none of"),
        ({"timeout_s": 0}, "above 0"),
        ({"parity": "X"}, "parity='X'"),
        ({"ports": 5}, "ports=5"),
    ],
)
def test_invalid_arguments_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(WatlowConfigurationError, match=message):
        find_devices(**({"ports": "/dev/ttyUSB77"} | wrong))  # type: ignore[arg-type]


@pytest.mark.parametrize("protocol", [STDBUS, MODBUS])
def test_auto_finds_the_protocol(stack: ExitStack, protocol: ProtocolKind) -> None:
    unit = SimulatedController(5, protocol=protocol)
    bus = open_bus(stack, unit)
    with open_device(bus.port, protocol=AUTO, address=5, timeout_s=SHORT_S) as ctl:
        assert ctl.protocol is protocol
        assert ctl.read_setpoint().value == 75.0


def test_auto_reports_what_it_tried(stack: ExitStack) -> None:
    bus = open_bus(stack, 1)
    with pytest.raises(
        WatlowTimeoutError, match="tried stdbus: no reply.*; tried modbus_rtu: no re"
    ):
        open_device(bus.port, protocol=AUTO, address=7, timeout_s=SHORT_S, retries=0)
    with pytest.raises(WatlowTimeoutError) as caught:
        open_device(bus.port, protocol=AUTO, address=100, timeout_s=SHORT_S, retries=0)
    assert "stdbus" not in str(caught.value)
    assert port_pool._ports == []


def test_auto_on_an_open_port_uses_its_protocol(stack: ExitStack) -> None:
    units = [SimulatedController(n, protocol=MODBUS) for n in (1, 2)]
    bus = open_bus(stack, *units)

    def open_at(address: int, protocol: ProtocolKind) -> Controller:
        return open_device(bus.port, protocol=protocol, address=address)

    with open_at(1, MODBUS), open_at(2, AUTO) as ctl:
        assert ctl.protocol is MODBUS


def test_auto_uses_the_given_serial_settings(stack: ExitStack) -> None:
    bus = open_bus(stack, SimulatedSD(9))
    with open_device(
        bus.port,
        protocol=AUTO,
        family=ControllerFamily.SD,
        address=9,
        serial_settings=SerialSettings(baudrate=19200),
        timeout_s=SHORT_S,
    ) as ctl:
        assert ctl.read_setpoint().value == 75.0
