"""Checks of what a search of the line has found: settings of the line, and addresses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from watlowlib.devices.discovery import Probe
from watlowlib.diagnosis.findings import Finding, Result
from watlowlib.model import ProtocolKind
from watlowlib.model.text import counted
from watlowlib.transport.settings import SerialSettings

Declared = Mapping[int, Mapping[str, Any]]
"""The arguments of `open_device` for each address that should reply."""


class Place(NamedTuple):
    """The settings with which a controller replies."""

    protocol: ProtocolKind
    baudrate: int | None
    parity: str

    def __str__(self) -> str:
        if self.baudrate is None:
            return str(self.protocol)
        return f"{self.protocol} at {self.baudrate} baud, parity {self.parity}"

    @property
    def serial_settings(self) -> SerialSettings | None:
        """The serial settings of the line; None on a network."""
        if self.baudrate is None:
            return None
        return SerialSettings(baudrate=self.baudrate, parity=self.parity)


class Tried(NamedTuple):
    """A probe and its parity."""

    probe: Probe
    parity: str

    @property
    def place(self) -> Place:
        """The settings of the probe."""
        return Place(self.probe.protocol, self.probe.baudrate, self.parity)


def controllers(tried: Sequence[Tried]) -> list[Tried]:
    """Return the first probe of each controller that was found."""
    first: dict[object, Tried] = {}
    for each in tried:
        if each.probe.info is not None:
            info = each.probe.info
            first.setdefault((info.protocol, info.address, info.serial_number), each)
    return list(first.values())


def check_line(port: str, tried: Sequence[Tried]) -> Iterator[Finding]:
    """Check with which protocol, baud rate and parity controllers reply."""
    found = [each for each in tried if each.probe.info is not None]
    if not found:
        yield _no_controller(port, tried)
        return
    distinct = controllers(tried)
    places = list(_by_place(distinct))
    for place, group in places:
        addresses = [each.probe.address for each in group]
        yield Finding(
            "protocol and baud rate",
            port,
            Result.OK,
            f"{place}: a controller replies at address {', '.join(map(str, addresses))}",
            details={**_settings(place), "addresses": addresses},
        )
    if len(distinct) < len(found):
        yield Finding(
            "baud rate",
            port,
            Result.UNKNOWN,
            "the same controllers reply at several baud rates: the port does not apply the rate",
            "a device server or a pseudo terminal has its own; nothing to do",
        )
    if len(places) > 1:
        yield Finding(
            "protocol and baud rate",
            port,
            Result.WARNING,
            f"the controllers on this line have {len(places)} different settings",
            "one program can use only one protocol and baud rate on a port: set all controllers "
            "alike with 'watlowlib configure'",
        )


def _no_controller(port: str, tried: Sequence[Tried]) -> Finding:
    check = "protocol and baud rate"
    sent = [each for each in tried if each.probe.address is not None]
    if not sent:
        return Finding(check, port, Result.PROBLEM, tried[0].probe.reason)
    garbled = [each for each in tried if each.probe.garbled]
    if garbled:
        counts = Counter(str(each.place) for each in garbled)
        where = "; ".join(f"{place}: {count}" for place, count in counts.items())
        return Finding(
            check,
            port,
            Result.PROBLEM,
            f"no controller replies, but bytes came back that are no reply ({where})",
            "the line is noisy, or its baud rate, parity or protocol is one that was not tried: "
            "look at the Communications menu of the controller, and check the wires",
            {"garbled": counts},
        )
    advice = (
        "the server accepts connections, but no unit id is that of a controller: check that the "
        "controllers behind it are on, that no other program is connected to it, and the unit id"
    )
    if any(each.probe.baudrate for each in sent):
        advice = _LINE_ADVICE
    found = f"no reply to any of {counted(len(sent), 'request')}, and no other byte"
    return Finding(check, port, Result.PROBLEM, found, advice)


_LINE_ADVICE = (
    "check that the controller is on, that A and B of the line are not swapped, that this is "
    "the right port, and the address in the Communications menu of the controller"
)


def check_addresses(port: str, tried: Sequence[Tried], declared: Declared) -> Iterator[Finding]:
    """Check for garbled replies at single addresses, and for controllers that are missing."""
    found = {(each.place, each.probe.address) for each in tried if each.probe.info is not None}
    good = {place for place, _ in found}
    for each in tried:
        if each.probe.garbled and each.place in good:
            yield Finding(
                "addresses",
                f"{port}, address {each.probe.address}",
                Result.PROBLEM,
                f"something replies, but garbled, on {each.place}",
                "two controllers may have this address: switch off one after the other and search "
                "again, then set another address with 'watlowlib configure'",
            )
    for address, given in declared.items():
        yield from _check_declared(port, address, given, found)


def _check_declared(
    port: str, address: int, given: Mapping[str, Any], found: set[tuple[Place, int | None]]
) -> Iterator[Finding]:
    name, subject = given.get("name", ""), f"{port}, address {address}"
    places = [place for place, each in found if each == address]
    if not places:
        yield Finding(
            "addresses",
            subject,
            Result.PROBLEM,
            f"{name} of the rig file does not reply",
            "check its power, its address, and the wires between it and the next controller",
        )
        return
    protocol, settings = given.get("protocol"), given.get("serial_settings")
    if protocol in (None, ProtocolKind.AUTO):
        return
    if protocol == ProtocolKind.MODBUS_TCP:
        return
    settings = settings or SerialSettings.factory_for(protocol)
    wanted = Place(ProtocolKind(protocol), settings.baudrate, settings.parity)
    if wanted not in places:
        yield Finding(
            "addresses",
            subject,
            Result.PROBLEM,
            f"{name} replies on {places[0]}; the rig file says {wanted}",
            "change the port in the rig file, or the controller with 'watlowlib configure'",
        )


def _by_place(tried: Sequence[Tried]) -> Iterator[tuple[Place, list[Tried]]]:
    for place, group in groupby(tried, key=lambda each: each.place):
        yield place, list(group)


def _settings(place: Place) -> dict[str, Any]:
    return {
        "protocol": place.protocol.value,
        "baudrate": place.baudrate,
        "parity": place.parity,
    }
