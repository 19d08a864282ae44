"""The reads of a recording."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from watlowlib.model.kinds import ProtocolKind
from watlowlib.units import Unit, Value, format_value


@dataclass(frozen=True)
class Sample:
    """One read of a recording, with or without a value.

    Attributes:
        device: The controller's name in the recording.
        address: Controller address.
        protocol: The wire protocol used.
        parameter: Canonical parameter name.
        parameter_id: Parameter number, class * 1000 + member.
        instance: Instance of the parameter, from 1.
        value: The value, or None when the read failed.
        unit: The unit, or None when it is not known.
        requested_at: When the read was requested (UTC).
        received_at: When the reply was complete, or the read had failed (UTC).
        midpoint_at: Halfway between the two: the best single time for the value.
        latency_s: Seconds between the two, by the monotonic clock.
        raw: The reply frame, or None.
        status: "ok", or why there is no value: the `status` of the error, such as "timeout".
        tick: The number of the tick in its recording, from 0, for all devices; None outside of
            a recording. Ticks that were skipped leave out their numbers.
        scheduled_at: When the tick was due: the wall clock (UTC) at the start of the recording,
            plus the time since then by the schedule. Steps of the wall clock do not change it.
        monotonic_ns: `time.monotonic_ns` at `received_at`; not stored by sinks.
    """

    device: str
    address: int
    protocol: ProtocolKind
    parameter: str
    parameter_id: int
    instance: int
    value: Value | None
    unit: Unit | None
    requested_at: datetime
    received_at: datetime
    midpoint_at: datetime
    latency_s: float
    raw: bytes | None
    status: str = "ok"
    tick: int | None = None
    scheduled_at: datetime | None = None
    monotonic_ns: int | None = None

    def __str__(self) -> str:
        text = self.status if self.value is None else format_value(self.value, None, self.unit)
        return f"{self.device}: {text} ({self.parameter}, instance {self.instance})"

    def _repr_html_(self) -> str:
        """Return the table that notebooks show."""
        from watlowlib.model.html import fields, read_fields  # only notebooks need it

        where = {"device": self.device, "status": self.status, "tick": self.tick}
        return fields("Sample", where | read_fields(self))
