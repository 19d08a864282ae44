"""Checks of the rules of a rig: that what they name exists and is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from watlowlib._internal.validation import nearest, shown
from watlowlib.devices.targets import target_of
from watlowlib.errors import WatlowConfigurationError, WatlowUnknownParameterError
from watlowlib.registry.parameters import Registry
from watlowlib.rig.problems import Place, Problems, key_text
from watlowlib.rig.values import Rig
from watlowlib.rules.condition import parse_condition
from watlowlib.rules.rule import RuleWrite, check_command, check_rule_write, target_of_condition
from watlowlib.streaming.plan import ALARMS
from watlowlib.units import as_scale


def check_rules(rig: Rig, document: dict[str, Any], problems: Problems) -> None:
    """Add the problems of the rules, with their place in the file."""
    written = enumerate(document.get("rules", ()))
    registries = {name: each.registry for name, each in rig.controllers.items()}
    names: dict[str, int] = {}
    for rule in rig.rules:
        # Rules that lack a key are in the file, but not in `rig.rules`.
        n = next(
            n for n, each in written if isinstance(each, dict) and each.get("name") == rule.name
        )
        place: Place = ("rules", n)
        first = names.setdefault(rule.name, n)
        if first != n:
            what = f"is also the name of {key_text(('rules', first))}; give each rule its own"
            problems.add_value((*place, "name"), rule.name, what)
        try:
            check_when(rule.when, registries, rig.record_arguments())
        except WatlowConfigurationError as error:
            problems.add_value((*place, "when"), rule.when, error.message)
        try:
            check_command(rule.command)
        except WatlowConfigurationError as error:
            problems.add_value((*place, "command"), list(rule.command), error.message)
        if rule.write is not None:
            _check_write(rig, rule.write, (*place, "write"), problems)


def check_when(
    when: str, registries: Mapping[str, Registry], record_arguments: Mapping[str, Any]
) -> None:
    """Check the condition of a rule.

    Args:
        when: The condition.
        registries: The parameters of each controller, by its name.
        record_arguments: The arguments of `record`.

    Raises:
        WatlowConfigurationError: It is not a condition, or what it names is not recorded.
    """
    condition = parse_condition(when)
    registry = registries.get(condition.device)
    if registry is None:
        raise WatlowConfigurationError(
            f"there is no controller {shown(condition.device)}; "
            f"{nearest(condition.device, registries)}"
        )
    target = target_of_condition(condition, registry)
    if target.number is None:
        return
    recorded = _recorded(registry, record_arguments)
    if (target.number, target.instance) not in recorded:
        name = registry.resolve(target.number).name
        if any(number == target.number for number, _ in recorded):
            raise WatlowConfigurationError(
                f"instance {target.instance} of {name} is not recorded; add it to record.instances"
            )
        raise WatlowConfigurationError(
            f"{name} is not recorded; add it to record.parameters or record.rates"
        )


def _recorded(registry: Registry, arguments: Mapping[str, Any]) -> set[tuple[int, int]]:
    """Return the numbers and instances that are recorded; without what is not valid."""
    wanted = [(name, n) for name in arguments["parameters"] for n in arguments["instances"]]
    if arguments["alarms"]:
        with suppress(WatlowUnknownParameterError):  # which is a problem of its own
            alarms = [registry.resolve(name) for name in ALARMS]
            wanted += [(each.number, n) for each in alarms for n in range(1, each.instances + 1)]
    found = set()
    for name, instance in wanted:
        try:
            found.add((target_of(registry, name, instance)[0].number, instance))
        except WatlowConfigurationError:  # which is a problem of its own
            continue
    return found


def _check_write(rig: Rig, write: RuleWrite, place: Place, problems: Problems) -> None:
    controller = rig.controllers.get(write.device)
    if controller is None:
        hint = nearest(write.device, rig.controllers)
        what = f"there is no controller of this name; {hint}"
        problems.add_value((*place, "device"), write.device, what)
        return
    port = rig.ports.get(controller.port)
    declared = controller.temperature_unit or (port and port.temperature_unit)
    scale = as_scale("temperature_unit", declared) if declared else None
    try:
        check_rule_write(write, controller.registry, scale)
    except WatlowConfigurationError as error:
        problems.add(place, f"{key_text(place)}: {error.message}")
