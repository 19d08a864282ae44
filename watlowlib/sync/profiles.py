"""Device profiles: how scripts written for another library name a kind of controller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from watlowlib._internal.validation import as_enum, shown
from watlowlib.errors import WatlowConfigurationError
from watlowlib.model import ControllerFamily, ProtocolKind, Unit
from watlowlib.registry.parameters import PARAMETERS, SD_PARAMETERS, Registry
from watlowlib.transport.settings import SerialSettings


@dataclass(frozen=True)
class DeviceProfile:
    """A kind of controller.

    Attributes:
        name: Its name.
        family: The product family.
        registry: The parameters of the family.
        default_protocol: The protocol if none is given.
        default_serial: The factory serial settings.
    """

    name: str
    family: ControllerFamily
    registry: Registry
    default_protocol: ProtocolKind
    default_serial: SerialSettings


EZZONE_PROFILE = DeviceProfile(
    "ezzone", ControllerFamily.PM, PARAMETERS, ProtocolKind.STDBUS, SerialSettings()
)
SERIES_SD_PROFILE = DeviceProfile(
    "series_sd",
    ControllerFamily.SD,
    SD_PARAMETERS,
    ProtocolKind.MODBUS_RTU,
    SerialSettings.factory_for(ProtocolKind.MODBUS_RTU),
)
DEVICE_PROFILES = (EZZONE_PROFILE, SERIES_SD_PROFILE)


def profile_named(name: str) -> DeviceProfile:
    """Return the profile called `name`.

    Raises:
        WatlowConfigurationError: There is none.
    """
    for profile in DEVICE_PROFILES:
        if isinstance(name, str) and name.casefold() == profile.name:
            return profile
    names = ", ".join(profile.name for profile in DEVICE_PROFILES)
    raise WatlowConfigurationError(f"profile={shown(name)}: there are {names}")


def native_options(
    *,
    profile: DeviceProfile | str | None,
    family: ControllerFamily | str,
    protocol: ProtocolKind | str | None,
    assert_wire_temperature_unit: Unit | str | None,
    temperature_unit: Unit | str | None,
) -> dict[str, Any]:
    """Return the arguments of `open_device` that stand for these.

    Raises:
        WatlowConfigurationError: Two of them contradict each other.
    """
    product = as_enum("family", ControllerFamily, family)
    if profile is not None:
        kind = profile_named(profile) if isinstance(profile, str) else profile
        if not isinstance(kind, DeviceProfile):
            raise WatlowConfigurationError(f"profile={shown(profile)}: give a DeviceProfile")
        if product not in (ControllerFamily.UNKNOWN, kind.family):
            raise WatlowConfigurationError(
                f"profile={kind.name!r} with family={product.value!r}: give one of them"
            )
        product = kind.family
    if protocol is None and product is ControllerFamily.SD:
        protocol = ProtocolKind.MODBUS_RTU
    return {
        "protocol": protocol,
        "family": product,
        "temperature_unit": assert_wire_temperature_unit or temperature_unit,
    }
