"""A simulated line for tests: `TestBus`."""

from __future__ import annotations

import math
import shutil
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from watlowlib._internal.validation import as_int, finite_or_none, shown
from watlowlib.errors import WatlowConfigurationError
from watlowlib.model.text import times as times_text
from watlowlib.simulator.bus import Simulated, SimulatedBus, address_of
from watlowlib.simulator.loop import MAX_CATCH_UP_S
from watlowlib.testing.faults import MOST, Faults
from watlowlib.testing.writes import BusWrite, Expectation, list_of, writes_of


class OvenClock:
    """A clock that `advance` moves, and that runs at `speed` times the real time."""

    def __init__(self, speed: float) -> None:
        checked = finite_or_none(speed)
        if checked is None or checked < 0:
            raise WatlowConfigurationError(
                f"speed={shown(speed)}: give 0 for ovens that stand still, or a number above"
            )
        self._speed = checked
        self._start_ns = time.monotonic_ns()
        self._advanced_ns = 0

    def now_ns(self) -> int:
        """Return the time of the ovens in nanoseconds."""
        return self._advanced_ns + round((time.monotonic_ns() - self._start_ns) * self._speed)

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        self._advanced_ns += round(seconds * 1e9)


class TestBus(SimulatedBus):
    """A simulated line whose port keeps its name, with faults in words and assertions on writes.

    Made by `watlowlib.testing.bus`. Everything that `SimulatedBus` has is available, such as
    `controllers`, `power_off`, `unplug` and `replug`.

    Attributes:
        faults: The faults of the line.
    """

    __test__ = False  # pytest collects classes whose names begin with Test
    faults: Faults

    def __init__(
        self, controllers: Iterable[Simulated | int] = (1,), *, speed: float = 0.0, **options: Any
    ) -> None:
        for name in ("clock", "faults", "link"):
            if name in options:
                raise WatlowConfigurationError(f"{name}: a bus for tests has its own; leave it out")
        self._clock = OvenClock(speed)
        untimed = {"baudrate": None, "turnaround_s": 0.0}
        super().__init__(controllers, faults=Faults(), clock=self._clock, **untimed | options)
        self._folder = ""
        self._name = ""
        self._written_to = list(self.controllers.values())

    def __enter__(self) -> TestBus:
        self.start()
        return self

    @property
    def port(self) -> str:
        """The port for the program; it keeps its name while it is unplugged."""
        return self._name or super().port

    def start(self) -> None:
        """Make the port and serve it. A bus can be started only once."""
        if not self._started and self._transport == "pty":
            self._folder = tempfile.mkdtemp(prefix="watlowlib-")
            self._link = str(Path(self._folder) / "ttyW0")
        super().start()
        self._name = super().port

    def close(self) -> None:
        """Remove the port and end the thread."""
        try:
            super().close()
        finally:
            if self._folder and not self.in_other_process:
                shutil.rmtree(self._folder, ignore_errors=True)
            self._name = self._folder = ""

    def replace(self, controller: Simulated) -> None:
        """Put another controller in the place of the one with its address, and switch it on."""
        super().replace(controller)
        self._written_to.append(controller)

    def advance(self, *, hours: float = 0.0, minutes: float = 0.0, seconds: float = 0.0) -> None:
        """Let the ovens run for this time; the time of the program does not change.

        Raises:
            WatlowConfigurationError: The time is negative, not finite or no number.
        """
        left_s = 0.0
        for given, unit_s in ((hours, 3600.0), (minutes, 60.0), (seconds, 1.0)):
            number = finite_or_none(given)
            if number is None:
                raise WatlowConfigurationError(f"advance by {shown(given)}: give a number")
            left_s += number * unit_s
        if not 0 <= left_s < math.inf:
            raise WatlowConfigurationError(f"advance by {left_s!r} s: give 0 or more")
        while left_s > 0:
            step_s = min(left_s, MAX_CATCH_UP_S / 2)
            self._clock.advance(step_s)
            for controller in self.controllers.values():
                controller.get("process_value")  # brings the controller up to date
            left_s -= step_s

    @property
    def writes(self) -> list[BusWrite]:
        """The accepted writes, by controller, oldest first."""
        return [write for each in self._written_to for write in writes_of(each)]

    def assert_written(
        self,
        parameter: str | int,
        value: object = None,
        *,
        times: int | None = None,
        address: int | None = None,
        instance: int | None = None,
    ) -> None:
        """Check that controllers have accepted writes.

        Args:
            parameter: A name, an alias or a number.
            value: A number in the scale of the wire, or a label; None for any value.
            times: How often it was written; None for once or more often, 0 for never.
            address: Only writes to this controller count; None for all.
            instance: Only writes to this instance count; None for all.

        Raises:
            AssertionError: They have not; the message lists what was written.
            WatlowConfigurationError: There is no such controller, parameter or value.
        """
        __tracebackhide__ = True  # pytest shows the caller's line
        if times is not None:
            as_int("times", times, 0, MOST, "give 0 or a whole number above, or None")
        if address is not None:
            self._controller_at(address)
        selected = [each for each in self._written_to if address in (None, address_of(each))]
        expected = Expectation(selected, parameter, value, instance)
        count = expected.count()
        if count == times or (times is None and count):
            return
        where = "" if address is None else f" to address {address}"
        held = (
            "\nThe controller has this value, and the library does not write it again."
            if not count and expected.is_held()
            else ""
        )
        raise AssertionError(
            f"{expected} was written{where} {times_text(count)}, "
            f"expected: {'at least once' if times is None else times_text(times)}; "
            f"{self._all_writes()}{held}"
        )

    def assert_nothing_written(self) -> None:
        """Check that no controller has accepted a write.

        Raises:
            AssertionError: One has; the message lists all writes.
        """
        __tracebackhide__ = True
        if self.writes:
            raise AssertionError(f"expected no write; {self._all_writes()}")

    def _all_writes(self) -> str:
        writes = self.writes
        return f"all writes:\n{list_of(writes)}" if writes else "nothing was written"


def bus(
    controllers: Iterable[Simulated | int] = (1,), *, speed: float = 0.0, **options: Any
) -> TestBus:
    """Return a simulated line for tests, for use in a `with` statement.

    Args:
        controllers: The controllers, or the addresses of EZ-ZONE PM on Standard Bus.
        speed: Speed of the ovens' time relative to real time; with 0, only `advance` moves it.
        options: Arguments of `SimulatedBus`, except `clock`, `faults` and `link`. Without any,
            the line has no transmission time and the controllers reply at once.

    Raises:
        WatlowConfigurationError: An argument is not allowed.
    """
    return TestBus(controllers, speed=speed, **options)
