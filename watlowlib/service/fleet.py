"""The open controllers of a rig; a reload keeps those that have not changed."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, NamedTuple

from watlowlib.devices.controller import Controller
from watlowlib.devices.factory import open_device
from watlowlib.errors import WatlowConfigurationError
from watlowlib.manager.manager import WatlowManager
from watlowlib.manager.results import ErrorPolicy
from watlowlib.model import ProtocolKind
from watlowlib.rig.values import Rig, RigPort


class Member(NamedTuple):
    """A controller, and the arguments with which it was opened."""

    arguments: Mapping[str, Any]
    controller: Controller


class Fleet:
    """The open controllers of `rig`; those of `earlier` with the same arguments stay open.

    A port that cannot be opened is waited for.

    Raises:
        WatlowConfigurationError: The protocol of a port is "auto", or a port that is in use
            would get other serial settings. What this fleet has opened is closed again.
    """

    def __init__(self, rig: Rig, earlier: Fleet | None = None) -> None:
        before = {} if earlier is None else earlier.members
        self.rig = rig
        self.members: dict[str, Member] = {}
        self.manager = WatlowManager(error_policy=ErrorPolicy.RETURN)
        _check_protocols(rig)
        if earlier is not None:
            _check_settings(rig, earlier.rig)
        with ExitStack() as undo:
            undo.callback(self.close, keep=earlier)
            for name in rig.controllers:
                arguments = rig.open_arguments(name)
                member = before.get(name)
                if member is None or member.arguments != arguments:
                    controller = open_device(**arguments, name=name, wait_for_port=True)
                    member = Member(arguments, controller)
                self.members[name] = member
                self.manager.add(name, member.controller)
            undo.pop_all()

    def close(self, *, keep: Fleet | None = None) -> None:
        """Close the controllers, except those that `keep` has too."""
        kept = [] if keep is None else [each.controller for each in keep.members.values()]
        with ExitStack() as stack:
            stack.callback(self.manager.close)
            for member in self.members.values():
                if all(member.controller is not each for each in kept):
                    stack.callback(member.controller.close)


def _check_protocols(rig: Rig) -> None:
    for name, port in rig.ports.items():
        if port.protocol is ProtocolKind.AUTO:
            raise WatlowConfigurationError(
                f"{rig.path}: ports.{name}.protocol='auto' needs the controllers at the start, and "
                "a service may start before them; give stdbus or modbus_rtu"
            )


def _check_settings(rig: Rig, earlier: Rig) -> None:
    open_ports = {port.port: port for port in earlier.ports.values()}
    for name, port in rig.ports.items():
        before = open_ports.get(port.port, port)
        if _fixed(port) != _fixed(before):
            raise WatlowConfigurationError(
                f"{rig.path}: ports.{name}: a reload cannot change the protocol, the serial "
                "settings or the capture of a port that is in use; stop the service and start it "
                "again"
            )


def _fixed(port: RigPort) -> tuple[object, ...]:
    return port.protocol, port.serial_settings, port.capture
