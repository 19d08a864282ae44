"""How long to leave something alone that has failed: longer each time, and never the same.

The distances double from `first_s` to `most_s`. Each is shortened by up to a half by
chance, so that many things that failed together are not all tried together again.
"""

from __future__ import annotations

import random
import time

from watlowlib._internal.clock import Deadline


class Backoff:
    """Whether it is time to try again.

    Args:
        first_s: Seconds to wait after the first failure, at most.
        most_s: Seconds to wait after many, at most.
        chance: Shortens them; another one for tests.
    """

    def __init__(self, first_s: float, most_s: float, chance: random.Random | None = None) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._chance = chance or random.Random()
        self.succeeded()

    @property
    def failures(self) -> int:
        """How often in a row it has failed."""
        return self._failures

    def left_s(self) -> float:
        """Seconds until it is time; 0 when it is."""
        return self._until.left_s()

    def failed(self, *, about_s: float = 0.0) -> float:
        """Wait longer than before; for how many seconds.

        Args:
            about_s: Wait for so long on average, if that is longer: for half to half as long
                again, which spreads what is tried again and again.
        """
        # Doubled some 60 times, every number here is beyond any `most_s`.
        whole_s = min(self._first_s * 2.0 ** min(self._failures, 60), self._most_s)
        spread_s = about_s * self._chance.uniform(0.5, 1.5)
        pause_s = max(whole_s * self._chance.uniform(0.5, 1.0), spread_s)
        self._failures += 1
        self._until = Deadline(time.monotonic() + pause_s)
        return pause_s

    def succeeded(self) -> None:
        """Forget what was."""
        self._failures = 0
        self._until = Deadline(0.0)
