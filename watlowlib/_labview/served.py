"""Controllers that are reached through the service that records their rig file."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TypeAlias

from watlowlib.devices.controller import Controller
from watlowlib.devices.factory import open_device
from watlowlib.errors import WatlowConfigurationError, WatlowPortBusyError
from watlowlib.model import DeviceInfo, Reading, Sample, Value
from watlowlib.rig.values import Rig
from watlowlib.service.client import ServiceClient, find_service


class ServedController:
    """A controller of a running service, with the methods of a `Controller` that LabVIEW needs."""

    def __init__(self, service: ServiceClient, rig: Rig, name: str) -> None:
        self.name = name
        self.registry = rig.controllers[name].registry
        self._service = service

    def poll(self, parameters: Sequence[str], *, instances: int) -> list[Sample]:
        """Read parameters once; see `Controller.poll`."""
        reads = self._service.read_each([self.name], parameters, instances=[instances])
        return [sample for sample, _ in reads]

    def read_parameter(self, parameter: str, *, instance: int) -> Reading:
        """Read a parameter."""
        return self._service.read_parameter(self.name, parameter, instance=instance)

    def write_parameter(
        self, parameter: str, value: Value, *, instance: int, confirm: bool
    ) -> Reading:
        """Write a parameter."""
        return self._service.write_parameter(
            self.name, parameter, value, instance=instance, confirm=confirm
        )

    def set_setpoint(self, value: float, *, instance: int, confirm: bool) -> Reading[float]:
        """Write the set point."""
        return self._service.set_setpoint(self.name, value, instance=instance, confirm=confirm)

    def identify(self) -> DeviceInfo:
        """Read the identity."""
        return self._service.identify(self.name)

    def accept_replacement(self) -> DeviceInfo:
        """Continue with a controller that has taken this one's place."""
        return self._service.accept_replacement(self.name)

    def latest(self) -> list[Sample]:
        """Return what the service has recorded last of this controller; nothing is read."""
        return [each for each in self._service.latest() if each.device == self.name]

    def close(self) -> None:
        """Do nothing: each call is a request of its own, and the service continues."""


AnyController: TypeAlias = "Controller | ServedController"


def open_all(rig: Rig) -> list[AnyController]:
    """Return the controllers of a rig: those of its service if one runs, otherwise opened here.

    If one of them cannot be opened, those opened before are closed.
    """
    service = find_service(rig)
    if service is not None:
        return [ServedController(service, rig, name) for name in rig.controllers]
    with ExitStack() as opened:
        controllers: list[AnyController] = [
            opened.enter_context(open_device(name=name, **rig.open_arguments(name)))
            for name in rig.controllers
        ]
        opened.pop_all()
    return controllers


def opened_here(ctl: AnyController) -> Controller:
    """Return `ctl` if its port is open here, so that it can be recorded.

    Raises:
        WatlowConfigurationError: It is reached through a service.
    """
    if isinstance(ctl, ServedController):
        raise WatlowConfigurationError(
            f"{ctl.name!r} is recorded by a service already, and cannot be recorded here too; call "
            "latest with its handle, or stop the service and call open_rig again"
        )
    return ctl


def check_not_recorded(rig: Rig) -> None:
    """Check that no service records `rig` into the same sinks.

    Raises:
        WatlowPortBusyError: One does.
    """
    if find_service(rig) is not None:
        raise WatlowPortBusyError(
            f"a service records {rig.path} already; call latest with the handles of open_rig, or "
            "stop the service first"
        )
