"""`watlowlib plot`: draw a recording into a picture, an interactive page or a window."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

import click

from watlowlib import views
from watlowlib.cli.base import define, json_option
from watlowlib.cli.output import print_json
from watlowlib.cli.types import Names, Parameter, Size


@define(
    "plot",
    short_help="Draw a recording.",
    help="Draw process values, set points and outputs over local time, with gaps and alarms, into "
    "a .png, .svg, .pdf or .html file; without -o into a window. SOURCE is a file, a folder, a "
    "pattern such as 'data/ovens-*.csv', or postgresql://...; times without an offset are in UTC. "
    "--step marks how each loop responds to its largest set point change in the time chosen, and "
    "prints the figures.",
    examples=(
        "watlowlib plot run.sqlite -o run.png",
        "watlowlib plot run.parquet -o step.html --device oven_top --since 2026-05-01T12:00 --step",
    ),
)
@click.argument("source", metavar="SOURCE")
@click.option("-o", "--output", metavar="FILE", help="The picture, which is replaced if it exists.")
@click.option(
    "--device", "devices", type=Names(), metavar="NAME,...", help="Only these controllers."
)
@click.option(
    "--parameter",
    type=Parameter(),
    metavar="NAME,...",
    help="Names or numbers.  [default: process values, set points, outputs]",
)
@click.option("--since", metavar="TIME", help="Such as 2026-05-01 or 2026-05-01T12:00.")
@click.option("--until", metavar="TIME", help="The end, which is not included.")
@click.option("--size", type=Size(), metavar="WxH", help="In pixels, such as 1280x800.")
@click.option("--title", default="", metavar="TEXT", help="A title above the plot.")
@click.option("--step", is_flag=True, help="Mark the responses to set point changes.")
@click.option(
    "--band",
    type=click.FloatRange(0.0, 100.0, min_open=True),
    default=2.0,
    metavar="PERCENT",
    help="With --step: settled is within this percentage of the change.  [default: 2]",
)
@click.option("--table", default="samples", metavar="NAME", help="[default: samples]")
@json_option
def command(
    source: str,
    output: str | None,
    parameter: tuple[str, ...] | None,
    band: float,
    as_json: bool,
    **options: Any,
) -> None:
    """Draw, and print the file's name and the figures of the step responses."""
    parameters = parameter and [int(each) if each.isdecimal() else each for each in parameter]
    found = views.plot(source, output, parameters=parameters, band=band / 100.0, **options)
    if as_json:
        print_json(map(_row, found))
        return
    for each in found:
        loop = each.device if each.instance == 1 else f"{each.device} {each.instance}"
        print(f"{loop}, {each.changed_at:%Y-%m-%d %H:%M:%S}: {each.text}")
    if options["step"] and not found:
        print("no set point with a process value changes in the time chosen")
    if output is not None:
        print(f"{output}: written")


def _row(step: Any) -> dict[str, Any]:
    row = asdict(step)
    for name in ("changed", "end"):
        row[f"{name}_at"] = datetime.fromtimestamp(row.pop(f"{name}_us") / 1e6, timezone.utc)
    return {**row, "rise_s": step.rise_s, "overshoot_percent": step.overshoot_percent}
