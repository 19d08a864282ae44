"""What a sink is: something that is opened, takes samples and is closed.

A sink is dumb: it has no thread and no buffer of its own. When `write_many` returns,
the rows have left this program, and a crash of it does not lose them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, TypeAlias, TypeVar

from watlowlib.errors import WatlowSinkError
from watlowlib.model import Sample

COLUMNS = (
    "device",
    "address",
    "protocol",
    "parameter",
    "parameter_id",
    "instance",
    "value",
    "unit",
    "requested_at",
    "received_at",
    "midpoint_at",
    "latency_s",
    "status",
)
"""The columns of a tabular sink: a `Sample` without `raw`."""

Cell: TypeAlias = "float | int | str | None"
S = TypeVar("S", bound="FileSink")


class SampleSink(Protocol):
    """Anything samples can be written to."""

    def open(self) -> None:
        """Make ready; nothing when it is open.

        Raises:
            WatlowSinkError: It cannot be; the message says what to do.
        """

    def write_many(self, samples: Sequence[Sample]) -> None:
        """Keep `samples`, all of them or none.

        Raises:
            WatlowSinkError: They could not be kept.
        """

    def close(self) -> None:
        """Let go; nothing when it is closed."""


def sample_to_values(sample: Sample) -> tuple[Cell, ...]:
    """The cells of one row, in the order of `COLUMNS`; times as ISO 8601 text in UTC."""
    value = sample.value
    return (
        sample.device,
        sample.address,
        sample.protocol.value,
        sample.parameter,
        sample.parameter_id,
        sample.instance,
        " ".join(map(str, value)) if isinstance(value, tuple) else value,
        None if sample.unit is None else sample.unit.value,
        sample.requested_at.isoformat(timespec="microseconds"),
        sample.received_at.isoformat(timespec="microseconds"),
        sample.midpoint_at.isoformat(timespec="microseconds"),
        sample.latency_s,
        sample.status,
    )


def sample_to_row(sample: Sample) -> dict[str, Cell]:
    """One row as a dict, in the order of `COLUMNS`."""
    return dict(zip(COLUMNS, sample_to_values(sample)))


class FileSink:
    """What the sinks that write a file share: a path that is checked, and a `with` statement.

    Args:
        path: The file. Its folder must exist.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"

    def open(self) -> None:
        """Open the file."""
        raise NotImplementedError

    def write_many(self, samples: Sequence[Sample]) -> None:
        """Append `samples`."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the file."""
        raise NotImplementedError

    def __enter__(self: S) -> S:
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _check_folder(self) -> None:
        folder = self.path.absolute().parent
        if not folder.is_dir():
            raise WatlowSinkError(f"{self}: there is no folder {str(folder)!r}; make it first")

    def _failed(self, doing: str, error: Exception) -> WatlowSinkError:
        return WatlowSinkError(f"{self} could not be {doing}: {error}")

    def _not_open(self) -> WatlowSinkError:
        return WatlowSinkError(f"{self} is not open; use it in a with statement")
