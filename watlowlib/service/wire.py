"""Requests and replies of a service as text: one JSON object on each line.

A request is `{"v": 1, "do": "read_parameter", "with": {"controller": "top", "parameter": "pv"}}`.
The reply is `{"v": 1, "result": ...}` or `{"v": 1, "error": ...}`. Values that JSON does not have
are objects with one key that starts with "$"; only the classes listed here are made of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from enum import Enum
from typing import Any

from watlowlib import errors
from watlowlib._internal.clock import parse_time
from watlowlib._internal.validation import shown
from watlowlib.devices.snapshot import Refusal, Snapshot, SnapshotEntry
from watlowlib.errors import ErrorContext, WatlowConfigurationError, WatlowError
from watlowlib.model import (
    AcquisitionSummary,
    ControllerFamily,
    DeviceInfo,
    PartNumber,
    ProtocolKind,
    RateReport,
    Reading,
    Sample,
    SinkReport,
    Unit,
)

VERSION = 1

CLASSES: dict[str, Any] = {
    each.__name__: each
    for each in (
        AcquisitionSummary,
        DeviceInfo,
        ErrorContext,
        PartNumber,
        RateReport,
        Reading,
        Refusal,
        Sample,
        SinkReport,
        Snapshot,
        SnapshotEntry,
    )
}
ENUMS: dict[str, Any] = {each.__name__: each for each in (ControllerFamily, ProtocolKind, Unit)}
ERROR_ATTRIBUTES = ("code", "expected", "found")
"""What errors have besides message and context."""


def dump(message: dict[str, Any]) -> bytes:
    """Return a message as a line."""
    return (
        json.dumps(
            {"v": VERSION, **{key: encode(value) for key, value in message.items()}}
        ).encode()
        + b"\n"
    )


def load(line: bytes) -> dict[str, Any]:
    """Return the message of a line.

    Raises:
        WatlowConfigurationError: It is not a message of this version.
    """
    try:
        message = json.loads(line)
        version = message["v"]
        decoded = {key: decode(value) for key, value in message.items()}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise WatlowConfigurationError(f"this is not a message: {error!r}") from error
    if version != VERSION:
        raise WatlowConfigurationError(
            f"this is a message of version {shown(version)}, and here is version {VERSION}; use "
            "the same version of watlowlib for the service and its clients"
        )
    return decoded


def encode(value: Any) -> Any:
    """Return `value` as JSON types."""
    name = type(value).__name__
    if isinstance(value, WatlowError):
        return {"$error": _encode_error(value)}
    if type(value) is CLASSES.get(name):
        return {
            "$" + name: {each.name: encode(getattr(value, each.name)) for each in fields(value)}
        }
    if isinstance(value, Enum):
        return {"$enum": [name, value.value]} if name in ENUMS else value.value
    if isinstance(value, datetime):
        return {"$time": value.isoformat()}
    if isinstance(value, bytes):
        return {"$bytes": value.hex()}
    if isinstance(value, tuple):
        return {"$tuple": [encode(each) for each in value]}
    if isinstance(value, list):
        return [encode(each) for each in value]
    if isinstance(value, Mapping):
        return {str(key): encode(each) for key, each in value.items()}
    return value


def decode(given: Any) -> Any:
    """Return the value that `encode` was given."""
    if isinstance(given, list):
        return [decode(each) for each in given]
    if not isinstance(given, dict):
        return given
    key = next(iter(given), "")
    if len(given) != 1 or not key.startswith("$"):
        return {name: decode(value) for name, value in given.items()}
    content = given[key]
    if key == "$error":
        return _decode_error(content)
    if key == "$enum":
        return ENUMS[content[0]](content[1])
    if key == "$time":
        return parse_time(content)
    if key == "$bytes":
        return bytes.fromhex(content)
    if key == "$tuple":
        return tuple(decode(each) for each in content)
    return CLASSES[key[1:]](**{name: decode(value) for name, value in content.items()})


def _encode_error(error: WatlowError) -> dict[str, Any]:
    """Return an error; one of a class that is not public as its public base class."""
    public = next(each for each in type(error).__mro__ if each.__module__ == errors.__name__)
    attributes = {name: vars(error)[name] for name in ERROR_ATTRIBUTES if name in vars(error)}
    return {
        "class": public.__name__,
        "message": error.message,
        "context": encode(error.context),
        "attributes": attributes,
    }


def _decode_error(given: dict[str, Any]) -> WatlowError:
    kind = getattr(errors, given["class"], WatlowError)
    if not (isinstance(kind, type) and issubclass(kind, WatlowError)):
        kind = WatlowError
    attributes = {
        name: given["attributes"][name] for name in ERROR_ATTRIBUTES if name in given["attributes"]
    }
    error: WatlowError = kind(given["message"], context=decode(given["context"]), **attributes)
    return error
