"""What a rule has seen: whether its condition holds, since when, and when it acted last.

Times are those of the samples' slots, so they depend on no clock and no thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from watlowlib.errors import WatlowOtherDeviceError
from watlowlib.model import Sample
from watlowlib.registry.parameters import Registry
from watlowlib.rules.condition import parse_condition
from watlowlib.rules.rule import Rule, target_of_condition

PAUSE = timedelta(minutes=1)
"""The shortest time between two firings."""

GAP = 10
"""The time of `for` goes on through a gap of at most its tenth."""


class Change(NamedTuple):
    """The condition of a rule was met, or ended.

    Attributes:
        sample: The sample that shows it.
        value: Its value, or its status if the condition is about that.
        fired: Whether it was met.
        held_s: How long it held, if it ended, with the time of `for`.
        missed: How often it was met and ended since the last firing without an action.
    """

    sample: Sample
    value: float | str
    fired: bool
    held_s: float = 0.0
    missed: int = 0


class RuleState:
    """The state of one rule.

    Args:
        rule: The rule.
        registry_of: Returns the parameters of the controller of a name.

    Raises:
        WatlowConfigurationError: The condition is not valid, or there is no such controller.
    """

    def __init__(self, rule: Rule, registry_of: Callable[[str], Registry]) -> None:
        self.rule = rule
        self.after_tick = -1
        """Samples up to this tick are ignored."""
        self.removed = False
        """Whether the file has another rule now, or none, or the rule names other controllers."""
        self.firings = 0
        self.failures = 0
        self.last_fired: datetime | None = None
        """When the sample of the last firing was received."""
        self._condition = parse_condition(rule.when)
        registry = registry_of(self._condition.device)
        self._target = target_of_condition(self._condition, registry)
        self._for = timedelta(seconds=self._condition.for_s)
        self._holds: bool | None = None
        self._since: datetime | None = None
        """The first slot since which the condition holds, without a long gap."""
        self._unknown_since: datetime | None = None
        """The first slot of a gap; None while it is known."""
        self._fired_at: datetime | None = None
        """The slot of the last firing."""
        self._began: datetime | None = None
        """The first slot of the last crossing for which it fired."""
        self._active = False
        self._waits = False
        """Whether it would have fired, but for the pause."""
        self._missed = 0

    @property
    def state(self) -> str:
        """One of "active", "waiting" (it holds, but has not fired), "false", "unknown"."""
        if self._active:
            return "active"
        if self._holds is None:
            return "unknown"
        return "waiting" if self._holds else "false"

    @property
    def devices(self) -> set[str]:
        """The names of the controllers that it is about, and writes to."""
        write = self.rule.write
        return {self._condition.device} | (set() if write is None else {write.device})

    def forget(self) -> None:
        """Start the time of `for` again: samples were missed."""
        self._holds = self._since = self._unknown_since = None

    def feed(self, samples: Sequence[Sample]) -> Change | None:
        """Evaluate the samples of a tick; return what has changed."""
        chosen = [each for each in samples if self._is_about(each)]
        if not chosen or (chosen[0].tick or 0) <= self.after_tick:
            return None
        sample = chosen[0]
        now = sample.scheduled_at or sample.received_at
        if sample.status == WatlowOtherDeviceError.status and not self._condition.of_status:
            self.forget()
            return None
        self._holds = self._condition.holds(chosen)
        if self._holds is None:
            self._unknown_since = self._unknown_since or now
            return None
        self._end_gap(now)
        return self._met(sample, now) if self._holds else self._ended(sample, now)

    def _is_about(self, sample: Sample) -> bool:
        device, number, instance = self._target
        read = number is None or (sample.parameter_id, sample.instance) == (number, instance)
        return sample.device == device and read and not self._condition.ignores(sample)

    def _end_gap(self, now: datetime) -> None:
        """Start the time of `for` again if the gap before `now`, if any, was long."""
        gap_at, self._unknown_since = self._unknown_since, None
        if gap_at is not None and (now - gap_at) * GAP > self._for:
            self._since = None

    def _met(self, sample: Sample, now: datetime) -> Change | None:
        self._since = self._since or now
        if self._active or now - self._since < self._for:
            return None
        if self._fired_at is not None and now - self._fired_at < PAUSE:
            self._waits = True
            return None
        missed, self._missed = self._missed, 0
        self._active, self._waits, self._fired_at, self._began = True, False, now, self._since
        self.firings += 1
        self.last_fired = sample.received_at
        return Change(sample, self._value(sample), True, missed=missed)

    def _ended(self, sample: Sample, now: datetime) -> Change | None:
        self._since = None
        self._missed += self._waits
        was_active, self._active, self._waits = self._active, False, False
        if not was_active or self._began is None:
            return None
        held_s = (now - self._began).total_seconds()
        return Change(sample, self._value(sample), False, held_s=held_s)

    def _value(self, sample: Sample) -> float | str:
        value = None if self._condition.of_status else sample.value
        return value if isinstance(value, (int, float)) else sample.status
