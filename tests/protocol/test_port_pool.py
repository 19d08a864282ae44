"""Promise 3: one client per port, for all names and users of the port."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import serial

from tests.two_threads import TIMEOUT_S, Meeting, run_in_two_threads
from watlowlib._internal.clock import Deadline
from watlowlib.devices.controller import Controller
from watlowlib.devices.factory import open_device
from watlowlib.errors import (
    WatlowClosedError,
    WatlowConfigurationError,
    WatlowPortNotFoundError,
    WatlowTimeoutError,
)
from watlowlib.model import ProtocolKind
from watlowlib.protocol import port_pool
from watlowlib.protocol.port_pool import Lease, acquire_lease, port_key
from watlowlib.simulator import SimulatedBus
from watlowlib.transport.settings import SerialSettings


def test_two_names_of_a_port_share_it(bus: SimulatedBus, tmp_path: Path) -> None:
    by_id = tmp_path / "usb-FTDI_RS485-if00"
    by_id.symlink_to(bus.port)
    with open_device(bus.port, address=1) as one, open_device(str(by_id), address=2) as two:
        assert one.session.port is two.session.port
        assert one.port_stats is two.port_stats
        assert one.read_pv().address == 1
        assert two.read_pv().address == 2


def wait_until_ok(ctl: Controller) -> None:
    deadline = Deadline.after(10.0)
    while ctl.poll("pv")[0].status != "ok":
        assert not deadline.passed()


def test_retargeted_link_is_the_same_port(tmp_path: Path) -> None:
    link = tmp_path / "usb-FTDI_RS485-if00"
    with SimulatedBus([1, 2], baudrate=None, link=link) as line:
        with open_device(link, address=1) as one:
            line.unplug()
            line.replug(elsewhere=True)
            wait_until_ok(one)
            with open_device(link, address=2) as two:
                assert two.port_stats is one.port_stats
                assert two.read_pv().address == 2
            # And by its current name.
            with open_device(link.readlink(), address=2) as two:
                assert two.port_stats is one.port_stats


def test_the_key_of_a_port_is_resolved_once_for_each_opening(
    bus: SimulatedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolved: list[str] = []

    def resolve(name: str) -> str:
        resolved.append(name)
        return port_key(name)

    monkeypatch.setattr(port_pool, "port_key", resolve)
    with open_device(bus.port) as ctl:
        keys = {ctl.session.port_key for _ in range(10)}
        assert keys == {port_key(bus.port)}
        once = len(resolved)
        assert ctl.session.port_key in keys
        assert len(resolved) == once
        ctl.session.port.line.transport.close()  # lost: its name may lead elsewhere now
        assert ctl.session.port_key in keys
        assert len(resolved) == once + 1
        wait_until_ok(ctl)
        assert [ctl.session.port_key for _ in range(3)] == [port_key(bus.port)] * 3
        assert len(resolved) == once + 2


def test_a_lost_port_behind_a_link_has_the_name_of_no_other(tmp_path: Path) -> None:
    link = tmp_path / "usb-FTDI_RS485-if00"
    with SimulatedBus([1], baudrate=None, link=link) as line, open_device(link) as ctl:
        device = str(link.readlink())
        assert ctl.session.port_key == device
        line.unplug()
        ctl.poll("pv")
        assert ctl.session.port_key == str(link)


def test_a_link_to_a_new_device_of_an_unplugged_port_is_the_same_port(tmp_path: Path) -> None:
    link = tmp_path / "line"
    with SimulatedBus([1, 2], baudrate=None, link=link) as line, open_device(link) as ctl:
        line.unplug()
        line.replug(elsewhere=True)
        # Nothing was read since then, so the loss was not noticed.
        with open_device(link, address=2) as second:
            assert second.session.port is ctl.session.port


def test_a_link_that_is_changed_while_its_port_is_open_is_another_port(tmp_path: Path) -> None:
    link = tmp_path / "line"
    with SimulatedBus([1], baudrate=None) as one, SimulatedBus([1], baudrate=None) as other:
        link.symlink_to(one.port)
        with open_device(link) as ctl:
            link.unlink()
            link.symlink_to(other.port)
            with open_device(link) as second:
                assert second.session.port is not ctl.session.port


linux = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="device names do not change"
)


@dataclass
class PortEntry:
    device: str
    serial_number: str
    vid: int = 0x0403
    pid: int = 0x6001
    location: str = "1-1.4"


@linux
def test_old_name_of_a_moved_adapter_is_another_port(
    bus: SimulatedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: list[PortEntry] = []
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: listed)
    with SimulatedBus([1], baudrate=None) as other:
        other.controllers[1].set("setpoint", 222.0)
        listed[:] = [PortEntry(bus.port, "MINE"), PortEntry(other.port, "ANOTHER")]
        with open_device(bus.port) as mine:
            assert mine.read_setpoint().value == 75.0
            # Both were unplugged and replugged in the other order.
            mine.session.port.line.transport.close()
            listed[:] = [PortEntry(bus.port, "ANOTHER"), PortEntry(other.port, "MINE")]
            wait_until_ok(mine)
            assert mine.read_setpoint().value == 222.0
            with open_device(bus.port) as newcomer, open_device(other.port) as same:
                assert newcomer.stats is not mine.stats
                assert newcomer.read_setpoint().value == 75.0
                assert same.stats is mine.stats


@linux
def test_old_name_of_an_unplugged_adapter_is_another_port(
    bus: SimulatedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = [PortEntry(bus.port, "MINE")]
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: listed)
    with SimulatedBus([1], baudrate=None) as other, open_device(bus.port) as mine:
        other.controllers[1].set("setpoint", 222.0)
        # Another adapter appears under its name before anything was read at its new one.
        mine.session.port.line.transport.close()
        listed[:] = [PortEntry(bus.port, "ANOTHER"), PortEntry(other.port, "MINE")]
        with open_device(bus.port) as newcomer:
            assert newcomer.session.port is not mine.session.port
            assert newcomer.read_setpoint().value == 75.0
        wait_until_ok(mine)
        assert mine.read_setpoint().value == 222.0


@linux
def test_new_name_of_an_adapter_is_the_same_port(
    bus: SimulatedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = [PortEntry(bus.port, "MINE")]
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: listed)
    with SimulatedBus([2], baudrate=None) as other, open_device(bus.port) as mine:
        # Nothing was read since it was plugged in again.
        mine.session.port.line.transport.close()
        listed[:] = [PortEntry(other.port, "MINE")]
        with open_device(other.port, address=2) as second:
            assert second.session.port is mine.session.port
            assert second.read_setpoint().value == 75.0


def test_last_lease_closes_the_port(bus: SimulatedBus) -> None:
    one, two = open_device(bus.port, address=1), open_device(bus.port, address=2)
    one.close()
    one.close()
    assert two.read_setpoint().value == 75.0
    with pytest.raises(WatlowClosedError):
        one.read_pv()
    two.close()
    with serial.Serial(bus.port, exclusive=True):
        pass


def test_garbage_collected_controller_frees_its_port(bus: SimulatedBus) -> None:
    open_device(bus.port, address=1)
    gc.collect()
    slower = SerialSettings(baudrate=9600)
    with open_device(bus.port, address=1, serial_settings=slower) as ctl:
        assert ctl.read_setpoint().value == 75.0


def test_opening_waits_for_a_port_that_is_being_closed(bus: SimulatedBus) -> None:
    request_sent = threading.Event()
    bus.faults.portions = lambda *_: request_sent.set() or []  # type: ignore[assignment, func-returns-value]
    slow = open_device(bus.port, timeout_s=0.3, retries=0)

    def read_and_time_out() -> None:
        with pytest.raises(WatlowTimeoutError):
            slow.read_pv()

    reader = threading.Thread(target=read_and_time_out)
    reader.start()
    assert request_sent.wait(10)
    # Closing waits for the exchange in progress; opening waits for closing.
    closer = threading.Thread(target=slow.close)
    closer.start()
    del bus.faults.portions
    while not slow.closed:
        pass
    with open_device(bus.port) as again:
        assert again.read_setpoint().value == 75.0
    reader.join(10)
    closer.join(10)


def test_interrupted_close_closes_the_port(bus: SimulatedBus) -> None:
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


def test_users_of_a_port_must_agree_on_settings(bus: SimulatedBus) -> None:
    with (
        open_device(bus.port),
        pytest.raises(
            WatlowConfigurationError,
            match="already open with baudrate 38400, so it cannot use 9600;",
        ),
    ):
        open_device(bus.port, address=2, serial_settings=SerialSettings("COM9", baudrate=9600))
    with (
        open_device(bus.port),
        pytest.raises(WatlowConfigurationError, match="already open with protocol stdbus"),
    ):
        acquire_lease(bus.port, SerialSettings(), ProtocolKind.MODBUS_RTU)


def test_failed_opening_leaves_no_port() -> None:
    with pytest.raises(WatlowPortNotFoundError):
        open_device("/dev/ttyUSB77")
    assert port_pool._ports == []


def test_port_names_on_windows() -> None:
    assert port_key("com3", windows=True) == port_key(r"\\.\COM3", windows=True) == "COM3"


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("socket://localhost:4001", "socket://localhost:4001"),
        ("Socket://LOCALHOST:4001/", "socket://localhost:4001"),
        ("socket://[::1]:4001", "socket://[::1]:4001"),
        ("socket://[0:0:0:0:0:0:0:1]:4001", "socket://[::1]:4001"),
        ("rfc2217://[FE80::1%25eth0]:4001?timeout=3", "rfc2217://[fe80::1%eth0]:4001?timeout=3"),
        ("socket://[::1:4001", "socket://[::1:4001"),  # no URL: opening it is an error
        ("socket://host:x", "socket://host:x"),
        ("alt:///dev/ttyUSB0?class=X", "alt:///dev/ttyUSB0?class=X"),
    ],
)
def test_spellings_of_one_url_are_one_port(name: str, key: str) -> None:
    assert port_key(name) == key


def test_a_lease_given_back_by_two_threads_at_once_counts_once(bus: SimulatedBus) -> None:
    meeting = Meeting()

    class SlowLease(Lease):
        """Another thread may run after `active` has been read."""

        def __getattribute__(self, name: str) -> Any:
            value = super().__getattribute__(name)
            if name == "active":
                meeting.wait()
            return value

    with open_device(bus.port) as ctl:
        lease = SlowLease(acquire_lease(bus.port, SerialSettings(), ProtocolKind.STDBUS).shared)
        assert run_in_two_threads(lease.release, lease.release) == []
        assert ctl.read_setpoint().value == 75.0


def test_two_leases_given_back_at_once_close_the_port(bus: SimulatedBus) -> None:
    meeting = Meeting()

    class SlowPort(port_pool.SharedPort):
        """Another thread may run after the number of users has been read."""

        def __getattribute__(self, name: str) -> Any:
            value = super().__getattribute__(name)
            if name == "users":
                meeting.wait()
            return value

    leases = [acquire_lease(bus.port, SerialSettings(), ProtocolKind.STDBUS) for _ in range(2)]
    leases[0].shared.__class__ = SlowPort
    assert run_in_two_threads(*(lease.release for lease in leases)) == []
    with serial.Serial(bus.port, exclusive=True):
        pass


def test_a_port_is_found_while_another_one_leaves_the_pool(
    bus: SimulatedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    removing, meeting = threading.Event(), Meeting()

    class SlowList(list[Any]):
        """A port may be removed while another thread looks at the first one."""

        def __iter__(self) -> Iterator[Any]:
            for port in super().__iter__():
                yield port
                if removing.is_set():
                    meeting.wait()
                    closer.join(TIMEOUT_S)

        def remove(self, port: Any) -> None:
            removing.set()
            meeting.wait()
            super().remove(port)

    monkeypatch.setattr(port_pool, "_ports", SlowList())
    with SimulatedBus([1], baudrate=None) as other:
        leaving = open_device(other.port)
        closer = threading.Thread(target=leaving.close)
        with open_device(bus.port) as one:
            closer.start()
            assert removing.wait(TIMEOUT_S)
            with open_device(bus.port, address=2) as two:
                assert two.port_stats is one.port_stats
        closer.join(TIMEOUT_S)
