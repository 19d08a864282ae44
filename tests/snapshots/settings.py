"""Small snapshots for the tests."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from watlowlib.model import Unit, Value
from watlowlib.registry.parameters import PARAMETERS
from watlowlib.snapshots import Snapshot, SnapshotEntry

FAHRENHEIT = 30
"""The factory setting of 17050."""


def entry(parameter: str | int, value: Value, instance: int = 1, unit: Unit | None = None) -> Any:
    spec = PARAMETERS.resolve(parameter)
    label = spec.codes.get(value) if isinstance(value, int) else None
    return SnapshotEntry(spec.number, spec.name, instance, value, label, unit)


def snapshot(
    *entries: SnapshotEntry, scale: int | None = FAHRENHEIT, **identity: object
) -> Snapshot:
    """Return a snapshot of a PM with these values, whose communication uses `scale`."""
    known = {"family": "pm", "part_number": "PM3R1CA-AAAAAAA", "temperature_unit": None}
    scales = () if scale is None else (entry(17050, scale),)
    return Snapshot(
        identity={**known, **identity},
        taken_at=datetime(2026, 5, 4, 3, 2, 1, tzinfo=timezone.utc),
        library_version="0.1.0",
        entries=(*entries, *scales),
    )
