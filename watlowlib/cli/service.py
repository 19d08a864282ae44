"""`watlowlib service`: install, remove and check the systemd unit of a recorder."""

from __future__ import annotations

import getpass
import os
import re
import sys

import click

from watlowlib.cli.base import define
from watlowlib.cli.exits import FAILED, CommandError
from watlowlib.cli.metrics import metrics_options, metrics_words
from watlowlib.rig import load_rig
from watlowlib.service.client import find_service
from watlowlib.service.unit import Unit, serial_group
from watlowlib.views.web.metrics import MetricsServer


@define(
    "service",
    short_help="Run the recorder as a systemd service.",
    help="Write (install), remove (uninstall) or check (status) a systemd unit that runs "
    "'watlowlib run FILE --service' from the start of the machine on.",
    examples=(
        "watlowlib service install rig.toml --user --dry-run",
        "watlowlib service install /etc/watlowlib/ovens.toml --run-as watlow --metrics 9187",
    ),
)
@click.argument("action", type=click.Choice(["install", "uninstall", "status"]))
@click.argument("file", metavar="FILE")
@click.option(
    "--system/--user",
    default=None,
    help="A unit of the machine, or of this user.  [default: --system for root, else --user]",
)
@click.option("--run-as", metavar="USER", help="User of a system unit.  [default: who called sudo]")
@click.option("--name", help="The unit is watlowlib-NAME.service.  [default: that of FILE]")
@metrics_options
@click.option("--dry-run", is_flag=True, help="Print the unit and change nothing.")
def command(
    action: str,
    file: str,
    system: bool | None,
    run_as: str | None,
    name: str | None,
    metrics: MetricsServer | None,
    dry_run: bool,
) -> None:
    """Carry out the action and print what to do next."""
    if not sys.platform.startswith("linux"):
        raise CommandError(
            "systemd exists only on Linux; the page 'A recorder that runs for months' shows the "
            "Task Scheduler of Windows, and Docker",
            FAILED,
        )
    if system is None:
        system = os.geteuid() == 0
    if run_as is not None and not system:
        raise click.UsageError("--run-as is for --system", click.get_current_context())
    if metrics is not None and action != "install":
        raise click.UsageError("--metrics is for install", click.get_current_context())
    rig = load_rig(file)
    name = name or re.sub(r"[^A-Za-z0-9_.-]+", "-", rig.path.stem).lstrip(".-")
    user = run_as or os.environ.get("SUDO_USER") or getpass.getuser()
    options = () if metrics is None else metrics_words(metrics)
    run_as, group = (user, serial_group()) if system else (None, None)
    unit = Unit(rig, name, run_as, group, options=options)
    if action == "status":
        _print_status(unit)
    elif dry_run:
        print(f"# {unit.path}\n{unit.text()}", end="")
    elif action == "install":
        unit.install()
        print(f"{unit.path} is written. To start it now and at each start of the machine:")
        print(f"  {unit.systemctl} daemon-reload")
        print(f"  {unit.systemctl} enable --now {unit.file_name}")
        if not system:
            print("  loginctl enable-linger  # without it, it ends when you log out")
    else:
        unit.uninstall()
        print(f"{unit.path} is removed. To end what still runs:")
        print(f"  {unit.systemctl} stop {unit.file_name}")
        print(f"  {unit.systemctl} daemon-reload")


def _print_status(unit: Unit) -> None:
    """Print whether the unit is installed, and whether its service replies."""
    installed = unit.path.exists()
    print(f"{unit.path}: {'installed' if installed else 'not installed'}")
    service = find_service(unit.rig)
    if service is None:
        print(f"no service of this user replies; see '{unit.systemctl} status {unit.file_name}'")
        raise CommandError("it does not run, or runs as another user", FAILED)
    print(f"running: pid {service.status()['pid']}")
