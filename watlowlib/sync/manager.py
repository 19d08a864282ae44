"""A fleet, under the name of another library's blocking interface."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

from watlowlib.devices.controller import Controller
from watlowlib.devices.factory import open_device
from watlowlib.devices.targets import Parameters
from watlowlib.manager.manager import WatlowManager
from watlowlib.manager.results import DeviceResult, ErrorPolicy
from watlowlib.model import ControllerFamily, ProtocolKind, Sample, Unit
from watlowlib.registry.script_names import script_names
from watlowlib.sync.controller import SyncController, with_values, wrap_controller
from watlowlib.sync.portal import (
    CallerPortal,
    PortalError,
    SyncPortal,
    check_portal,
    refuse_coroutines,
    refusing_coroutine_results,
    unwrapped_errors,
)
from watlowlib.sync.profiles import DeviceProfile, native_options
from watlowlib.sync.recording import pipe
from watlowlib.sync.values import SyncSummary
from watlowlib.transport.base import Transport
from watlowlib.transport.settings import SerialSettings

__all__ = ["DeviceResult", "ErrorPolicy", "SyncWatlowManager"]

T = TypeVar("T")


class SyncWatlowManager(WatlowManager):
    """A `watlowlib.WatlowManager` whose controllers are each a `SyncController`.

    A single error is raised without an exception group.
    """

    def __init__(
        self,
        *,
        error_policy: ErrorPolicy | str = ErrorPolicy.RAISE,
        portal: SyncPortal | None = None,
    ) -> None:
        check_portal(portal)
        super().__init__(error_policy=error_policy)
        self._portal = portal or CallerPortal()
        self._entered = False

    def __enter__(self) -> SyncWatlowManager:
        self._members.check_open()
        self._entered = True
        return self

    @property
    def closed(self) -> bool:
        """Whether the manager was closed, or has not been entered."""
        return not self._entered or self._members.closed

    @property
    def portal(self) -> SyncPortal:
        """The given portal, or one that runs calls in the calling thread.

        Raises:
            RuntimeError: The manager is not open.
        """
        if self.closed:
            raise PortalError("the manager is not open; use it in a with statement")
        return self._portal

    def add(
        self,
        name: str,
        source: str | os.PathLike[str] | Controller | Transport,
        *,
        protocol: ProtocolKind | str | None = ProtocolKind.STDBUS,
        address: int = 1,
        serial_settings: SerialSettings | None = None,
        family: ControllerFamily | str = ControllerFamily.UNKNOWN,
        profile: DeviceProfile | str | None = None,
        assert_wire_temperature_unit: Unit | str | None = None,
        temperature_unit: Unit | str | None = None,
        **options: Any,
    ) -> SyncController:
        """Add a controller; see `WatlowManager.add`, and `Watlow.open` for the other arguments."""
        if isinstance(source, Controller):
            source = wrap_controller(source, self._portal)
        options |= native_options(
            profile=profile,
            family=family,
            protocol=protocol,
            assert_wire_temperature_unit=assert_wire_temperature_unit,
            temperature_unit=temperature_unit,
        )
        options |= {"address": address, "serial_settings": serial_settings}
        return cast("SyncController", super().add(name, source, **options))

    def get(self, name: str) -> SyncController:
        """Return the controller called `name`; see `WatlowManager.get`."""
        return cast("SyncController", super().get(name))

    def poll(  # type: ignore[override]
        self,
        parameters: Parameters,
        *,
        names: str | Iterable[str] | None = None,
        instances: int | Iterable[int] = (1,),
    ) -> list[Sample]:
        """Read parameters x instances of every controller once, the ports in parallel.

        Returns:
            The samples of all controllers. Reads that failed are left out and logged; the
            error policy has no effect.

        Raises:
            WatlowConfigurationError: A controller, parameter or instance does not exist.
        """
        reads = self._plan(parameters, names, instances).reads()
        return with_values([sample for results in reads.values() for sample, _ in results])

    poll_many = poll

    def execute_each(
        self, op: Callable[[Any], T], names: str | Iterable[str] | None = None
    ) -> dict[str, DeviceResult[T]]:
        """Call `op` with each controller; see `WatlowManager.execute_each`.

        Raises:
            WatlowConfigurationError: `op` is a coroutine function; it was not called.
        """
        refuse_coroutines(op)
        with unwrapped_errors():
            return super().execute_each(refusing_coroutine_results(op), names)

    def _pipe(self, *args: Any, **options: Any) -> SyncSummary:
        return pipe(*args, **options)

    def _open(self, *args: Any, **options: Any) -> SyncController:
        controller = open_device(*args, **options)
        controller.session.names = script_names(controller.registry.family)
        return wrap_controller(controller, self._portal)
