"""The log of the frames on the wire."""

from __future__ import annotations

import logging
import re

import pytest

from watlowlib import Controller, WatlowTimeoutError, open_device
from watlowlib.protocol import trace
from watlowlib.simulator import SimulatedBus, SimulatedController


@pytest.fixture
def frames(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, "watlowlib.wire")
    return caplog


def test_each_frame_is_logged_with_port_address_and_time(
    ctl: Controller, bus: SimulatedBus, frames: pytest.LogCaptureFixture
) -> None:
    ctl.read_pv()
    sent, received = frames.messages
    assert sent == f"{bus.port} address 1 sent 55 ff 05 10 00 00 06 e8 01 03 01 04 01 01 e3 99"
    pattern = r" address 1 received 55 ff 06 00 10 00 0b 88 02 03 01 04 01 01 08( [0-9a-f]{2}){6}"
    assert re.fullmatch(re.escape(bus.port) + pattern + r" after \d+\.\d ms", received)


def test_modbus_frames_are_logged(frames: pytest.LogCaptureFixture) -> None:
    unit = SimulatedController(1, protocol="modbus_rtu", modbus_address=40)
    with SimulatedBus([unit], baudrate=None) as bus:
        with open_device(bus.port, protocol="modbus_rtu", address=40) as ctl:
            ctl.read_parameter("hardware_id")
    assert " address 40 sent 28 03 " in frames.messages[0]
    assert " address 40 received 28 03 " in frames.messages[1]


def test_a_missing_reply_is_logged(bus: SimulatedBus, frames: pytest.LogCaptureFixture) -> None:
    bus.power_off(1)
    with open_device(bus.port, timeout_s=0.01, retries=0) as ctl:
        with pytest.raises(WatlowTimeoutError):
            ctl.read_pv()
    assert re.search(r" address 1 no reply after \d+\.\d ms: nothing$", frames.messages[1])


def test_no_frame_is_logged_above_debug(ctl: Controller, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "watlowlib.wire")
    ctl.read_pv()
    assert caplog.messages == []


def test_the_lines_of_the_log_are_read_back(frames: pytest.LogCaptureFixture) -> None:
    for call in (
        lambda: trace.sent("/dev/ttyUSB0", 1, b"\x55\xff"),
        lambda: trace.received("/dev/ttyUSB0", 1, b"\x55\xff", 0.0),
        lambda: trace.unusable("/dev/ttyUSB0", 1, b"\x55\xff", 0.0),
    ):
        call()
        assert trace.bytes_of(frames.messages[-1]) == b"\x55\xff"
    trace.unusable("/dev/ttyUSB0", 1, b"", 0.0)
    assert trace.bytes_of(frames.messages[-1]) == b""
    assert trace.bytes_of("opened /dev/ttyUSB0") is None
