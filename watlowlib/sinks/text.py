"""Text files that grow at the end: CSV and JSON Lines, UTF-8, one line a sample.

An existing file is appended to. Each `write_many` goes to the system at once.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import TextIO

from watlowlib.errors import WatlowSinkError
from watlowlib.model import Sample
from watlowlib.sinks.base import COLUMNS, FileSink, sample_to_row, sample_to_values


class _TextSink(FileSink):
    _file: TextIO | None = None

    def open(self) -> None:
        """Open the file at its end, making it if it is not there.

        Raises:
            WatlowSinkError: No such folder, no permission, or a file of another kind.
        """
        if self._file is not None:
            return
        self._check_folder()
        try:
            file = self.path.open("a+", encoding="utf-8", newline="")
        except OSError as error:
            raise self._failed("opened", error) from error
        try:
            self._begin(file)
        except BaseException:
            file.close()
            raise
        self._file = file

    def write_many(self, samples: Sequence[Sample]) -> None:
        """Append `samples` and hand them to the system."""
        if self._file is None:
            raise self._not_open()
        try:
            self._file.write(self._lines(samples))
            self._file.flush()
        except OSError as error:
            raise self._failed("written", error) from error

    def close(self) -> None:
        """Close the file."""
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError as error:
                raise self._failed("closed", error) from error

    def _begin(self, file: TextIO) -> None:
        """Look at what is there already."""

    def _lines(self, samples: Sequence[Sample]) -> str:
        raise NotImplementedError


class CsvSink(_TextSink):
    """A CSV file with a header; a missing value is an empty cell."""

    def _begin(self, file: TextIO) -> None:
        header = ",".join(COLUMNS)
        file.seek(0)
        first = file.readline().rstrip("\r\n")
        if not first:
            file.write(header + "\r\n")
            file.flush()
        elif first != header:
            raise WatlowSinkError(
                f"{self} has another header ({first[:80]!r}); give a new file name"
            )

    def _lines(self, samples: Sequence[Sample]) -> str:
        text = io.StringIO()
        csv.writer(text).writerows(map(sample_to_values, samples))
        return text.getvalue()


class JsonlSink(_TextSink):
    """One JSON object a line; a missing value is null."""

    def _lines(self, samples: Sequence[Sample]) -> str:
        dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
        return "".join(dump(sample_to_row(sample)) + "\n" for sample in samples)
