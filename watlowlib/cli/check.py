"""`watlowlib check`: open everything that a rig file names, and report each problem."""

from __future__ import annotations

from dataclasses import asdict

import click

from watlowlib.cli.base import define, json_option
from watlowlib.cli.exits import FAILED, SILENT, CommandError
from watlowlib.cli.output import console, print_json
from watlowlib.cli.read import availability_log_off
from watlowlib.manager.rig_check import check_rig
from watlowlib.rig import load_rig
from watlowlib.service.client import find_service


@define(
    "check",
    short_help="Try everything that a rig file names.",
    help="Open the ports and outputs of the rig file FILE, ask each controller once, compute "
    "whether the rate fits, and report each problem with what to do. No rows are written. While "
    "'watlowlib run FILE' has the ports open, use status and reload instead.",
    examples=("watlowlib check rig.toml", "watlowlib check rig.toml --json"),
)
@click.argument("file", metavar="FILE")
@json_option
def command(file: str, as_json: bool) -> None:
    """Check the file and print the findings; raise `CommandError` if there are problems."""
    rig = load_rig(file)
    if find_service(rig) is not None:
        raise CommandError(
            f"'watlowlib run' records {rig.path} and has its ports open; see 'watlowlib status'. "
            "'watlowlib reload' checks a changed file; to check the controllers, stop the "
            "recording first",
            FAILED,
        )
    with availability_log_off():
        findings = check_rig(rig)
    if as_json:
        print_json(map(asdict, findings))
    else:
        for each in findings:
            mark = "PROBLEM" if not each.ok else "warning" if each.kind == "warning" else "ok     "
            console().print(f"{mark} {each.subject}: {each.text}")
    problems = sum(not each.ok for each in findings)
    if problems:
        silent = not any(each.ok for each in findings if each.kind == "controller")
        message = f"{problems} problem{'s' if problems > 1 else ''} found in {file}"
        raise CommandError(message, SILENT if silent else FAILED)
