"""Procedures for scripts: wait until a temperature has settled, and ramp to a set point."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from watlowlib._internal.clock import Clock, SystemClock
from watlowlib._internal.validation import as_positive, finite_or_none, shown
from watlowlib.devices.session import Session
from watlowlib.devices.shown_unit import check_convertible, shown_in
from watlowlib.devices.writing import check_own_limits, check_write, send_write, write_parameter
from watlowlib.errors import (
    WatlowConfigurationError,
    WatlowCRCError,
    WatlowError,
    WatlowTimeoutError,
    WatlowWriteError,
)
from watlowlib.model import Reading, Unit, Value
from watlowlib.units import as_scale

MOST = 1e9
INTERVAL_S = 1.0
"""Time between two reads while waiting."""

IN_A_ROW = 3
"""Consecutive readings within the tolerance that count as settled."""

AT_SETPOINT_CHANGE, PER_MINUTE = 85, 57
RAMP_SETTINGS = ("ramp_scale", "ramp_rate", "ramp_action")


def wait_until(
    session: Session,
    value: float,
    tolerance: float,
    timeout: float,
    *,
    instance: int = 1,
    unit: Unit | str | None = None,
    clock: Clock | None = None,
) -> Reading[float]:
    """Wait until the process value stays within `tolerance` of `value`, both in `unit`."""
    goal = finite_or_none(value)
    if goal is None:
        raise WatlowConfigurationError(f"value={shown(value)}: give a number")
    tolerance = as_positive("tolerance", tolerance, MOST, "degrees")
    timeout = as_positive("timeout", timeout, MOST, "seconds")
    scale = None if unit is None else as_scale("unit", unit)
    check_convertible(session, [session.registry.resolve("process_value")], scale)
    in_a_row = 0

    def settled(reading: Reading[float]) -> bool:
        nonlocal in_a_row
        near = isinstance(reading.value, float) and abs(reading.value - goal) <= tolerance
        in_a_row = in_a_row + 1 if near else 0
        return in_a_row >= IN_A_ROW

    return _read_until(
        session, "process_value", instance, settled, timeout, clock or SystemClock(), scale
    )


def ramp_to(
    session: Session,
    value: float,
    rate_per_minute: float,
    *,
    instance: int = 1,
    confirm: bool = False,
    unit: Unit | str | None = None,
    clock: Clock | None = None,
) -> Reading[float]:
    """Let the controller ramp its set point to `value`, then restore its ramp settings."""
    rate = as_positive("rate_per_minute", rate_per_minute, MOST, "degrees a minute")
    options: Any = {"instance": instance, "confirm": confirm}
    per_minute = check_write(session, "ramp_scale", PER_MINUTE, **options)
    slope = check_write(session, "ramp_rate", rate, unit=unit, **options)
    action = check_write(session, "ramp_action", AT_SETPOINT_CHANGE, **options)
    goal = check_write(session, "setpoint", value, unit=unit, **options)
    check_own_limits(session, goal)
    before = {name: session.read_parameter(name, instance).value for name in RAMP_SETTINGS}
    start = session.read_parameter("setpoint_active", instance).value
    distance = abs(goal.value - start) if isinstance(start, float) else 0.0
    # Twice the duration of the ramp plus a minute: after that the controller does not ramp.
    timeout_s = 120.0 * distance / slope.value + 60.0
    setpoint_sent = False
    try:
        for write in (per_minute, slope, action):
            send_write(session, write)
        setpoint_sent = True  # from here on it may be stored, with or without an echo
        send_write(session, goal)
        reached = partial(_is_near, goal.value)
        reading = _read_until(
            session, "setpoint_active", instance, reached, timeout_s, clock or SystemClock()
        )
    except BaseException:
        if setpoint_sent:
            # Without the ramp the set point would jump to its goal. So the ramp settings are
            # restored only after the present set point is written; if that fails, the
            # controller continues the ramp.
            here = session.read_parameter("setpoint_active", instance).value
            write_parameter(session, "setpoint", here, instance=instance, confirm=True)
        _restore(session, before, instance)
        raise
    _restore(session, before, instance)
    return reading if unit is None else reading.to(unit)


def _is_near(goal: float, reading: Reading[float]) -> bool:
    return isinstance(reading.value, float) and abs(reading.value - goal) < 0.05


def _restore(session: Session, before: dict[str, Value], instance: int) -> None:
    """Restore each ramp setting; after a failure continue with the others."""
    failed: dict[str, Value] = {}
    cause: WatlowError | None = None
    for name in reversed(RAMP_SETTINGS):
        try:
            write_parameter(session, name, before[name], instance=instance, confirm=True)
        except WatlowError as error:
            failed[name], cause = before[name], error
    if cause is not None:
        raise WatlowWriteError(
            f"not all ramp settings could be restored; set them by hand: {failed}",
            context=cause.context,
        ) from cause


def _read_until(
    session: Session,
    name: str,
    instance: int,
    done: Callable[[Reading[float]], bool],
    timeout_s: float,
    clock: Clock,
    unit: Unit | None = None,
) -> Reading[float]:
    start_ns, never = clock.now_ns(), threading.Event()
    reads = 0
    last: object = "not known"
    while True:
        # A single lost reading does not end a wait of hours.
        with suppress(WatlowTimeoutError, WatlowCRCError):
            reading = shown_in(unit, session.read_number(name, instance))
            last = reading.value
            if done(reading):
                return reading
        if clock.now_ns() - start_ns >= timeout_s * 1e9:
            raise WatlowTimeoutError(
                f"{name} is {last} after {timeout_s:g} s and has not reached its goal",
                context=session.context_of(session.registry.resolve(name), instance),
            )
        reads += 1
        clock.wait_until(start_ns + round(reads * INTERVAL_S * 1e9), never)
