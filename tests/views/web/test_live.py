"""A recording on the page: its samples, its health and its end."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.views.web.viewer import events
from watlowlib import InMemorySink, pipe, record
from watlowlib._internal.clock import ManualClock
from watlowlib.devices.controller import Controller
from watlowlib.model import AcquisitionSummary
from watlowlib.simulator import SimulatedBus
from watlowlib.views.web.live import LiveFeed, SinkState, live_board
from watlowlib.views.web.page import WebPage

pytest.importorskip("bottle")
pytest.importorskip("cheroot")


@pytest.fixture
def page() -> Iterator[WebPage]:
    with WebPage(live_board("run.csv"), port=0) as serving:
        yield serving


def no_sinks(summary: AcquisitionSummary) -> list[SinkState]:
    return []


def test_a_tick_is_on_the_page_before_any_sink_has_its_rows(page: WebPage, ctl: Controller) -> None:
    clock = ManualClock()
    recording = record(ctl, parameters=["setpoint"], rate_hz=1.0, clock=clock)
    with events(page.url) as viewer, LiveFeed(page, recording, no_sinks), recording:
        state = viewer.until(ticks=1)
        (series,) = state["series"]
        assert (series["device"], series["parameter"]) == (ctl.name, "setpoint")
        assert (series["number"], series["text"], series["status"]) == (75.0, "75.00", "ok")
        assert 0 <= series["age"] < 20
        assert clock.waiting.wait(20.0)
        clock.advance(1.0)
        assert viewer.until(ticks=2)["series"][0]["at"] == series["at"] + 1.0


def test_a_gap_has_its_reason_and_the_age_of_the_value_before(
    page: WebPage, bus: SimulatedBus, ctl: Controller
) -> None:
    clock = ManualClock()
    recording = record(ctl, parameters=["setpoint"], rate_hz=1.0, clock=clock)
    with events(page.url) as viewer, LiveFeed(page, recording, no_sinks), recording:
        viewer.until(ticks=1)
        bus.controllers.clear()
        assert clock.waiting.wait(20.0)
        clock.advance(1.0)
        (series,) = viewer.until(ticks=2)["series"]
        assert (series["number"], series["last"], series["status"]) == (None, "75.00", "timeout")
        assert series["age"] > 0.2  # at least the timeout


def test_the_last_events_are_on_the_page(page: WebPage, ctl: Controller) -> None:
    clock = ManualClock()
    recording = record(ctl, parameters=["setpoint"], rate_hz=1.0, clock=clock, events=True)
    with events(page.url) as viewer, LiveFeed(page, recording, no_sinks), recording:
        viewer.until(ticks=1)
        for number in range(12):
            recording.note(f"<b>{number}</b>", device=ctl.name)
        clock.advance(1.0)
        shown = viewer.until(ticks=2)["health"]["events"]
    texts = [each["text"] for each in shown if each["kind"] == "note"]
    assert texts[0] == "<b>11</b>"
    assert (shown[0]["device"], len(shown)) == (ctl.name, 10)


def test_health_has_the_counters_of_the_recording_and_its_sinks(
    page: WebPage, ctl: Controller
) -> None:
    recording = record(ctl, parameters=["setpoint"], rate_hz=100.0, duration=0.05)
    closed: list[bool] = []

    def sinks(summary: AcquisitionSummary) -> list[SinkState]:
        return [SinkState("run.csv", len(closed), 2, 1, "the disk is full")]

    with events(page.url) as viewer:
        with LiveFeed(page, recording, sinks), recording as stream:
            with InMemorySink() as sink:
                pipe(stream, sink)
            viewer.until(ended=True)
            closed.append(True)  # the last rows come after the last tick
        health = viewer.until(ended=True)["health"]
        page.close()
    summary = stream.summary
    assert health["ticks"] + health["late"] == 5
    assert health["ticks"] == summary.ticks_emitted
    assert health["rows"] == summary.rows
    assert health["drift_ms"] == round(summary.max_drift_ms, 1)
    assert health["sinks"] == [
        {"name": "run.csv", "written": 1, "waiting": 2, "lost": 1, "problem": "the disk is full"}
    ]


def test_an_event_arrives_soon_after_its_tick(page: WebPage, ctl: Controller) -> None:
    recording = record(ctl, parameters=["setpoint"], rate_hz=5.0)
    with events(page.url) as viewer, LiveFeed(page, recording, no_sinks), recording:
        for ticks in (1, 2, 3):
            viewer.until(ticks=ticks)
            at_ns = recording.latest[0].monotonic_ns
            assert at_ns is not None
            assert time.monotonic_ns() - at_ns < 5e9  # 0.5 s by benchmarks/web.py


def test_ticks_that_nothing_follows_are_shown_soon(
    page: WebPage, ctl: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watlowlib.views.web.live.HEALTH_S", 1000.0)
    feed = LiveFeed(page, record(ctl, parameters=["setpoint"], rate_hz=1.0), no_sinks)
    monkeypatch.setattr("watlowlib.views.web.live.EVENT_S", 1.0)
    with events(page.url) as viewer, feed:
        for number, name in enumerate(("setpoint", "process_value"), 1):
            feed._ticks.put(ctl.poll([name]))  # the second is too soon for an event of its own
            state = viewer.next()
            assert state is not None
            assert len(state["series"]) == number


def test_a_page_that_takes_no_ticks_delays_none(
    page: WebPage, ctl: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = record(ctl, parameters=["setpoint"], rate_hz=1000.0, duration=0.5)
    monkeypatch.setattr("watlowlib.views.web.live.WAITING_TICKS", 2)
    feed = LiveFeed(page, recording, no_sinks)  # never entered: it takes nothing from its queue
    with recording as stream:
        batches = sum(1 for _ in stream)
    assert batches == stream.summary.ticks_emitted > 2
    assert stream.summary.ticks_dropped == 0
    assert feed._ticks.qsize() <= 2
