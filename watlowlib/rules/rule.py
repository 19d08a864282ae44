"""A rule as frozen values, its checks, and the arguments of its command."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from watlowlib._internal.validation import nearest, shown
from watlowlib.devices.targets import check_instance, target_of
from watlowlib.devices.values import COMMUNICATION_SETTINGS, checked_for_writing, quantity_of
from watlowlib.errors import WatlowConfigurationError
from watlowlib.model import Sample, Value
from watlowlib.registry.parameters import DataType, Registry
from watlowlib.rules.condition import Condition
from watlowlib.units import Unit, as_scale, converted

TIMEOUT_S, LONGEST_TIMEOUT_S = 30.0, 60.0
"""A rule acts at most once a minute: so it never has two commands at the same time."""

PLACEHOLDERS = (
    "rule", "when", "event", "device", "parameter", "instance", "value", "unit", "status", "time",
)  # fmt: skip
_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


@dataclass(frozen=True)
class RuleWrite:
    """The write of a rule.

    Attributes:
        device: The name of the controller.
        parameter: The name, alias or number of the parameter.
        value: The value in `unit`; an enumeration by code or label.
        instance: The instance of the parameter.
        unit: "C" or "F" if a temperature is in this scale; None for the scale of the wire.
    """

    device: str
    parameter: str | int
    value: Value
    instance: int = 1
    unit: str | None = None


@dataclass(frozen=True)
class Rule:
    """A rule; `docs/rules.md` describes it.

    Attributes:
        name: Its name, in events and in the status.
        when: The condition, such as "oven_top.process_value > 250 for 10 s".
        event: A text for the event, in addition to the condition.
        command: A program and its arguments; none if empty.
        timeout: The seconds after which the command is killed, at most 60.
        write: What to write; None for nothing. It needs no further confirmation.
        folder: The working directory of the command; None for that of this program.
    """

    name: str
    when: str
    event: str = ""
    command: tuple[str, ...] = ()
    timeout: float = TIMEOUT_S
    write: RuleWrite | None = None
    folder: Path | None = None

    @property
    def title(self) -> str:
        """The name, the text and the condition."""
        return f"{self.name}: " + (f"{self.event} ({self.when})" if self.event else self.when)


class Target(NamedTuple):
    """Which samples a condition is about; None as number for all of the device."""

    device: str
    number: int | None
    instance: int


def target_of_condition(condition: Condition, registry: Registry) -> Target:
    """Return which samples a condition is about.

    Raises:
        WatlowConfigurationError: The parameter or instance does not exist, or is a text.
    """
    if condition.parameter is None:
        return Target(condition.device, None, 1)
    spec, instance = target_of(registry, condition.parameter, condition.instance)
    if spec.data_type is DataType.STRING and not condition.of_status:
        raise WatlowConfigurationError(
            f"{spec.name} ({spec.number}) is a text; a condition compares numbers"
        )
    return Target(condition.device, spec.number, instance)


def check_rule_write(write: RuleWrite, registry: Registry, scale: Unit | None) -> None:
    """Check what can be checked without the controller; `scale` is that of its wire.

    Raises:
        WatlowConfigurationError: The write is refused.
    """
    spec = registry.resolve_for_writing(write.parameter)
    check_instance(spec, write.instance)
    if any(spec.number in settings for settings in COMMUNICATION_SETTINGS.values()):
        raise WatlowConfigurationError(
            f"{spec.name} ({spec.number}) is a communication setting, which a rule may not write"
        )
    value: object = write.value
    unit = unit_of_write(write, registry)
    if unit is not None and scale is None:
        return  # a Series SD reports its scale later
    if unit is not None:
        value = converted(spec.name, value, quantity_of(spec), as_scale("unit", unit), scale)
    checked_for_writing(spec, value, scale)


def unit_of_write(write: RuleWrite, registry: Registry) -> str | None:
    """Return the unit of the value, if the parameter is one that is converted."""
    spec = registry.resolve_for_writing(write.parameter)
    return None if quantity_of(spec) is None else write.unit


def check_command(command: Sequence[str]) -> None:
    """Check the placeholders of a command.

    Raises:
        WatlowConfigurationError: A placeholder is not known, or a brace is single, or there is a
            placeholder in the program.
    """
    if command and not command[0]:
        raise WatlowConfigurationError("the program is empty; give its name or path")
    if command and any(found[1] is not None for found in _PLACEHOLDER.finditer(command[0])):
        raise WatlowConfigurationError(
            f"the program is {shown(command[0])}; placeholders are allowed in its arguments only"
        )
    for argument in command:
        for found in _PLACEHOLDER.finditer(argument):
            name = found[1]
            if found[0] in ("{{", "}}") or name in PLACEHOLDERS:
                continue
            hint = nearest(found[0], (f"{{{each}}}" for each in PLACEHOLDERS))
            raise WatlowConfigurationError(
                f"{shown(found[0])} is not a placeholder (write {{{{ for a brace); {hint}"
            )


def filled(command: Sequence[str], values: Mapping[str, str]) -> list[str]:
    """Return the arguments with the placeholders replaced; a value is not searched again."""

    def replacement(found: re.Match[str]) -> str:
        return found[0][0] if found[1] is None else values[found[1]]

    return [_PLACEHOLDER.sub(replacement, each).replace("\0", "?") for each in command]


def values_of(rule: Rule, sample: Sample) -> dict[str, str]:
    """Return the text of each placeholder for the sample that met the condition."""
    return {
        "rule": rule.name,
        "when": rule.when,
        "event": rule.event,
        "device": sample.device,
        "parameter": sample.parameter,
        "instance": str(sample.instance),
        "value": value_text(sample.value),
        "unit": str(sample.unit or ""),
        "status": sample.status,
        "time": sample.received_at.isoformat(timespec="milliseconds"),
    }


def value_text(value: Value | None) -> str:
    """Return a value with 7 digits; empty for none."""
    if value is None:
        return ""
    return f"{value:.7g}" if isinstance(value, float) else str(value)
