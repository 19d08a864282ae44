"""The latest sample and the trend of each parameter of a recording, and how they look as text.

A `Track` collects the samples of one parameter of a controller, a `Row` is its state. A mark
stands before a value: `!` for a bad status, `*` for a value that changed in the last seconds.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from watlowlib.model import Sample
from watlowlib.registry.codes import codes_of

TREND_POINTS = 64
"""The number of points that a track keeps, hence the widest trend."""

TREND_PERIOD = timedelta(seconds=1)
"""The shortest time between two points of a trend; between them the later sample counts."""

TREND_SPAN = 0.01
"""The smallest span of a trend relative to its largest value: less is drawn as almost flat."""

CHANGED_FOR = timedelta(seconds=3)
"""How long a value is marked as changed."""


NUMBER_WIDTH, UNIT_WIDTH = 9, 3
VALUE_WIDTH = NUMBER_WIDTH + 1 + UNIT_WIDTH
BAD, CHANGED = "bold red", "bold"


class Row(NamedTuple):
    """The latest sample of a parameter of a controller.

    Attributes:
        sample: The sample.
        trend: Earlier values and this one; None for a gap.
        changed: Whether the value changed within `CHANGED_FOR`.
    """

    sample: Sample
    trend: Sequence[float | None] = ()
    changed: bool = False

    @property
    def bad(self) -> bool:
        """Whether the status is not "ok"."""
        return status_of(self.sample) != "ok"

    @property
    def mark(self) -> str:
        """One character: "!" for a bad status, "*" for a changed value, or a blank."""
        return "!" if self.bad else "*" if self.changed else " "

    @property
    def style(self) -> str:
        """The style of the value."""
        return BAD if self.bad else CHANGED if self.changed else ""


class Track:
    """The samples of one parameter of a controller; its memory use is constant."""

    def __init__(self, sample: Sample) -> None:
        self._latest = sample
        self._value = sample.value
        self._changed_at: datetime | None = None
        self._point_at = _time(sample)
        self._trend: deque[float | None] = deque([_number(sample)], maxlen=TREND_POINTS)

    def add(self, sample: Sample) -> None:
        """Add a later sample; one of the same tick or an earlier one is ignored."""
        before = self._latest
        if sample.tick is not None and before.tick is not None and sample.tick <= before.tick:
            return
        self._latest = sample
        if sample.value is not None:
            if self._value not in (None, sample.value):
                self._changed_at = _time(sample)
            self._value = sample.value
        if timedelta(0) <= _time(sample) - self._point_at < TREND_PERIOD:
            self._trend[-1] = _number(sample)
        else:
            self._trend.append(_number(sample))
            self._point_at = _time(sample)

    def row(self) -> Row:
        """Return the state as a row."""
        at = self._changed_at
        changed = at is not None and _time(self._latest) - at < CHANGED_FOR
        return Row(self._latest, tuple(self._trend), changed)


def status_of(sample: Sample) -> str:
    """Return the status, "not_a_number" for a value that is NaN or infinite."""
    value = sample.value
    infinite = isinstance(value, float) and not math.isfinite(value)
    return "not_a_number" if sample.status == "ok" and infinite else sample.status


def format_value(sample: Sample) -> str:
    """Return value and unit, or the meaning of an enumeration's code; a dash for no value.

    The decimal points and units of numbers are below each other.
    """
    value, unit = sample.value, sample.unit or ""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        text = "-"
    elif isinstance(value, float):
        text = f"{value:.2f}"
        text = text if len(text) <= NUMBER_WIDTH else f"{value:.2e}"
    elif isinstance(value, int):
        label = codes_of(sample.parameter_id, sample.parameter).get(value)
        text = str(value) if label is None else label
    else:
        text = str(value)
    if len(text) > NUMBER_WIDTH:
        return f"{text} {unit}".rstrip()
    return f"{text:>{NUMBER_WIDTH}} {unit if text != '-' else '':<{UNIT_WIDTH}}"


def format_trend(values: Sequence[float | None], width: int, blocks: str) -> str:
    """Return the last `width` values as blocks between their lowest and highest value.

    A gap is a blank. If the values differ by less than `TREND_SPAN`, they are around the middle.
    """
    last = values[-width:] if width > 0 else ()
    numbers = [each for each in last if each is not None]
    if not numbers:
        return ""
    low, high = min(numbers), max(numbers)
    span = max(high - low, TREND_SPAN * max(abs(low), abs(high))) or 1.0
    base = (low + high - span) / 2
    top = len(blocks) - 1
    return "".join(
        " " if each is None else blocks[min(top, max(0, round((each - base) / span * top)))]
        for each in last
    )


def _time(sample: Sample) -> datetime:
    return sample.scheduled_at or sample.received_at


def _number(sample: Sample) -> float | None:
    value = sample.value
    if isinstance(value, str) or value is None or isinstance(value, tuple):
        return None
    return float(value) if math.isfinite(value) else None
