"""The errors of a parameter whose Modbus register is not known, or not proven."""

from __future__ import annotations

from watlowlib.errors import WatlowConfigurationError, WatlowUncertainError
from watlowlib.model import ControllerFamily
from watlowlib.registry.parameters import ParameterSpec


def no_register(
    spec: ParameterSpec, instance: int, data_map: int | None
) -> WatlowConfigurationError:
    """Return the error of a parameter whose register is not known in the data map, or in any."""
    where = "" if data_map is None else f" in data map {data_map}, or none is known"
    if spec.family not in (ControllerFamily.PM, ControllerFamily.SD):
        maps = [each for each in (1, 2) if spec.register(instance, each) is not None]
        why = [base.source for base in spec.bases if base and base.first is None]
        hint = f"only in data map {maps[0]}" if maps else "; ".join(why) or "use Standard Bus"
        where = f" that is known for family {spec.family.value!r} ({hint})"
    return WatlowConfigurationError(
        f"{spec.name} ({spec.number}) instance {instance} has no Modbus register{where}; "
        "nothing was sent"
    )


def not_proven(spec: ParameterSpec, instance: int, doubt: str) -> WatlowUncertainError:
    """Return the error of a write to a register that is not proven, because of `doubt`."""
    return WatlowUncertainError(
        f"{spec.name} ({spec.number}) instance {instance}: its register is not proven for family "
        f"{spec.family.value!r} ({doubt}), so it is only read; nothing was written: set it on the "
        "controller or over Standard Bus"
    )
