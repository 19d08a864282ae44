"""What a sink is: something that is opened, takes samples and is closed.

A sink is dumb: it has no thread and no buffer of its own. When `write_many` returns,
the rows have left this program, and a crash of it does not lose them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
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
S = TypeVar("S", bound="Sink")


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


def samples_to_values(samples: Iterable[Sample]) -> Iterator[tuple[Cell, ...]]:
    """The cells of each row, in the order of `COLUMNS`; times as ISO 8601 text in UTC."""
    text = _TimeText()
    for sample in samples:
        value = sample.value
        yield (
            sample.device,
            sample.address,
            sample.protocol.value,
            sample.parameter,
            sample.parameter_id,
            sample.instance,
            " ".join(map(str, value)) if isinstance(value, tuple) else value,
            None if sample.unit is None else sample.unit.value,
            text.of(sample.requested_at),
            text.of(sample.received_at),
            text.of(sample.midpoint_at),
            sample.latency_s,
            sample.status,
        )


class _TimeText:
    """Writes times that are close together: all but the microseconds is made once a second.

    Else writing the times would cost more than all the rest of a row.
    """

    def __init__(self) -> None:
        self._begin = datetime.min.replace(tzinfo=timezone.utc)
        self._end = self._begin
        self._text = ""

    def of(self, when: datetime) -> str:
        if not self._begin <= when < self._end:
            self._begin = when.astimezone(timezone.utc).replace(microsecond=0)
            self._end = self._begin + timedelta(seconds=1)
            self._text = self._begin.isoformat()[:19] + ".%06d+00:00"
        return self._text % when.microsecond


def sample_to_row(sample: Sample) -> dict[str, Cell]:
    """One row as a dict, in the order of `COLUMNS`."""
    return dict(zip(COLUMNS, next(samples_to_values((sample,)))))


class Sink:
    """What our own sinks share: a `with` statement that opens and closes them."""

    def open(self) -> None:
        """Make ready."""
        raise NotImplementedError

    def write_many(self, samples: Sequence[Sample]) -> None:
        """Append `samples`."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go."""
        raise NotImplementedError

    def __enter__(self: S) -> S:
        self.open()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _not_open(self) -> WatlowSinkError:
        return WatlowSinkError(f"{self} is not open; use it in a with statement")


class FileSink(Sink):
    """What the sinks that write a file share: a path that is checked.

    Args:
        path: The file. Its folder must exist.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"

    def _check_folder(self) -> None:
        folder = self.path.absolute().parent
        if not folder.is_dir():
            raise WatlowSinkError(f"{self}: there is no folder {str(folder)!r}; make it first")

    def _failed(self, doing: str, error: Exception) -> WatlowSinkError:
        return WatlowSinkError(f"{self} could not be {doing}: {error}")
