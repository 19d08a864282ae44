"""The tables that notebooks show."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from html.parser import HTMLParser
from typing import Any

from tests.sinks.samples import FIRST
from watlowlib.devices.snapshot import Refusal, Snapshot, SnapshotEntry
from watlowlib.model import (
    AcquisitionSummary,
    ControllerFamily,
    DeviceInfo,
    PartNumber,
    ProtocolKind,
    RateReport,
    Reading,
    SinkReport,
    Unit,
)

AT = datetime(2026, 3, 1, 13, 0, 0, 5000, timezone(timedelta(hours=1)))
BAD = "<b>&oven</b>"


class Page(HTMLParser):
    """Reads HTML: the cells of each row, by the caption of the table; tags must fit."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.texts: list[str] = []
        self._open: list[str] = []
        self._rows: list[list[str]] = []
        self.feed(value._repr_html_())
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open.append(tag)
        assert tag != "b"
        assert tag != "th" or dict(attrs)["scope"] in ("row", "col")
        if tag == "table":
            self._rows = []
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th"):
            self._rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1] == "caption":
            self.tables[data] = self._rows
        elif self._open[-1] in ("td", "th"):
            self._rows[-1][-1] += data
        else:
            self.texts.append(data)

    def fields(self, caption: str) -> dict[str, str]:
        return {row[0]: row[1] for row in self.tables[caption]}


def reading(value: Any, label: str | None = None) -> Reading:
    unit = None if label else Unit.FAHRENHEIT
    return Reading(value, unit, "process_value", 4001, 1, 3, AT, AT, 0.0125, b"\x55", label)


def test_a_reading_has_its_value_and_its_time_in_utc() -> None:
    assert Page(reading(72.41234567)).fields("Reading") == {
        "value": "72.4123 °F",
        "parameter": "process_value (4001)",
        "instance": "1",
        "address": "3",
        "requested at": "2026-03-01 12:00:00.005 UTC",
        "latency": "12.5 ms",
    }
    assert Page(reading(71, "PID")).fields("Reading")["value"] == "PID (71)"


def test_a_sample_without_a_value_has_its_status() -> None:
    lost = replace(FIRST, device=BAD, value=None, status="timeout", tick=0)
    fields = Page(lost).fields("Sample")
    assert fields["device"] == BAD
    assert (fields["value"], fields["status"], fields["tick"]) == ("no value", "timeout", "0")


def test_an_identity_leaves_out_what_is_not_known() -> None:
    part = PartNumber("PM3R1CA-AAAAAAA", ControllerFamily.PM, cooling=False)
    fields = Page(DeviceInfo(1, ProtocolKind.STDBUS, part, device_name=BAD)).fields("Controller")
    assert fields["part_number"] == "PM3R1CA-AAAAAAA"
    assert fields["device_name"] == BAD
    assert fields["cooling"] == "no"
    assert not {"serial_number", "second_loop"} & fields.keys()


def test_a_summary_has_its_rates_and_sinks() -> None:
    summary = AcquisitionSummary(
        AT, AT, 7, 0, 1.5, ticks_emitted=7, rows=14, gaps=2,
        rates=(RateReport(2.0, ("pv", 7001), emitted=7),),
        sinks=(SinkReport(f"CsvSink({BAD!r})", 13, 1, "disk full"),),
    )  # fmt: skip
    page = Page(summary)
    assert page.fields("Recording")["gaps"] == "2"
    assert page.tables["Rates"][1] == ["pv, 7001", "2", "7", "0", "0"]
    assert page.tables["Sinks"][1] == [f"CsvSink({BAD!r})", "13", "0", "1", "disk full"]


def test_a_snapshot_has_its_values_and_refusals() -> None:
    entry = SnapshotEntry(8003, "heat_algorithm", 1, 71, "PID")
    refusal = Refusal(8012, "cool_proportional_band", 1, "absent")
    page = Page(Snapshot({"name": BAD, "part_number": None}, AT, "0", (entry,), (refusal,)))
    assert page.fields("Snapshot") == {"name": BAD, "taken_at": "2026-03-01 12:00:00.005 UTC"}
    assert page.texts == ["1 value", "1 refusal"]
    assert page.tables["Values"][1] == ["heat_algorithm", "8003", "1", "PID (71)"]
    assert page.tables["Refusals"][1] == ["cool_proportional_band", "8012", "1", "absent"]
