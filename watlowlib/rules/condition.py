"""Conditions of rules: `oven_top.process_value > 250 for 10 s`."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from watlowlib import errors
from watlowlib._internal.validation import finite_or_none, nearest, shown
from watlowlib.devices.sampling import SENSOR_ERROR, SENSOR_UNKNOWN
from watlowlib.errors import WatlowConfigurationError, WatlowError, WatlowPortBusyError
from watlowlib.model import Sample

FORM = "DEVICE.PARAMETER > NUMBER for TIME, such as 'oven_top.process_value > 250 for 10 s'"
OPERATORS = ("<=", ">=", "==", "!=", "<", ">")
TIMES = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0}
LONGEST_S = 24 * 3600.0
EQUAL = 1e-6
"""Numbers whose difference is smaller, in proportion, are equal: the wire has 7 digits."""

STOPPED, BUSY = "stopped", WatlowPortBusyError.status
"""Statuses of reads that were left out: because the recording ends, or because the port is still
busy with an earlier tick."""

STATUSES = {
    "ok", SENSOR_ERROR, SENSOR_UNKNOWN,
    *(each.status for _, each in inspect.getmembers(errors, inspect.isclass)
      if issubclass(each, WatlowError)),
}  # fmt: skip
"""The statuses of samples, without that of reads that were left out at the end."""

_WHOLE = re.compile(
    r"""\s*(?:"(?P<quoted>[^"]+)"|(?P<device>[^\s".<>=!]+))
    (?:\.(?!status\b)(?P<parameter>\w+)(?::(?P<instance>\d{1,6}))?)?
    (?P<status>\.status)?
    \s*(?P<operator>[<>=!]+)
    \s*(?P<right>\S+)
    (?:\s+for\s+(?P<time>\S.*?))?\s*""",
    re.VERBOSE,
)
_TIME = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*([a-z]+)")


@dataclass(frozen=True)
class Condition:
    """A parsed condition.

    Attributes:
        device: The name of the controller.
        parameter: The name, alias or number of the parameter; None for all reads of the device.
        instance: Its instance.
        of_status: Whether the status is compared, and not the value.
        operator: One of `OPERATORS`.
        right: What it is compared with: a number, or a status.
        for_s: How long it must hold; 0 for one sample.
    """

    device: str
    parameter: str | int | None
    instance: int
    of_status: bool
    operator: str
    right: float | str
    for_s: float

    def ignores(self, sample: Sample) -> bool:
        """Whether a sample says nothing, as if its slot had been skipped."""
        return sample.status == STOPPED or (sample.status == BUSY and not self.of_status)

    def holds(self, samples: Sequence[Sample]) -> bool | None:
        """Return whether it holds for the samples of one tick; None if that is not known."""
        if self.of_status:
            status = "ok" if any(each.status == "ok" for each in samples) else samples[0].status
            return (status == self.right) is (self.operator == "==")
        value = finite_or_none(samples[0].value)
        return None if value is None or samples[0].status != "ok" else self._compare(value)

    def _compare(self, value: float) -> bool:
        right = float(self.right)
        if math.isclose(value, right, rel_tol=EQUAL, abs_tol=EQUAL):
            return self.operator in ("==", "<=", ">=")
        return self.operator in (("!=", "<", "<=") if value < right else ("!=", ">", ">="))


def parse_condition(text: str) -> Condition:
    """Return the condition of a text; whether its controller exists is not checked.

    Raises:
        WatlowConfigurationError: It is not a condition; the message says what is allowed.
    """
    found = _WHOLE.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise WatlowConfigurationError(f"this is not a condition; give {FORM}")
    parameter, of_status = found["parameter"], bool(found["status"])
    device = found["quoted"] or found["device"]
    if parameter is None and not of_status:
        raise WatlowConfigurationError(
            f"{device!r} has no parameter; give {FORM}, or {device}.status"
        )
    operators = ("==", "!=") if of_status else OPERATORS
    if found["operator"] not in operators:
        raise WatlowConfigurationError(
            f"there is no operator {found['operator']!r} here; give one of {' '.join(operators)}"
        )
    right = found["right"]
    return Condition(
        device,
        int(parameter) if parameter and parameter.isdecimal() else parameter,
        int(found["instance"] or 1),
        of_status,
        found["operator"],
        _status(right) if of_status else _number(right),
        _seconds(found["time"]),
    )


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise WatlowConfigurationError(
            f"{text!r} is not a number; give one such as 250, -12.5 or, for an enumeration, its "
            "code"
        )
    return number


def _status(text: str) -> str:
    if text not in STATUSES:
        hint = nearest(text, sorted(STATUSES))
        raise WatlowConfigurationError(f"there is no status {shown(text)}; {hint}")
    return text


def _seconds(text: str | None) -> float:
    if text is None:
        return 0.0
    found = _TIME.fullmatch(text)
    seconds = float(found[1]) * TIMES.get(found[2], 0.0) if found else 0.0
    if not 0.0 < seconds <= LONGEST_S:
        raise WatlowConfigurationError(
            f"for {shown(text)}: give a time such as 500 ms, 10 s, 5 min or 2 h, up to 24 h"
        )
    return seconds
