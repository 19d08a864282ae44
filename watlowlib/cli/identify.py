"""`watlowlib identify`: print everything known about controllers."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from watlowlib.cli.base import define, json_option
from watlowlib.cli.exits import FAILED, CommandError, code_of
from watlowlib.cli.fleet import load_config, open_fleet
from watlowlib.cli.options import PORT, Line, line_options
from watlowlib.cli.output import NO_VALUE, console, print_json
from watlowlib.cli.read import availability_log_off
from watlowlib.devices.controller import Controller
from watlowlib.errors import WatlowError
from watlowlib.manager.manager import WatlowManager
from watlowlib.manager.results import DeviceResult, ErrorPolicy

Facts = dict[str, Any]

IDENTIFYING = (
    "part_number",
    "hardware_id",
    "firmware_id",
    "software_revision",
    "software_build",
    "serial_number",
    "device_name",
    "data_map",
)
"""Facts of an identity; each supported controller reports at least one of them."""


@define(
    "identify",
    short_help="Print everything known about a controller.",
    help="Print everything known about the controllers on PORT or of a rig file: part number, "
    "serial number, firmware, features and, over Modbus, the layout of the registers.",
    examples=(
        "watlowlib identify /dev/ttyUSB0 --address 2",
        "watlowlib identify --config rig.toml --json",
    ),
)
@PORT
@line_options
@json_option
def command(line: Line, as_json: bool) -> None:
    """Identify the controllers; raise an error if one of them is not identified."""
    rig = load_config(line)
    with WatlowManager(error_policy=ErrorPolicy.RETURN) as manager, availability_log_off():
        open_fleet(manager, line, rig)
        results = manager.execute_each(_facts)
    if as_json:
        print_json(result.value for result in results.values() if result.error is None)
    else:
        for name, result in results.items():
            console().print(_text(name, result))
    errors = [result.error for result in results.values() if result.error is not None]
    if errors:
        error = errors[-1]
        code = (
            code_of(error) if isinstance(error, WatlowError) and len(errors) == len(results) else 1
        )
        reason = f": {error}" if as_json else ""  # otherwise it is printed with its controller
        raise CommandError(f"{len(errors)} of {len(results)} not identified{reason}", code)


def _facts(controller: Controller) -> Facts:
    info = controller.identify()
    if all(getattr(info, name) is None for name in IDENTIFYING):
        raise CommandError(
            "a controller replies, but reports nothing that identifies it; give --family sd for a "
            "Series SD; 'watlowlib doctor' finds other causes",
            FAILED,
        )
    facts: Facts = {"name": controller.name, "port": controller.port}
    for key, value in asdict(info).items():
        if key != "part_number":
            facts[key] = value
    part = asdict(info.part_number) if info.part_number else {}
    facts["part_number"] = part.pop("text", None)
    part.pop("modbus", None)  # also in the capabilities, as "modbus_rtu"
    facts |= {key: value for key, value in part.items() if key not in facts}
    facts |= info.capabilities
    unit = controller.temperature_unit
    return facts | {"temperature_unit": None if unit is None else unit.value}


def _text(name: str, result: DeviceResult[Facts]) -> str:
    if result.error is not None:
        return f"{name}\n  no identity: {result.error}"
    facts = {key: value for key, value in result.value.items() if key != "name"}
    width = max(map(len, facts))
    lines = (f"  {key.replace('_', ' '):<{width}}  {_cell(value)}" for key, value in facts.items())
    return "\n".join([name, *lines])


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return NO_VALUE if value is None else str(value)
