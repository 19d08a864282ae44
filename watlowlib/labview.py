"""Functions for LabVIEW's Python Node: plain values in, plain values out, handles for objects.

A handle is a whole number above 0 that stands for an open controller or a recording. It
lives until it is closed, the session is closed or Python ends; it is never given twice,
and one of an earlier session is refused.
Texts, numbers, booleans and lists of them go in and come out, and tuples are clusters.

A read that brings no value is NaN with a status that says why ("timeout", "crc",
"disconnected", "no_such_instance" ...); only what cannot be asked for is an error. Any
function may be called from several threads at once.

What each function takes and gives, in LabVIEW's words: `docs/labview.md`.
"""

from __future__ import annotations

import atexit
import logging
from collections.abc import Sequence
from typing import TypeAlias

import watlowlib
from watlowlib._internal.validation import as_enum
from watlowlib._labview.background import Background
from watlowlib._labview.handles import (
    Handles,
    LabviewError,
    each_once,
    flag,
    for_labview,
    number,
    number_of,
    numbers_of,
    real_number,
    text_of,
    texts,
    whole_number,
)
from watlowlib.devices.controller import Controller
from watlowlib.devices.discovery import USUAL, find_devices
from watlowlib.devices.factory import open_device
from watlowlib.errors import WatlowConfigurationError, WatlowConnectionError, WatlowError
from watlowlib.manager.manager import WatlowManager
from watlowlib.model import ControllerFamily, ProtocolKind, Sample, SerialSettings
from watlowlib.sinks.choose import open_sink

Status: TypeAlias = "tuple[int, float, int, int, int, int, float, int, int, int]"
log = logging.getLogger(__name__)


_controllers: Handles[Controller] = Handles("controller")
_recordings: Handles[Background] = Handles("recording")


@for_labview
def version() -> str:
    """The library's version: a first call to see that LabVIEW finds it."""
    return watlowlib.__version__


@for_labview
def open_controller(
    port: str,
    address: int = 1,
    protocol: str = "stdbus",
    temperature_unit: str = "",
    family: str = "",
    baudrate: int = 0,
    timeout_s: float = 0.5,
    name: str = "",
) -> int:
    """Open a controller; nothing is sent, unless `protocol` is "auto".

    Args:
        port: "COM3", "/dev/ttyUSB0", "socket://host:4001".
        address: 1 to 16 on Standard Bus, 1 to 247 on Modbus RTU.
        protocol: "stdbus", "modbus_rtu" or "auto"; empty for "stdbus".
        temperature_unit: "F" or "C", the scale the controller speaks; empty if not known.
        family: "sd" for a Series SD; empty otherwise.
        baudrate: Bit/s on Modbus RTU; 0 for what the protocol has from the factory.
        timeout_s: Seconds to wait for an answer; 0 for 0.5.
        name: What it is called in recordings; empty for address and port, "1@COM3".

    Returns:
        Its handle.
    """
    speed = whole_number("baudrate", baudrate)
    ctl = open_device(
        port,
        protocol=as_enum("protocol", ProtocolKind, protocol or "stdbus"),
        address=whole_number("address", address),
        serial_settings=SerialSettings(baudrate=speed) if speed else None,
        family=as_enum("family", ControllerFamily, family or "unknown"),
        name=name or None,
        temperature_unit=temperature_unit or None,
        timeout_s=real_number("timeout_s", timeout_s) or 0.5,
    )
    return _controllers.add(ctl)


@for_labview
def read(handle: int, parameter: str, instance: int = 1) -> tuple[float, str]:
    """Read one parameter as a number: the value and "ok", or NaN and why there is none."""
    return number_of(_polled(handle, [parameter], instance)[0])


@for_labview
def read_text(handle: int, parameter: str, instance: int = 1) -> tuple[str, str]:
    """Read one parameter as text, an enumeration by its name: the text and "ok", or "" and why."""
    ctl = _controllers.get(handle)
    try:
        reading = ctl.read_parameter(parameter, instance=whole_number("instance", instance))
    except WatlowConfigurationError:
        raise
    except WatlowError as error:
        return "", error.status
    return text_of(reading), "ok"


@for_labview
def read_many(
    handle: int, parameters: Sequence[str], instance: int = 1
) -> tuple[list[float], list[str]]:
    """Read several parameters: their values, and "ok" or why there is none for each."""
    return numbers_of(_polled(handle, parameters, instance))


@for_labview
def write(
    handle: int, parameter: str, value: float, instance: int = 1, confirm: bool = False
) -> float:
    """Write a number; what the controller holds then.

    What it keeps in its EEPROM needs `confirm`; a value that is there already is not written
    again.
    """
    ctl = _controllers.get(handle)
    place, sure = whole_number("instance", instance), flag("confirm", confirm)
    wanted = real_number("value", value)
    held = ctl.write_parameter(parameter, wanted, instance=place, confirm=sure)
    return number(held.value)


@for_labview
def write_text(
    handle: int, parameter: str, text: str, instance: int = 1, confirm: bool = False
) -> str:
    """Write an enumeration by its name, such as "Auto"; what the controller holds then."""
    ctl = _controllers.get(handle)
    place, sure = whole_number("instance", instance), flag("confirm", confirm)
    held = ctl.write_parameter(parameter, text, instance=place, confirm=sure)
    return text_of(held)


@for_labview
def set_setpoint(handle: int, value: float, loop: int = 1, confirm: bool = False) -> float:
    """Write the set point of a control loop, which needs `confirm`; what is held then."""
    held = _controllers.get(handle).set_setpoint(
        real_number("value", value),
        instance=whole_number("loop", loop),
        confirm=flag("confirm", confirm),
    )
    return number(held.value)


@for_labview
def identify(handle: int) -> tuple[str, str, str, int, int, int]:
    """Who a controller is.

    Returns:
        Part number, family, device name, serial number, software revision and number of
        loops; "" or -1 where it does not tell.
    """
    info = _controllers.get(handle).identify()
    return (
        "" if info.part_number is None else info.part_number.text,
        str(info.family),
        info.device_name or "",
        -1 if info.serial_number is None else info.serial_number,
        -1 if info.software_revision is None else info.software_revision,
        -1 if info.loops is None else info.loops,
    )


@for_labview
def discover(
    port: str = "", highest_address: int = 16, protocol: str = ""
) -> tuple[list[str], list[int], list[str], list[int], list[str]]:
    """Look for controllers with reads alone; it takes some 20 s for a port without any.

    Args:
        port: Where; empty for every serial port of this machine. One that cannot be opened is
            an error.
        highest_address: Addresses 1 to this one are asked.
        protocol: "stdbus" or "modbus_rtu"; empty for both.

    Returns:
        Of each one found the port, address, protocol, baud rate and part number.
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
        [probe.baudrate for probe, _ in found],
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
        handles: The controllers, which stay open when the recording ends.
        parameters: What is read of each.
        rate_hz: How often a second.
        sink: Where to: a file whose ending says how it is written (.csv, .jsonl, .sqlite,
            .parquet), or postgresql://user@host/database; empty keeps nothing but the latest
            values.
        duration_s: Seconds to record; 0 until `stop_recording`.
        instance: Which instance of each parameter.

    Returns:
        The recording's handle.
    """
    controllers = [_controllers.get(each) for each in each_once(handles)]
    fleet = WatlowManager()
    try:
        for ctl in controllers:
            fleet.add(ctl.name, ctl)
        recording = Background(
            fleet,
            open_sink(sink) if sink else None,
            parameters=texts(parameters),
            rate_hz=rate_hz,
            duration=duration_s or None,
            instances=whole_number("instance", instance),
        )
        recording.start()
    except BaseException:
        fleet.close()
        raise
    return _recordings.add(recording)


@for_labview
def recording_status(handle: int) -> Status:
    """How a recording goes.

    Returns:
        State (1 running, 0 ended, -1 failed: `recording_error` says why), seconds, ticks
        emitted, slots late or dropped, rows read, rows without a value, largest drift in ms,
        ports lost, and once it has ended rows written and rows lost.
    """
    return _status(_recordings.get(handle))


@for_labview
def recording_error(handle: int) -> str:
    """Why a recording has failed; empty while it has not."""
    return _recordings.get(handle).failed


@for_labview
def latest(handle: int) -> tuple[list[float], list[str], list[str]]:
    """What a recording has read last, without touching the bus.

    Returns:
        The values, their statuses, and what they are, such as "1@COM3 process_value 1":
        controllers in the order of the handles, for each the parameters. Empty before
        the first tick.
    """
    samples = _recordings.get(handle).latest()
    names = [f"{each.device} {each.parameter} {each.instance}" for each in samples]
    return (*numbers_of(samples), names)


@for_labview
def stop_recording(handle: int) -> Status:
    """End a recording and its handle, when all rows are written; its final `recording_status`."""
    return _status(_recordings.close(handle))


@for_labview
def close(handle: int) -> None:
    """Close a controller, or end a recording as `stop_recording` does."""
    if handle in _recordings:
        _recordings.close(handle)
    else:
        _controllers.close(handle)


@for_labview
def close_all() -> None:
    """End all recordings, then close all controllers, as Python also does when it ends."""
    wrong = _recordings.close_all() + _controllers.close_all()
    if wrong:
        raise WatlowError("; ".join(wrong))


def _polled(handle: int, parameters: Sequence[str], instance: int) -> list[Sample]:
    """One sample for each of `parameters`, also for one that is there twice."""
    ctl = _controllers.get(handle)
    wanted = [ctl.registry.resolve(name).name for name in texts(parameters)]
    samples = ctl.poll(wanted, instances=whole_number("instance", instance))
    found = {sample.parameter: sample for sample in samples}
    return [found[name] for name in wanted]


def _status(recording: Background) -> Status:
    summary = recording.summary
    state = 1 if recording.running else -1 if recording.failed else 0
    return (
        state,
        summary.duration_s,
        summary.samples_emitted,
        summary.samples_late,
        summary.rows,
        summary.gaps,
        summary.max_drift_ms,
        summary.disconnects,
        sum(sink.rows_written for sink in summary.sinks),
        sum(sink.rows_lost for sink in summary.sinks),
    )


def _at_exit() -> None:
    try:
        close_all()
    except LabviewError as error:
        log.warning("%s", error)


# Registered after `_internal.threads`, hence called before it: a recording ends source first.
atexit.register(_at_exit)
