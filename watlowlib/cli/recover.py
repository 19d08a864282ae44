"""`watlowlib recover`: complete files that a crash left unfinished."""

from __future__ import annotations

import json
from pathlib import Path

import click

from watlowlib._internal.validation import shown
from watlowlib.cli.base import define
from watlowlib.cli.exits import WAITING, CommandError
from watlowlib.errors import WatlowSinkError
from watlowlib.sinks.choose import open_sink
from watlowlib.sinks.parquet.finalize import Finalized, ParquetOptions
from watlowlib.sinks.parquet.journal import SUFFIX, journal_of, parquet_of
from watlowlib.sinks.parquet.sink import ParquetSink, recover_file, recover_folder
from watlowlib.sinks.postgres.config import PostgresConfig
from watlowlib.sinks.postgres.sink import PostgresSink
from watlowlib.sinks.postgres.spool import settings_of
from watlowlib.sinks.reading import read_samples
from watlowlib.sinks.sqlite import SqliteSink
from watlowlib.sinks.text import TextSink
from watlowlib.sinks.torn_line import torn_path


@define(
    "recover",
    short_help="Complete files that a crash left unfinished.",
    help="Complete files that a crash left unfinished: convert the journals of a Parquet file or "
    "of a folder; move a torn last line of CSV and JSON Lines to a file beside; send the rows of "
    "a spool to its PostgreSQL server. Opening the sink again does the same. FILE is a file, a "
    "folder of Parquet files, a spool, or a URL, which stands for its spool. The password for a "
    "spool is taken from PGPASSWORD, from ~/.pgpass or from --url.",
    examples=(
        "watlowlib recover run.parquet",
        "watlowlib recover --url postgresql:///lab ~/.local/state/watlowlib/samples.spool",
    ),
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--url", help="The server for a spool.  [default: the one it was for]")
def command(files: tuple[str, ...], url: str | None) -> None:
    """Recover each file in turn and print what was done."""
    for name in files:
        print(recover(name, url))


def recover(name: str, url: str | None = None) -> str:
    """Recover `name` and return a line that says what was done.

    Args:
        name: A file, a folder or the URL of a database.
        url: The server for a spool; None for the one that it was for.

    Raises:
        WatlowSinkError: The file does not exist, is being written to, or cannot be recovered.
        CommandError: Rows of a spool still wait.
    """
    path = Path(name)
    if "://" in name:
        return _send_spooled(_postgres_sink(name))
    if path.name.endswith(SUFFIX):
        path = parquet_of(path)
    if not path.exists() and not journal_of(path).exists():
        raise WatlowSinkError(f"there is no file {shown(name)}")
    if path.is_file() and (found := settings_of(path)) is not None:
        return _send_spooled(_sink_of(path, *found, url))
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


def _postgres_sink(url: str) -> PostgresSink:
    sink = open_sink(url)
    assert isinstance(sink, PostgresSink)
    return sink


def _sink_of(path: Path, target: str, settings: str, url: str | None) -> PostgresSink:
    """Return a sink with the spool `path`, whose rows are for the table `target`."""
    if not (url or settings):
        raise WatlowSinkError(f"the spool {path} for {target} does not name a server; give --url")
    _, schema, table = target.rsplit(".", 2)
    given = json.loads(settings) if settings else {"schema": schema, "table": table}
    if url:
        given.update(dsn=url, host=None, user=None, database=None)
    return PostgresSink(PostgresConfig(**given), spool=path)


def _send_spooled(sink: PostgresSink) -> str:
    """Send the rows of the sink's spool.

    Raises:
        CommandError: Rows still wait; the message says why.
    """
    with sink:
        pass
    stats = sink.stats
    done = f"{sink!r}: {stats.rows_sent} rows sent, {stats.rows_waiting} still waiting"
    if not stats.rows_waiting:
        return done
    refused = f", {stats.rows_refused} of them refused" if stats.rows_refused else ""
    reason = stats.last_error or "there was not enough time; run this again"
    raise CommandError(f"{done} in {sink.spool}{refused}: {reason}", WAITING)
