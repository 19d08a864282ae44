"""Controllers, under the names of another library's blocking interface."""

from __future__ import annotations

import os

from watlowlib.devices.controller import Controller
from watlowlib.devices.factory import open_device
from watlowlib.devices.loops import ControllerLoop
from watlowlib.model import ControllerFamily, ProtocolKind, Unit, WordOrder
from watlowlib.registry.script_names import script_names
from watlowlib.sync.portal import SyncPortal, check_portal
from watlowlib.transport.base import Transport
from watlowlib.transport.settings import SerialSettings

__all__ = [
    "SyncController",
    "SyncControllerLoop",
    "Watlow",
    "unwrap_sync_controller",
    "wrap_controller",
]

SyncController = Controller
SyncControllerLoop = ControllerLoop


class Watlow:
    """The class with which such scripts open a controller: `Watlow.open("/dev/ttyUSB0")`."""

    @staticmethod
    def open(
        port: str | os.PathLike[str] | Transport,
        *,
        protocol: ProtocolKind | str = ProtocolKind.STDBUS,
        address: int = 1,
        serial_settings: SerialSettings | None = None,
        family: ControllerFamily | str = ControllerFamily.UNKNOWN,
        name: str | None = None,
        temperature_unit: Unit | str | None = None,
        timeout_s: float = 0.5,
        retries: int = 1,
        word_order: WordOrder | str = WordOrder.AUTO,
        data_map: int | str = "auto",
        registers_per_read: int = 32,
        portal: SyncPortal | None = None,
    ) -> SyncController:
        """Open a controller; see `watlowlib.open_device`.

        Parameter names have the numbers of `watlowlib.registry.script_names`.
        """
        check_portal(portal)
        controller = open_device(
            port,
            protocol=protocol,
            address=address,
            serial_settings=serial_settings,
            family=family,
            name=name,
            temperature_unit=temperature_unit,
            timeout_s=timeout_s,
            retries=retries,
            word_order=word_order,
            data_map=data_map,
            registers_per_read=registers_per_read,
        )
        controller.session.names = script_names(controller.registry.family)
        return controller


def wrap_controller(controller: Controller, portal: SyncPortal | None = None) -> SyncController:
    """Return `controller` itself."""
    check_portal(portal)
    return controller


def unwrap_sync_controller(source: object) -> object:
    """Return `source` itself."""
    return source
