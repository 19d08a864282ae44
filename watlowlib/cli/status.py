"""`watlowlib status`: the state of a running service."""

from __future__ import annotations

from dataclasses import asdict

import click

from watlowlib.cli.base import define, json_option
from watlowlib.cli.output import console, print_json
from watlowlib.model.text import times
from watlowlib.service.client import attach


@define(
    "status",
    short_help="Show the state of a running recorder.",
    help="Show the state of each controller with its reads by status, and the counters, of the "
    "running 'watlowlib run FILE'.",
    examples=("watlowlib status rig.toml", "watlowlib status rig.toml --json"),
)
@click.argument("file", metavar="FILE")
@json_option
def command(file: str, as_json: bool) -> None:
    """Ask the service and print its reply."""
    found = attach(file).status()
    if as_json:
        sinks = [{**asdict(report), "name": label} for label, report in found["sinks"]]
        summary = asdict(found["summary"]) | {"sinks": sinks}
        names = ("pid", "version", "file", "reloads", "controllers", "reads", "rules")
        given = {name: found[name] for name in names}
        print_json([{**given, "summary": summary}])
        return
    screen = console()
    reloads = f", loaded again {times(found['reloads'])}" * bool(found["reloads"])
    screen.print(f"pid {found['pid']} records {found['file']}{reloads}")
    for name, state in found["controllers"].items():
        reads = [f"{count:,} {status}" for status, count in found["reads"].get(name, {}).items()]
        screen.print(f"{name}: {state}" + f"; reads: {', '.join(reads)}" * bool(reads))
    for line in found["lines"]:
        screen.print(line)
