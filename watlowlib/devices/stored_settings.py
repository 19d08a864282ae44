"""What a session has learnt about its controller, and forgets at an interruption."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watlowlib.model import DeviceInfo, PartNumber


class StoredSettings:
    """What was read of the controller since the last interruption."""

    def __init__(self) -> None:
        self.part: PartNumber | None = None
        """The part number; None also where the controller does not report it."""
        self.part_is_known = False
        """Whether the part number was read."""
        self.firmware_id: int | None = None
        """1002, if it was read."""
        self.info: DeviceInfo | None = None
        """The identity as `identify` has read it."""
        self.setpoint_limits: dict[int, tuple[float | None, float | None]] = {}
        """7003 and 7004 of each loop."""

    def store_part(self, text: object) -> None:
        """Store the part number that the controller has reported; None if it has none."""
        from watlowlib.registry.part_numbers import decode_part_number

        self.part = decode_part_number(text) if isinstance(text, str) and text else None
        self.part_is_known = True
