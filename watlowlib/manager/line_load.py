"""Whether the rates of a recording fit its lines: the share of time that each line is busy.

The share is computed from the bytes of the reads, the baud rate and the usual turnaround. Once a
poll of everything was timed, its duration replaces the computed one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from watlowlib.devices.sampling import MEASURED, planned_targets
from watlowlib.devices.session import Session
from watlowlib.devices.targets import as_list
from watlowlib.devices.wire_time import wire_time_s
from watlowlib.errors import WatlowError
from watlowlib.manager.manager import WatlowManager
from watlowlib.model import RateReport
from watlowlib.protocol.port import Port

ROOM = 0.9
"""The share of a line's time that a recommended rate uses."""


@dataclass(frozen=True)
class LineLoad:
    """The work of one line.

    Attributes:
        port: The port.
        reads: Values in one tick of all parameters.
        tick_s: Seconds that such a tick takes.
        busy: The share of time that the line is busy; above 1 the rate does not fit.
        measured: Whether `tick_s` was measured; else it is computed.
    """

    port: str
    reads: int
    tick_s: float
    busy: float
    measured: bool = False

    @property
    def fits(self) -> bool:
        """Whether the line has time for all reads."""
        return self.busy <= 1.0

    def fitting(self, rate_hz: float) -> float:
        """Return a rate that fits in place of `rate_hz`, with two significant digits."""
        most = rate_hz * ROOM / self.busy
        step = 10.0 ** (math.floor(math.log10(most)) - 1)
        return float(f"{math.floor(most / step + 1e-9) * step:.2g}")


def line_loads(
    manager: WatlowManager,
    rates: Sequence[RateReport],
    *,
    names: Iterable[str],
    instances: int | Iterable[int] = (1,),
    sensor_check: bool = False,
) -> list[LineLoad]:
    """Return the computed load of each line.

    Args:
        manager: The fleet.
        rates: The rates and their parameters, as in `RecordingInfo.rates`.
        names: The controllers to count: those that answer.
        instances: Which instances of each parameter.
        sensor_check: Whether the input error is read with each process value.
    """
    loads: dict[Port, LineLoad] = {}
    instances = as_list("instances", instances)
    for name in names:
        session = manager.get(name).session
        for rate in rates:
            reads, seconds = _tick(session, rate.parameters, instances, sensor_check)
            known = loads.get(session.port, LineLoad(session.port.name, 0, 0.0, 0.0))
            loads[session.port] = replace(
                known,
                reads=known.reads + reads,
                tick_s=known.tick_s + seconds,
                busy=known.busy + seconds * rate.rate_hz,
            )
    return [load for load in loads.values() if load.tick_s]


def parameters_of(rates: Iterable[RateReport]) -> list[Any]:
    """Return the parameters of all rates, to prepare a poll that reads everything."""
    return [parameter for rate in rates for parameter in rate.parameters]


def measure(poll: Callable[[], object], loads: list[LineLoad]) -> list[LineLoad]:
    """Return `loads` with the duration of `poll`, which reads everything once.

    The ports are read in parallel: the one that takes longest by computation has the whole
    duration, and the others their share of it.
    """
    began_s = time.monotonic()
    poll()
    factor = (time.monotonic() - began_s) / max((each.tick_s for each in loads), default=1.0)
    return [
        replace(each, tick_s=each.tick_s * factor, busy=each.busy * factor, measured=True)
        for each in loads
    ]


def _tick(
    session: Session,
    parameters: Sequence[str | int],
    instances: list[int],
    sensor_check: bool,
) -> tuple[int, float]:
    """Return the number of values in a tick, and its seconds; 0 if they cannot be computed."""
    targets, _ = planned_targets(session, parameters, instances)
    if sensor_check:
        error = session.registry.resolve("input_error")
        targets += [(error, number) for spec, number in targets if spec.name in MEASURED]
        targets = list(dict.fromkeys(targets))
    try:
        return len(targets), wire_time_s(session, targets)
    except WatlowError:  # the layout of the registers is not known
        return len(targets), 0.0
