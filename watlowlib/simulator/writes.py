"""What a simulated controller remembers of a write."""

from __future__ import annotations

from dataclasses import dataclass

from watlowlib.model import Value


@dataclass(frozen=True)
class Write:
    """A write that the controller took."""

    number: int
    instance: int
    value: Value
