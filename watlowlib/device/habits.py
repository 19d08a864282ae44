"""Two habits of scripts: wait until a temperature has settled, and go to one slowly."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from watlowlib.clock import Clock, SystemClock
from watlowlib.errors import ErrorContext, WatlowConfigurationError, WatlowError, WatlowTimeoutError
from watlowlib.model import Reading

if TYPE_CHECKING:
    from watlowlib.device.controller import Controller

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
    for name, number in (("tolerance", tolerance), ("timeout", timeout)):
        if not number > 0:
            raise WatlowConfigurationError(f"{name}={number!r}: give a number above 0")
    met = 0

    def settled(reading: Reading) -> bool:
        nonlocal met
        near = isinstance(reading.value, float) and abs(reading.value - value) <= tolerance
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
    clock = clock or SystemClock()
    if not rate_per_minute > 0:
        raise WatlowConfigurationError(f"rate_per_minute={rate_per_minute!r}: give one above 0")
    wanted = dict(zip(RAMP_SETTINGS, (PER_MINUTE, rate_per_minute, AT_SETPOINT_CHANGE)))
    for name, setting in (*wanted.items(), ("setpoint", value)):
        ctl.check_write(name, setting, instance=instance, confirm=confirm)
    before = {name: ctl.read_parameter(name, instance=instance).value for name in wanted}
    from_ = ctl.read_parameter("setpoint_active", instance=instance).value
    distance = abs(value - from_) if isinstance(from_, float) else 0.0
    # Twice what the ramp takes, and a minute: after that the controller is not ramping.
    timeout_s = 120.0 * distance / rate_per_minute + 60.0
    try:
        for name, setting in wanted.items():
            ctl.write_parameter(name, setting, instance=instance, confirm=True)
        ctl.set_setpoint(value, instance=instance, confirm=True)
        return _watch(
            ctl,
            "setpoint_active",
            instance,
            lambda reading: isinstance(reading.value, float) and abs(reading.value - value) < 0.05,
            timeout_s,
            clock,
        )
    except BaseException:
        # Without its ramp the set point would leap to the end: hold it where it has come to.
        with suppress(WatlowError):
            here = ctl.read_parameter("setpoint_active", instance=instance).value
            ctl.write_parameter("setpoint", here, instance=instance, confirm=True)
        raise
    finally:
        for name in reversed(RAMP_SETTINGS):
            ctl.write_parameter(name, before[name], instance=instance, confirm=True)


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
    while True:
        reading = ctl.read_parameter(name, instance=instance)
        if done(reading):
            return reading
        if clock.now_ns() - start_ns >= timeout_s * 1e9:
            raise WatlowTimeoutError(
                f"{name} is {reading.value} after {timeout_s:g} s and not yet where it should be",
                context=ErrorContext(
                    port=ctl.port,
                    address=ctl.address,
                    parameter=name,
                    parameter_id=reading.parameter_id,
                    instance=instance,
                ),
            )
        asked += 1
        clock.wait_until(start_ns + round(asked * INTERVAL_S * 1e9), never)
