"""Decoding of part numbers; fields that a part number does not contain are None.

Of an RM or ST only the family is known, and of an RMC the communications: position 13 is A for
Standard Bus only and 1 for Modbus RTU. Source: the RMC User's Guide, page 38.

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
FAMILIES = {
    "PM": ControllerFamily.PM,
    "RMC": ControllerFamily.RMC,
    "RMH": ControllerFamily.RMH,
    "RM": ControllerFamily.RM,
    "ST": ControllerFamily.ST,
    "SD": ControllerFamily.SD,
}
"""The families by the first letters of a part number; the longest match counts."""


def decode_part_number(text: str) -> PartNumber:
    """Return the decoded part number `text`; unknown fields are None.

    >>> decode_part_number("PM6U1CC-1AAAAAA").loops
    2
    """
    match = re.fullmatch(r"PM([0-9])(.)(.)(.)(.)[^-]*-(.).*", text.strip().upper())
    if match is None:
        return _of_other_family(text)
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


def _of_other_family(text: str) -> PartNumber:
    number = text.strip().upper()
    letters = (number[:length] for length in (3, 2))
    family = next((FAMILIES[each] for each in letters if each in FAMILIES), None)
    communications = None
    if family is ControllerFamily.RMC and re.fullmatch(r"RMC[0-9A-Z]{9}[A1][0-9A-Z]{2}", number):
        communications = COMMUNICATIONS[number[12]]
    return PartNumber(
        text=text,
        family=family or ControllerFamily.UNKNOWN,
        communications=communications,
        modbus=_has_modbus(communications),
    )
