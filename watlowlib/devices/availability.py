"""Whether a controller is there: one that does not answer is asked less and less often.

Each question to a controller that is switched off costs its line a timeout, which its
neighbours wait out too. So after two questions in a row that nobody answered a fleet leaves it
alone, for longer each time, and asks then for one thing only. With its first answer, to
whomever, it is one like the others again.

A look in vain must fit into the rest of a tick. So it waits for `LOOK_S` only, which is
plenty on a line. Behind a network the answer may come later: a longer timeout than usual says
so, or the late answer itself, which is noticed as a stray. Then a look is patient.

After each the line is spared for a while, so that no tick has two; and each controller is left
alone for longer the more of them are away: together they take about a tenth of their line's
time. Of sixteen that are away, any one is found within a minute.

When one is back, those that went together with it are looked for at once: a fuse takes
several, and gives them back together.
"""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING

from watlowlib._internal.backoff import Backoff
from watlowlib._internal.clock import Deadline
from watlowlib.errors import WatlowOfflineError, WatlowTimeoutError

if TYPE_CHECKING:
    from watlowlib.devices.session import Session

log = logging.getLogger(__name__)

GONE = 2
"""So many questions in a row without an answer, and it is taken to be away."""

FIRST_S, MOST_S = 0.5, 10.0
"""How long it is left alone at first, and after many attempts."""

LOOK_S = 0.1
"""How long a look waits. Real PM3s answer within 50 ms."""

SHARE = 9
"""One is left alone for so many times as long as it takes to look for all, on average."""

PARTS = 4
"""After a look in vain nobody on its line is looked for for the `PARTS`th part of that."""

TOGETHER_S = 60.0
"""Those that went within so many seconds are taken to have gone together."""


class Availability:
    """What is known of one controller's being there."""

    def __init__(self, ctl: Session) -> None:
        self._ctl = ctl
        self._again = Backoff(FIRST_S, MOST_S)
        self._gone_s = self._looked_s = 0.0
        self._strays = 0

    @property
    def looked_s(self) -> float:
        """When it was looked for last, on the monotonic clock; 0 for one that is there."""
        return self._looked_s if self._away else 0.0

    @property
    def _away(self) -> bool:
        return self._ctl.stats.unanswered >= GONE

    def _noted_away(self) -> bool:
        """Whether it has not answered lately; what has changed is noted and said."""
        away = self._away
        if not away and self._again.failures:
            self._again.succeeded()
            self._ctl.line.back(self._ctl.address, self._gone_s)
            log.warning("%s answers again", self._ctl.name)
        elif away and not self._again.failures:
            self._again.failed()
            self._gone_s = self._looked_s = time.monotonic()
            self._strays = self._ctl.port_stats.strays
            self._ctl.line.away.add(self._ctl.address)
            log.warning("%s does not answer; it is asked less often from now on", self._ctl.name)
        return away

    def look(self) -> bool:
        """Whether it is there, asking it if it is time to.

        Raises:
            WatlowError: The port is gone.
        """
        if not self._noted_away():
            return True
        line = self._ctl.line
        gone_s, back_s = line.last_away
        together = back_s > self._looked_s and abs(gone_s - self._gone_s) < TOGETHER_S
        if not together and (self._again.left_s() or line.spared.left_s()):
            return False
        within_s = LOOK_S if self._strays == self._ctl.port_stats.strays else math.inf
        self._strays = self._ctl.port_stats.strays
        self._looked_s = time.monotonic()
        try:
            self._ctl.wire.ping(within_s=within_s)
        except WatlowTimeoutError:
            took_s = time.monotonic() - self._looked_s + line.line.quiet_s
            self._again.failed(about_s=SHARE * took_s * len(line.away))
            line.spared = Deadline.after(SHARE * took_s / PARTS)
        return not self._noted_away()

    def error(self) -> WatlowOfflineError:
        """What a read that was not even tried failed with."""
        return WatlowOfflineError(
            f"{self._ctl.name} has not answered lately and is asked again in "
            f"{self._again.left_s():.1f} s; is it on?"
        )
