"""Where to write a capture, and how much of it is kept: the arguments of `open_device`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from watlowlib._internal.validation import as_int, shown
from watlowlib.errors import WatlowConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

CAPTURE_BYTES = 50_000_000
"""The most bytes of a capture by default, both of its files together."""

LEAST_BYTES = 100_000
"""The least limit; a line has at most 13,000 bytes."""


class CaptureOptions(NamedTuple):
    """Where to write a capture, and how much of it is kept."""

    path: Path
    most_bytes: int = CAPTURE_BYTES

    @classmethod
    def checked(
        cls, capture: object, capture_bytes: object = CAPTURE_BYTES
    ) -> CaptureOptions | None:
        """Return the arguments `capture` and `capture_bytes`; None for no capture.

        Raises:
            WatlowConfigurationError: One of them is not allowed.
        """
        what = f"give the most bytes of the capture, a whole number from {LEAST_BYTES}"
        most = as_int("capture_bytes", capture_bytes, LEAST_BYTES, None, what)
        if capture is None:
            return None
        if not isinstance(capture, (str, os.PathLike)) or not os.fspath(capture):
            raise WatlowConfigurationError(
                f"capture={shown(capture)}: give a file, such as 'wire.jsonl'"
            )
        from pathlib import Path  # only a capture needs it

        return cls(Path(os.path.realpath(capture)), most)
