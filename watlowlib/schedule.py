"""When the ticks of a recording are due: start + n * period, in integer nanoseconds.

No clock and no thread here. A tick that takes longer than a period lets the next slot
begin late; slots that went by altogether are skipped and never made up for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """The slots of one recording.

    Attributes:
        start_ns: When slot 0 is due, on the monotonic clock.
        period_ns: Between two slots.
        ticks: How many slots there are; None for no end.
    """

    start_ns: int
    period_ns: int
    ticks: int | None

    def due_ns(self, tick: int) -> int:
        """When slot `tick` is due."""
        return self.start_ns + tick * self.period_ns

    def after(self, tick: int, now_ns: int) -> tuple[int, int]:
        """What follows slot `tick`, which is over at `now_ns`.

        Returns:
            The next slot to serve (the running one, if that one has begun), and how
            many slots between the two went by. The next slot is `ticks` at the end.
        """
        running = (now_ns - self.start_ns) // self.period_ns
        following = max(tick + 1, running)
        if self.ticks is not None:
            following = min(following, self.ticks)
        return following, following - tick - 1


def slots(rate_hz: float, duration_s: float | None) -> tuple[int, int | None]:
    """The period in nanoseconds of `rate_hz`, and how many slots `duration_s` has.

    Slot n belongs to the recording when n / rate_hz < duration_s; there is at least one.
    """
    period_ns = max(1, round(1e9 / rate_hz))
    # The millionth part of a slot forgives 0.1 * 3 not being 0.3.
    ticks = None if duration_s is None else max(1, math.ceil(duration_s * rate_hz - 1e-6))
    return period_ns, ticks
