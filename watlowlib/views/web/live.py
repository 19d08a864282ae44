"""Shows a running recording on a page: each tick is sent before any sink has its rows."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from watlowlib._internal.log import logger
from watlowlib._internal.queues import ShutDown
from watlowlib._internal.threads import Worker
from watlowlib.model import AcquisitionSummary, Sample
from watlowlib.streaming.recorder import Recording
from watlowlib.views.web.board import Board, Point, events_of
from watlowlib.views.web.page import WebPage

log = logger(__name__)

EVENT_S = 0.08
"""Ticks that follow a sent tick sooner are in the next event, for which they wait as long at most.

Events are sent when a tick ends, while the recorder waits for its next slot: a timer could end when
the next tick begins, and delay it. At 10 Hz there is an event for each tick.
"""

HEALTH_S = 1.0
"""The longest time between two events: without a tick the counters are sent."""

WAITING_TICKS = 256
JOIN_S = 5.0


class SinkState(NamedTuple):
    """One sink, as the page shows it.

    Attributes:
        name: Its name, such as the file's.
        written: Rows in their final place.
        waiting: Rows that were read and are not there yet.
        lost: Rows that were lost.
        problem: Why rows wait or were lost, or None.
    """

    name: str
    written: int
    waiting: int
    lost: int
    problem: str | None = None


SinkStates = Callable[[AcquisitionSummary], Sequence[SinkState]]


def live_board(title: str) -> Board:
    """Return the board of a recording: ages are computed with the monotonic clock."""
    return Board(title, live=True, clock=time.monotonic)


class LiveFeed:
    """Puts the samples of a recording on a page, in a `with` statement.

    Args:
        page: The page, with a board of `live_board`.
        stream: The recording; enter the feed before it.
        sinks: Returns the states of the sinks.
    """

    def __init__(self, page: WebPage, stream: Recording, sinks: SinkStates) -> None:
        self._page = page
        self._stream = stream
        self._sinks = sinks
        self._ticks = stream.watch(WAITING_TICKS)
        self._worker = Worker("web-feed", self._run, self._ticks.shutdown)

    def __enter__(self) -> LiveFeed:
        self._worker.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._page.in_other_process:
            return
        self._ticks.shutdown()
        self._worker.join(JOIN_S)
        if self._worker.failure is not None:  # which does not concern the recording
            log.warning("the live page ended early: %r", self._worker.failure)
        self._publish(ended=True)

    def _run(self) -> None:
        ended = False
        next_s, wait_s = 0.0, HEALTH_S
        while not ended:
            try:
                self._page.board.add(points_of(self._ticks.get(timeout=wait_s)))
                if time.monotonic() < next_s:
                    wait_s = EVENT_S
                    continue
                next_s = time.monotonic() + EVENT_S
            except queue.Empty:
                pass
            except ShutDown:
                ended = True
            self._publish(ended=ended)
            wait_s = HEALTH_S

    def _publish(self, *, ended: bool) -> None:
        summary = self._stream.summary
        health = health_of(summary, self._sinks(summary), ended=ended)
        self._page.publish({**health, "events": events_of(self._stream.recent_events)})


def points_of(samples: Iterable[Sample]) -> Iterator[Point]:
    """Yield the points of samples. Steps of the wall clock change neither trends nor ages."""
    for each in samples:
        yield Point(
            each.device,
            each.parameter,
            each.parameter_id,
            each.instance,
            each.value,
            str(each.unit or ""),
            each.status,
            (each.scheduled_at or each.received_at).timestamp(),
            time.monotonic() if each.monotonic_ns is None else each.monotonic_ns / 1e9,
        )


def health_of(
    summary: AcquisitionSummary, sinks: Sequence[SinkState], *, ended: bool
) -> dict[str, Any]:
    """Return the counters of a recording as the page shows them."""
    return {
        "ended": ended,
        "ticks": summary.ticks_emitted,
        "late": summary.samples_late,
        "dropped": summary.ticks_dropped,
        "drift_ms": round(summary.max_drift_ms, 1),
        "rows": summary.rows,
        "gaps": summary.gaps,
        "disconnects": summary.disconnects,
        "duration_s": round(summary.duration_s, 1),
        "sinks": [sink._asdict() for sink in sinks],
    }
