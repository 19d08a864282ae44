"""The reads of a recording by status, and the latest of each parameter."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.sinks.samples import FIRST
from watlowlib import record
from watlowlib._internal.clock import ManualClock
from watlowlib.devices.controller import Controller
from watlowlib.streaming.reads import Reads

PATIENCE_S = 20.0


def test_a_gap_keeps_the_time_of_the_value_before() -> None:
    reads = Reads()
    later = FIRST.received_at + timedelta(seconds=1)
    gap = replace(FIRST, value=None, status="timeout", received_at=later)
    other = replace(FIRST, instance=2)
    reads.add([FIRST, other])
    reads.add([gap])
    assert reads.by_status() == {"oven_top": {"ok": 2, "timeout": 1}}
    assert reads.latest() == [gap, other]
    assert reads.valued_at()["oven_top", "process_value", 1] == FIRST.received_at


def test_the_reads_of_dropped_ticks_are_counted(ctl: Controller) -> None:
    clock = ManualClock()
    stream = record(
        ctl, parameters=["setpoint"], rate_hz=1.0, overflow="drop_oldest", buffer_size=1,
        clock=clock,
    )  # fmt: skip
    with stream:
        for _ in range(2):
            assert clock.waiting.wait(PATIENCE_S)
            clock.advance(1.0)
        assert clock.waiting.wait(PATIENCE_S)
        assert stream.summary.ticks_dropped == 2
        assert stream.reads.by_status() == {ctl.name: {"ok": 3}}
        assert [each.tick for each in stream.reads.latest()] == [2]
