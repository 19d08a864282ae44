"""`watlowlib init`: write a rig file for the controllers that a search finds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from watlowlib._internal.validation import shown
from watlowlib.cli.base import define, json_option
from watlowlib.cli.discover import failure_lines
from watlowlib.cli.exits import FAILED, CommandError
from watlowlib.cli.output import console, print_json
from watlowlib.cli.search import none_found, search_options
from watlowlib.devices.discovery import Probe
from watlowlib.model.text import counted
from watlowlib.rig import rig_text


@define(
    "init",
    short_help="Write a rig file for the controllers found.",
    help="Search the serial ports PORT, or all of this machine, like discover, and write a rig "
    "file for the controllers found. Edit it: names, parameters, temperature_unit, outputs.",
    examples=("watlowlib init", "watlowlib init /dev/ttyUSB0 --address 1-4 -o ovens.toml"),
)
@search_options
@click.option("-o", "--output", default="rig.toml", metavar="FILE", help="[default: rig.toml]")
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
@json_option
def command(probes: Callable[[], list[Probe]], output: str, overwrite: bool, as_json: bool) -> None:
    """Search, and write the file."""
    path = Path(output)
    if path.exists() and not overwrite:
        raise CommandError(f"{shown(path)} exists already; give --overwrite or another -o", FAILED)
    if not path.absolute().parent.is_dir():
        raise CommandError(f"{shown(path)}: there is no such folder; make it first", FAILED)
    found = probes()
    for line in failure_lines(found):
        console(stderr=True).print(line)
    ports = [probe.port for probe in found if probe.info is not None]
    if not ports:
        raise none_found(found)
    try:
        parity = click.get_current_context().params["parity"]
        path.write_text(rig_text(found, parity=parity), "utf-8")
    except OSError as error:
        raise CommandError(f"{shown(path)} could not be written: {error}", FAILED) from error
    if as_json:
        row = {"file": path, "ports": list(dict.fromkeys(ports)), "controllers": len(ports)}
        print_json([row])
    else:
        controllers = counted(len(ports), "controller")
        print(f"{path}: {controllers}; edit it, then run: watlowlib check {path}")
