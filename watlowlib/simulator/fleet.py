"""A fleet of simulated ovens that differ, for demonstrations."""

from __future__ import annotations

from collections.abc import Callable

from watlowlib.errors import WatlowConfigurationError
from watlowlib.protocol.stdbus.frames import ADDRESSES
from watlowlib.simulator.bus import Simulated
from watlowlib.simulator.controller import SimulatedController
from watlowlib.simulator.oven import Oven


def simulated_fleet(
    count: int, make: Callable[..., Simulated] = SimulatedController
) -> list[Simulated]:
    """`count` controllers, 1 to 16, at addresses from 1, each with its own oven and set point.

    Args:
        count: How many.
        make: Makes one, from `address`, `setpoint` and `oven`.

    Raises:
        WatlowConfigurationError: There cannot be that many on one line.
    """
    if isinstance(count, bool) or count not in ADDRESSES:
        raise WatlowConfigurationError(f"{count!r} controllers: one line has 1 to 16")
    return [
        make(
            address=number,
            setpoint=100.0 + 50.0 * number,
            oven=Oven(lag_s=40.0 + 10.0 * number, dead_time_s=0.5, seed=number),
        )
        for number in range(1, count + 1)
    ]
