"""`watlowlib parameters`: what can be read and written, and by what names.

A line a parameter, however long, so that other programs can look through them.
"""

from __future__ import annotations

import argparse

from watlowlib.errors import WatlowUnknownParameterError
from watlowlib.registry.parameters import PARAMETERS, SD_PARAMETERS, ParameterSpec

HELP = "list the parameters, or those that have a text in them"
DESCRIPTION = (
    "List the EZ-ZONE PM's parameters, or those that have TEXT in their name, number, alias or "
    "Watlow's own name: number, name, R readable W writable E kept in EEPROM S kept in a user "
    "set, instances, values (temperatures in °F) and other names."
)
USAGE = "watlowlib parameters [--sd] [TEXT]"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of this subcommand."""
    parser.add_argument("--sd", action="store_true", help="those of the Series SD")
    parser.add_argument("text", nargs="?", default="", metavar="TEXT", help="what to look for")


def run(arguments: argparse.Namespace) -> None:
    """Print a line a parameter; an error when there is none."""
    registry = SD_PARAMETERS if arguments.sd else PARAMETERS
    found = registry.search(arguments.text)
    if not found:
        registry.resolve(arguments.text)  # says what comes nearest
        raise WatlowUnknownParameterError(f"no parameter has {arguments.text!r} in it")
    width = max(len(spec.name) for spec in found)
    for spec in found:
        names = f"  ({' '.join(spec.aliases)})" if spec.aliases else ""
        print(
            f"{spec.number:>5} {spec.name:<{width}} {spec.rwes:<4} 1..{spec.instances:<2} "
            f"{values_of(spec)}{names}"
        )


def values_of(spec: ParameterSpec) -> str:
    """What a parameter can hold, in a few words; temperatures in °F."""
    if spec.codes:
        return ", ".join(f"{code} {label}" for code, label in spec.codes.items())
    low, high = spec.limits_f
    if low is None or high is None:
        return spec.data_type.value
    return f"{low:.10g} to {high:.10g}"
