"""Tries everything that a rig file names: its controllers, its rates and its outputs."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from watlowlib.errors import WatlowError
from watlowlib.manager.contact import Contact, read_each_once
from watlowlib.manager.line_load import line_loads, measure, parameters_of
from watlowlib.manager.manager import WatlowManager
from watlowlib.model import RateReport
from watlowlib.rig.values import Rig
from watlowlib.rules.rule import Rule
from watlowlib.sinks.check import check_output
from watlowlib.streaming.plan import ALL_ALARMS


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        kind: "controller", "line", "output", "rule", or "warning": to be looked at, but usable.
        subject: What was checked: a controller's name, a port, an output or a rule.
        ok: Whether it can be used.
        text: What was found, or the problem and what to do.
    """

    kind: str
    subject: str
    ok: bool
    text: str


def check_rig(rig: Rig) -> list[Finding]:
    """Open everything that `rig` names, ask each controller once, and return the findings."""
    findings: list[Finding] = []
    with WatlowManager() as manager:
        for name in rig.controllers:
            arguments = rig.open_arguments(name)
            try:
                manager.add(name, arguments.pop("port"), **arguments)
            except WatlowError as error:
                findings.append(Finding("controller", name, False, str(error)))
        if manager.names:
            findings += _check_controllers(manager, rig)
    findings += [_check_output(sink.url) for sink in rig.record.sinks]
    return findings + list(map(_check_rule, rig.rules))


def _check_controllers(manager: WatlowManager, rig: Rig) -> list[Finding]:
    arguments = rig.record_arguments()
    options = {name: arguments[name] for name in ("instances", "sensor_check")}
    rates = _rates(rig)
    poll = manager.prepare(parameters_of(rates), **options)
    contacts = read_each_once(manager, poll)
    replying = [each.name for each in contacts if each.replies]
    loads = line_loads(manager, rates, names=replying, **options)
    if len(replying) == len(contacts):
        loads = measure(poll, loads)
    warnings = [
        Finding("warning", each.name, True, each.warning) for each in contacts if each.warning
    ]
    return [*map(_contact_finding, contacts), *warnings] + [
        Finding(
            "line",
            load.port,
            load.fits,
            f"busy {load.busy:.0%} of the time at these rates"
            + ("" if load.fits else "; lower the rates, or move controllers to another port"),
        )
        for load in loads
    ]


def _contact_finding(contact: Contact) -> Finding:
    part = contact.part_number or "no part number"
    if contact.error is not None:
        return Finding("controller", contact.name, False, str(contact.error))
    reply = f"replies at address {contact.address}: {part}"
    return Finding("controller", contact.name, True, reply)


def _rates(rig: Rig) -> Sequence[RateReport]:
    record = rig.record
    alarms = [RateReport(record.alarms, ALL_ALARMS)] if record.alarms else []
    if record.rates:
        return [RateReport(hz, (parameter,)) for parameter, hz in record.rates.items()] + alarms
    return [RateReport(record.rate_hz or 0.0, record.parameters), *alarms]


def _check_rule(rule: Rule) -> Finding:
    """Return whether the program of a rule exists; `load_rig` has checked the rest."""
    subject = f"rule {rule.name}"
    program = rule.command[0] if rule.command else None
    if program is None or shutil.which(program) is not None:
        return Finding("rule", subject, True, rule.when)
    what = (
        "is not in PATH, or not executable"
        if Path(program).name == program
        else ("does not exist, or is not executable")
    )
    return Finding("rule", subject, False, f"its program {program} {what}; correct command")


def _check_output(url: str) -> Finding:
    try:
        return Finding("output", url, True, check_output(url))
    except WatlowError as error:
        return Finding("output", url, False, str(error))
