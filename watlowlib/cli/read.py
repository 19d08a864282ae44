"""`watlowlib read`: read parameters once and print one line per value."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from watlowlib.cli.base import define, json_option
from watlowlib.cli.exits import FAILED, SILENT, CommandError
from watlowlib.cli.fleet import chosen, load_config, open_fleet, running_service
from watlowlib.cli.options import (
    DEFAULT_PARAMETERS,
    INSTANCES,
    PARAMETERS,
    PORT,
    SHOW_UNIT,
    Line,
    line_options,
)
from watlowlib.cli.output import console, print_json, sample_rows, sample_table
from watlowlib.devices import availability
from watlowlib.errors import WatlowTimeoutError
from watlowlib.manager.manager import WatlowManager
from watlowlib.model import Unit
from watlowlib.rig.values import Rig


@define(
    "read",
    short_help="Read parameters once and print them.",
    help="Read parameters of the controllers on PORT, or of a rig file, once and print them. "
    "PORT is /dev/ttyUSB0, COM3, socket://host:4001 or rfc2217://host:4001, or tcp://host for a "
    "Modbus TCP server.",
    examples=(
        "watlowlib read /dev/ttyUSB0 --address 1-3,5 --parameter process_value,setpoint",
        "watlowlib read --config rig.toml --name oven_top --json",
    ),
)
@PORT
@line_options
@PARAMETERS
@INSTANCES
@SHOW_UNIT
@json_option
def command(
    line: Line,
    parameter: tuple[str, ...] | None,
    instance: tuple[int, ...] | None,
    show_unit: str | None,
    as_json: bool,
) -> None:
    """Read the parameters and print them; raise `WatlowError` if every read failed."""
    rig = load_config(line)
    wanted = parameter or recorded_parameters(rig)
    scale = show_unit or (rig.record.show_unit if rig else None)
    options: Any = {"instances": instance or (1,), "show_unit": scale and Unit(scale)}
    service = running_service(line, rig)
    if rig is not None and service is not None:
        reads = service.read_each(chosen(rig, line), wanted, **options)
    else:
        with WatlowManager() as manager, availability_log_off():
            open_fleet(manager, line, rig)
            poll = manager.prepare(wanted, **options)
            reads = [read for device_reads in poll.reads().values() for read in device_reads]
    samples = [sample for sample, _ in reads]
    if as_json:
        print_json(sample_rows(samples))
    else:
        console().print(sample_table(samples))
    if all(sample.value is None for sample in samples):
        silent = all(isinstance(error, WatlowTimeoutError) for _, error in reads)
        raise CommandError(f"nothing could be read: {reads[0][1]}", SILENT if silent else FAILED)


def recorded_parameters(rig: Rig | None) -> list[str | int]:
    """Return the parameters that a rig file records; the default ones without a file."""
    if rig is None:
        return list(DEFAULT_PARAMETERS)
    parameters = rig.record_arguments().get("parameters")
    return list(parameters or DEFAULT_PARAMETERS)


@contextmanager
def availability_log_off() -> Iterator[None]:
    """Disable the warning that a controller is read less often: a single poll does not."""
    log = logging.getLogger(availability.__name__)
    log.disabled = True
    try:
        yield
    finally:
        log.disabled = False
