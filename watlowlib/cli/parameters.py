"""`watlowlib parameters`: list the parameters and their names.

Each parameter is on one line, however long, for use with tools such as grep.
"""

from __future__ import annotations

from typing import Any

import click

from watlowlib._internal.validation import shown
from watlowlib.cli.base import define, json_option
from watlowlib.cli.options import FAMILIES
from watlowlib.errors import WatlowUnknownParameterError
from watlowlib.model import ControllerFamily
from watlowlib.registry.parameters import ParameterSpec, registry_of


@define(
    "parameters",
    short_help="List the parameters, or those that match a text.",
    help="List the parameters of a family, or those with TEXT in their name, number, alias or "
    "Watlow's own name. Columns: number, name, R readable W writable E stored in EEPROM S stored "
    "in a user set, instances, values (temperatures in °F) and aliases. Of an RMC, RMH, RM or ST "
    "also the Modbus register of instance 1, - if none is known.",
    examples=("watlowlib parameters band", "watlowlib parameters --sd --json"),
)
@click.option("--family", type=click.Choice(FAMILIES), default=FAMILIES[0], help="[default: pm]")
@click.option("--sd", "family", flag_value="sd", help="The same as --family sd.")
@click.argument("text", default="")
@json_option
def command(family: str, text: str, as_json: bool) -> None:
    """Print one line per parameter; raise `WatlowUnknownParameterError` if none matches."""
    registry = registry_of(ControllerFamily(family))
    found = registry.search(text)
    if not found:
        registry.resolve(text)  # raises with the nearest names
        raise WatlowUnknownParameterError(f"no parameter contains {shown(text)}")
    if as_json:
        from watlowlib.cli.output import print_json

        print_json(map(_row, found))
        return
    width = max(len(spec.name) for spec in found)
    for spec in found:
        names = f"  ({' '.join(spec.aliases)})" if spec.aliases else ""
        print(
            f"{spec.number:>5} {spec.name:<{width}} {spec.rwes:<4} 1..{spec.instances:<2} "
            f"{allowed_values(spec)}{names}{_registers(spec)}"
        )


def _row(spec: ParameterSpec) -> dict[str, Any]:
    low, high = spec.limits_f
    return {
        "number": spec.number,
        "name": spec.name,
        "rwes": spec.rwes,
        "instances": spec.instances,
        "low_f": low,
        "high_f": high,
        "codes": spec.codes,
        "aliases": spec.aliases,
        "map1": spec.map1,
        "map2": spec.map2,
    }


def _registers(spec: ParameterSpec) -> str:
    """Return the Modbus register of instance 1, for a family whose registers are not all known."""
    if spec.family in (ControllerFamily.PM, ControllerFamily.SD):
        return ""
    for data_map in (1, 2):
        register = spec.register(1, data_map)
        if register is not None:
            doubts = [bool(spec.doubt(instance, data_map)) for instance in (1, 2)]
            doubt = " (not proven: read only)" if doubts[0] else ""
            others = " (from instance 2 not proven: read only)" if doubts == [False, True] else ""
            return f"; Modbus {register}{doubt}{others}"
    return "; Modbus -"


def allowed_values(spec: ParameterSpec) -> str:
    """Return a short text with the allowed values of a parameter; temperatures in °F."""
    if spec.codes:
        return ", ".join(f"{code} {label}" for code, label in spec.codes.items())
    low, high = spec.limits_f
    if low is None or high is None:
        return spec.data_type.value
    return f"{low:.10g} to {high:.10g}"
