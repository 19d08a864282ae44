"""`watlowlib recover`: complete files that a crash left unfinished."""

from __future__ import annotations

import argparse
from pathlib import Path

from watlowlib._internal.validation import shown
from watlowlib.errors import WatlowSinkError
from watlowlib.sinks.choose import open_sink
from watlowlib.sinks.parquet.finalize import Finalized, ParquetOptions
from watlowlib.sinks.parquet.journal import SUFFIX, journal_of, parquet_of
from watlowlib.sinks.parquet.sink import ParquetSink, recover_file, recover_folder
from watlowlib.sinks.postgres.sink import PostgresSink
from watlowlib.sinks.reading import read_samples
from watlowlib.sinks.sqlite import SqliteSink
from watlowlib.sinks.text import TextSink
from watlowlib.sinks.torn_line import torn_path

HELP = "complete files that a crash left unfinished"
DESCRIPTION = (
    "Complete files that a crash left unfinished: convert the journals of a Parquet file or of a "
    "folder; move a torn last line of CSV and JSON Lines to a file beside; send spooled rows to a "
    "PostgreSQL server. Opening the sink again does the same."
)
USAGE = "watlowlib recover FILE ..."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this subcommand to `parser`."""
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="a file, a folder of Parquet files, or a URL"
    )


def run(arguments: argparse.Namespace) -> None:
    """Recover each file in turn and print what was done."""
    for name in arguments.files:
        print(recover(name))


def recover(name: str) -> str:
    """Recover `name` and return a line that says what was done.

    Raises:
        WatlowSinkError: The file does not exist, is being written to, or cannot be recovered.
    """
    path = Path(name)
    if "://" in name:
        return _send_spooled(open_sink(name))
    if path.name.endswith(SUFFIX):
        path = parquet_of(path)
    if not path.exists() and not journal_of(path).exists():
        raise WatlowSinkError(f"there is no file {shown(name)}")
    if path.is_dir():
        return f"{path}: {_recovered(recover_folder(path, ParquetOptions()))}"
    sink = open_sink(path)
    if isinstance(sink, ParquetSink):
        journal = journal_of(path)
        done = recover_file(journal, ParquetOptions()) if journal.exists() else Finalized()
        return f"{path}: {_recovered(done)}"
    if isinstance(sink, SqliteSink):
        return f"{path}: nothing to do, SQLite repairs its files itself"
    assert isinstance(sink, TextSink)
    return f"{path}: {_set_torn_line_aside(path, type(sink))}"


def _recovered(done: Finalized) -> str:
    text = f"{done.rows} rows recovered"
    if done.bytes_set_aside:
        text += (
            f"; {done.bytes_set_aside} bytes after them are incomplete or damaged, and were moved "
            "to a file *.journal.torn beside it"
        )
    return text


def _set_torn_line_aside(path: Path, kind: type[TextSink]) -> str:
    """Move a torn last line of `path`, which may have any columns, to the file beside it."""
    first = next(iter(read_samples(path)), None)
    torn = kind(path, columns=None if first is None else list(first)).repair()
    if not torn:
        return "the file is complete, nothing to do"
    return f"a torn last line of {torn} bytes was moved to {torn_path(path)}"


def _send_spooled(sink: object) -> str:
    assert isinstance(sink, PostgresSink)
    with sink:
        pass
    return f"{sink!r}: {sink.stats.rows_sent} rows sent, {sink.stats.rows_waiting} still waiting"
