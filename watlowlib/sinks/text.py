"""Text files that grow at the end: CSV and JSON Lines, UTF-8, one line a sample.

An existing file is appended to. Each `write_many` goes to the system at once.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from contextlib import suppress
from io import SEEK_END, FileIO

from watlowlib.errors import WatlowSinkError
from watlowlib.model import Sample
from watlowlib.sinks.base import COLUMNS, FileSink, samples_to_values


class _TextSink(FileSink):
    _file: FileIO | None = None

    def open(self) -> None:
        """Open the file at its end, making it if it is not there.

        Raises:
            WatlowSinkError: No such folder, no permission, or a file of another kind.
        """
        if self._file is not None:
            return
        self._check_folder()
        try:
            self._file = FileIO(self.path, "a+")
            self._begin(self._file)
        except BaseException as error:
            self.close()
            if isinstance(error, OSError):
                raise self._failed("opened", error) from error
            raise

    def write_many(self, samples: Sequence[Sample]) -> None:
        """Append `samples` and hand them to the system; all of them or none."""
        if self._file is None:
            raise self._not_open()
        self._append(self._file, self._lines(samples))

    def close(self) -> None:
        """Close the file."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _append(self, file: FileIO, text: str) -> None:
        left = memoryview(text.encode("utf-8"))
        end = file.seek(0, SEEK_END)
        try:
            while left:
                left = left[file.write(left) :]
        except OSError as error:
            # A full disk takes the beginning of the last write: no torn line is left.
            with suppress(OSError):
                file.truncate(end)
            raise self._failed("written", error) from error

    def _begin(self, file: FileIO) -> None:
        """Look at what is there already."""

    def _lines(self, samples: Sequence[Sample]) -> str:
        raise NotImplementedError


class CsvSink(_TextSink):
    """A CSV file with a header; a missing value is an empty cell."""

    def _begin(self, file: FileIO) -> None:
        header = ",".join(COLUMNS)
        file.seek(0)
        first = file.read(len(header) + 2)
        if not first:
            self._append(file, header + "\r\n")
        elif first.splitlines()[0] != header.encode():
            shown = first.split(b"\n")[0].decode("utf-8", "replace")
            raise WatlowSinkError(f"{self} has another header ({shown!r}); give a new file name")

    def _lines(self, samples: Sequence[Sample]) -> str:
        text = io.StringIO()
        csv.writer(text).writerows(samples_to_values(samples))
        return text.getvalue()


class JsonlSink(_TextSink):
    """One JSON object a line; a missing value is null."""

    def _lines(self, samples: Sequence[Sample]) -> str:
        dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
        rows = (dict(zip(COLUMNS, values)) for values in samples_to_values(samples))
        return "".join(dump(row) + "\n" for row in rows)
