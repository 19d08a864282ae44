"""A fleet of different simulated ovens, for demonstrations."""

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
    """Return `count` controllers at addresses from 1, each with its own oven and set point.

    Args:
        count: Number of controllers, 1 to 16.
        make: Makes one controller, from `address`, `setpoint` and `oven`.

    Raises:
        WatlowConfigurationError: One line cannot have that many.
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
