"""`watlowlib set`: show the old and the new value of a parameter, ask, and write it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import click

from watlowlib.cli.base import Command, define, json_option
from watlowlib.cli.fleet import (
    chosen,
    load_config,
    one_controller,
    open_fleet,
    running_service,
    single,
)
from watlowlib.cli.options import Line, line_options
from watlowlib.cli.output import console, print_json
from watlowlib.cli.question import ask
from watlowlib.devices.change import Change, propose_change
from watlowlib.manager.manager import WatlowManager
from watlowlib.model import Reading


class SetCommand(Command):
    """Accepts a negative VALUE, which looks like an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse with a blank before negative numbers."""
        marked = [f" {each}" if re.match(r"-\.?\d", each) else each for each in args]
        return super().parse_args(ctx, marked)


@define(
    "set",
    cls=SetCommand,
    short_help="Write a parameter, after a question.",
    help="Write VALUE to PARAMETER of one controller. The old and the new value are shown with "
    "unit, range and the use of the EEPROM, and nothing is written without a yes. VALUE is a "
    "number in the unit of the wire, a temperature with its scale, such as 30C, which is converted "
    "to that of the wire, or the code or label of an enumeration. With --config, leave out PORT.",
    examples=(
        "watlowlib set /dev/ttyUSB0 setpoint 30C --address 2 --unit F",
        "watlowlib set --config rig.toml --name oven_top heat_algorithm off --yes",
    ),
)
@click.argument("words", nargs=-1, metavar="[PORT] PARAMETER VALUE")
@line_options
@click.option("--instance", type=int, default=1, metavar="N", help="[default: 1]")
@click.option("--yes", is_flag=True, help="Write without a question, for scripts.")
@json_option
def command(words: tuple[str, ...], line: Line, instance: int, yes: bool, as_json: bool) -> None:
    """Ask and write."""
    parameter, text, line = _split(words, line)
    rig = load_config(line)
    value, unit = _number(text)
    options: Any = {"instance": instance, "unit": unit}
    service = running_service(line, rig)
    if rig is not None and service is not None:
        name = single(chosen(rig, line))
        given = {"controller": name, "parameter": parameter, "value": value}
        change = Change(**service.request("propose", **given, **options))
        _confirm(change, yes)
        reading = service.write_parameter(name, change.parameter, value, confirm=True, **options)
    else:
        with WatlowManager() as manager:
            open_fleet(manager, line, rig)
            controller = one_controller(manager)
            change = propose_change(controller, parameter, value, **options)
            _confirm(change, yes)
            reading = controller.write_parameter(change.parameter, value, confirm=True, **options)
    if as_json:
        print_json([_row(change, reading)])
    else:
        console().print(f"{change.controller}: {reading}")


def _confirm(change: Change, yes: bool) -> None:
    if not yes:
        console(stderr=True).print(change.text)
        ask()


def _split(words: tuple[str, ...], line: Line) -> tuple[str, str, Line]:
    """Return the parameter, the value, and the line with its port."""
    wanted = ["PARAMETER", "VALUE"] if line.config else ["PORT", "PARAMETER", "VALUE"]
    if len(words) != len(wanted):
        raise click.UsageError(
            f"give {' '.join(wanted)}: {len(words)} were given", click.get_current_context()
        )
    *port, parameter, value = words
    return parameter, value, replace(line, port=port[0] if port else None)


def _number(text: str) -> tuple[float | str, str | None]:
    """Return the value, and the scale of a number with C or F behind it."""
    scale = re.fullmatch(r"(.*[\d.]) *°?([CF])", text, re.IGNORECASE)
    try:
        number = float(scale[1] if scale else text)
    except ValueError:
        return text, None
    unit = scale[2] if scale else None
    return (int(number) if number.is_integer() else number), unit


def _row(change: Change, reading: Reading) -> dict[str, Any]:
    """Return the row of a reading, with the columns of a sample and the value before."""
    return {
        "device": change.controller,
        "address": reading.address,
        "protocol": change.protocol,
        "parameter": reading.parameter,
        "parameter_id": reading.parameter_id,
        "instance": reading.instance,
        "value": reading.value,
        "unit": reading.unit,
        "requested_at": reading.requested_at,
        "received_at": reading.received_at,
        "latency_s": reading.latency_s,
        "old_value": None if change.old is None else change.old.value,
    }
