"""`watlowlib parameters`: list the parameters and their names.

Each parameter is on one line, however long, for use with tools such as grep.
"""

from __future__ import annotations

import argparse

from watlowlib._internal.validation import shown
from watlowlib.errors import WatlowUnknownParameterError
from watlowlib.registry.parameters import PARAMETERS, SD_PARAMETERS, ParameterSpec

HELP = "list the parameters, or those that match a text"
DESCRIPTION = (
    "List the EZ-ZONE PM's parameters, or those with TEXT in their name, number, alias or "
    "Watlow's own name. Columns: number, name, R readable W writable E stored in EEPROM S stored "
    "in a user set, instances, values (temperatures in °F) and aliases."
)
USAGE = "watlowlib parameters [--sd] [TEXT]"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this subcommand to `parser`."""
    parser.add_argument("--sd", action="store_true", help="list those of the Series SD")
    parser.add_argument("text", nargs="?", default="", metavar="TEXT", help="text to search for")


def run(arguments: argparse.Namespace) -> None:
    """Print one line per parameter; raise `WatlowUnknownParameterError` if none matches."""
    registry = SD_PARAMETERS if arguments.sd else PARAMETERS
    found = registry.search(arguments.text)
    if not found:
        registry.resolve(arguments.text)  # raises with the nearest names
        raise WatlowUnknownParameterError(f"no parameter contains {shown(arguments.text)}")
    width = max(len(spec.name) for spec in found)
    for spec in found:
        names = f"  ({' '.join(spec.aliases)})" if spec.aliases else ""
        print(
            f"{spec.number:>5} {spec.name:<{width}} {spec.rwes:<4} 1..{spec.instances:<2} "
            f"{allowed_values(spec)}{names}"
        )


def allowed_values(spec: ParameterSpec) -> str:
    """Return a short text with the allowed values of a parameter; temperatures in °F."""
    if spec.codes:
        return ", ".join(f"{code} {label}" for code, label in spec.codes.items())
    low, high = spec.limits_f
    if low is None or high is None:
        return spec.data_type.value
    return f"{low:.10g} to {high:.10g}"
