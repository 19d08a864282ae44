"""How long a simulated controller thinks between a request and its reply.

Real ones are neither even nor quick: most replies of a PM3 begin after 2 to 40 ms, and now
and then one takes up to 250 ms. How often is not known; one in a hundred is assumed.
"""

from __future__ import annotations

import random

from watlowlib._internal.validation import finite_or_none
from watlowlib.errors import WatlowConfigurationError

LIKE_A_PM3 = (0.002, 0.04, 0.25)
SLOW_ONES = 0.01
"""The share of the replies that take longer than the most of the ordinary ones."""


class Turnaround:
    """Draws turnarounds.

    Args:
        given: Seconds: the least and the most of an ordinary one, and, if there are slow ones,
            the most of these; one number is all three.
        chance: What draws.

    Raises:
        WatlowConfigurationError: `given` is something else.
    """

    def __init__(self, given: object, chance: random.Random) -> None:
        numbers = (
            [finite_or_none(each) for each in given] if isinstance(given, (tuple, list)) else []
        )
        numbers = numbers or [finite_or_none(given)] * 2
        known = [each for each in numbers if each is not None and each >= 0]
        if len(known) != len(numbers) or len(known) not in (2, 3) or known != sorted(known):
            raise WatlowConfigurationError(
                f"turnaround_s={given!r}: give the least and the most seconds, and, if some are "
                "to be slow, the most of these"
            )
        self._least, self._most, self._slowest = *known[:2], known[-1]
        self._chance = chance

    def draw_s(self) -> float:
        """The next one, in seconds."""
        if self._chance.random() < SLOW_ONES:
            return self._chance.uniform(self._most, self._slowest)
        return self._chance.uniform(self._least, self._most)
