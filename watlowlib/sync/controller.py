"""Controllers, under the names of another library's blocking interface."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from watlowlib._internal.log import logger
from watlowlib.devices.controller import Controller
from watlowlib.devices.factory import open_device
from watlowlib.devices.loops import ControllerLoop
from watlowlib.devices.sampling import Sampler
from watlowlib.devices.session import Session
from watlowlib.devices.targets import Parameters, Planned, as_list
from watlowlib.devices.zones import GATEWAY_OFFSET
from watlowlib.errors import (
    WatlowProtocolError,
    WatlowProtocolUnsupportedError,
    WatlowTimeoutError,
)
from watlowlib.model import ControllerFamily, ProtocolKind, Reading, Sample, Unit, Value, WordOrder
from watlowlib.registry.script_names import script_names
from watlowlib.sync.portal import CallerPortal, SyncPortal, check_portal
from watlowlib.sync.profiles import DeviceProfile, native_options
from watlowlib.sync.values import (
    Capability,
    ParameterEntry,
    SyncDeviceInfo,
    SyncSample,
    WatlowDeviceSnapshot,
    device_info_of,
    text_of,
    with_names,
)
from watlowlib.transport.base import Transport
from watlowlib.transport.settings import SerialSettings

__all__ = [
    "SyncController",
    "SyncControllerLoop",
    "Watlow",
    "unwrap_sync_controller",
    "wrap_controller",
]

log = logger(__name__)

DISPLAY_UNITS = 17050
"""The scale of the values on the wire."""


class SyncControllerLoop(ControllerLoop):
    """A `watlowlib.ControllerLoop`, with further names."""

    def read_output(self, *, timeout: float | None = None) -> Reading[float]:
        """Read the output power; see `read_output_power`."""
        return self.read_output_power(timeout=timeout)

    def read_alarms(self) -> None:
        """Raise an error: a loop has no alarms of its own.

        Raises:
            WatlowProtocolUnsupportedError: Always, as in the other library.
        """
        raise WatlowProtocolUnsupportedError(
            "a loop has no alarms of its own: read them with ctl.alarm(1).read()"
        )


class SyncController(Controller):
    """A `watlowlib.Controller`, with further names."""

    def __init__(self, session: Session, portal: SyncPortal | None = None) -> None:
        check_portal(portal)
        super().__init__(session)
        session.sample_type = SyncSample
        self._portal = portal or CallerPortal()

    def __enter__(self) -> SyncController:
        return self

    @property
    def portal(self) -> SyncPortal:
        """The given portal, or one that runs calls in the calling thread."""
        return self._portal

    @property
    def loops(self) -> int | None:
        """How many control loops the unit has; None before `identify`."""
        info = self._info
        return None if info is None else info.loops

    @property
    def capabilities(self) -> Capability | None:
        """The features of the unit; None before `identify`."""
        info = self._info
        return None if info is None else info.capabilities

    @property
    def serial_settings(self) -> SerialSettings:
        """The serial settings of the port."""
        return replace(self._session.serial_settings, port=self.port)

    def identify(self, *, timeout: float | None = None) -> SyncDeviceInfo:
        """Read everything that identifies the controller; see `Controller.identify`."""
        return device_info_of(super().identify(timeout=timeout), self.serial_settings)

    def snapshot(self, *, name: str | None = None) -> WatlowDeviceSnapshot:
        """Return what is known about the controller; nothing is sent."""
        info, error = self._info, self._session.last_error
        numbers = (None, None) if info is None else (info.firmware_id, info.serial_number)
        firmware, serial = (None if each is None else str(each) for each in numbers)
        return WatlowDeviceSnapshot(
            name=self.port if name is None else name,
            model=info.part_number.text or None if info else None,
            firmware=firmware,
            serial=serial,
            connected=not self.closed and self._session.port.line.transport.is_open,
            last_error=None if error is None else error.context,
            recoverable_error_count=self.stats.retries,
            captured_at=datetime.now(timezone.utc),
            family=None if info is None else info.family,
            capabilities=Capability.NONE if info is None else info.capabilities,
        )

    def loop(self, n: int) -> SyncControllerLoop:
        """Return control loop `n`; see `Controller.loop`."""
        return SyncControllerLoop(self._session, super().loop(n).number)

    def read_parameter(
        self, name_or_id: str | int, *, instance: int = 1, timeout: float | None = None
    ) -> ParameterEntry:
        """Read one parameter; see `Controller.read_parameter`."""
        return self._entry(super().read_parameter(name_or_id, instance=instance, timeout=timeout))

    def write_parameter(  # type: ignore[override]
        self,
        name_or_id: str | int,
        value: Value,
        *,
        instance: int = 1,
        confirm: bool = False,
        force: bool = False,
        verify: bool = False,
        timeout: float | None = None,
    ) -> ParameterEntry:
        """Write one parameter; see `Controller.write_parameter`."""
        options: dict[str, Any] = {"confirm": confirm, "force": force, "verify": verify}
        options |= {"instance": instance, "timeout": timeout}
        return self._entry(super().write_parameter(name_or_id, value, **options))

    def poll(
        self,
        parameters: Parameters,
        *,
        names: str | Iterable[str] | None = None,
        instances: int | Iterable[int] = (1,),
    ) -> list[Sample]:
        """Read parameters x instances; `names` has no effect, reads that failed are left out."""
        wanted = as_list("parameters", parameters)
        return with_values(super().poll(wanted, instances=instances)) if wanted else []

    poll_many = poll

    def prepare(
        self,
        parameters: Planned,
        *,
        instances: int | Iterable[int] = (1,),
        names: str | Iterable[str] | None = None,
        sensor_check: bool = False,
        show_unit: Unit | None = None,
    ) -> Sampler:
        """Plan a poll for a recording; `names` has no effect."""
        options: Any = {"sensor_check": sensor_check, "show_unit": show_unit}
        return super().prepare(parameters, instances=instances, **options)

    def read_comms_unit_label(self, *, timeout: float | None = None) -> Unit | None:
        """Read the scale of temperatures on the wire (17050)."""
        label = self.read_parameter(DISPLAY_UNITS, timeout=timeout).label
        return Unit(label) if label is not None else None

    def set_comms_unit_label(
        self, unit: Unit | str, *, confirm: bool = False, timeout: float | None = None
    ) -> Unit | None:
        """Set the scale of temperatures on the wire (17050): "C" or "F"."""
        label = "°" + str(text_of(unit)).strip().removeprefix("°").upper()
        self.write_parameter(DISPLAY_UNITS, label, confirm=confirm, timeout=timeout)
        return self.read_comms_unit_label(timeout=timeout)

    @property
    def _info(self) -> SyncDeviceInfo | None:
        info = self._session.settings.info
        return None if info is None else device_info_of(info, self.serial_settings)

    def _entry(self, reading: Reading) -> ParameterEntry:
        spec = self.registry.resolve(reading.parameter_id)
        return with_names(ParameterEntry, reading, spec=spec)


class Watlow:
    """The class with which such scripts open a controller: `Watlow.open("/dev/ttyUSB0")`."""

    @staticmethod
    def open(
        port: str | os.PathLike[str] | Transport,
        *,
        profile: DeviceProfile | str | None = None,
        protocol: ProtocolKind | str | None = None,
        address: int = 1,
        serial_settings: SerialSettings | None = None,
        assert_wire_temperature_unit: Unit | str | None = None,
        identify: bool = True,
        family: ControllerFamily | str = ControllerFamily.UNKNOWN,
        name: str | None = None,
        temperature_unit: Unit | str | None = None,
        timeout_s: float = 0.5,
        retries: int = 1,
        word_order: WordOrder | str = WordOrder.AUTO,
        data_map: int | str = "auto",
        registers_per_read: int | None = None,
        zone: int | None = None,
        gateway_offset: int = GATEWAY_OFFSET,
        offset: int | None = None,
        portal: SyncPortal | None = None,
    ) -> SyncController:
        """Open a controller; see `watlowlib.open_device`.

        Parameter names have the numbers of `watlowlib.registry.script_names`. `profile`, a
        `DeviceProfile` or its name, is another way to give the family. `protocol` is
        by default the usual one of the family. `assert_wire_temperature_unit` is the same as
        `temperature_unit`. With `identify` the identity is read now, for `loops`, `capabilities`
        and `snapshot`; a controller that does not reply is a warning in the log. `portal` has no
        effect. The default of `name` is the name of the port.
        """
        check_portal(portal)
        options = native_options(
            profile=profile,
            family=family,
            protocol=protocol,
            assert_wire_temperature_unit=assert_wire_temperature_unit,
            temperature_unit=temperature_unit,
        )
        ctl = open_device(
            port,
            address=address,
            serial_settings=serial_settings,
            name=os.fspath(port) if name is None and isinstance(port, (str, os.PathLike)) else name,
            timeout_s=timeout_s,
            retries=retries,
            word_order=word_order,
            data_map=data_map,
            registers_per_read=registers_per_read,
            zone=zone,
            gateway_offset=gateway_offset,
            offset=offset,
            **options,
        )
        ctl.session.names = script_names(ctl.registry.family)
        wrapped = SyncController(ctl.session, portal)
        if identify:
            _identify(wrapped)
        return wrapped


def _identify(ctl: SyncController) -> None:
    try:
        ctl.identify()
    except (WatlowTimeoutError, WatlowProtocolError) as error:
        log.warning("%s could not be identified: %s", ctl.name, error)
    except BaseException:
        ctl.close()
        raise


def with_values(samples: list[Sample]) -> list[Sample]:
    """Return the samples that have a value; log the others."""
    for sample in samples:
        if sample.value is None:
            log.warning("%s: no value of %s: %s", sample.device, sample.parameter, sample.status)
    return [sample for sample in samples if sample.value is not None]


def wrap_controller(controller: Controller, portal: SyncPortal | None = None) -> SyncController:
    """Return `controller` as a `SyncController`."""
    check_portal(portal)
    if isinstance(controller, SyncController):
        return controller
    return SyncController(controller.session, portal)


def unwrap_sync_controller(source: object) -> object:
    """Return `source` itself."""
    return source
