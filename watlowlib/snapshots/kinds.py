"""The kind of each parameter: whether a snapshot restores it, and when.

A parameter that is stored in EEPROM is a setting. The others are its state: measured values,
requests for an action, the clock and the running profile. Source: the pages of Watlow's menus.
"""

from __future__ import annotations

from watlowlib.model import ControllerFamily
from watlowlib.registry.parameters import ParameterSpec, Registry
from watlowlib.registry.parameters import registry_of as registry_of_family

STATE = "state"

ORDER = (
    "sensor",
    "calibration",
    "limit",
    "function",
    "loop",
    "alarm",
    "profile",
    "setpoint",
    "control_mode",
    "lock",
    "communication",
)
"""The kinds of settings, in the order in which they are written. A set point must be within the
limits. The control mode may switch the heater on, so it comes after these. Locks and communication
are last, because they can end the communication."""

NAMED_ONLY = frozenset({"calibration", "lock", "communication"})
"""The kinds that belong to a unit and its place: written only if the caller names them."""

_BY_NUMBER = {
    1011: "function",  # a text, and therefore not stored in EEPROM by the list
    **dict.fromkeys((3002, 3008, 3010, 3011), "lock"),
    3005: "sensor",
    **dict.fromkeys((4009, 4010, 4011, 4012, 18005, 18006, 18007), "calibration"),
    **dict.fromkeys((7003, 7004, 7005, 7006), "limit"),
    **dict.fromkeys((7001, 7002, 7009, 7011), "setpoint"),
    8001: "control_mode",
    22001: STATE,  # where a profile starts: given at each start
}
_BY_CLASS = {
    4: "sensor",
    7: "loop",
    8: "loop",
    9: "alarm",
    12: "limit",
    17: "communication",
    20: STATE,  # copies of the parameters to which the pointers of class 19 point
    21: "profile",
    22: "profile",
}
_SERIES_SD = {17: "communication", 18: "communication", 25: "control_mode", 27: "setpoint"}


def registry_of(family: object) -> Registry:
    """Return the parameters of the family in a snapshot's identity."""
    known = family in tuple(ControllerFamily)
    return registry_of_family(ControllerFamily(family) if known else ControllerFamily.UNKNOWN)


def same_kind(a: Registry, b: Registry) -> bool:
    """Whether two families have parameters in common: all EZ-ZONE have, a Series SD has not."""
    return (a.family is ControllerFamily.SD) is (b.family is ControllerFamily.SD)


def kind_of(spec: ParameterSpec) -> str:
    """Return one of `ORDER`, or "state" for a parameter that is never written."""
    if spec.family is ControllerFamily.SD:
        return _SERIES_SD.get(spec.number, STATE)
    if spec.number in _BY_NUMBER:
        return _BY_NUMBER[spec.number]
    return _BY_CLASS.get(spec.class_id, "function") if spec.persistent else STATE
