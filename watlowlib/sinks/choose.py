"""A sink by its file's ending."""

from __future__ import annotations

import os
from pathlib import Path

from watlowlib.errors import WatlowConfigurationError
from watlowlib.sinks.base import FileSink
from watlowlib.sinks.sqlite import SqliteSink
from watlowlib.sinks.text import CsvSink, JsonlSink

ENDINGS: dict[str, type[FileSink]] = {
    ".csv": CsvSink,
    ".jsonl": JsonlSink,
    ".sqlite": SqliteSink,
    ".sqlite3": SqliteSink,
    ".db": SqliteSink,
}


def open_sink(path: str | os.PathLike[str]) -> FileSink:
    """The sink for `path`, to be used in a `with` statement.

    Raises:
        WatlowConfigurationError: No sink has this ending; the message says which there are.
    """
    sink = ENDINGS.get(Path(path).suffix.lower())
    if sink is None:
        raise WatlowConfigurationError(
            f"{os.fspath(path)!r}: the file's ending says how to write it; "
            f"known are {', '.join(ENDINGS)}"
        )
    return sink(path)
