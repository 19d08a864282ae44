"""The differences that remain on purpose between the reference scripts' results."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """Adjacent lines of a script's results that differ.

    Attributes:
        reason: The entry in the documentation's table that explains it.
        reference: The lines with the other library.
        ours: The lines with `watlowlib.sync`.
    """

    reason: str
    reference: list[str]
    ours: list[str]


DIFFERENCES: dict[str, list[Difference]] = {}
