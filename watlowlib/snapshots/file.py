"""Snapshots as JSON files."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from watlowlib._internal.clock import parse_time
from watlowlib._internal.validation import finite_or_none, shown
from watlowlib.devices.snapshot import Refusal, Snapshot, SnapshotEntry
from watlowlib.errors import WatlowConfigurationError, WatlowError
from watlowlib.model import Unit, Value
from watlowlib.sinks.files import write_atomically

FORMAT = "watlowlib snapshot"
VERSION = 1
"""Of the format: a file with a higher one was written by a later library."""


def save(snapshot: Snapshot, path: str | os.PathLike[str]) -> None:
    """Write a snapshot to a file, or replace the file; it is complete or unchanged.

    Raises:
        WatlowError: The file cannot be written.
    """
    document = {
        "format": FORMAT,
        "version": VERSION,
        "library_version": snapshot.library_version,
        "taken_at": snapshot.taken_at.isoformat(timespec="microseconds"),
        "identity": dict(snapshot.identity),
        "entries": [asdict(each) for each in snapshot.entries],
        "refusals": [asdict(each) for each in snapshot.refusals],
    }
    try:
        write_atomically(Path(path), json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    except OSError as error:
        raise WatlowError(f"{shown(path)} could not be written: {error}") from error


def load(path: str | os.PathLike[str]) -> Snapshot:
    """Read a snapshot from a file.

    Raises:
        WatlowConfigurationError: There is no such file, it is no snapshot, it is damaged, or it
            was written by a later version of this library.
    """
    try:
        document = json.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise WatlowConfigurationError(f"{shown(path)} could not be read: {error}") from error
    except (ValueError, RecursionError) as error:
        raise WatlowConfigurationError(
            f"{shown(path)} is not a snapshot, or is damaged: {error}"
        ) from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise WatlowConfigurationError(
            f"{shown(path)} is not a snapshot; `watlowlib snapshot PORT -o FILE` writes one"
        )
    if document.get("version") != VERSION:
        raise WatlowConfigurationError(
            f"{shown(path)} has the format version {document.get('version')!r}, this library "
            f"reads {VERSION}; install a later one"
        )
    try:
        return _snapshot(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise WatlowConfigurationError(f"{shown(path)} is damaged: {error!r}") from error


def _snapshot(document: dict[str, Any]) -> Snapshot:
    identity = dict(document["identity"])
    _unit(identity["temperature_unit"])
    entries = tuple(_entry(**each) for each in document["entries"])
    seen: set[tuple[int, int]] = set()
    for each in entries:
        if each.key in seen:
            raise ValueError(f"{each.name} ({each.number}) instance {each.instance} is there twice")
        seen.add(each.key)
    return Snapshot(
        identity=identity,
        taken_at=parse_time(document["taken_at"]),
        library_version=_checked(document["library_version"], str),
        entries=entries,
        refusals=tuple(_refusal(**each) for each in document["refusals"]),
    )


def _entry(
    number: object, name: object, instance: object, value: object, label: object, unit: object
) -> SnapshotEntry:
    return SnapshotEntry(
        _checked(number, int),
        _checked(name, str),
        _checked(instance, int),
        _value(value),
        None if label is None else _checked(label, str),
        _unit(unit),
    )


def _refusal(number: object, name: object, instance: object, status: object) -> Refusal:
    return Refusal(
        _checked(number, int), _checked(name, str), _checked(instance, int), _checked(status, str)
    )


def _unit(given: object) -> Unit | None:
    return None if given is None else Unit(_checked(given, str))


def _value(given: object) -> Value:
    if isinstance(given, list):
        return tuple(_checked(each, int) for each in given)
    if isinstance(given, str):
        return given
    if not isinstance(given, (int, float)) or finite_or_none(given) is None:
        raise ValueError(f"the value {given!r} is not a finite number, a text or a list")
    return given


def _checked(given: object, kind: type[Any]) -> Any:
    if type(given) is not kind:
        raise ValueError(f"{given!r} is not of type {kind.__name__}")
    return given
