"""Which USB adapter a port is, so that it is found again where it has gone to.

Linux hands out /dev/ttyUSB0, ttyUSB1 ... in the order in which adapters appear: one that
was pulled out and put back may come back under another name, and another one may have
taken its old name meanwhile. The USB serial number tells which is which; an adapter with
several ports has it once, and its interfaces tell them apart. No I/O here: the entries
are those of `serial.tools.list_ports`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol


class Entry(Protocol):
    """A port as `serial.tools.list_ports` lists it."""

    device: str
    vid: int | None
    pid: int | None
    serial_number: str | None
    location: str | None


class Adapter(NamedTuple):
    """What stays the same wherever the adapter is plugged in."""

    vid: int | None
    pid: int | None
    serial_number: str
    interface: str
    """The last part of the location, "1.0" of "1-1.4:1.0"; empty where there is none."""


def adapter_at(device: str, entries: Iterable[Entry]) -> Adapter | None:
    """The adapter that `device` is; None when it cannot be told from others of its kind."""
    listed = list(entries)
    found = next((_adapter(entry) for entry in listed if entry.device == device), None)
    return found if found is not None and len(_devices(found, listed)) == 1 else None


def found_again(adapter: Adapter, entries: Iterable[Entry]) -> str | None:
    """Where `adapter` is now; None when it is not there, or two claim to be it."""
    devices = _devices(adapter, entries)
    return devices[0] if len(devices) == 1 else None


def _devices(adapter: Adapter, entries: Iterable[Entry]) -> list[str]:
    return [entry.device for entry in entries if _adapter(entry) == adapter]


def _adapter(entry: Entry) -> Adapter | None:
    if not entry.serial_number:
        return None
    _, _, interface = (entry.location or "").partition(":")
    return Adapter(entry.vid, entry.pid, entry.serial_number, interface)
