"""Functions for LabVIEW's Python Node: plain values in and out, handles for objects.

A handle is a whole number above 0 that stands for an open controller or a recording. It is
valid until it is closed, the session is closed or Python ends. No handle is used twice, and
a handle of an earlier session is refused.
Arguments and results are texts, numbers, Booleans and lists of them; a tuple is a cluster.

A read without a value gives NaN and a status that says why ("timeout", "crc",
"disconnected", "other_device" ...). It raises an error only if its arguments are invalid.
All functions may be called from several threads at the same time.

The inputs and outputs of each function in LabVIEW's terms: `docs/labview.md`.
"""

from __future__ import annotations

import atexit
from collections.abc import Sequence
from math import nan
from typing import TypeAlias

import watlowlib
from watlowlib._internal.log import logger
from watlowlib._internal.validation import as_enum
from watlowlib._labview.background import Background, Status, start_background, status_of
from watlowlib._labview.handles import (
    Handles,
    LabviewError,
    boolean,
    distinct_handles,
    float_or_nan,
    for_labview,
    reading_text,
    real_number,
    text_list,
    values_and_statuses,
    whole_number,
)
from watlowlib._labview.served import (
    AnyController,
    ServedController,
    check_not_recorded,
    open_all,
    opened_here,
)
from watlowlib.devices.discovery import USUAL, find_devices
from watlowlib.devices.factory import open_device
from watlowlib.errors import (
    WatlowConfigurationError,
    WatlowConnectionError,
    WatlowError,
    WatlowProcessError,
    WatlowTimeoutError,
)
from watlowlib.model import ControllerFamily, DeviceInfo, ProtocolKind
from watlowlib.rig.load import load_rig
from watlowlib.sinks.choose import open_sink
from watlowlib.transport.settings import SerialSettings

Identity: TypeAlias = "tuple[str, str, str, int, int, int]"
log = logger(__name__)


_controllers: Handles[AnyController] = Handles("controller")
_recordings: Handles[Background] = Handles("recording")


@for_labview
def version() -> str:
    """Return the library's version; a first call to check that LabVIEW finds the library."""
    return watlowlib.__version__


@for_labview
def open_controller(
    port: str,
    address: int = 1,
    protocol: str = "",
    temperature_unit: str = "",
    family: str = "",
    baudrate: int = 0,
    timeout_s: float = 0.5,
    name: str = "",
) -> int:
    """Open a controller; nothing is sent unless `protocol` is "auto".

    Args:
        port: "COM3", "/dev/ttyUSB0", "socket://host:4001", "tcp://host".
        address: 1 to 16 on Standard Bus, 1 to 247 on Modbus RTU.
        protocol: "stdbus", "modbus_rtu", "modbus_tcp" or "auto"; empty for "modbus_tcp" if the
            port begins with tcp://, otherwise "stdbus".
        temperature_unit: "F" or "C", the scale on the wire; empty if not known.
        family: "sd" for a Series SD; empty otherwise.
        baudrate: Bit/s on Modbus RTU; 0 for the protocol's factory setting.
        timeout_s: Seconds to wait for a reply; 0 for 0.5.
        name: The name in recordings; empty for address and port, "1@COM3".

    Returns:
        The handle of the controller.
    """
    rate = whole_number("baudrate", baudrate)
    ctl = open_device(
        port,
        protocol=as_enum("protocol", ProtocolKind, protocol) if protocol else None,
        address=whole_number("address", address),
        serial_settings=SerialSettings(baudrate=rate) if rate else None,
        family=as_enum("family", ControllerFamily, family or "unknown"),
        name=name or None,
        temperature_unit=temperature_unit or None,
        timeout_s=real_number("timeout_s", timeout_s) or 0.5,
    )
    return _controllers.add(ctl)


@for_labview
def open_rig(path: str) -> tuple[list[str], list[int]]:
    """Open all controllers of a rig file; see `docs/rig.md`.

    If a service records the file, they are reached through it, and no port is opened. If one of
    them cannot be opened, those opened before are closed.

    Returns:
        The names of the controllers and their handles, in the order of the file.
    """
    rig = load_rig(path)
    controllers = open_all(rig)
    return list(rig.controllers), [_controllers.add(each) for each in controllers]


@for_labview
def read(handle: int, parameter: str, instance: int = 1) -> tuple[float, str]:
    """Read one parameter as a number; return the value and "ok", or NaN and the reason."""
    values, statuses = _poll(handle, [parameter], instance)
    return values[0], statuses[0]


@for_labview
def read_text(handle: int, parameter: str, instance: int = 1) -> tuple[str, str]:
    """Read one parameter as text or label; return it and "ok", or "" and the reason."""
    ctl = _controllers.get(handle)
    try:
        reading = ctl.read_parameter(parameter, instance=whole_number("instance", instance))
    except (WatlowConfigurationError, WatlowProcessError):
        raise
    except WatlowError as error:
        return "", error.status
    return reading_text(reading), "ok"


@for_labview
def read_many(
    handle: int, parameters: Sequence[str], instance: int = 1
) -> tuple[list[float], list[str]]:
    """Read several parameters; return their values, and for each "ok" or the reason."""
    return _poll(handle, parameters, instance)


@for_labview
def write(
    handle: int, parameter: str, value: float, instance: int = 1, confirm: bool = False
) -> float:
    """Write a number and return the value that the controller holds afterwards.

    A parameter stored in EEPROM needs `confirm`. If the controller holds the value already,
    nothing is written.
    """
    ctl = _controllers.get(handle)
    index, confirmed = whole_number("instance", instance), boolean("confirm", confirm)
    new_value = real_number("value", value)
    reading = ctl.write_parameter(parameter, new_value, instance=index, confirm=confirmed)
    return float_or_nan(reading.value)


@for_labview
def write_text(
    handle: int, parameter: str, text: str, instance: int = 1, confirm: bool = False
) -> str:
    """Write an enumeration by its label, such as "Auto"; return the label held afterwards."""
    ctl = _controllers.get(handle)
    index, confirmed = whole_number("instance", instance), boolean("confirm", confirm)
    reading = ctl.write_parameter(parameter, text, instance=index, confirm=confirmed)
    return reading_text(reading)


@for_labview
def set_setpoint(handle: int, value: float, loop: int = 1, confirm: bool = False) -> float:
    """Write the set point of a control loop; needs `confirm`. Return the value held afterwards."""
    reading = _controllers.get(handle).set_setpoint(
        real_number("value", value),
        instance=whole_number("loop", loop),
        confirm=boolean("confirm", confirm),
    )
    return float_or_nan(reading.value)


@for_labview
def identify(handle: int) -> Identity:
    """Read the identity of a controller.

    Returns:
        Part number, family, device name, serial number, software revision and number of
        loops; "" or -1 for values the controller does not provide.
    """
    return _identity(_controllers.get(handle).identify())


@for_labview
def accept_replacement(handle: int) -> Identity:
    """Continue with a controller that has taken another one's place; return its `identify`.

    Ends the status "other_device", also in a recording in progress.
    """
    return _identity(_controllers.get(handle).accept_replacement())


@for_labview
def discover(
    port: str = "", highest_address: int = 16, protocol: str = ""
) -> tuple[list[str], list[int], list[str], list[int], list[str]]:
    """Search for controllers, with reads only; a port without controllers takes about 20 s.

    Args:
        port: The port; empty for all serial ports of this machine. If the given port cannot be
            opened, an error is raised.
        highest_address: The search covers addresses 1 to this one.
        protocol: "stdbus" or "modbus_rtu"; empty for both.

    Returns:
        The port, address, protocol, baud rate and part number of each controller found.
    """
    probes = find_devices(
        port or None,
        addresses=range(1, whole_number("highest_address", highest_address) + 1),
        protocols=as_enum("protocol", ProtocolKind, protocol) if protocol else tuple(USUAL),
    )
    if port and all(probe.address is None for probe in probes):
        raise WatlowConnectionError(probes[0].reason)
    found = [(probe, probe.info) for probe in probes if probe.info is not None]
    return (
        [probe.port for probe, _ in found],
        [info.address for _, info in found],
        [str(probe.protocol) for probe, _ in found],
        [probe.baudrate or 0 for probe, _ in found],
        ["" if info.part_number is None else info.part_number.text for _, info in found],
    )


@for_labview
def start_recording(
    handles: Sequence[int],
    parameters: Sequence[str],
    rate_hz: float,
    sink: str = "",
    duration_s: float = 0.0,
    instance: int = 1,
) -> int:
    """Record controllers in the background.

    Args:
        handles: The controllers; they stay open when the recording ends.
        parameters: The parameters to read from each controller.
        rate_hz: Ticks per second.
        sink: A file whose extension selects the format (.csv, .jsonl, .sqlite, .parquet), or
            postgresql://user@host/database; empty keeps only the latest values.
        duration_s: Seconds to record; 0 until `stop_recording`.
        instance: Which instance of each parameter.

    Returns:
        The handle of the recording.
    """
    recording = start_background(
        [opened_here(_controllers.get(each)) for each in distinct_handles(handles)],
        [open_sink(sink)] if sink else [],
        {
            "parameters": text_list(parameters),
            "rate_hz": rate_hz,
            "duration": duration_s or None,
            "instances": whole_number("instance", instance),
        },
    )
    return _recordings.add(recording)


@for_labview
def start_rig_recording(path: str, handles: Sequence[int]) -> int:
    """Record controllers in the background, as `[record]` of a rig file says, into its sinks.

    Args:
        path: The rig file.
        handles: The controllers, as from `open_rig`, all or some of them; they stay open when
            the recording ends.

    Returns:
        The handle of the recording.
    """
    rig = load_rig(path)
    check_not_recorded(rig)
    controllers = [opened_here(_controllers.get(each)) for each in distinct_handles(handles)]
    sinks = [open_sink(sink.url, **sink.rotation) for sink in rig.record.sinks]
    return _recordings.add(start_background(controllers, sinks, rig.record_arguments()))


@for_labview
def recording_status(handle: int) -> Status:
    """Return the status of a recording.

    Returns:
        State (1 running, 0 ended, -1 failed: `recording_error` says why), seconds, ticks
        emitted, slots skipped or dropped, rows read, rows without a value, largest drift in
        ms, ports lost, and after the end rows written and rows lost.
    """
    return status_of(_recordings.get(handle))


@for_labview
def recording_error(handle: int) -> str:
    """Return why a recording has failed; empty if it has not."""
    return _recordings.get(handle).failed


@for_labview
def latest(handle: int) -> tuple[list[float], list[str], list[str]]:
    """Return the values of the last tick of a recording; sends nothing.

    A controller's handle gives the values that its service has recorded last.

    Returns:
        The values, their statuses and their names, such as "1@COM3 process_value 1":
        controllers in the order of the handles, and the parameters of each. Empty before
        the first tick.
    """
    ctl = _controllers.get(handle) if handle in _controllers else None
    source = ctl if isinstance(ctl, ServedController) else _recordings.get(handle)
    samples = source.latest()
    names = [f"{each.device} {each.parameter} {each.instance}" for each in samples]
    return (*values_and_statuses(samples), names)


@for_labview
def stop_recording(handle: int) -> Status:
    """End a recording after all rows are written, and return its final `recording_status`."""
    return status_of(_recordings.close(handle))


@for_labview
def close(handle: int) -> None:
    """Close a controller, or end a recording in the same way as `stop_recording`."""
    if handle in _recordings:
        _recordings.close(handle)
    else:
        _controllers.close(handle)


@for_labview
def close_all() -> None:
    """End all recordings, then close all controllers; also called when Python exits."""
    errors = _recordings.close_all() + _controllers.close_all()
    if errors:
        raise WatlowError("; ".join(errors))


def _identity(info: DeviceInfo) -> Identity:
    return (
        "" if info.part_number is None else info.part_number.text,
        str(info.family),
        info.device_name or "",
        -1 if info.serial_number is None else info.serial_number,
        -1 if info.software_revision is None else info.software_revision,
        -1 if info.loops is None else info.loops,
    )


def _poll(handle: int, parameters: Sequence[str], instance: int) -> tuple[list[float], list[str]]:
    """Return a value and a status per element of `parameters`, also for duplicates."""
    ctl = _controllers.get(handle)
    names = [ctl.registry.resolve(name).name for name in text_list(parameters)]
    try:
        samples = ctl.poll(names, instances=whole_number("instance", instance))
    except (WatlowConnectionError, WatlowTimeoutError) as error:  # of the service
        return [nan] * len(names), [error.status] * len(names)
    samples_by_name = {sample.parameter: sample for sample in samples}
    return values_and_statuses([samples_by_name[name] for name in names])


def _close_at_exit() -> None:
    try:
        close_all()
    except LabviewError as error:
        log.warning("%s", error)


# Registered after the handler of `_internal.threads`, so called before it: the source ends first.
atexit.register(_close_at_exit)
