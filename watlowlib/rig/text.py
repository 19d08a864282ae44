"""The text of a rig file for the controllers that `find_devices` found: `rig_text`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from watlowlib.devices.discovery import Probe
from watlowlib.devices.factory import SETTINGS
from watlowlib.errors import WatlowConfigurationError
from watlowlib.model import ControllerFamily

RECORD = """[record]
parameters = ["process_value", "setpoint"]
rate_hz = 2.0

[[record.sinks]]
url = "run.sqlite"
"""


def rig_text(found: Iterable[Probe]) -> str:
    """Return the text of a rig file for controllers that were found.

    Ports are called `line1`, `line2` ... and controllers `controller1`, `controller2` ...; rename
    them. The scale of temperatures on the wire is not known: add `temperature_unit`.

    Args:
        found: The result of `find_devices`; probes without a controller are left out.

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
        ports.append(_port_table(f"line{number}", port, probes))
        for probe in probes:
            name = f"controller{len(controllers) + 1}"
            controllers.append(_controller_table(name, f"line{number}", probe))
    return "\n".join([*ports, *controllers, RECORD])


def _port_table(name: str, port: str, probes: list[Probe]) -> str:
    settings = {(probe.protocol, probe.baudrate) for probe in probes}
    if len(settings) > 1:
        texts = sorted(f"{protocol} at {baudrate} baud" for protocol, baudrate in settings)
        raise WatlowConfigurationError(
            f"the controllers on {port} use {' and '.join(texts)}: set them to one of these"
        )
    protocol, baudrate = settings.pop()
    text = f"[ports.{name}]\nport = {_quoted(port)}\nprotocol = {_quoted(protocol.value)}\n"
    return text + (f"baudrate = {baudrate}\n" if baudrate != SETTINGS[protocol].baudrate else "")


def _controller_table(name: str, line: str, probe: Probe) -> str:
    info = probe.info
    assert info is not None
    number = "" if info.part_number is None else f"  # {info.part_number.text}"
    table = f"[controllers.{name}]{number}\nport = {_quoted(line)}\naddress = {probe.address}\n"
    return table + ('family = "sd"\n' if info.family is ControllerFamily.SD else "")


def _quoted(text: str) -> str:
    """Return a basic string of TOML, in which `$$` stands for `$`."""
    escaped = json.dumps(text, ensure_ascii=False)  # JSON escapes are those of TOML
    return re.sub(r"\$", "$$$$", escaped).replace("\x7f", "\\u007f")
