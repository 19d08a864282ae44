"""`watlowlib recover`: complete files that a crash left unfinished."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import click

from watlowlib._internal.validation import shown
from watlowlib.cli.base import define, json_option
from watlowlib.cli.exits import WAITING, CommandError
from watlowlib.cli.output import print_json
from watlowlib.errors import WatlowSinkError
from watlowlib.model.text import counted
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


class Recovered(NamedTuple):
    """What was done with one file.

    Attributes:
        file: The file, the folder, or the sink of a spool.
        text: What was done.
        rows: Rows recovered, or sent to the server.
        rows_waiting: Rows that are still in a spool.
        bytes_set_aside: Incomplete or damaged bytes that were moved to a file beside.
        problem: Why rows still wait, or None.
    """

    file: str
    text: str
    rows: int = 0
    rows_waiting: int = 0
    bytes_set_aside: int = 0
    problem: str | None = None

    def __str__(self) -> str:
        return f"{self.file}: {self.text}"


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
@json_option
def command(files: tuple[str, ...], url: str | None, as_json: bool) -> None:
    """Recover each file in turn and print what was done.

    Raises:
        CommandError: Rows of a spool still wait.
    """
    for name in files:
        done = recover(name, url)
        if as_json:
            row = done._asdict()
            del row["text"]
            print_json([row])
        elif done.problem is None:
            print(done)
        if done.problem is not None:
            raise CommandError(f"{done}: {done.problem}", WAITING)


def recover(name: str, url: str | None = None) -> Recovered:
    """Recover `name` and return what was done.

    Args:
        name: A file, a folder or the URL of a database.
        url: The server for a spool; None for the one that it was for.

    Raises:
        WatlowSinkError: The file does not exist, is being written to, or cannot be recovered.
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
        return _recovered(path, recover_folder(path, ParquetOptions()))
    sink = open_sink(path)
    if isinstance(sink, ParquetSink):
        journal = journal_of(path)
        done = recover_file(journal, ParquetOptions()) if journal.exists() else Finalized()
        return _recovered(path, done)
    if isinstance(sink, SqliteSink):
        return Recovered(str(path), "nothing to do, SQLite repairs its files itself")
    assert isinstance(sink, TextSink)
    return _set_torn_line_aside(path, type(sink))


def _recovered(path: Path, done: Finalized) -> Recovered:
    text = f"{counted(done.rows, 'row')} recovered"
    if done.bytes_set_aside:
        text += (
            f"; {counted(done.bytes_set_aside, 'byte')} after them, incomplete or damaged, moved "
            "to a file *.journal.torn beside it"
        )
    return Recovered(str(path), text, done.rows, bytes_set_aside=done.bytes_set_aside)


def _set_torn_line_aside(path: Path, kind: type[TextSink]) -> Recovered:
    """Move a torn last line of `path`, which may have any columns, to the file beside it."""
    first = next(iter(read_samples(path)), None)
    torn = kind(path, columns=None if first is None else list(first)).repair()
    if not torn:
        return Recovered(str(path), "the file is complete, nothing to do")
    text = f"a torn last line of {counted(torn, 'byte')} was moved to {torn_path(path)}"
    return Recovered(str(path), text, bytes_set_aside=torn)


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


def _send_spooled(sink: PostgresSink) -> Recovered:
    """Send the rows of the sink's spool."""
    with sink:
        pass
    stats = sink.stats
    text = f"{counted(stats.rows_sent, 'row')} sent, {stats.rows_waiting} still waiting"
    done = Recovered(repr(sink), text, stats.rows_sent, stats.rows_waiting)
    if not stats.rows_waiting:
        return done
    refused = f", {stats.rows_refused} of them refused" if stats.rows_refused else ""
    reason = stats.last_error or "there was not enough time; run this again"
    return done._replace(text=f"{text} in {sink.spool}{refused}", problem=reason)
