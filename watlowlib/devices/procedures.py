"""Two habits of scripts: wait until a temperature has settled, and go to one slowly."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from watlowlib._internal.clock import Clock, SystemClock
from watlowlib._internal.validation import as_positive, finite_or_none
from watlowlib.devices.writing import check_own_limits
from watlowlib.errors import (
    WatlowConfigurationError,
    WatlowCRCError,
    WatlowError,
    WatlowTimeoutError,
    WatlowWriteError,
)
from watlowlib.model import Reading, Value

if TYPE_CHECKING:
    from watlowlib.devices.controller import Controller

MOST = 1e9
INTERVAL_S = 1.0
"""How often the controller is asked meanwhile."""

IN_A_ROW = 3
"""So many readings within the tolerance one after the other are settled."""

AT_SETPOINT_CHANGE, PER_MINUTE = 85, 57
RAMP_SETTINGS = ("ramp_scale", "ramp_rate", "ramp_action")


def wait_until(
    ctl: Controller,
    value: float,
    tolerance: float,
    timeout: float,
    *,
    instance: int = 1,
    clock: Clock | None = None,
) -> Reading:
    """Wait until the process value has stayed within `tolerance` of `value`."""
    goal = _finite("value", value)
    tolerance = as_positive("tolerance", tolerance, MOST, "degrees")
    timeout = as_positive("timeout", timeout, MOST, "seconds")
    met = 0

    def settled(reading: Reading) -> bool:
        nonlocal met
        near = isinstance(reading.value, float) and abs(reading.value - goal) <= tolerance
        met = met + 1 if near else 0
        return met >= IN_A_ROW

    return _watch(ctl, "process_value", instance, settled, timeout, clock or SystemClock())


def ramp_to(
    ctl: Controller,
    value: float,
    rate_per_minute: float,
    *,
    instance: int = 1,
    confirm: bool = False,
    clock: Clock | None = None,
) -> Reading:
    """Let the controller ramp its set point to `value`, and put its ramp settings back."""
    rate = as_positive("rate_per_minute", rate_per_minute, MOST, "degrees a minute")
    wanted = dict(zip(RAMP_SETTINGS, (PER_MINUTE, rate, AT_SETPOINT_CHANGE)))
    for name, setting in wanted.items():
        ctl.check_write(name, setting, instance=instance, confirm=confirm)
    goal = ctl.check_write("setpoint", value, instance=instance, confirm=confirm)
    check_own_limits(ctl, goal)
    before = {name: ctl.read_parameter(name, instance=instance).value for name in wanted}
    from_ = ctl.read_parameter("setpoint_active", instance=instance).value
    distance = abs(goal.value - from_) if isinstance(from_, float) else 0.0
    # Twice what the ramp takes, and a minute: after that the controller is not ramping.
    timeout_s = 120.0 * distance / rate + 60.0
    moved = False
    try:
        for name, setting in wanted.items():
            ctl.write_parameter(name, setting, instance=instance, confirm=True)
        moved = True  # from here on it may be stored, whether its echo comes or not
        ctl.set_setpoint(goal.value, instance=instance, confirm=True)
        there = partial(_at, goal.value)
        reading = _watch(ctl, "setpoint_active", instance, there, timeout_s, clock or SystemClock())
    except BaseException:
        if moved:
            # Without its ramp the set point would leap to the end. Only once it is held where
            # it has come to may the ramp go: if this fails, the controller ramps on.
            here = ctl.read_parameter("setpoint_active", instance=instance).value
            ctl.write_parameter("setpoint", here, instance=instance, confirm=True)
        _put_back(ctl, before, instance)
        raise
    _put_back(ctl, before, instance)
    return reading


def _at(goal: float, reading: Reading) -> bool:
    return isinstance(reading.value, float) and abs(reading.value - goal) < 0.05


def _put_back(ctl: Controller, before: dict[str, Value], instance: int) -> None:
    """Restore each ramp setting; one that fails does not keep the others from it."""
    left: dict[str, Value] = {}
    cause: WatlowError | None = None
    for name in reversed(RAMP_SETTINGS):
        try:
            ctl.write_parameter(name, before[name], instance=instance, confirm=True)
        except WatlowError as error:
            left[name], cause = before[name], error
    if cause is not None:
        raise WatlowWriteError(
            f"the ramp settings could not all be put back; set by hand: {left}",
            context=cause.context,
        ) from cause


def _finite(name: str, given: float) -> float:
    number = finite_or_none(given)
    if number is None:
        raise WatlowConfigurationError(f"{name}={given!r}: give a number")
    return number


def _watch(
    ctl: Controller,
    name: str,
    instance: int,
    done: Callable[[Reading], bool],
    timeout_s: float,
    clock: Clock,
) -> Reading:
    start_ns, never = clock.now_ns(), threading.Event()
    asked = 0
    last: object = "not known"
    while True:
        # A reading that is lost now and then does not end an afternoon's waiting.
        with suppress(WatlowTimeoutError, WatlowCRCError):
            reading = ctl.read_parameter(name, instance=instance)
            last = reading.value
            if done(reading):
                return reading
        if clock.now_ns() - start_ns >= timeout_s * 1e9:
            raise WatlowTimeoutError(
                f"{name} is {last} after {timeout_s:g} s and not yet where it should be",
                context=ctl.context_of(ctl.registry.resolve(name), instance),
            )
        asked += 1
        clock.wait_until(start_ns + round(asked * INTERVAL_S * 1e9), never)
