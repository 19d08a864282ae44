"""The text of a rig file for the controllers that `find_devices` found: `rig_text`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from watlowlib.devices.discovery import Probe
from watlowlib.errors import WatlowConfigurationError
from watlowlib.model import ControllerFamily, ProtocolKind
from watlowlib.rig.values import located_port
from watlowlib.transport.settings import SerialSettings

UNIT = """\
# Temperatures have no unit without the next line. Remove its first #, and state the scale on the
# wire, "C" or "F": 'watlowlib doctor' shows what the controllers are set to.
# temperature_unit = "F"
"""

RECORD = """[record]
parameters = ["process_value", "setpoint"]
rate_hz = 2.0

[[record.sinks]]
url = "run.sqlite"
"""


def rig_text(found: Iterable[Probe], *, parity: str = "N") -> str:
    """Return the text of a rig file for controllers that were found.

    Ports are called `line1`, `line2` ... and controllers `controller1`, `controller2` ...; rename
    them. The scale of temperatures on the wire is not known: `temperature_unit` is a comment. A
    Series SD needs none.

    Args:
        found: The result of `find_devices`; probes without a controller are left out.
        parity: The parity that `find_devices` was given, for Modbus RTU.

    Raises:
        WatlowConfigurationError: No controller was found, or those on one port have different
            protocols or baud rates, so that the port cannot be used for both.
    """
    lines: dict[str, list[Probe]] = {}
    for probe in found:
        if probe.info is not None:
            lines.setdefault(probe.port, []).append(probe)
    if not lines:
        raise WatlowConfigurationError("no controller was found: there is no rig to describe")
    ports: list[str] = []
    controllers: list[str] = []
    for number, (port, probes) in enumerate(lines.items(), 1):
        ports.append(_port_table(f"line{number}", port, probes, parity))
        for probe in probes:
            name = f"controller{len(controllers) + 1}"
            controllers.append(_controller_table(name, f"line{number}", probe))
    return "\n".join([*ports, *controllers, RECORD])


def _port_table(name: str, port: str, probes: list[Probe], parity: str) -> str:
    settings = {(probe.protocol, probe.baudrate) for probe in probes}
    if len(settings) > 1:
        texts = sorted(f"{protocol} at {baudrate} baud" for protocol, baudrate in settings)
        raise WatlowConfigurationError(
            f"the controllers on {port} use {' and '.join(texts)}: set them to one of these"
        )
    protocol, baudrate = settings.pop()
    path = located_port(Path.cwd(), port)
    lines = [f"[ports.{name}]", f"port = {_quoted(path)}", f"protocol = {_quoted(protocol.value)}"]
    if baudrate and baudrate != SerialSettings.factory_for(protocol).baudrate:
        lines.append(f"baudrate = {baudrate}")
    if parity != "N" and protocol is ProtocolKind.MODBUS_RTU:
        lines.append(f"parity = {_quoted(parity)}")
    families = {probe.info.family for probe in probes if probe.info is not None}
    return "\n".join([*lines, UNIT * (families != {ControllerFamily.SD})])


def _controller_table(name: str, line: str, probe: Probe) -> str:
    info = probe.info
    assert info is not None
    number = "" if info.part_number is None else info.part_number.text
    comment = f"  # {number}" if number.isprintable() and number else ""
    lines = [
        f"[controllers.{name}]{comment}",
        f"port = {_quoted(line)}",
        f"address = {probe.address}",
    ]
    if info.family not in (ControllerFamily.PM, ControllerFamily.UNKNOWN):
        lines.append(f"family = {_quoted(info.family.value)}")
    return "\n".join([*lines, ""])


def _quoted(text: str) -> str:
    """Return a basic string of TOML, in which `$$` stands for `$`."""
    escaped = json.dumps(text, ensure_ascii=False)  # its escapes are also TOML's
    return escaped.replace("$", "$$").replace("\x7f", "\\u007f")
