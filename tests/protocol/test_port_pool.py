"""Promise 3: one port, one client, whatever the port was called and whoever asks."""

from __future__ import annotations

import gc
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest
import serial

from watlowlib._internal.clock import Deadline
from watlowlib.devices.controller import Controller
from watlowlib.devices.factory import open_device
from watlowlib.errors import (
    WatlowClosedError,
    WatlowConfigurationError,
    WatlowPortNotFoundError,
    WatlowTimeoutError,
)
from watlowlib.model import ProtocolKind, SerialSettings
from watlowlib.protocol import port_pool
from watlowlib.protocol.port_pool import port_key, take_lease
from watlowlib.simulator import SimulatedBus


def test_two_names_of_a_port_are_one_port(bus: SimulatedBus, tmp_path: Path) -> None:
    by_id = tmp_path / "usb-FTDI_RS485-if00"
    by_id.symlink_to(bus.port)
    with open_device(bus.port, address=1) as one, open_device(str(by_id), address=2) as two:
        assert one.session.port_key == two.session.port_key
        assert one.port_stats is two.port_stats
        assert one.read_pv().address == 1
        assert two.read_pv().address == 2


def back_again(ctl: Controller) -> None:
    late = Deadline.after(10.0)
    while ctl.poll("pv")[0].status != "ok":
        assert not late.passed()


def test_a_link_that_leads_elsewhere_is_the_same_port(tmp_path: Path) -> None:
    link = tmp_path / "usb-FTDI_RS485-if00"
    with SimulatedBus([1, 2], baudrate=None, link=link) as line:
        with open_device(link, address=1) as one:
            line.unplug()
            line.replug(elsewhere=True)
            back_again(one)
            with open_device(link, address=2) as two:
                assert two.port_stats is one.port_stats
                assert two.read_pv().address == 2
            # And by the name that it has now.
            with open_device(link.readlink(), address=2) as two:
                assert two.port_stats is one.port_stats


@dataclass
class Listed:
    device: str
    serial_number: str
    vid: int = 0x0403
    pid: int = 0x6001
    location: str = "1-1.4"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names are not handed out anew")
def test_the_old_name_of_an_adapter_that_has_moved_is_not_its_own(
    bus: SimulatedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: list[Listed] = []
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: listed)
    with SimulatedBus([1], baudrate=None) as other:
        other.controllers[1].set("setpoint", 222.0)
        listed[:] = [Listed(bus.port, "MINE"), Listed(other.port, "ANOTHER")]
        with open_device(bus.port) as mine:
            assert mine.read_setpoint().value == 75.0
            # Both were pulled out, and put back in the other order.
            mine.session.port.line.transport.close()
            listed[:] = [Listed(bus.port, "ANOTHER"), Listed(other.port, "MINE")]
            back_again(mine)
            assert mine.read_setpoint().value == 222.0
            with open_device(bus.port) as newcomer, open_device(other.port) as same:
                assert newcomer.stats is not mine.stats
                assert newcomer.read_setpoint().value == 75.0
                assert same.stats is mine.stats


def test_the_last_one_closes_it(bus: SimulatedBus) -> None:
    one, two = open_device(bus.port, address=1), open_device(bus.port, address=2)
    one.close()
    one.close()
    assert two.read_setpoint().value == 75.0
    with pytest.raises(WatlowClosedError):
        one.read_pv()
    two.close()
    with serial.Serial(bus.port, exclusive=True):
        pass


def test_a_controller_nobody_holds_gives_its_port_back(bus: SimulatedBus) -> None:
    open_device(bus.port, address=1)
    gc.collect()
    slower = SerialSettings(baudrate=9600)
    with open_device(bus.port, address=1, serial_settings=slower) as ctl:
        assert ctl.read_setpoint().value == 75.0


def test_a_port_that_is_being_closed_is_waited_for(bus: SimulatedBus) -> None:
    asked = threading.Event()
    bus.faults.portions = lambda *_: asked.set() or []  # type: ignore[assignment, func-returns-value]
    slow = open_device(bus.port, timeout_s=0.3, retries=0)

    def read_in_vain() -> None:
        with pytest.raises(WatlowTimeoutError):
            slow.read_pv()

    reader = threading.Thread(target=read_in_vain)
    reader.start()
    assert asked.wait(10)
    # The exchange is on the line: closing waits for it, opening again waits for that.
    closer = threading.Thread(target=slow.close)
    closer.start()
    del bus.faults.portions
    while not slow.closed:
        pass
    with open_device(bus.port) as again:
        assert again.read_setpoint().value == 75.0
    reader.join(10)
    closer.join(10)


def test_a_second_interruption_leaves_no_port_open(bus: SimulatedBus) -> None:
    ctl = open_device(bus.port)
    port = ctl.session.port

    def interrupted(*args: object, **options: object) -> bool:
        raise KeyboardInterrupt

    port._lock.acquire = interrupted  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        ctl.close()
    assert not port.line.transport.is_open
    with open_device(bus.port) as again:
        assert again.read_setpoint().value == 75.0


def test_those_who_share_agree(bus: SimulatedBus) -> None:
    with (
        open_device(bus.port),
        pytest.raises(WatlowConfigurationError, match="already open with serial settings"),
    ):
        open_device(bus.port, address=2, serial_settings=SerialSettings(baudrate=9600))
    with (
        open_device(bus.port),
        pytest.raises(WatlowConfigurationError, match="already open with protocol stdbus"),
    ):
        take_lease(bus.port, SerialSettings(), ProtocolKind.MODBUS_RTU)


def test_a_port_that_cannot_be_opened_is_not_kept() -> None:
    with pytest.raises(WatlowPortNotFoundError):
        open_device("/dev/ttyUSB77")
    assert port_pool._ports == []


def test_port_names_on_windows() -> None:
    assert port_key("com3", windows=True) == port_key(r"\\.\COM3", windows=True) == "COM3"


def test_a_url_is_itself() -> None:
    assert port_key("socket://localhost:4001") == "socket://localhost:4001"
