"""`watlowlib set`: show the old and the new value of a parameter, ask, and write it."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from typing import Any

import click

from watlowlib.cli.base import Command, define, json_option
from watlowlib.cli.exits import FAILED, CommandError
from watlowlib.cli.fleet import load_config, open_fleet
from watlowlib.cli.options import Line, line_options
from watlowlib.cli.output import console, print_json
from watlowlib.devices.controller import Controller
from watlowlib.devices.values import SETPOINT, unit_of
from watlowlib.devices.writing import CheckedWrite, check_own_limits
from watlowlib.errors import WatlowAbsentError, WatlowConfigurationError, WatlowDeviceError
from watlowlib.manager.manager import WatlowManager
from watlowlib.model import Reading
from watlowlib.registry.parameters import ParameterSpec


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
    parameter, value, line = _split(words, line)
    rig = load_config(line)
    with WatlowManager() as manager:
        open_fleet(manager, line, rig)
        controller = one_controller(manager)
        number, unit = _number(value)
        options: Any = {"instance": instance, "confirm": True, "unit": unit}
        write = controller.check_write(parameter, number, **options)
        check_own_limits(controller.session, write)
        old = _read(controller, write)
        if not yes:
            console(stderr=True).print(describe(controller, write, old))
            ask()
        reading = controller.write_parameter(write.spec.number, number, **options)
    if old is not None and unit is not None:
        old = old.to(unit)
    if as_json:
        print_json([_row(controller, reading, old)])
    else:
        console().print(f"{controller.name}: {reading}")


def _split(words: tuple[str, ...], line: Line) -> tuple[str, str, Line]:
    """Return the parameter, the value, and the line with its port."""
    wanted = ["PARAMETER", "VALUE"] if line.config else ["PORT", "PARAMETER", "VALUE"]
    if len(words) != len(wanted):
        raise click.UsageError(
            f"give {' '.join(wanted)}: {len(words)} were given", click.get_current_context()
        )
    *port, parameter, value = words
    return parameter, value, replace(line, port=port[0] if port else None)


def one_controller(manager: WatlowManager) -> Controller:
    """Return the only controller of `manager`.

    Raises:
        WatlowConfigurationError: It has several.
    """
    if len(manager.names) != 1:
        raise WatlowConfigurationError(
            f"select one controller with --name or --address: {', '.join(manager.names)}"
        )
    return manager.get(manager.names[0])


def _number(text: str) -> tuple[float | str, str | None]:
    """Return the value, and the scale of a number with C or F behind it."""
    scale = re.fullmatch(r"(.*[\d.]) *°?([CF])", text, re.IGNORECASE)
    try:
        number = float(scale[1] if scale else text)
    except ValueError:
        return text, None
    unit = scale[2] if scale else None
    return (int(number) if number.is_integer() else number), unit


def _read(controller: Controller, write: CheckedWrite) -> Reading | None:
    """Return the value that the controller holds now; None if it cannot be read."""
    if not write.spec.readable:
        return None
    try:
        return controller.read_parameter(write.spec.number, instance=write.instance)
    except (WatlowAbsentError, WatlowDeviceError):
        return None


def describe(controller: Controller, write: CheckedWrite, old: Reading | None) -> str:
    """Return what the write would change, as lines of text."""
    spec, instance, value, given = write
    unit = unit_of(spec, controller.temperature_unit)
    suffix = "" if unit is None else f" {unit}"
    before = "not readable" if old is None else f"{_value(spec, old.value)}{suffix}"
    after = f"{_value(spec, value)}{suffix}"
    if given is not None and given.unit is not given.scale:
        after = f"{given.value:.7g} {given.unit}, which is {after} on the wire"
        before += "" if old is None else f", which is {old.to(given.unit).value:.6g} {given.unit}"
    eeprom = "yes: the value survives a power cut, and each write wears the EEPROM"
    return "\n".join(
        [
            f"{spec.name} ({spec.number}) of {controller.name}, instance {instance}",
            f"  old     {before}",
            f"  new     {after}",
            f"  range   {_range(controller, write, suffix)}",
            f"  EEPROM  {eeprom if spec.persistent else 'no'}",
        ]
    )


def _value(spec: ParameterSpec, value: Any) -> str:
    text = f"{value:.7g}" if isinstance(value, float) else str(value)
    label = spec.codes.get(value) if isinstance(value, int) else None
    return text if label is None else f"{label} ({text})"


def _range(controller: Controller, write: CheckedWrite, suffix: str) -> str:
    """Return the values allowed; for a set point also by the controller's own limits."""
    spec = write.spec
    if spec.codes:
        return ", ".join(f"{label} ({code})" for code, label in spec.codes.items())
    low, high = spec.limits(controller.temperature_unit)
    if spec.number == SETPOINT:
        own = controller.session.settings.setpoint_limits.get(write.instance, (None, None))
        low, high = (limit if mine is None else mine for limit, mine in zip((low, high), own))
    if low is None or high is None:
        return spec.data_type.value
    return f"{low:.7g} to {high:.7g}{suffix}"


def ask(question: str = "Write it?") -> None:
    """Ask for a yes.

    Raises:
        CommandError: The answer is no, or there is no answer.
    """
    print(f"{question} [y/N] ", end="", flush=True, file=sys.stderr)
    try:
        answer = input()
    except EOFError:
        answer = ""
        print(file=sys.stderr)
    if answer.strip().lower() not in ("y", "yes"):
        raise CommandError("nothing was written; --yes writes without a question", FAILED)


def _row(controller: Controller, reading: Reading, old: Reading | None) -> dict[str, Any]:
    """Return the row of a reading, with the columns of a sample and the value before."""
    return {
        "device": controller.name,
        "address": reading.address,
        "protocol": controller.protocol,
        "parameter": reading.parameter,
        "parameter_id": reading.parameter_id,
        "instance": reading.instance,
        "value": reading.value,
        "unit": reading.unit,
        "requested_at": reading.requested_at,
        "received_at": reading.received_at,
        "latency_s": reading.latency_s,
        "old_value": None if old is None else old.value,
    }
