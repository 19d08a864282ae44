"""Reads of objects and registers by their numbers."""

from __future__ import annotations

import pytest

from watlowlib import (
    Controller,
    WatlowConfigurationError,
    WatlowNoSuchAttributeError,
    WatlowNoSuchRegisterError,
    open_device,
)
from watlowlib.devices.raw import read_object, read_registers
from watlowlib.protocol.stdbus.frames import REPLY, Frame, encode_frame
from watlowlib.protocol.stdbus.payloads import Tag
from watlowlib.simulator import SimulatedBus, SimulatedController
from watlowlib.transport.scripted import ScriptedTransport


def test_an_object_has_its_value_and_bytes(ctl: Controller) -> None:
    found = read_object(ctl, 7, 1)
    assert (found.value, found.tag, found.data) == (75.0, Tag.FLOAT, b"\x42\x96\x00\x00")
    assert found.frame.startswith(b"\x55\xff\x06\x00\x10")


def test_an_object_that_the_controller_does_not_have_is_refused(ctl: Controller) -> None:
    with pytest.raises(WatlowNoSuchAttributeError):
        read_object(ctl, 4, 99)


def test_a_value_of_an_unknown_type_has_its_bytes() -> None:
    payload = bytes.fromhex("02 03 01 04 01 01 7E AB CD")
    transport = ScriptedTransport(lambda request: [encode_frame(Frame(REPLY, 0, 0x10, payload))])
    with open_device(transport) as ctl:
        found = read_object(ctl, 4, 1)
    assert (found.tag, found.data, found.value) == (0x7E, b"\xab\xcd", None)


def test_registers_are_read_as_they_are() -> None:
    unit = SimulatedController(1, protocol="modbus_rtu", modbus_address=40)
    with SimulatedBus([unit], baudrate=None) as bus:
        with open_device(bus.port, protocol="modbus_rtu", address=40) as ctl:
            assert read_registers(ctl, 2160, 2) == (0x0000, 0x4296)
            with pytest.raises(WatlowNoSuchRegisterError):
                read_registers(ctl, 65000)
            with pytest.raises(WatlowConfigurationError, match="need protocol='stdbus'"):
                read_object(ctl, 4, 1)


@pytest.mark.parametrize("numbers", [(256, 1, 1), (4, -1, 1), (4, 1, 256)])
def test_an_object_out_of_range_is_refused(numbers: tuple[int, int, int], ctl: Controller) -> None:
    with pytest.raises(WatlowConfigurationError, match="give 0 to 255"):
        read_object(ctl, *numbers)


@pytest.mark.parametrize(("register", "count"), [(-1, 1), (65536, 1), (65535, 2), (0, 126), (0, 0)])
def test_registers_out_of_range_are_refused(register: int, count: int, ctl: Controller) -> None:
    with pytest.raises(WatlowConfigurationError, match="give"):
        read_registers(ctl, register, count)


def test_registers_of_standard_bus_are_refused(ctl: Controller) -> None:
    with pytest.raises(WatlowConfigurationError, match="need protocol='modbus_rtu'"):
        read_registers(ctl, 360)
