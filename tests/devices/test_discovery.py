"""Finding controllers, and what a silent line is said to be."""

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

# A PM3's answer to a read of 4001, as captured.
PV = bytes.fromhex("55FF060010000B8802030104010108451E3CD4A728")
STDBUS, MODBUS, AUTO = ProtocolKind.STDBUS, ProtocolKind.MODBUS_RTU, ProtocolKind.AUTO
SHORT_S = 0.5
"""Who is there answers in that time on a busy machine too; who is not costs it."""


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def simulated(stack: ExitStack, *units: object, **options: object) -> SimulatedBus:
    return stack.enter_context(
        SimulatedBus(units, baudrate=None, turnaround_s=0.0, **options)  # type: ignore[arg-type]
    )


def test_all_that_is_there_is_found_and_nothing_is_written(stack: ExitStack) -> None:
    pm = SimulatedController(1)
    slave = SimulatedController(2, protocol=MODBUS, data_map=2, word_order=WordOrder.HIGH_LOW)
    sd = SimulatedSD(3)
    ports = [simulated(stack, pm).port, simulated(stack, slave, sd).port]
    probes = find_devices(ports, addresses=range(1, 5), baudrates=9600, timeout_s=SHORT_S)
    # Each port: Standard Bus at its one speed and Modbus at the one given, four addresses each.
    assert [probe.port for probe in probes] == [ports[0]] * 8 + [ports[1]] * 8
    found = {(p.protocol, p.address): p.info for p in probes if p.info is not None}
    assert list(found) == [(STDBUS, 1), (MODBUS, 2), (MODBUS, 3)]
    assert found[STDBUS, 1].serial_number == 200001
    assert (found[MODBUS, 2].data_map, found[MODBUS, 2].word_order) == (2, WordOrder.HIGH_LOW)
    assert found[MODBUS, 3].family is ControllerFamily.SD
    assert all(probe.reason == "" for probe in probes if probe.info)
    assert all("nothing came back" in probe.reason for probe in probes if not probe.info)
    assert (pm.writes, slave.register_writes, sd.register_writes) == ([], [], [])
    assert port_pool._ports == []


def test_what_a_silent_line_is_said_to_be(stack: ExitStack) -> None:
    def reason(**options: object) -> str:
        port = simulated(stack, 1, **options).port
        (probe,) = find_devices(port, protocols=STDBUS, addresses=1, timeout_s=SHORT_S)
        assert probe.info is None
        return probe.reason

    assert "nothing came back" in reason(faults=FaultPlan({Fault.DROP: 1.0}))
    assert "another baud rate or parity" in reason(garbled=True)
    assert "another baud rate or parity" in reason(faults=FaultPlan({Fault.TRUNCATE: 1.0}))


def test_a_garbled_line_on_modbus_may_have_another_baud_rate(stack: ExitStack) -> None:
    port = simulated(stack, 1, garbled=True).port
    probes = find_devices(
        port, protocols=MODBUS, baudrates=9600, addresses=range(1, 5), timeout_s=SHORT_S
    )
    assert all("another baud rate or parity" in probe.reason for probe in probes)
    # Hardly any of the random bytes that came look like a frame.
    assert sum("only damaged frames" in probe.reason for probe in probes) < len(probes)


def test_a_line_that_is_never_quiet_is_one_result_a_speed(
    stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However seldom the thread below has its turn, that is no silence.
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


def test_an_adapter_that_hands_on_what_it_sends_is_named() -> None:
    for protocol in (STDBUS, MODBUS):
        echo = ScriptedTransport(lambda data: [data[:3], data[3:]])
        with open_device(echo, protocol=protocol, retries=0) as ctl:
            with pytest.raises(WatlowTimeoutError, match="only our own request came back"):
                ctl.session.driver.ping()


def test_answers_that_are_damaged_are_named() -> None:
    for protocol, good in ((STDBUS, PV), (MODBUS, RtuFrame(1, b"\x03\x02\x00\x1c").raw)):
        spoilt = good[:-3] + bytes((good[-3] ^ 1,)) + good[-2:]
        transport = ScriptedTransport(lambda data, spoilt=spoilt: [spoilt])
        with open_device(transport, protocol=protocol, retries=0) as ctl:
            with pytest.raises(WatlowCRCError, match="only damaged frames"):
                ctl.session.driver.ping()


def test_a_port_that_is_not_there_is_one_result(stack: ExitStack) -> None:
    probes = find_devices(
        ["/dev/ttyUSB77", simulated(stack, 1).port], protocols=STDBUS, addresses=1
    )
    assert probes[0].address is None
    assert "there is no port" in probes[0].reason
    assert probes[1].info is not None


def test_a_port_that_is_in_use_here_is_looked_through_all_the_same(stack: ExitStack) -> None:
    bus = simulated(stack, 1)
    with open_device(bus.port) as ctl:
        found = find_devices(bus.port, addresses=1, baudrates=9600)
        assert [probe.info is not None for probe in found] == [True, False]
        assert "already open" in found[1].reason
        assert ctl.read_setpoint().value == 75.0


def test_progress_is_told_from_each_ports_own_thread(stack: ExitStack) -> None:
    ports = [simulated(stack, 1).port for _ in range(3)]
    told: list[tuple[Probe, str]] = []
    probes = find_devices(
        ports,
        protocols=STDBUS,
        addresses=1,
        progress=lambda probe: told.append((probe, threading.current_thread().name)),
    )
    assert {probe for probe, _ in told} == set(probes)
    assert all(name.startswith("watlowlib-discover-") for _, name in told)


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
def test_what_cannot_be_looked_for(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(WatlowConfigurationError, match=message):
        find_devices(**({"ports": "/dev/ttyUSB77"} | wrong))  # type: ignore[arg-type]


@pytest.mark.parametrize("protocol", [STDBUS, MODBUS])
def test_auto_finds_the_protocol(stack: ExitStack, protocol: ProtocolKind) -> None:
    unit = SimulatedController(5, protocol=protocol)
    bus = simulated(stack, unit)
    with open_device(bus.port, protocol=AUTO, address=5, timeout_s=SHORT_S) as ctl:
        assert ctl.protocol is protocol
        assert ctl.read_setpoint().value == 75.0


def test_auto_says_what_it_tried(stack: ExitStack) -> None:
    bus = simulated(stack, 1)
    with pytest.raises(WatlowTimeoutError, match="tried stdbus: nothing.*; tried modbus_rtu: noth"):
        open_device(bus.port, protocol=AUTO, address=7, timeout_s=SHORT_S, retries=0)
    with pytest.raises(WatlowTimeoutError) as caught:
        open_device(bus.port, protocol=AUTO, address=100, timeout_s=SHORT_S, retries=0)
    assert "stdbus" not in str(caught.value)
    assert port_pool._ports == []


def test_auto_on_a_port_in_use_takes_the_protocol_that_is_spoken(stack: ExitStack) -> None:
    units = [SimulatedController(n, protocol=MODBUS) for n in (1, 2)]
    bus = simulated(stack, *units)

    def opened(address: int, protocol: ProtocolKind) -> Controller:
        return open_device(bus.port, protocol=protocol, address=address)

    with opened(1, MODBUS), opened(2, AUTO) as ctl:
        assert ctl.protocol is MODBUS


def test_auto_at_the_given_speed(stack: ExitStack) -> None:
    bus = simulated(stack, SimulatedSD(9))
    with open_device(
        bus.port,
        protocol=AUTO,
        family=ControllerFamily.SD,
        address=9,
        serial_settings=SerialSettings(baudrate=19200),
        timeout_s=SHORT_S,
    ) as ctl:
        assert ctl.read_setpoint().value == 75.0
