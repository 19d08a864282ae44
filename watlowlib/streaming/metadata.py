"""What is known about a recording as a whole, to be stored with its rows: `RecordingInfo`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from numbers import Integral
from typing import Any

from watlowlib._internal.validation import check_storable, finite_or_none, shown
from watlowlib.errors import WatlowConfigurationError
from watlowlib.model import RateReport

MAX_LEVELS = 20
"""How deep lists and dicts may be nested; one that contains itself exceeds it."""


@dataclass(frozen=True)
class RecordingInfo:
    """What is known about a recording.

    Attributes:
        id: The recording's own ID: 32 hexadecimal digits.
        started_at: Wall clock (UTC) at the first scheduled tick.
        library_version: The version of this library.
        rates: The rates and their parameters, as the caller named them.
        controllers: For each controller its name, port, address, protocol, family, part and
            serial number, firmware and declared unit. What identifies it is read before the first
            tick; a value that is not known is None.
        metadata: The `metadata` given to `record`.
    """

    id: str
    started_at: datetime
    library_version: str
    rates: tuple[RateReport, ...]
    controllers: tuple[Mapping[str, Any], ...]
    metadata: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Return the attributes as JSON types; the time is ISO 8601 text in UTC."""
        return {
            "id": self.id,
            "started_at": self.started_at.isoformat(timespec="microseconds"),
            "library_version": self.library_version,
            "rates": [
                {"rate_hz": rate.rate_hz, "parameters": list(map(_name, rate.parameters))}
                for rate in self.rates
            ],
            "controllers": [dict(each) for each in self.controllers],
            "metadata": dict(self.metadata),
        }

    def as_json(self) -> str:
        """Return `as_dict` as JSON in ASCII."""
        return json.dumps(self.as_dict())


def _name(parameter: object) -> str | int:
    if isinstance(parameter, tuple):  # with its instance, or None for all of them
        return " ".join(str(each) for each in parameter if each is not None)
    return int(parameter) if isinstance(parameter, Integral) else str(parameter)


def as_metadata(given: object) -> dict[str, Any]:
    """Return a copy of `given`, the metadata for a recording, as JSON types.

    Raises:
        WatlowConfigurationError: It is not a dict, or something in it is not of a JSON type.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise WatlowConfigurationError(
            f"metadata={shown(given)}: give a dict, such as {{'operator': 'Kim'}}"
        )
    return {
        key: _as_json(f"metadata[{key!r}]", value) for key, value in _entries("metadata", given)
    }


def _entries(name: str, given: Mapping[Any, Any]) -> list[tuple[str, Any]]:
    for key in given:
        if not isinstance(key, str):
            raise WatlowConfigurationError(f"{name}: the key {shown(key)} is not a text; give one")
        check_storable(f"a key of {name}", key)
    return [(str.__str__(key), value) for key, value in given.items()]


def _as_json(name: str, given: object, level: int = 1) -> Any:
    if level > MAX_LEVELS:
        raise WatlowConfigurationError(
            f"metadata has more than {MAX_LEVELS} levels of lists and dicts, or one contains "
            "itself; give fewer"
        )
    if isinstance(given, Mapping):
        entries = _entries(name, given)
        return {key: _as_json(f"{name}[{key!r}]", each, level + 1) for key, each in entries}
    if isinstance(given, (list, tuple)):
        return [_as_json(f"{name}[{n}]", each, level + 1) for n, each in enumerate(given)]
    if given is None or isinstance(given, bool):
        return given
    if isinstance(given, str):
        check_storable(name, given)
        return str.__str__(given)
    if isinstance(given, Integral):
        return int(given)
    number = finite_or_none(given)
    if number is None:
        raise WatlowConfigurationError(
            f"{name}={shown(given)}: give a text, a finite number, True, False, None, or a list "
            "or dict of these"
        )
    return number
