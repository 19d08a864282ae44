"""`watlowlib reload`: make a running service load its rig file again."""

from __future__ import annotations

import click

from watlowlib.cli.base import define
from watlowlib.service.client import attach


@define(
    "reload",
    short_help="Make a running recorder load its rig file again.",
    help="Make the running 'watlowlib run FILE' load the changed file. Controllers and outputs "
    "that stay lose no tick. If the file has problems, they are printed, and the recorder "
    "continues as before.",
    examples=("watlowlib reload rig.toml", "watlowlib reload /etc/watlowlib/ovens.toml"),
)
@click.argument("file", metavar="FILE")
def command(file: str) -> None:
    """Send the request; raise the error of the service."""
    attach(file).reload()
    print(f"{file} is recorded as it is now")
