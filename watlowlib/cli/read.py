"""`watlowlib read`: read parameters once and print one line per value."""

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
    """Add the arguments of this subcommand to `parser`."""
    add_line_options(parser)


def run(arguments: argparse.Namespace) -> None:
    """Read the parameters and print them; raise `WatlowError` if every read failed."""
    with WatlowManager() as manager, _availability_log_off():
        add_controllers(manager, arguments)
        poll = manager.prepare(arguments.parameter, instances=arguments.instance)
        reads = [read for device_reads in poll.reads().values() for read in device_reads]
    samples = [sample for sample, _ in reads]
    Console().print(sample_table(samples))
    if all(sample.value is None for sample in samples):
        raise WatlowError(f"nothing could be read: {reads[0][1]}")


@contextmanager
def _availability_log_off() -> Iterator[None]:
    """Disable the warning that a controller is read less often: `read` sends only one poll."""
    log = logging.getLogger(availability.__name__)
    log.disabled = True
    try:
        yield
    finally:
        log.disabled = False


def sample_table(samples: list[Sample]) -> Table:
    """Return a table with one row per sample."""
    table = Table(box=None, pad_edge=False)
    for heading in ("controller", "parameter", "instance"):
        table.add_column(heading, no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("status", no_wrap=True)
    for each in samples:
        where = (each.device, each.parameter, str(each.instance))
        table.add_row(*where, format_value(each), each.status)
    return table


def format_value(sample: Sample) -> str:
    """Return a sample's value and unit as text; a dash if there is no value."""
    value = sample.value
    if value is None:
        return "-"
    number = f"{value:.2f}" if isinstance(value, float) else str(value)
    return number if sample.unit is None else f"{number} {sample.unit}"
