"""The texts of the summary of a recording and of its parts."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

import pytest

from watlowlib import AcquisitionSummary, DeviceResult, SinkReport
from watlowlib.errors import WatlowTimeoutError
from watlowlib.manager.results import FleetStats
from watlowlib.model import ControllerFamily, DeviceInfo, PartNumber, ProtocolKind, Sample, Unit
from watlowlib.protocol.stats import DeviceStats, PortStats
from watlowlib.snapshots import RestoreReport

AT = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


def test_a_summary_is_printed_as_a_line_for_each_sink_and_one_for_the_recording() -> None:
    sinks = (
        SinkReport("CsvSink('run.csv')", 5760, 0),
        SinkReport("FullSink", 5750, 10, "the disk is full", 7),
    )
    summary = AcquisitionSummary(
        AT,
        AT,
        samples_emitted=5760,
        samples_late=1,
        max_drift_ms=81.06,
        ticks_emitted=960,
        rows=5760,
        gaps=940,
        sinks=sinks,
        duration_s=192.04,
    )
    assert str(summary).splitlines() == [
        "CsvSink('run.csv'): 5,760 rows written, 0 lost",
        "FullSink: 5,750 rows written, 7 waiting, 10 lost (the disk is full)",
        "192.0 s, 960 ticks, 1 late, largest drift 81.1 ms, 940 of 5,760 reads without a value",
    ]
    assert str(sinks[0]) == str(summary).splitlines()[0]
    assert repr(summary).startswith("AcquisitionSummary(started_at=datetime.datetime(2026")


SAMPLE = Sample(
    device="top", address=1, protocol=ProtocolKind.STDBUS, parameter="process_value",
    parameter_id=4001, instance=2, value=72.5, unit=Unit.FAHRENHEIT, requested_at=AT,
    received_at=AT, midpoint_at=AT, latency_s=0.1, raw=None,
)  # fmt: skip
GAP = replace(SAMPLE, value=None, unit=None, status="timeout")
INFO = DeviceInfo(1, ProtocolKind.STDBUS, family=ControllerFamily.PM, firmware_id=0)
PART = PartNumber("PM3R1CA-AAAAAAA", ControllerFamily.PM)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (SAMPLE, "top: 72.5 °F (process_value, instance 2)"),
        (GAP, "top: timeout (process_value, instance 2)"),
        (
            DeviceResult([SAMPLE, GAP], None),
            "top: 72.5 °F (process_value, instance 2)\ntop: timeout (process_value, instance 2)",
        ),
        (DeviceResult(None, WatlowTimeoutError("no reply")), "WatlowTimeoutError: no reply"),
        (DeviceResult(None, None), "None"),
        (INFO, "pm without part number, serial number not known, firmware 0"),
        (
            replace(INFO, part_number=PART, serial_number=7),
            "PM3R1CA-AAAAAAA, serial number 7, firmware 0",
        ),
        (RestoreReport((), (), ()), "0 written, 0 refused, 0 left out"),
        (
            FleetStats({"top": DeviceStats(exchanges=3)}, {"COM3": PortStats()}),
            "top: exchanges 3\nCOM3: no requests",
        ),
    ],
)
def test_what_users_print_is_short(value: object, text: str) -> None:
    assert str(value) == text
    assert repr(value).startswith(type(value).__name__)
