"""The record of a write that a simulated controller has accepted."""

from __future__ import annotations

from dataclasses import dataclass

from watlowlib.model import Value


@dataclass(frozen=True)
class Write:
    """An accepted write: the parameter's number, the instance and the value."""

    number: int
    instance: int
    value: Value
