"""`watlowlib export`: write recordings into one file of another format."""

from __future__ import annotations

import argparse
import time

from rich.console import Console

from watlowlib.sinks.export import WRITERS, export

HELP = "write recordings into one file of another format"
DESCRIPTION = (
    "Write the rows of files, folders, patterns and database tables into one new file, whose "
    f"extension selects the format: {', '.join(WRITERS)}. Several sources are read in the order "
    "of their first rows. Times without an offset are in UTC."
)
USAGE = "watlowlib export SOURCE ... -o FILE [--wide] [options]"

QUIET_S = 2.0
"""The time after which the progress is shown."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this subcommand to `parser`."""
    parser.add_argument(
        "sources", nargs="+", metavar="SOURCE",
        help="a file, a folder, a pattern such as 'data/ovens-*.csv', or postgresql://...",
    )  # fmt: skip
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="the new file")
    parser.add_argument(
        "--wide", action="store_true", help="a row for each tick, a column for each parameter"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    parser.add_argument("--device", nargs="+", metavar="NAME")
    parser.add_argument("--parameter", nargs="+", metavar="NAME", help="names or numbers")
    parser.add_argument("--since", metavar="TIME", help="such as 2026-05-01 or 2026-05-01T12:00")
    parser.add_argument("--until", metavar="TIME", help="the end, which is not included")
    parser.add_argument("--columns", nargs="+", metavar="NAME")
    parser.add_argument("--table", default="samples", metavar="NAME", help="default: samples")


def run(arguments: argparse.Namespace) -> None:
    """Export, and print how many rows the file has."""
    parameters = arguments.parameter
    start_s = time.monotonic()
    with Console(stderr=True).status("") as status:
        status.stop()

        def show(rows: int) -> None:
            if time.monotonic() - start_s > QUIET_S:
                status.update(f"{arguments.output}: {rows:,} rows")
                status.start()

        rows = export(
            arguments.sources,
            arguments.output,
            wide=arguments.wide,
            overwrite=arguments.overwrite,
            spreadsheet_safe=True,
            table=arguments.table,
            device=arguments.device,
            parameter=parameters and [int(p) if p.isdecimal() else p for p in parameters],
            since=arguments.since,
            until=arguments.until,
            columns=arguments.columns,
            report=show,
        )
    print(f"{arguments.output}: {rows} rows written")
