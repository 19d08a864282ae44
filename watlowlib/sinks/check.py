"""Checks that an output of a recording can be written to, without writing rows."""

from __future__ import annotations

import os

from watlowlib._internal.validation import shown
from watlowlib.errors import WatlowSinkError
from watlowlib.sinks.base import FileSink
from watlowlib.sinks.choose import open_sink
from watlowlib.sinks.count import describe_existing


def check_output(path: str) -> str:
    """Open the sink for `path` and close it; return what is there.

    A file that does not exist is not made: its folder is checked. Nor is a table: the right to
    create it is checked.

    Raises:
        WatlowSinkError: It cannot be written to; the message says what to do.
    """
    sink = open_sink(path)
    if isinstance(sink, FileSink) and not sink.path.exists():
        folder = sink.path.absolute().parent
        if not folder.is_dir():
            raise WatlowSinkError(f"there is no folder {shown(folder)}; make it first")
        if not os.access(folder, os.W_OK):
            raise WatlowSinkError(f"no permission to write to the folder {shown(folder)}")
        return "a new file"
    with sink:
        stats = getattr(sink, "stats", None)
        if stats is not None and stats.last_error:
            raise WatlowSinkError(f"{stats.last_error}; rows would wait in a spool on disk")
    existing = describe_existing(sink)
    return f"appending to {existing}" if existing else "reachable"
