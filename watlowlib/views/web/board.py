"""What the page shows: the latest value and the trend of each series, as JSON."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from watlowlib._internal.validation import finite_or_none
from watlowlib.model.events import Event
from watlowlib.registry.codes import codes_of
from watlowlib.views.web.history import WINDOWS, History

REASONS = {
    "timeout": "no reply in time",
    "offline": "does not reply and is asked less often",
    "disconnected": "the port is lost",
    "busy": "the port is still busy with the last tick",
    "closed": "the port is closed",
    "stopped": "the recording was stopping",
    "crc": "the reply was damaged",
    "protocol": "the reply was not understood",
    "line_not_quiet": "the line was not quiet",
    "sensor_error": "the sensor has an error",
    "sensor_unknown": "the state of the sensor could not be read",
    "other_device": "another controller replies",
    "no_such_instance": "the controller has no such instance",
    "absent": "the controller has no value",
    "not_a_number": "the value is not a number",
}
"""A status in plain words; others are shown as they are."""

SHOWN_EVENTS = 10
"""The events on the page."""


class Point(NamedTuple):
    """One read.

    Attributes:
        device: The controller's name.
        parameter: The parameter's name.
        number: The parameter's number, 0 if it is not known.
        instance: The parameter's instance.
        value: The value, or None.
        unit: The unit, or "".
        status: "ok", or why there is no value.
        at_s: The time in the trend: seconds since 1970.
        seen_s: When the reply was complete, on the clock from which the board computes ages.
    """

    device: str
    parameter: str
    number: int
    instance: int
    value: Any
    unit: str
    status: str
    at_s: float
    seen_s: float


class Track:
    """The latest points of one series, and its trend."""

    def __init__(self) -> None:
        self.latest: Point | None = None
        self.value: Point | None = None
        """The latest point with a value."""
        self.history = History()

    def add(self, point: Point) -> None:
        """Add a point; an earlier one than the latest changes nothing but the trend."""
        number = _number(point.value)
        if number is None and point.value is not None and point.status == "ok":
            if not isinstance(point.value, float):  # a text has no trend
                self._keep(point)
                return
            point = point._replace(value=None, status="not_a_number")
        self._keep(point)
        self.history.add(point.at_s, number)

    def _keep(self, point: Point) -> None:
        if self.latest is None or point.at_s >= self.latest.at_s:
            self.latest = point
            if point.value is not None:
                self.value = point

    def state(self, now_s: float) -> dict[str, Any]:
        """Return what the page shows of the series."""
        point = self.latest
        assert point is not None  # a track begins with a point
        value = self.value
        return {
            "device": point.device,
            "parameter": point.parameter,
            "instance": point.instance,
            "at": round(point.at_s, 3),
            "number": _number(point.value),
            "text": format_value(point),
            "unit": point.unit or (value.unit if value else ""),
            "status": point.status,
            "reason": REASONS.get(point.status, point.status.replace("_", " ")),
            "last": format_value(value) if value else "",
            "age": None if value is None else round(max(0.0, now_s - value.seen_s), 3),
            "period": round(self.history.period_s, 3),
        }


class Board:
    """The series of a recording or of stored rows; any thread may use it.

    Args:
        title: What is shown, such as the names of the outputs or the source.
        live: Whether the points are those of a running recording.
        clock: Returns the time in seconds from which ages are computed.
    """

    def __init__(self, title: str, *, live: bool, clock: Callable[[], float]) -> None:
        self._title = title
        self._live = live
        self._clock = clock
        self._lock = threading.Lock()
        self._tracks: dict[tuple[str, str, int], Track] = {}
        self._numbers = 0

    def add(self, points: Iterable[Point]) -> None:
        """Add points."""
        with self._lock:
            for point in points:
                key = (point.device, point.parameter, point.instance)
                if key not in self._tracks:
                    self._tracks[key] = Track()
                self._tracks[key].add(point)

    def event(self, health: Mapping[str, Any]) -> bytes:
        """Return a server-sent event with the complete state.

        Events have numbers. A viewer that has missed one needs no more than the next one, except
        for the trend, which it then reads again.
        """
        now_s = self._clock()
        with self._lock:
            self._numbers += 1
            series = [track.state(now_s) for track in self._tracks.values()]
        state = {
            "number": self._numbers,
            "title": self._title,
            "live": self._live,
            "windows": WINDOWS,
            "series": series,
            "health": dict(health),
        }
        return b"data: " + _json(state) + b"\n\n"

    def history(self, window_s: int) -> Iterator[bytes]:
        """Yield the trends of a window as JSON, one series at a time.

        A list of `[key of the series, buckets]`. Written at once, 48 series would keep the
        interpreter busy for some 30 ms, in which a tick would be late.
        """
        with self._lock:
            tracks = list(self._tracks.items())
        yield b"["
        for number, (key, track) in enumerate(tracks):
            with self._lock:
                buckets = track.history.buckets(window_s)
            yield b"," * bool(number) + _json([key, buckets])
        yield b"]"


def format_value(point: Point) -> str:
    """Return the value of a point without its unit; the meaning of a code; "" for no value."""
    value = point.value
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.2f}" if abs(value) < 1e6 else f"{value:.3e}"
    if isinstance(value, int):
        label = codes_of(point.number, point.parameter).get(value)
        return str(value) if label is None else f"{label} ({value})"
    return str(value)


def events_of(events: Sequence[Event]) -> list[dict[str, Any]]:
    """Return the last events as the page shows them, the latest first."""
    return [
        {
            "at": round(each.time.timestamp(), 3),
            "device": each.device or "",
            "kind": str(each.kind).replace("_", " "),
            "text": each.text,
        }
        for each in events[: -SHOWN_EVENTS - 1 : -1]
    ]


def _number(value: Any) -> float | None:
    number = finite_or_none(value)
    # Fewer digits to send; a controller's floats have no more.
    return None if number is None else float(f"{number:.7g}")


def _json(value: Any) -> bytes:
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "replace")  # a text in a file may have half of a character
