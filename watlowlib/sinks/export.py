"""Writes the rows of any sources into one new file: `export`.

    from watlowlib.sinks.export import export

    export(["ovens-1.csv", "ovens-2.csv"], "ovens.parquet")
    export(["run.sqlite"], "run.xlsx", wide=True, since="2026-05-01")

The file is written in a temporary folder beside it and then moved: after an error or Ctrl-C there
is no part of it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from watlowlib._internal.log import logger
from watlowlib._internal.optional import import_optional
from watlowlib._internal.validation import shown
from watlowlib.errors import WatlowConfigurationError, WatlowSinkError
from watlowlib.model.events import Event
from watlowlib.sinks.base import FileSink, TableSink
from watlowlib.sinks.csv import CsvSink
from watlowlib.sinks.database import connect, transaction
from watlowlib.sinks.files import events_path, replace
from watlowlib.sinks.jsonl import JsonlSink
from watlowlib.sinks.meta_file import meta_path, write_recordings
from watlowlib.sinks.parquet.arrow import arrow, schema_of
from watlowlib.sinks.parquet.finalize import ROW_GROUP, ParquetOptions, row_groups
from watlowlib.sinks.parquet.journal import RECORDINGS, journal_of
from watlowlib.sinks.parquet.sink import ParquetSink
from watlowlib.sinks.reading.events import read_all_events
from watlowlib.sinks.reading.query import Names, When, make_query
from watlowlib.sinks.reading.samples import StoredSamples, read_all
from watlowlib.sinks.reading.tables import conform
from watlowlib.sinks.rows import COLUMN_TYPES, ColumnLayout
from watlowlib.sinks.sqlite import CREATE_RECORDINGS, SqliteSink, insert_recording
from watlowlib.sinks.xlsx import XlsxSink

log = logger(__name__)

ROWS_AT_ONCE = 10_000
UNITS = b"watlowlib.units"
"""The key of the units of the columns in the metadata of a wide Parquet file, as JSON."""

Recordings = list[dict[str, Any]]
Units = dict[str, str]
Report = Callable[[int], object]


def export(
    sources: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    wide: bool = False,
    overwrite: bool = False,
    spreadsheet_safe: bool = False,
    table: str = "samples",
    device: Names = None,
    parameter: Names = None,
    since: When = None,
    until: When = None,
    columns: Names = None,
    report: Report | None = None,
) -> int:
    """Write the rows of `sources` into the new file `output`; return how many it has.

    Sources are written one after the other, in the order of their first rows. Where their times
    overlap, the rows are not sorted: their order is that of `read_samples`. The file also has the
    `metadata` of all sources: beside it (.csv, .jsonl), on a sheet `recordings` (.xlsx), or in it.
    Metadata that cannot be read is a warning. With `wide` the units of the columns are beside it:
    `units` in the same JSON file, a table or sheet `units`, or the key `watlowlib.units`.

    Events of the sources are where a sink of the format stores them, or on a sheet `events`
    (.xlsx): those of `device` and those about no device.

    Args:
        sources: What `read_samples` takes, one or several.
        output: The file. Its extension selects the format: .csv, .jsonl, .sqlite, .sqlite3, .db,
            .parquet or .xlsx.
        wide: Whether to write a row for each tick, as `StoredSamples.wide` returns them.
        overwrite: Whether to replace an existing file.
        spreadsheet_safe: As for `CsvSink`.
        table: The table to read in SQLite files and databases.
        device: As for `read_samples`.
        parameter: As for `read_samples`.
        since: As for `read_samples`.
        until: As for `read_samples`.
        columns: As for `read_samples`; not with `wide`.
        report: Called from time to time with the number of rows written so far.

    Raises:
        WatlowConfigurationError: Unknown extensions, or an invalid argument.
        WatlowSinkError: The file exists, a source cannot be read, or the file not be written.
    """
    sources = [sources] if isinstance(sources, (str, os.PathLike)) else list(sources)
    path = Path(output)
    write = WRITERS.get(path.suffix.lower())
    if write is None or "://" in os.fspath(output):
        raise WatlowConfigurationError(
            f"{shown(output)}: the file extension selects the format; "
            f"known are {', '.join(WRITERS)}"
        )
    if wide and columns is not None:
        raise WatlowConfigurationError("give columns or wide=True, not both: wide has its own")
    query = make_query(device, parameter, since, until, columns)
    stored = read_all(sources, table, query)
    _check_output(path, stored, overwrite)
    events = read_all_events(sources, query, stored.files)
    try:
        with TemporaryDirectory(
            prefix=f"_{path.name}.", dir=path.absolute().parent, ignore_cleanup_errors=True
        ) as folder:
            new = Path(folder) / path.name
            if make_sink := EVENTS_BESIDE.get(path.suffix.lower()):
                if events:
                    with make_sink(events_path(new), spreadsheet_safe) as sink:
                        sink.write_many([vars(each) for each in events])
                events = []
            rows = write(new, stored, events, wide, spreadsheet_safe, report or (lambda rows: None))
            for made, final in zip(_files_of(new), _files_of(path)):
                if made.exists():
                    replace(made, final)
                else:
                    final.unlink(missing_ok=True)  # of the file that was replaced
    except OSError as error:
        raise WatlowSinkError(f"{path} could not be written: {error}") from error
    return rows


def _files_of(path: Path) -> list[Path]:
    """Return an exported file and the files beside it."""
    suffix = path.suffix.lower()
    beside = [(META_BESIDE, meta_path(path)), (EVENTS_BESIDE, events_path(path))]
    return [path, *(each for suffixes, each in beside if suffix in suffixes)]


def _recordings(stored: StoredSamples) -> Recordings:
    try:
        return stored.metadata
    except WatlowSinkError as error:
        log.warning("the metadata of the recordings is not exported: %s", error)
        return []


def _check_output(path: Path, stored: StoredSamples, overwrite: bool) -> None:
    if not path.absolute().parent.is_dir():
        raise WatlowSinkError(f"there is no folder {shown(path.absolute().parent)}; make it first")
    for each in _files_of(path):
        if each.exists() and any(Path(f).exists() and each.samefile(f) for f in stored.files):
            raise WatlowSinkError(f"{shown(each)} is one of the sources; give another name")
        if each.is_dir() or (each.exists() and not overwrite):
            raise WatlowSinkError(
                f"{shown(each)} exists already; give another name, or overwrite it"
            )
    wal = path.with_name(path.name + "-wal")  # a program that only reads leaves an empty one
    for beside in (journal_of(path), wal):
        if beside.exists() and (beside != wal or beside.stat().st_size):
            raise WatlowSinkError(f"{shown(path)} is in use: there is {shown(beside)}")


def _write_rows(
    make: Callable[[Path, bool], Any], store: Callable[[Any, Recordings, Units], None]
) -> Callable[..., int]:
    """Return a function that writes a file.

    Args:
        make: Returns the sink for the rows.
        store: Stores what is known about the recordings and the units of the columns of a wide
            file, after the last row.
    """

    def write(
        path: Path,
        stored: StoredSamples,
        events: Sequence[Event],
        wide: bool,
        spreadsheet_safe: bool,
        report: Report,
    ) -> int:
        rows, units = 0, {}
        if wide:
            frame = stored.wide()
            units, found = frame.attrs["units"], _wide_rows(frame)
        else:
            found = _long_rows(stored)
        batches = _batches(found)
        with make(path, spreadsheet_safe) as sink:
            for batch in batches:
                sink.write_many(batch)
                rows += len(batch)
                report(rows)
            if events:
                sink.write_events(events)
            if (recordings := _recordings(stored)) or units:
                store(sink, recordings, units)
        return rows

    return write


def _store_beside(sink: FileSink, recordings: Recordings, units: Units) -> None:
    write_recordings(sink.path, recordings, units)


def _store_in_sheets(sink: XlsxSink, recordings: Recordings, units: Units) -> None:
    sink.write_units(units)
    sink.write_recordings(recordings)


def _store_in_table(sink: FileSink, recordings: Recordings, units: Units) -> None:
    with closing(connect(sink.path, 0.0)) as database, transaction(database):
        database.execute(CREATE_RECORDINGS)
        for each in recordings:
            insert_recording(database, "samples", each)
        if units:
            database.execute("CREATE TABLE units (name TEXT PRIMARY KEY, unit TEXT)")
            database.executemany("INSERT INTO units VALUES (?, ?)", units.items())


def _batches(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while batch := list(islice(rows, ROWS_AT_ONCE)):
        yield batch


def _long_rows(stored: StoredSamples) -> Iterator[dict[str, Any]]:
    """Yield the rows, each with the columns of all sources."""
    names = stored.column_names()
    for row in stored:
        yield {name: row.get(name) for name in names}


def _wide_rows(frame: Any) -> Iterator[dict[str, Any]]:
    frame = frame.reset_index()
    for start in range(0, len(frame), ROWS_AT_ONCE):
        part = frame.iloc[start : start + ROWS_AT_ONCE].astype(object)
        yield from part.where(part.notna(), None).to_dict("records")


def _write_parquet(
    path: Path,
    stored: StoredSamples,
    events: Sequence[Event],
    wide: bool,
    spreadsheet_safe: bool,
    report: Report,
) -> int:
    """Write tables without making rows of them."""
    del events, spreadsheet_safe
    pa, parquet = arrow(), import_optional("pyarrow.parquet")
    tables: Iterator[Any]
    units: Units = {}
    if wide:
        frame = stored.wide()
        units = frame.attrs["units"]
        whole = pa.Table.from_pandas(frame.reset_index(), preserve_index=False)
        schema, tables = whole.schema.remove_metadata(), iter([whole.replace_schema_metadata()])
    else:
        names = stored.column_names()
        known = all(name in COLUMN_TYPES for name in names)
        types = {name: COLUMN_TYPES[name] for name in names} if known else stored.types()
        schema = schema_of(ColumnLayout(types))
        tables = (conform(table, types) for table in stored.tables())
    rows = 0
    with parquet.ParquetWriter(path, schema, **ParquetOptions().arguments(schema)) as writer:
        for group in row_groups(tables, ROW_GROUP):
            joined = pa.concat_tables(group)
            writer.write_table(joined, row_group_size=ROW_GROUP)
            rows += joined.num_rows
            report(rows)
        if recordings := _recordings(stored):
            writer.add_key_value_metadata({RECORDINGS: json.dumps(recordings).encode()})
        if units:
            writer.add_key_value_metadata({UNITS: json.dumps(units).encode()})
    return rows


def _sqlite(path: Path, spreadsheet_safe: bool) -> SqliteSink:
    del spreadsheet_safe
    # No program reads the file before it is complete, so it needs no journal on disk.
    return SqliteSink(path, journal_mode="MEMORY", synchronous="OFF")


_write_sqlite = _write_rows(_sqlite, _store_in_table)

WRITERS: dict[str, Callable[..., int]] = {
    ".csv": _write_rows(lambda path, safe: CsvSink(path, spreadsheet_safe=safe), _store_beside),
    ".jsonl": _write_rows(lambda path, safe: JsonlSink(path), _store_beside),
    ".sqlite": _write_sqlite,
    ".sqlite3": _write_sqlite,
    ".db": _write_sqlite,
    ".parquet": _write_parquet,
    ".xlsx": _write_rows(lambda path, safe: XlsxSink(path), _store_in_sheets),
}
"""The function that writes a file by its extension."""

EVENTS_BESIDE: dict[str, Callable[[Path, bool], TableSink]] = {
    ".csv": lambda path, safe: CsvSink(path, spreadsheet_safe=safe),
    ".jsonl": lambda path, safe: JsonlSink(path),
    ".parquet": lambda path, safe: ParquetSink(path),
}
"""The formats whose events are in a file beside, and the sinks for these."""

META_BESIDE = (".csv", ".jsonl")
"""The formats whose metadata is in a file beside."""
