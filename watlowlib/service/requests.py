"""The commands of a service, which its clients may request."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from typing import Any

from watlowlib._internal.validation import shown
from watlowlib._version import __version__
from watlowlib.devices.change import propose_change
from watlowlib.devices.controller import Controller
from watlowlib.devices.snapshot import Snapshot
from watlowlib.errors import WatlowConfigurationError, WatlowError
from watlowlib.model import AcquisitionSummary, DeviceInfo, Reading, Sample, Unit, Value
from watlowlib.service.recorder import RigService
from watlowlib.service.report import report_lines

COMMANDS: dict[str, Callable[..., object]] = {}
"""The functions by command; their first argument is the service."""


def command(function: Callable[..., object]) -> Callable[..., object]:
    """Add a function to the commands."""
    COMMANDS[function.__name__] = function
    return function


def carry_out(service: RigService, name: str, arguments: dict[str, Any]) -> object:
    """Return the result of a command.

    Raises:
        WatlowConfigurationError: There is no such command, or it has other arguments.
        WatlowError: The command failed.
    """
    function = COMMANDS.get(name)
    if function is None:
        raise WatlowConfigurationError(
            f"the service has no command {shown(name)}; it has {', '.join(COMMANDS)}"
        )
    try:
        inspect.signature(function).bind(service, **arguments)
    except TypeError as error:
        raise WatlowConfigurationError(f"{name}: {error}") from error
    return function(service, **arguments)


def _controller(service: RigService, name: str) -> Controller:
    return service.fleet.manager.get(name)


@command
def status(service: RigService) -> dict[str, Any]:
    """Return the pid, the file, the state of each controller, and the counters."""
    return {
        "pid": os.getpid(),
        "version": __version__,
        "file": str(service.path),
        "reloads": service.reloads,
        "controllers": _states(service),
        "reads": service.recording.reads.by_status(),
        "sinks": [list(each) for each in service.outputs()],
        "rules": service.rules.report(),
        "summary": service.summary,
        "lines": report_lines(service),
    }


def _states(service: RigService) -> dict[str, str]:
    """Return "ok" for each controller with a value, or why it has none."""
    states = dict.fromkeys(service.rig.controllers, "not read yet")
    for sample in service.latest.all():
        if states.get(sample.device, "ok") != "ok":
            states[sample.device] = sample.status if sample.value is None else "ok"
    return states


@command
def latest(service: RigService) -> list[Sample]:
    """Return the latest sample of everything that is recorded."""
    return service.latest.all()


@command
def summary(service: RigService) -> AcquisitionSummary:
    """Return the summary so far."""
    return service.summary


@command
def reload(service: RigService) -> None:
    """Load the file again."""
    service.reload()


@command
def read_parameter(
    service: RigService,
    controller: str,
    parameter: str | int,
    instance: int = 1,
    timeout: float | None = None,
) -> Reading:
    """Read a parameter of a controller."""
    ctl = _controller(service, controller)
    return ctl.read_parameter(parameter, instance=instance, timeout=timeout)


@command
def read_each(
    service: RigService,
    names: list[str],
    parameters: list[str | int],
    instances: list[int],
    show_unit: Unit | None = None,
) -> list[tuple[Sample, WatlowError | None]]:
    """Read parameters of several controllers once; return samples and errors."""
    poll = service.fleet.manager.prepare(
        parameters, instances=instances, names=names, show_unit=show_unit
    )
    return [read for reads in poll.reads().values() for read in reads]


@command
def read_all(service: RigService, controller: str) -> Snapshot:
    """Read all parameters of a controller."""
    return _controller(service, controller).read_all()


@command
def identify(service: RigService, controller: str) -> DeviceInfo:
    """Read the identity of a controller."""
    return _controller(service, controller).identify()


@command
def accept_replacement(service: RigService, controller: str) -> DeviceInfo:
    """Continue with a controller that has taken another one's place."""
    return _controller(service, controller).accept_replacement()


@command
def propose(
    service: RigService,
    controller: str,
    parameter: str | int,
    value: Value,
    instance: int = 1,
    unit: str | None = None,
) -> dict[str, Any]:
    """Check a write and return its description, without writing."""
    ctl = _controller(service, controller)
    return propose_change(ctl, parameter, value, instance=instance, unit=unit)._asdict()


@command
def write_parameter(
    service: RigService,
    controller: str,
    parameter: str | int,
    value: Value,
    instance: int = 1,
    confirm: bool = False,
    force: bool = False,
    verify: bool = False,
    timeout: float | None = None,
    unit: Unit | str | None = None,
) -> Reading:
    """Write a parameter of a controller."""
    return _controller(service, controller).write_parameter(
        parameter, value, instance=instance, confirm=confirm, force=force, verify=verify,
        timeout=timeout, unit=unit,
    )  # fmt: skip


@command
def set_setpoint(
    service: RigService,
    controller: str,
    value: float,
    instance: int = 1,
    confirm: bool = False,
    force: bool = False,
    verify: bool = False,
    timeout: float | None = None,
    unit: Unit | str | None = None,
) -> Reading[float]:
    """Write a set point."""
    return _controller(service, controller).set_setpoint(
        value, instance=instance, confirm=confirm, force=force, verify=verify, timeout=timeout,
        unit=unit,
    )  # fmt: skip
