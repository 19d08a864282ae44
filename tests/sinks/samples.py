"""Samples for the tests of the sinks, of every kind that a recording can contain."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

from watlowlib.model import ProtocolKind, Sample, Unit

START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=timezone.utc)
FIRST = Sample(
    device="oven_top",
    address=1,
    protocol=ProtocolKind.STDBUS,
    parameter="process_value",
    parameter_id=4001,
    instance=1,
    value=72.4,
    unit=Unit.FAHRENHEIT,
    requested_at=START,
    received_at=START + timedelta(milliseconds=20),
    midpoint_at=START + timedelta(milliseconds=10),
    latency_s=0.02,
    raw=b"\x55\xff",
)
EVERY_KIND = [
    FIRST,
    replace(FIRST, value=72.0, unit=None, requested_at=START + timedelta(microseconds=1)),
    replace(FIRST, value=None, raw=None, status="timeout"),
    replace(FIRST, value=71, unit=None, parameter="heat_algorithm", parameter_id=8003),
    replace(FIRST, value="PM3R1CA-AAAAAAA", unit=None, parameter="part_number"),
    replace(FIRST, tick=3_600_000_000, scheduled_at=START + timedelta(hours=1, microseconds=7)),
    replace(FIRST, value=-0.1 + 0.3, device='odd "name", with\na line break and ö'),
]


def many(count: int) -> list[Sample]:
    return [replace(FIRST, value=float(n)) for n in range(count)]
