"""Identify a port's USB adapter, to find it again under another device name.

Linux assigns /dev/ttyUSB0, ttyUSB1 ... in the order in which adapters appear: an adapter that
was unplugged may get another name, and another adapter may get its old name. The USB serial
number identifies the adapter; the ports of one adapter share it and are distinguished by their
interface. The entries come from `serial.tools.list_ports`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NamedTuple, Protocol


class Entry(Protocol):
    """A port as listed by `serial.tools.list_ports`."""

    device: str
    vid: int | None
    pid: int | None
    serial_number: str | None
    location: str | None


class Adapter(NamedTuple):
    """The identity of an adapter, independent of where it is plugged in."""

    vid: int | None
    pid: int | None
    serial_number: str
    interface: str
    """The last part of the location, "1.0" of "1-1.4:1.0"; empty if there is none."""


def resolved(name: str) -> str:
    """Return the device that a port's name leads to; a link may vanish at any moment."""
    try:
        return os.path.realpath(name)
    except OSError:
        return name


def has_name(fd: int, name: str) -> bool:
    """Whether the device that is open as `fd` has this name now."""
    try:
        # Not Path(name).stat(): a program that opens a port need not import pathlib.
        return os.stat(name).st_rdev == os.fstat(fd).st_rdev  # noqa: PTH116
    except OSError:
        return False


def adapter_at(device: str, entries: Iterable[Entry]) -> Adapter | None:
    """Return the adapter of `device`; None if it is not unique or has no serial number."""
    listed = list(entries)
    adapter = next((_adapter(entry) for entry in listed if entry.device == device), None)
    return adapter if adapter is not None and len(_devices(adapter, listed)) == 1 else None


def find_device(adapter: Adapter, entries: Iterable[Entry]) -> str | None:
    """Return the device name of `adapter`; None if it is not connected or not unique."""
    devices = _devices(adapter, entries)
    return devices[0] if len(devices) == 1 else None


def current_name(adapter: Adapter, device: str, entries: Iterable[Entry]) -> str | None:
    """Return the device name of `adapter`, which was at `device` when it was opened last.

    While it is not connected it keeps its name; None if another adapter has this name now.
    """
    listed = list(entries)
    others = (entry.device for entry in listed if _adapter(entry) != adapter)
    return find_device(adapter, listed) or (None if device in others else device)


def _devices(adapter: Adapter, entries: Iterable[Entry]) -> list[str]:
    return [entry.device for entry in entries if _adapter(entry) == adapter]


def _adapter(entry: Entry) -> Adapter | None:
    if not entry.serial_number:
        return None
    _, _, interface = (entry.location or "").partition(":")
    return Adapter(entry.vid, entry.pid, entry.serial_number, interface)
