"""Decoding of part numbers; fields that a part number does not contain are None.

Example: PM3R1CA-AAAAAAA is a 1/32 DIN PID controller with ramp and soak, 100-240 VAC, no
output 2, hence no cooling side, on Standard Bus only. Source: Watlow's ordering information
as quoted by others, of medium confidence.
"""

from __future__ import annotations

import re

from watlowlib.model import ControllerFamily, PartNumber

CASES = {"3": "1/32 DIN", "6": "1/16 DIN", "8": "1/8 DIN", "9": "1/8 DIN", "4": "1/4 DIN"}
CONTROLS = {
    "C": "PID",
    "R": "PID with ramp and soak",
    "E": "integrated limit",
    "L": "limit",
    "V": "process value display",
    "U": "two loops",
}
SUPPLIES = {"1": "100-240 VAC", "3": "24 V AC/DC"}
COMMUNICATIONS = {
    "A": "Standard Bus only",
    "1": "Modbus RTU over EIA-485",
    "2": "Modbus RTU over EIA-232/485",
    "3": "Ethernet",
    "5": "DeviceNet",
    "6": "Profibus",
    "B": "Modbus RTU and Bluetooth",
    "D": "Modbus RTU",
    "E": "Modbus RTU and Bluetooth",
    "F": "Modbus RTU and Bluetooth",
    "G": "Ethernet and Bluetooth",
    "H": "Bluetooth",
    "J": "Bluetooth",
    "K": "Bluetooth",
}
NO_OUTPUT = "A"


def decode_part_number(text: str) -> PartNumber:
    """Return the decoded part number `text`; unknown fields are None.

    >>> decode_part_number("PM6U1CC-1AAAAAA").loops
    2
    """
    match = re.fullmatch(r"PM([0-9])(.)(.)(.)(.)[^-]*-(.).*", text.strip().upper())
    if match is None:
        return PartNumber(text=text, family=_family_of(text))
    case, control, supply, _, output_2, code = match.groups()
    communications = COMMUNICATIONS.get(code)
    return PartNumber(
        text=text,
        family=ControllerFamily.PM,
        case=CASES.get(case),
        control=CONTROLS.get(control),
        supply=SUPPLIES.get(supply),
        loops=2 if control == "U" else 1,
        cooling=False if output_2 == NO_OUTPUT else None,
        communications=communications,
        modbus=_has_modbus(communications),
    )


def _has_modbus(communications: str | None) -> bool | None:
    if communications is None:
        return None
    if communications.startswith("Modbus"):
        return True
    return False if communications == COMMUNICATIONS["A"] else None


def _family_of(text: str) -> ControllerFamily:
    letters = text.strip().upper()[:2]
    known = {"PM": ControllerFamily.PM, "SD": ControllerFamily.SD}
    return known.get(letters, ControllerFamily.UNKNOWN)
