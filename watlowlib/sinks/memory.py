"""A list of samples, for notebooks and tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from watlowlib.sinks.base import Sink
from watlowlib.sinks.rows import Row


class InMemorySink(Sink):
    """Keeps samples as they are, in `samples`, also after it was closed."""

    def __init__(self) -> None:
        self.samples: list[Any] = []
        self._open = False

    def __repr__(self) -> str:
        return f"<InMemorySink of {len(self.samples)} samples>"

    def open(self) -> None:
        """Take samples from now on."""
        self._open = True

    def write_many(self, samples: Sequence[Row]) -> None:
        """Append `samples`."""
        if not self._open:
            raise self._not_open()
        self.samples.extend(samples)

    def close(self) -> None:
        """Take no more samples."""
        self._open = False
