"""What a sink is: something that is opened, takes samples and is closed.

A sink is dumb: it has no queue of its own. When `write_many` returns, the rows have left
this program, and a crash of it does not lose them. One of your own is written in no time:

    class PrintSink:
        def open(self) -> None:
            print("device", "parameter", "value")

        def write_many(self, samples: Sequence[Sample]) -> None:
            for row in map(sample_to_row, samples):
                print(row["device"], row["parameter"], row["value"])

        def close(self) -> None:
            print("that is all")

    sink = PrintSink()
    sink.open()
    pipe(stream, sink)
    sink.close()

What it raises in `write_many` ends its part of the recording, is counted in its
`SinkReport`, and is raised by `pipe` in the end.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from watlowlib.errors import WatlowConfigurationError, WatlowSinkError
from watlowlib.model import Sample
from watlowlib.sinks.rows import COLUMN_TYPES, COLUMNS, ColumnLayout, ColumnType, Row

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


class Sink:
    """What our own sinks share: a `with` statement that opens and closes them."""

    def open(self) -> None:
        """Make ready."""
        raise NotImplementedError

    def write_many(self, samples: Sequence[Row]) -> None:
        """Append `samples`, or mappings of column names to cells."""
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

    def _failed(self, doing: str, error: BaseException) -> WatlowSinkError:
        return WatlowSinkError(f"{self} could not be {doing}: {error}")


class TableSink(Sink):
    """What the sinks with columns share: which they are.

    Args:
        columns: Names of the columns that what is there already must have: those of a
            Sample, unless rows of another kind are added to a file that has such.
    """

    _layout: ColumnLayout | None = None

    def __init__(self, columns: Sequence[str] | None = None) -> None:
        if isinstance(columns, str) or (columns is not None and not columns):
            raise WatlowConfigurationError(f"columns={columns!r}: give a list of names")
        self._wanted = tuple(columns or COLUMNS)

    def _accept(self, names: Sequence[str]) -> ColumnLayout:
        """The layout of what is there already.

        Raises:
            WatlowSinkError: It is made for other rows.
        """
        missing = ", ".join(name for name in self._wanted if name not in names)
        if missing:
            raise WatlowSinkError(
                f"{self} has another header ({','.join(names)!r}); give a new name, or, for rows "
                f"that are no samples, its names as columns=[...] (it lacks {missing})"
            )
        return ColumnLayout({name: COLUMN_TYPES.get(name, ColumnType.ANY) for name in names})


class FileSink(TableSink):
    """What the sinks that write a file share: a path that is checked.

    Args:
        path: The file. Its folder must exist.
        columns: See `TableSink`.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, columns: Sequence[str] | None = None
    ) -> None:
        super().__init__(columns)
        self.path = Path(path)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"

    def _check_folder(self) -> None:
        folder = self.path.absolute().parent
        if not folder.is_dir():
            raise WatlowSinkError(f"{self}: there is no folder {str(folder)!r}; make it first")
