"""Identifying adapters by the entries of `serial.tools.list_ports`."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from watlowlib.transport.usb import Adapter, adapter_at, find_device, resolved


@dataclass
class Entry:
    device: str
    serial_number: str | None = None
    location: str | None = None
    vid: int | None = 0x0403
    pid: int | None = 0x6001


ONE, OTHER = Adapter(0x0403, 0x6001, "A10K2M", ""), Adapter(0x0403, 0x6001, "A10K9Z", "")


def test_adapter_is_found_under_its_new_name() -> None:
    before = [Entry("/dev/ttyUSB0", "A10K2M", "1-1.4"), Entry("/dev/ttyUSB1", "A10K9Z", "1-1.3")]
    assert adapter_at("/dev/ttyUSB0", before) == ONE
    assert adapter_at("/dev/ttyUSB1", before) == OTHER
    # Replugged in the other order, into other sockets: the names are swapped.
    after = [Entry("/dev/ttyUSB0", "A10K9Z", "1-1.4"), Entry("/dev/ttyUSB1", "A10K2M", "2-3")]
    assert find_device(ONE, after) == "/dev/ttyUSB1"
    assert find_device(OTHER, after) == "/dev/ttyUSB0"


def test_missing_adapter_is_not_confused_with_another() -> None:
    assert find_device(ONE, []) is None
    assert find_device(ONE, [Entry("/dev/ttyUSB0", "A10K9Z", "1-1.4")]) is None
    # The same serial number from another vendor.
    assert find_device(ONE, [Entry("/dev/ttyUSB0", "A10K2M", "1-1.4", vid=0x067B)]) is None


def test_ports_of_one_adapter_are_distinguished() -> None:
    before = [Entry(f"/dev/ttyUSB{n}", "FT4ABC", f"1-1.4:1.{n}") for n in range(4)]
    third = adapter_at("/dev/ttyUSB2", before)
    assert third is not None
    after = [Entry(f"/dev/ttyUSB{n + 5}", "FT4ABC", f"3-2:1.{n}") for n in range(4)]
    assert find_device(third, after) == "/dev/ttyUSB7"


@pytest.mark.parametrize(
    "entries",
    [
        [],
        [Entry("/dev/ttyUSB1", "A10K2M")],
        [Entry("/dev/ttyUSB0", None)],
        [Entry("/dev/ttyS0", None, vid=None, pid=None), Entry("/dev/ttyUSB0", "")],
        # Clones that share a serial number.
        [Entry("/dev/ttyUSB0", "0001", "1-1"), Entry("/dev/ttyUSB1", "0001", "1-2")],
    ],
)
def test_adapter_without_unique_serial_number_is_not_identified(entries: list[Entry]) -> None:
    assert adapter_at("/dev/ttyUSB0", entries) is None


def test_duplicate_serial_number_is_not_found() -> None:
    two = [Entry("/dev/ttyUSB0", "A10K2M", "1-1"), Entry("/dev/ttyUSB1", "A10K2M", "1-2")]
    assert find_device(ONE, two) is None


@pytest.mark.skipif(sys.platform == "win32", reason="links to ports")
def test_link_that_vanishes_while_it_is_resolved_is_its_own_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tmp_path / "usb-FTDI_RS485-if00"
    link.symlink_to("/dev/ttyUSB77")
    readlink = os.readlink

    def vanish_and_read(*arguments: Any) -> str:
        link.unlink(missing_ok=True)
        return readlink(*arguments)

    monkeypatch.setattr(os, "readlink", vanish_and_read)
    assert resolved(str(link)) == str(link)
