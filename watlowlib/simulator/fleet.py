"""A fleet of different simulated ovens, for demonstrations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from watlowlib.errors import WatlowConfigurationError
from watlowlib.protocol.stdbus.frames import ADDRESSES
from watlowlib.simulator.bus import Simulated
from watlowlib.simulator.controller import SimulatedController
from watlowlib.simulator.oven import Oven
from watlowlib.simulator.series_sd import CELSIUS, SCALE, SimulatedSD


def simulated_fleet(
    count: int, make: Callable[..., Simulated] = SimulatedController, *, temperature_unit: str = "F"
) -> list[Simulated]:
    """Return `count` controllers at addresses from 1, each with its own oven and set point.

    Args:
        count: Number of controllers, 1 to 16.
        make: Makes one controller, from `address`, `setpoint`, `oven` and, for "C",
            `temperature_unit`.
        temperature_unit: The scale of temperatures on the wire, "F" or "C".

    Raises:
        WatlowConfigurationError: One line cannot have that many.
    """
    if isinstance(count, bool) or count not in ADDRESSES:
        raise WatlowConfigurationError(f"{count!r} controllers: one line has 1 to 16")
    return [
        simulated_oven(number, number, make, temperature_unit=temperature_unit)
        for number in range(1, count + 1)
    ]


def simulated_oven(
    address: int,
    number: int,
    make: Callable[..., Simulated] = SimulatedController,
    *,
    temperature_unit: str = "F",
) -> Simulated:
    """Return the controller at `address` of oven `number`; the number decides how it behaves."""
    setpoint = 100.0 + 50.0 * number
    oven = Oven(lag_s=40.0 + 10.0 * number, dead_time_s=0.5, seed=number)
    if temperature_unit != "C":
        return make(address=address, setpoint=setpoint, oven=oven)
    if make is SimulatedSD:  # converts what it sends
        controller = SimulatedSD(address, setpoint=setpoint, oven=oven)
        controller.set(SCALE, CELSIUS)
        return controller
    oven = replace(
        oven, ambient=_celsius(oven.ambient), rise=oven.rise / 1.8, noise=oven.noise / 1.8
    )
    return make(
        address=address, setpoint=_celsius(setpoint), oven=oven, temperature_unit=temperature_unit
    )


def _celsius(fahrenheit: float) -> float:
    return round((fahrenheit - 32.0) / 1.8, 1)
