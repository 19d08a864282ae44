"""`live`: draws a recording while it runs, and writes it into sinks.

Windows belong to the main thread, and so do the outputs of a notebook. So the calling thread
draws, and a thread of its own runs `pipe`. The samples to draw come from a queue of the recording
in which the newest ticks replace the oldest ones: drawing delays neither ticks nor sinks. What is
drawn is reduced to what a picture can show, so that its memory stays bounded.
"""

from __future__ import annotations

import math
import queue
import time
from contextlib import ExitStack
from datetime import timedelta

from watlowlib._internal.log import logger
from watlowlib._internal.queues import ShutDown, drain
from watlowlib._internal.threads import Worker
from watlowlib._internal.validation import shown
from watlowlib.errors import WatlowConfigurationError
from watlowlib.model import AcquisitionSummary, Sample
from watlowlib.model.text import counted
from watlowlib.sinks.base import SampleSink
from watlowlib.sinks.pipe import pipe
from watlowlib.streaming.recorder import Recording
from watlowlib.views.curves import CurveReader, rows_of
from watlowlib.views.layout import WIDTH_PX, make_chart
from watlowlib.views.marks import marks_of
from watlowlib.views.screens import Screen, open_screen

log = logger(__name__)

WAITING_TICKS = 1024
REFRESH_S = 0.05
"""How often a window handles its events."""

DRAW_S = 1.0
"""The shortest time between two pictures."""

SHARE = 0.2
"""The part of the time that may be spent on drawing."""


def live(
    stream: Recording, *sinks: SampleSink, batch_size: int = 64, flush_interval: float = 1.0
) -> AcquisitionSummary:
    """Draw a recording while it runs and write it into `sinks`, until it ends.

    In Jupyter the picture is one output of the cell, elsewhere a window, which only the main
    thread can draw. It has all recorded parameters that are numbers, from the start of the
    recording on. If the window is closed, or the picture cannot be drawn, the recording continues.

    Args:
        stream: A recording. One that has not begun is begun and ended here.
        *sinks: Open sinks, as for `pipe`. Without any, nothing is stored.
        batch_size: As for `pipe`.
        flush_interval: As for `pipe`.

    Returns:
        The recording's summary, as `pipe` does.

    Raises:
        WatlowConfigurationError: An argument is invalid.
        WatlowSinkError: There is no display, matplotlib is not installed, or a sink did not keep
            all its rows. Without a display, a recording that had not begun does not begin.
        KeyboardInterrupt: Ctrl-C, or the interrupt of the kernel; raised after the schedule has
            stopped and all samples read so far have been written.

    Example:
        >>> with SqliteSink("run.sqlite") as sink:  # doctest: +SKIP
        ...     live(record(ctl, parameters=["pv", "setpoint"], rate_hz=2.0), sink)
    """
    if not isinstance(stream, Recording):
        raise WatlowConfigurationError(
            f"{shown(stream)} is not a recording: give what record(...) returns"
        )
    screen = open_screen()

    def consume() -> None:
        if sinks:
            pipe(stream, *sinks, batch_size=batch_size, flush_interval=flush_interval)
        else:
            for _ in stream:
                pass

    consumer = Worker("live", consume, stream.stop)
    with ExitStack() as stack:
        picture = stack.enter_context(Picture(stream, screen))
        if not stream.begun:
            stack.enter_context(stream)
        try:
            consumer.start()
            while consumer.alive and picture.follow():
                pass
            consumer.wait()
            picture.draw()
        except BaseException:
            stream.stop()
            consumer.wait()
            raise
        consumer.reraise()
    return stream.summary


class Picture:
    """The picture of a running recording, in a `with` statement; made before the first tick.

    Args:
        stream: The recording.
        screen: Where it is drawn.
    """

    def __init__(self, stream: Recording, screen: Screen) -> None:
        self._stream = stream
        self._screen = screen
        self._ticks = stream.watch(WAITING_TICKS)
        self._curves = CurveReader(WIDTH_PX)
        self._next_s = -math.inf
        self._open = True

    def __enter__(self) -> Picture:
        return self

    def __exit__(self, *error: object) -> None:
        self._ticks.shutdown(immediate=True)

    def follow(self) -> bool:
        """Wait for the next tick or `REFRESH_S`, draw if it is time; return False at the end."""
        try:
            self._add(self._ticks.get(timeout=REFRESH_S))
        except queue.Empty:
            pass
        except ShutDown:
            return False
        if time.monotonic() >= self._next_s:
            began_s = time.monotonic()
            self.draw()
            ended_s = time.monotonic()
            self._next_s = ended_s + max(DRAW_S, (ended_s - began_s) * (1 / SHARE - 1))
        self._try_to_refresh()
        return self._open

    def draw(self) -> None:
        """Draw what was read so far; an error ends the drawing only."""
        for samples in drain(self._ticks):
            self._add(samples)
        stored = self._curves.finish()
        if not self._open or not stored.devices:
            return
        try:
            events = self._stream.recent_events
            marks = marks_of(events, stored.begin_us, stored.end_us)
            self._screen.show(make_chart(stored, [], title_of(self._stream.summary), None, marks))
        except Exception as error:  # noqa: BLE001 - of matplotlib and of the window system
            self._give_up(error)

    def _add(self, samples: list[Sample]) -> None:
        for key, rows in rows_of(samples).items():
            self._curves.add_rows(key, rows)

    def _try_to_refresh(self) -> None:
        try:
            self._open = self._open and self._screen.refresh()
        except Exception as error:  # noqa: BLE001 - as above
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self._open = False
        log.warning("the recording continues, but is no longer drawn: %s", error)


def title_of(summary: AcquisitionSummary) -> str:
    """Return the counters of a recording as the title of its picture."""
    return (
        f"{timedelta(seconds=int(summary.duration_s))}, {counted(summary.ticks_emitted, 'tick')}, "
        f"{summary.samples_late:,} late, {summary.gaps:,} of "
        f"{counted(summary.rows, 'read')} without a value"
    )
