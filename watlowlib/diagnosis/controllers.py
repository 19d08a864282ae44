"""Checks of one controller that replies: its identity, its replies, its layout and settings."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from watlowlib.devices.controller import Controller
from watlowlib.devices.factory import open_device
from watlowlib.devices.replacement import read_identity
from watlowlib.diagnosis.findings import Finding, Result
from watlowlib.diagnosis.search import Tried
from watlowlib.diagnosis.units import check_units
from watlowlib.errors import WatlowCRCError, WatlowError, WatlowTimeoutError
from watlowlib.model import ControllerFamily, DeviceInfo, ProtocolKind, Unit, WordOrder

READS = 10
"""How often the identity is read to judge the line."""

MODBUS_OPTION = {
    True: "the part number includes Modbus RTU",
    False: "the part number does not include Modbus RTU; after a change to Modbus RTU it would not "
    "reply",
    None: "the part number does not say whether the unit has Modbus RTU",
}


def check_controller(
    tried: Tried,
    timeout_s: float,
    unit: Unit | None,
    given: Mapping[str, Any],
    capture: str | os.PathLike[str] | None = None,
) -> Iterator[Finding]:
    """Open the controller and run all checks of it."""
    probe, info = tried.probe, tried.probe.info
    assert info is not None
    subject = f"{probe.port}, address {info.address}"
    yield _identity(subject, info)
    try:
        with open_device(
            probe.port,
            protocol=probe.protocol,
            address=info.address,
            serial_settings=tried.place.serial_settings,
            family=info.family,
            timeout_s=timeout_s,
            retries=0,
            capture=capture,
        ) as ctl:
            yield check_replies(ctl, subject)
            if probe.protocol.is_modbus:
                yield check_layout(ctl, subject, given)
            yield from _protocol(subject, info)
            yield check_units(ctl, subject, unit)
    except WatlowError as error:
        yield Finding("controller", subject, Result.PROBLEM, error.message)


def check_zone(given: Mapping[str, Any]) -> Iterator[Finding]:
    """Open a zone of a gateway with the arguments of a rig file, and run all checks of it."""
    arguments = dict(given)
    subject = f"{given['port']}, {arguments.pop('name')}"
    try:
        with open_device(**arguments) as ctl:
            yield _identity(subject, ctl.identify())
            yield check_replies(ctl, subject)
            yield check_layout(ctl, subject, given)
            yield check_units(ctl, subject, ctl.session.declared_scale)
    except WatlowError as error:
        advice = "check that the controller is on, and the offset that is set in the gateway"
        yield Finding("zone", subject, Result.PROBLEM, error.message, advice)


def _identity(subject: str, info: DeviceInfo) -> Finding:
    known = info.part_number or info.serial_number or info.family is not ControllerFamily.UNKNOWN
    result = Result.OK if known else Result.UNKNOWN
    return Finding("controller", subject, result, str(info), details=asdict(info))


def check_replies(ctl: Controller, subject: str) -> Finding:
    """Read the hardware ID and the serial number several times: one controller must reply."""
    found, slowest_s, damaged, silent = set(), 0.0, 0, 0
    for _ in range(READS):
        start_s = time.monotonic()
        try:
            ctl.session.driver.ping()
            slowest_s = max(slowest_s, time.monotonic() - start_s)
            found.add(str(read_identity(ctl.session.driver, ctl.session.registry)))
        except WatlowCRCError:
            damaged += 1
        except WatlowTimeoutError:
            silent += 1
    details = {
        "slowest_s": slowest_s,
        "controller": asdict(ctl.session.driver.stats),
        "port": asdict(ctl.session.port.stats),
    }
    if len(found) > 1:
        return Finding(
            "replies",
            subject,
            Result.PROBLEM,
            f"different controllers reply: {', '.join(sorted(found))}",
            "two controllers have this address: switch one off and set another address with "
            "'watlowlib configure'",
            details,
        )
    if damaged or silent:
        return Finding(
            "replies",
            subject,
            Result.WARNING if found else Result.PROBLEM,
            f"{silent} of {READS} reads got no reply, {damaged} a damaged reply",
            "check termination, shield and length of the line; or two controllers have this "
            "address",
            details,
        )
    text = f"{READS} of {READS} reads got a reply, the slowest after {slowest_s * 1e3:.0f} ms"
    return Finding("replies", subject, Result.OK, text, details=details)


def check_layout(ctl: Controller, subject: str, given: Mapping[str, Any]) -> Finding:
    """Check that data map and word order are certain, and equal to those of the rig file."""
    check = "data map and word order"
    layout = ctl.session.driver.discover_layout()
    details = {"data_map": layout.data_map, "word_order": layout.word_order}
    if layout.data_map is None or layout.word_order is None:
        return Finding(
            check,
            subject,
            Result.PROBLEM,
            f"not certain: {layout.doubt}",
            "look up both in the Communications menu of the controller and give data_map and "
            "word_order; without them nothing is written",
            details,
        )
    found = f"map {layout.data_map}, {layout.word_order}"
    declared = {key: each for key, each in given.items() if key in details}
    wrong = {
        key: each
        for key, each in declared.items()
        if each not in ("auto", WordOrder.AUTO, details[key])
    }
    if wrong:
        text = ", ".join(f"{key} = {each}" for key, each in wrong.items())
        advice = "leave it out of the rig file, or correct it: a wrong one writes other parameters"
        found = f"{found}; the rig file says {text}"
        return Finding(check, subject, Result.PROBLEM, found, advice, details)
    return Finding(check, subject, Result.OK, found, details=details)


def _protocol(subject: str, info: DeviceInfo) -> Iterator[Finding]:
    """Check the setting of the protocol, and whether the part number includes Modbus."""
    check = "protocol"
    on_a_line = info.protocol is not ProtocolKind.MODBUS_TCP  # whose setting 17009 is
    if on_a_line and info.configured_protocol not in (None, info.protocol):
        yield Finding(
            check,
            subject,
            Result.WARNING,
            f"it replies on {info.protocol}, but is set to {info.configured_protocol}",
            "it may change its protocol when it is switched off and on",
        )
    if info.part_number is not None:
        modbus = info.part_number.modbus
        result = Result.UNKNOWN if modbus is None else Result.OK
        yield Finding(check, subject, result, MODBUS_OPTION[modbus])
