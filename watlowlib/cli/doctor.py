"""`watlowlib doctor`: check a port and the controllers on it, with advice for each finding."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from watlowlib._internal.validation import masked, shown
from watlowlib.cli.base import define, json_option
from watlowlib.cli.exits import FAILED, CommandError
from watlowlib.cli.fleet import check_zones, stations_of, with_options
from watlowlib.cli.options import PORT, Line, zone_options
from watlowlib.cli.output import console, print_json
from watlowlib.cli.read import availability_log_off
from watlowlib.cli.search import ADDRESS, BAUDRATE, PROTOCOL, TIMEOUT, label_of
from watlowlib.cli.signals import first_signal_only
from watlowlib.devices.discovery import Probe
from watlowlib.diagnosis import Finding, Result, examine, longest_s, write_bundle
from watlowlib.diagnosis.bundle import RunLog, check_bundle_path
from watlowlib.diagnosis.examine import ALL_ADDRESSES
from watlowlib.diagnosis.findings import text_of
from watlowlib.model import ProtocolKind
from watlowlib.rig.load import load_rig
from watlowlib.transport.urls import is_tcp


@define(
    "doctor",
    short_help="Check a port and its controllers, with advice.",
    help="Check the port PORT, or each port of a rig file, and the controllers on it: permission, "
    "other programs that use the port, latency timer, noise, echo, protocol, baud rate, parity, "
    "addresses, replies, word order, data map and units. Each finding comes with advice. Only "
    "reads are sent. A port without controllers takes about a minute. --bundle also packs "
    "versions, settings, findings, identities, counters, the log and a capture of the reads, "
    "without passwords.",
    examples=(
        "watlowlib doctor /dev/ttyUSB0",
        "watlowlib doctor --config rig.toml --bundle report.zip",
    ),
)
@PORT
@click.option("--config", metavar="FILE", help="A rig file, which is compared with the findings.")
@ADDRESS
@zone_options
@PROTOCOL
@BAUDRATE
@click.option(
    "--parity",
    type=click.Choice(["N", "E", "O"]),
    help="On modbus_rtu.  [default: N, and the others if nothing replies]",
)
@click.option("--unit", type=click.Choice(["C", "F"]), help="The declared scale of temperatures.")
@TIMEOUT
@click.option("--bundle", metavar="FILE", help="Write a zip file for a bug report.")
@json_option
def command(
    port: str | None,
    config: str | None,
    bundle: str | None,
    as_json: bool,
    zone: tuple[int, ...],
    gateway_offset: int | None,
    offset: int | None,
    **given: Any,
) -> None:
    """Print the findings; raise `CommandError` if there is a problem."""
    if (port is None) == (config is None):
        raise click.UsageError(
            "give a port, such as /dev/ttyUSB0, or --config rig.toml (one of them)",
            click.get_current_context(),
        )
    options = _options(**given)
    place: dict[str, Any] = {"zone": zone, "gateway_offset": gateway_offset, "offset": offset}
    if config and any(each not in (None, ()) for each in place.values()):
        raise click.UsageError(
            "doctor checks all zones of a rig file: leave out --zone, --gateway-offset and --offset"
        )
    zones = _zones(Line(port, None, (), given["address"] or (), None, None, given["parity"], None,
                        given["unit"], given["timeout"], None, **place), **given)  # fmt: skip
    ports = _rig_ports(config, options) if config else {port or "": {**options, "zones": zones}}
    if bundle is not None:
        check_bundle_path(bundle)
    findings: list[Finding] = []
    settings = {"port": port, "config": config, **options, **place}
    with _bundled(bundle, findings, settings) as capture, availability_log_off():
        for name, arguments in ports.items():
            with closing(_examine(name, {**arguments, "capture": capture})) as found:
                for finding in found:
                    if as_json:
                        print_json([asdict(finding)])
                    else:
                        console().print(text_of(finding, findings))
                    findings.append(finding)
    problems = sum(each.result is Result.PROBLEM for each in findings)
    if problems:
        raise CommandError(f"{problems} problem{'s' if problems > 1 else ''} found", FAILED)


@contextmanager
def _bundled(
    bundle: str | None, findings: list[Finding], settings: dict[str, Any]
) -> Iterator[Path | None]:
    """Yield where to capture the port; at the end, also after Ctrl-C, write the bundle."""
    if bundle is None:
        yield None
        return
    rig_file, contents = settings["config"], "what was found before the end of the checks"
    with first_signal_only(), RunLog() as log, TemporaryDirectory() as folder:
        capture = Path(folder) / "wire.jsonl"
        try:
            yield capture
            contents = "all findings"
        finally:
            write_bundle(
                bundle,
                findings,
                log=log.lines,
                settings=settings,
                rig_file=rig_file,
                capture=capture,
            )
            console(stderr=True).print(
                f"{shown(bundle)} is written with {contents}; check its contents before you send "
                "it: it has the serial numbers of the controllers, and with --config the contents "
                "of the rig file"
            )


def _options(
    *,
    address: tuple[int, ...] | None,
    protocol: tuple[str, ...],
    baudrate: tuple[int, ...] | None,
    parity: str | None,
    unit: str | None,
    timeout: float,
) -> dict[str, Any]:
    """Return the options as arguments of `examine`."""
    return {
        "protocols": protocol,
        "baudrates": baudrate,
        "addresses": address or ALL_ADDRESSES,
        "parity": parity,
        "timeout_s": timeout,
        "temperature_unit": unit,
    }


def _zones(line: Line, *, protocol: tuple[str, ...], **given: Any) -> list[dict[str, Any]]:
    """Return the arguments of `open_device`, and `name`, of each zone that the options name."""
    check_zones(line)
    if not line.zone and line.offset is None:
        return []
    rates = given["baudrate"] or ()
    if len(rates) > 1:
        raise click.UsageError("the zones are behind one gateway: give one --baudrate")
    kind = None
    if not is_tcp(line.port):
        kind = next((each for each in protocol if each != ProtocolKind.STDBUS), protocol[0])
    line = replace(line, protocol=kind, baudrate=rates[0] if rates else None)
    return [
        {"port": line.port, "name": name, **station, **with_options(line, {})}
        for name, station in stations_of(line).items()
    ]


def _rig_ports(config: str, options: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the arguments of `examine` for each port of the rig file."""
    rig = load_rig(config)
    ports: dict[str, dict[str, Any]] = {}
    for name in rig.controllers:
        given = {**rig.open_arguments(name), "name": name}
        arguments = ports.setdefault(given["port"], {**options, "declared": {}, "zones": []})
        if given["zone"] is None and given["offset"] is None:
            arguments["declared"][given["address"]] = given
        else:
            arguments["zones"].append(given)
    return ports


def _examine(port: str, arguments: dict[str, Any]) -> Generator[Finding, None, None]:
    """Yield the findings, with progress on standard error."""
    screen = console(stderr=True)
    seen: set[str] = set()

    def note(probe: Probe) -> None:
        label = label_of(probe)
        if label not in seen:
            seen.add(label)
            screen.print(masked(f"searching {label}"))

    if is_tcp(port):
        arguments = {**arguments, "protocols": (ProtocolKind.MODBUS_TCP,)}
    findings = examine(port, **arguments, progress=note)
    timing = {
        name: arguments[name]
        for name in ("protocols", "baudrates", "addresses", "parity", "timeout_s")
    }
    screen.print(
        f"examining {masked(port)} with reads only; this may take {longest_s(**timing):.0f} s"
    )
    yield from findings
