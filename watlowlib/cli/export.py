"""`watlowlib export`: write recordings into one file of another format."""

from __future__ import annotations

import time
from typing import Any

import click
from rich.console import Console

from watlowlib.cli.base import define, json_option
from watlowlib.cli.output import print_json
from watlowlib.cli.types import Names, Parameter
from watlowlib.model.text import counted
from watlowlib.sinks.export import WRITERS, export

QUIET_S = 2.0
"""The time after which the progress is shown."""


@define(
    "export",
    short_help="Write recordings into one file of another format.",
    help="Write the rows of files, folders, patterns and database tables into one new file, whose "
    f"extension selects the format: {', '.join(WRITERS)}. Several sources are read in the order "
    "of their first rows. SOURCE is a file, a folder, a pattern such as 'data/ovens-*.csv', or "
    "postgresql://...; times without an offset are in UTC. The events of the sources are written "
    "too: into a file beside the new one, a table of it or a sheet.",
    examples=(
        "watlowlib export run.sqlite -o run.csv --device oven_top,oven_bot",
        "watlowlib export 'data/*.parquet' -o may.xlsx --wide --since 2026-05-01",
    ),
)
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("-o", "--output", required=True, metavar="FILE", help="The new file.")
@click.option("--wide", is_flag=True, help="A row for each tick, a column for each parameter.")
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
@click.option("--device", type=Names(), metavar="NAME,...", help="Only these controllers.")
@click.option(
    "--parameter", type=Parameter(), metavar="NAME,...", help="Only these; names or numbers."
)
@click.option("--since", metavar="TIME", help="Such as 2026-05-01 or 2026-05-01T12:00.")
@click.option("--until", metavar="TIME", help="The end, which is not included.")
@click.option("--columns", type=Names(), metavar="NAME,...", help="Only these columns.")
@click.option("--table", default="samples", metavar="NAME", help="[default: samples]")
@json_option
def command(
    sources: tuple[str, ...],
    output: str,
    parameter: tuple[str, ...] | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Export, and print how many rows the file has."""
    start_s = time.monotonic()
    with Console(stderr=True).status("") as status:
        status.stop()

        def show(rows: int) -> None:
            if time.monotonic() - start_s > QUIET_S:
                status.update(f"{output}: {counted(rows, 'row')}")
                status.start()

        rows = export(
            sources,
            output,
            spreadsheet_safe=True,
            parameter=parameter and [int(p) if p.isdecimal() else p for p in parameter],
            report=show,
            **options,
        )
    if as_json:
        print_json([{"output": output, "rows": rows}])
    else:
        print(f"{output}: {counted(rows, 'row')} written")
