"""Whether a controller is there: one that does not answer is asked less and less often.

Each question to a controller that is switched off costs its line a timeout, which its
neighbours wait out too. So after two questions in a row that nobody answered a fleet leaves it
alone, for longer each time, and asks then for one thing only. With its first answer, to
whomever, it is one like the others again. All the controllers that are away take at most
a tenth of their line's time together.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from watlowlib.backoff import Backoff
from watlowlib.errors import WatlowOfflineError, WatlowTimeoutError

if TYPE_CHECKING:
    from watlowlib.device.access import Access

log = logging.getLogger(__name__)

GONE = 2
"""So many questions in a row without an answer, and it is taken to be away."""

FIRST_S, MOST_S = 0.5, 10.0
"""How long it is left alone at first, and after many attempts."""

SHARE = 9
"""A line is spared looking for controllers for so many times as long as it took in vain."""


class Presence:
    """What is known of one controller's being there."""

    def __init__(self, ctl: Access) -> None:
        self._ctl = ctl
        self._again = Backoff(FIRST_S, MOST_S)

    def _noted_away(self) -> bool:
        """Whether it has not answered lately; what has changed is noted and said."""
        away = self._ctl.stats.unanswered >= GONE
        if not away and self._again.failures:
            self._again.succeeded()
            log.warning("%s answers again", self._ctl.name)
        elif away and not self._again.failures:
            self._again.failed()
            log.warning("%s does not answer; it is asked less often from now on", self._ctl.name)
        return away

    def look(self) -> bool:
        """Whether it is there, asking it if it is time to.

        Raises:
            WatlowError: The port is gone.
        """
        if not self._noted_away():
            return True
        port = self._ctl.line
        if self._again.left_s() or not port.spare_until.passed():
            return False
        began_s = time.monotonic()
        try:
            self._ctl.wire.hail(retries=0)
        except WatlowTimeoutError:
            self._again.failed()
            port.spare(SHARE * (time.monotonic() - began_s))
        return not self._noted_away()

    def error(self) -> WatlowOfflineError:
        """What a read that was not even tried failed with."""
        return WatlowOfflineError(
            f"{self._ctl.name} has not answered lately and is asked again in "
            f"{self._again.left_s():.1f} s; is it on?"
        )
