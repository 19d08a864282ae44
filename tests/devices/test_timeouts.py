"""The timeout of one call."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from watlowlib import (
    Controller,
    ProtocolKind,
    WatlowConfigurationError,
    WatlowModbusTimeoutError,
    WatlowTimeoutError,
    open_device,
)
from watlowlib.simulator import SimulatedBus, SimulatedController

TIMEOUT_S, LONG_S = 0.05, 20.0

CALLS: dict[str, Callable[[Controller], object]] = {
    "read_pv": lambda ctl: ctl.read_pv(timeout=TIMEOUT_S),
    "read_setpoint": lambda ctl: ctl.read_setpoint(timeout=TIMEOUT_S),
    "read_parameter": lambda ctl: ctl.read_parameter("pv", timeout=TIMEOUT_S),
    "write_parameter": lambda ctl: ctl.write_parameter(
        "setpoint", 70.0, confirm=True, timeout=TIMEOUT_S
    ),
    "set_setpoint": lambda ctl: ctl.set_setpoint(70.0, confirm=True, timeout=TIMEOUT_S),
    "identify": lambda ctl: ctl.identify(timeout=TIMEOUT_S),
    "set_persistent_writes": lambda ctl: ctl.set_persistent_writes(
        True, confirm=True, timeout=TIMEOUT_S
    ),
    "loop.read_pv": lambda ctl: ctl.loop(1).read_pv(timeout=TIMEOUT_S),
    "loop.read_setpoint": lambda ctl: ctl.loop(1).read_setpoint(timeout=TIMEOUT_S),
    "loop.set_setpoint": lambda ctl: ctl.loop(1).set_setpoint(
        70.0, confirm=True, timeout=TIMEOUT_S
    ),
    "loop.read_output_power": lambda ctl: ctl.loop(1).read_output_power(timeout=TIMEOUT_S),
    "loop.read_pid": lambda ctl: ctl.loop(1).read_pid(timeout=TIMEOUT_S),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_waits_its_own_timeout_without_retries(bus: SimulatedBus, name: str) -> None:
    with open_device(bus.port, address=9, timeout_s=LONG_S, retries=3) as ctl:
        began_s = time.monotonic()
        with pytest.raises(WatlowTimeoutError):
            CALLS[name](ctl)
        assert time.monotonic() - began_s < LONG_S
        assert ctl.stats.retries == 0


def test_a_timeout_does_not_outlast_its_call(bus: SimulatedBus) -> None:
    with open_device(bus.port, address=9, timeout_s=TIMEOUT_S, retries=1) as ctl:
        with pytest.raises(WatlowTimeoutError):
            ctl.read_pv(timeout=TIMEOUT_S)
        with pytest.raises(WatlowTimeoutError):
            ctl.read_pv()
        assert ctl.stats.retries == 1


def test_a_call_without_a_timeout_keeps_that_of_the_block(bus: SimulatedBus) -> None:
    with open_device(bus.port, address=9, timeout_s=LONG_S, retries=3) as ctl:
        began_s = time.monotonic()
        with ctl.session.timeout(TIMEOUT_S):
            for read in (ctl.read_pv, ctl.read_setpoint, ctl.loop(1).read_output_power):
                with pytest.raises(WatlowTimeoutError):
                    read()
        assert time.monotonic() - began_s < LONG_S
        assert ctl.stats.retries == 0


def test_a_timeout_on_modbus() -> None:
    unit = SimulatedController(1, protocol=ProtocolKind.MODBUS_RTU)
    with SimulatedBus([unit], baudrate=None, turnaround_s=0.0) as bus:
        with open_device(bus.port, protocol="modbus_rtu", timeout_s=LONG_S) as ctl:
            assert ctl.read_setpoint(timeout=LONG_S).value == 75.0
        with open_device(bus.port, protocol="modbus_rtu", address=2, timeout_s=LONG_S) as ctl:
            with pytest.raises(WatlowModbusTimeoutError):
                ctl.read_pv(timeout=TIMEOUT_S)


@pytest.mark.parametrize("timeout", [0.0, -1.0, float("nan"), 3601.0, "1"])
def test_an_invalid_timeout_is_refused(bus: SimulatedBus, timeout: float) -> None:
    with open_device(bus.port) as ctl:
        with pytest.raises(WatlowConfigurationError, match="timeout="):
            ctl.read_pv(timeout=timeout)
        assert ctl.stats.exchanges == 0


def test_poll_checks_the_name_of_the_controller(bus: SimulatedBus) -> None:
    with open_device(bus.port, name="oven") as ctl:
        assert len(ctl.poll("setpoint", names=["oven"])) == 1
        with pytest.raises(WatlowConfigurationError, match="leave names out"):
            ctl.poll("setpoint", names=["other"])
