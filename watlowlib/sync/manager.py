"""A fleet, under the name of another library's blocking interface."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from watlowlib.devices.controller import Controller
from watlowlib.devices.targets import Parameters
from watlowlib.manager.manager import WatlowManager
from watlowlib.manager.results import DeviceResult, ErrorPolicy
from watlowlib.model import Sample
from watlowlib.sync.controller import Watlow
from watlowlib.sync.portal import (
    SyncPortal,
    check_portal,
    refuse_coroutines,
    refusing_coroutine_results,
    unwrapped_errors,
)

__all__ = ["DeviceResult", "ErrorPolicy", "SyncWatlowManager"]

T = TypeVar("T")


class SyncWatlowManager(WatlowManager):
    """A `watlowlib.WatlowManager` that raises a single error without an exception group."""

    _open_device = staticmethod(Watlow.open)

    def __init__(
        self,
        *,
        error_policy: ErrorPolicy | str = ErrorPolicy.RAISE,
        portal: SyncPortal | None = None,
    ) -> None:
        check_portal(portal)
        super().__init__(error_policy=error_policy)

    def poll(
        self,
        parameters: Parameters,
        *,
        names: str | Iterable[str] | None = None,
        instances: int | Iterable[int] = (1,),
    ) -> dict[str, DeviceResult[list[Sample]]]:
        """Read parameters x instances of every controller; see `WatlowManager.poll`."""
        with unwrapped_errors():
            return super().poll(parameters, names=names, instances=instances)

    def execute_each(
        self, op: Callable[[Controller], T], *, names: str | Iterable[str] | None = None
    ) -> dict[str, DeviceResult[T]]:
        """Call `op` with each controller; see `WatlowManager.execute_each`.

        Raises:
            WatlowConfigurationError: `op` is a coroutine function; it was not called.
        """
        refuse_coroutines(op)
        with unwrapped_errors():
            return super().execute_each(refusing_coroutine_results(op), names=names)
