"""What a session has learnt about its controller, and forgets at an interruption."""

from __future__ import annotations

from dataclasses import dataclass, field

from watlowlib.model import DeviceInfo, PartNumber


@dataclass
class StoredSettings:
    """What was read of the controller since the last interruption.

    Attributes:
        part: The part number; None also where the controller does not report it.
        part_is_known: Whether it was read.
        firmware_id: 1002, if it was read.
        info: The identity as `identify` has read it.
        setpoint_limits: 7003 and 7004 of each loop.
    """

    part: PartNumber | None = None
    part_is_known: bool = False
    firmware_id: int | None = None
    info: DeviceInfo | None = None
    setpoint_limits: dict[int, tuple[float | None, float | None]] = field(default_factory=dict)
