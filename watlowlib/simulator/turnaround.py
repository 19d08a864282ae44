"""The turnaround of a simulated controller: the time between a request and its reply.

The turnaround of real controllers varies: most replies of a PM3 begin after 2 to 40 ms, some
only after up to 250 ms. How many are slow is not known; 1 % is assumed.
"""

from __future__ import annotations

import random

from watlowlib._internal.validation import finite_or_none
from watlowlib.errors import WatlowConfigurationError

PM3_TURNAROUND_S = (0.002, 0.04, 0.25)
SLOW_SHARE = 0.01
"""The share of replies that take longer than the maximum of the ordinary ones."""


class Turnaround:
    """A random source of turnarounds; `seconds` is the `turnaround_s` of `SimulatedBus`.

    Raises:
        WatlowConfigurationError: `seconds` is something else.
    """

    def __init__(self, seconds: object, generator: random.Random) -> None:
        numbers = [*map(finite_or_none, seconds)] if isinstance(seconds, (tuple, list)) else []
        numbers = numbers or [finite_or_none(seconds)] * 2
        valid = [each for each in numbers if each is not None and each >= 0]
        if len(valid) != len(numbers) or len(valid) not in (2, 3) or valid != sorted(valid):
            raise WatlowConfigurationError(
                f"turnaround_s={seconds!r}: give one number, (minimum, maximum) or "
                "(minimum, maximum, slow maximum), in seconds"
            )
        self._min, self._max, self._slow_max = *valid[:2], valid[-1]
        self._random = generator

    def draw_s(self) -> float:
        """Return the next turnaround in seconds."""
        if self._random.random() < SLOW_SHARE:
            return self._random.uniform(self._max, self._slow_max)
        return self._random.uniform(self._min, self._max)
