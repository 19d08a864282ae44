"""`watlowlib latest`: the latest values that a running service has recorded."""

from __future__ import annotations

import click

from watlowlib.cli.base import define, json_option
from watlowlib.cli.output import console, print_json, sample_rows, sample_table
from watlowlib.service.client import attach


@define(
    "latest",
    short_help="Show the latest recorded values.",
    help="Show the latest value of each parameter that the running 'watlowlib run FILE' has "
    "recorded. Nothing is read from the controllers.",
    examples=("watlowlib latest rig.toml", "watlowlib latest rig.toml --json"),
)
@click.argument("file", metavar="FILE")
@json_option
def command(file: str, as_json: bool) -> None:
    """Ask the service and print the samples."""
    samples = attach(file).latest()
    if as_json:
        print_json(sample_rows(samples))
    else:
        console().print(sample_table(samples))
