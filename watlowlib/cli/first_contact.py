"""What `record` checks before it starts: the replies, and whether the rate fits the lines."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from watlowlib.cli.exits import SILENT, CommandError
from watlowlib.cli.output import NO_VALUE, format_value
from watlowlib.manager.contact import Contact, read_each_once
from watlowlib.manager.line_load import LineLoad, line_loads, measure, parameters_of
from watlowlib.manager.manager import WatlowManager
from watlowlib.model import RateReport, Unit
from watlowlib.model.text import counted
from watlowlib.streaming.recorder import Recording


def check_first(
    manager: WatlowManager,
    recording: Recording,
    arguments: dict[str, Any],
    screen: Console,
    *,
    anyway: bool,
) -> None:
    """Read every controller once, print the replies, and warn about what does not fit.

    Raises:
        CommandError: No controller replies, unless `anyway`.
    """
    options = {name: arguments[name] for name in ("instances", "sensor_check") if name in arguments}
    unit = arguments.get("show_unit")
    shown: dict[str, Any] = {"show_unit": unit and Unit(unit)}
    rates = recording.info.rates
    poll = manager.prepare(parameters_of(rates), **options, **shown)
    contacts = read_each_once(manager, poll)
    screen.print(contact_table(contacts))
    replying = [each.name for each in contacts if each.replies]
    missing = [each.name for each in contacts if not each.replies]
    if not replying and not anyway:
        raise CommandError(
            "no controller replies; check power, wiring and addresses, or start with --anyway "
            f"({contacts[0].error})",
            SILENT,
        )
    if missing:
        screen.print(
            f"warning: no answer from {len(missing)} of {counted(len(contacts), 'controller')}: "
            f"{', '.join(missing)}; their rows have no values until they do"
        )
    for text in dict.fromkeys(each.warning for each in contacts if each.warning):
        names = ", ".join(each.name for each in contacts if each.warning == text)
        screen.print(f"warning: {names}: {text}")
    loads = line_loads(manager, rates, names=replying, **options)
    if not missing:
        loads = measure(poll, loads)
    for load in loads:
        if not load.fits:
            screen.print(rate_warning(load, rates))


def contact_table(contacts: list[Contact]) -> Table:
    """Return a table with one row per controller."""
    table = Table(box=None, pad_edge=False)
    for heading in ("controller", "address", "part number", "firmware", "first value", "status"):
        table.add_column(heading, overflow="fold")
    for each in contacts:
        table.add_row(
            each.name,
            str(each.address),
            each.part_number or NO_VALUE,
            NO_VALUE if each.firmware_id is None else str(each.firmware_id),
            format_value(each.first),
            each.first.status,
        )
    return table


def rate_warning(load: LineLoad, rates: tuple[RateReport, ...]) -> str:
    """Return the warning that the rates do not fit a line, and the rate that would."""
    how = "measured" if load.measured else "computed from bytes, baud rate and turnaround"
    fastest = max(rate.rate_hz for rate in rates)
    fitting = load.fitting(fastest)
    if len(rates) == 1:
        advice = f"a rate of {fitting:g} Hz would fit"
    else:
        advice = f"with all rates multiplied by {fitting / fastest:.2g} they would fit"
    return (
        f"warning: the rate does not fit {load.port}: "
        f"{counted(load.reads, 'read takes', 'reads take')} {load.tick_s:.3g} s ({how}), "
        f"{load.busy:.0%} of the time; ticks will be skipped; {advice}"
    )
