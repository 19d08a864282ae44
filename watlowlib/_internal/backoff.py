"""Exponential back-off with jitter.

The pauses double from `first_s` to `most_s`. Each pause is shortened at random by up to half,
which spreads the retries of things that failed at the same time.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from watlowlib._internal.clock import Deadline

if TYPE_CHECKING:
    import random


class Backoff:
    """The pause before the next retry of something that has failed.

    Args:
        first_s: The longest pause after the first failure, in seconds.
        most_s: The longest pause after many failures, in seconds.
        rng: The source of the jitter; tests pass a seeded one.
    """

    def __init__(self, first_s: float, most_s: float, rng: random.Random | None = None) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._rng = rng
        self.failures = 0
        """The number of failures in a row."""
        self.succeeded()

    def left_s(self) -> float:
        """Return the seconds until the next retry; 0 when it is due."""
        return self._until.left_s()

    def failed(self, *, about_s: float = 0.0) -> float:
        """Count a failure and return the pause before the next retry, in seconds.

        Args:
            about_s: The average pause, if that is longer. The pause is then between 0.5 and
                1.5 times as long, which spreads repeated retries.
        """
        if self._rng is None:
            import random  # most ports and controllers never fail

            self._rng = random.Random()
        # After 60 doublings every pause exceeds any `most_s`.
        whole_s = min(self._first_s * 2.0 ** min(self.failures, 60), self._most_s)
        spread_s = about_s * self._rng.uniform(0.5, 1.5)
        pause_s = max(whole_s * self._rng.uniform(0.5, 1.0), spread_s)
        self.failures += 1
        self._until = Deadline(time.monotonic() + pause_s)
        return pause_s

    def succeeded(self) -> None:
        """Reset the failure count and the pause."""
        self.failures = 0
        self._until = Deadline(0.0)
