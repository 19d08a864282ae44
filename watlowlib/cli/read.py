"""`watlowlib read`: ask once and print, a line a value."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table

from watlowlib.cli.options import add_controllers, add_line_options
from watlowlib.devices import availability
from watlowlib.errors import WatlowError
from watlowlib.manager.manager import WatlowManager
from watlowlib.model import Sample

HELP = "read parameters once and print them"
DESCRIPTION = "Read parameters of one or several controllers on a port once and print them."
USAGE = "watlowlib read PORT [--address N ...] [--parameter NAME ...] [options]"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of this subcommand."""
    add_line_options(parser)


def run(arguments: argparse.Namespace) -> None:
    """Read and print; an error when nothing could be read."""
    with WatlowManager() as manager, _asking_once():
        add_controllers(manager, arguments)
        poll = manager.prepare(arguments.parameter, instances=arguments.instance)
        reads = [read for of_one in poll.reads().values() for read in of_one]
    samples = [sample for sample, _ in reads]
    Console().print(table_of(samples))
    if all(sample.value is None for sample in samples):
        raise WatlowError(f"nothing could be read: {reads[0][1]}")


@contextmanager
def _asking_once() -> Iterator[None]:
    """Do not say that who is silent is asked less often from now on: it is not asked again."""
    log = logging.getLogger(availability.__name__)
    log.disabled = True
    try:
        yield
    finally:
        log.disabled = False


def table_of(samples: list[Sample]) -> Table:
    """Samples as a table, a row a sample."""
    table = Table(box=None, pad_edge=False)
    for heading in ("controller", "parameter", "instance"):
        table.add_column(heading, no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("status", no_wrap=True)
    for each in samples:
        table.add_row(each.device, each.parameter, str(each.instance), shown(each), each.status)
    return table


def shown(sample: Sample) -> str:
    """A sample's value and unit as text; a dash where there is none."""
    value = sample.value
    if value is None:
        return "-"
    number = f"{value:.2f}" if isinstance(value, float) else str(value)
    return number if sample.unit is None else f"{number} {sample.unit}"
