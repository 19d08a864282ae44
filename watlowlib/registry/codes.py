"""The meanings of the codes of a recorded parameter."""

from __future__ import annotations

from functools import lru_cache

from watlowlib.registry.parameters import PARAMETERS, SD_PARAMETERS


@lru_cache(maxsize=1024)
def codes_of(number: int, name: str) -> dict[int, str]:
    """Return the meanings of the codes of a parameter, of the family that has it.

    Args:
        number: The number of the parameter.
        name: Its name as recorded, which tells the families apart.
    """
    for registry in (PARAMETERS, SD_PARAMETERS):
        try:
            spec = registry.resolve(number)
        except LookupError:
            continue
        if spec.name == name:
            return spec.codes
    return {}
