"""The rows of files and tables: `read_samples`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from watlowlib._internal.clock import parse_time
from watlowlib._internal.optional import import_optional
from watlowlib._internal.validation import shown
from watlowlib.errors import WatlowSinkError
from watlowlib.model.html import fields, paragraph, table
from watlowlib.sinks.choose import URLS
from watlowlib.sinks.database import NAME, check_pattern
from watlowlib.sinks.meta_file import distinct
from watlowlib.sinks.parquet.arrow import arrow
from watlowlib.sinks.reading.describe import DESCRIBED, describe
from watlowlib.sinks.reading.files import in_time_order, readers_of
from watlowlib.sinks.reading.frames import gathered, to_frame
from watlowlib.sinks.reading.query import Names, Query, When, make_query
from watlowlib.sinks.reading.reader import Reader, Rows, reading_errors
from watlowlib.sinks.reading.tables import common_types, conform, types_of
from watlowlib.sinks.reading.wide import WIDENED, widen
from watlowlib.sinks.rows import COLUMN_TYPES, TEXTS, ColumnType

FIRST_ROWS, LOOKED_AT = 5, 1000
"""The rows that notebooks show, and how many rows are read to find them."""

TIMES = [name for name, type_ in COLUMN_TYPES.items() if type_ is ColumnType.TIME]


class StoredSamples:
    """The rows of one or several files; iterate over it any number of times, or make a table.

    A row is a dict. Times such as `requested_at` are datetimes in UTC; other cells are as
    written, in CSV with the apostrophes of `CsvSink(spreadsheet_safe=True)`. A row that a crash
    has torn is left out. Iterating needs little memory, however many rows there are.

    Tables have the same columns and types for all formats: numbers in `value`, and texts in
    `value_text`. An integer is in both. So are addresses if one of them is a text. `latency_s` is
    rounded to about a microsecond.
    """

    def __init__(self, readers: Sequence[Reader], query: Query, name: str) -> None:
        self._readers = list(readers)
        self._query = query
        self._name = name

    def __repr__(self) -> str:
        return f"read_samples({self._name})"

    def __iter__(self) -> Rows:
        for reader in in_time_order(self._readers):
            yield from self._accepted(reader, self._query)

    def _accepted(self, reader: Reader, query: Query, most: int | None = None) -> Rows:
        """Yield those rows of `reader` that were asked for, among the first `most` of `query`."""
        with reading_errors(reader):
            # Not a variable: on Python 3.10 it would keep a SQLite file open after an early end.
            for number, row in enumerate(islice(reader.rows(query), most)):
                if not isinstance(row, dict):
                    raise ValueError(f"{row!r} is not a row")  # noqa: TRY004
                if not number:
                    self._query.check(row, reader)
                for name in TIMES:
                    if isinstance(cell := row.get(name), str):
                        row[name] = parse_time(cell)
                if self._query.accepts(row):
                    yield self._projected(row)

    def _repr_html_(self) -> str:
        """Return what notebooks show: the filters, and the first rows of the first file.

        At most `LOOKED_AT` rows are read, and none of a database, which would sort them first.
        """
        names = ("devices", "parameters", "since", "until", "columns")
        filters = {name: getattr(self._query, name) for name in names}
        described = fields(repr(self), {"files": len(self._readers), **filters})
        if not self._readers or self._readers[0].source.startswith(URLS):
            return described
        reader = self._readers[0]
        try:
            rows = list(islice(self._accepted(reader, Query(), LOOKED_AT), FIRST_ROWS))
        except WatlowSinkError as error:
            return described + paragraph(str(error))
        if not rows:
            return described + paragraph(f"no such row among the first {LOOKED_AT} of {reader}")
        head = list(rows[0])
        cells = [[row.get(name) for name in head] for row in rows]
        return described + table(f"the first rows of {reader}", head, cells)

    @property
    def metadata(self) -> list[dict[str, Any]]:
        """What is stored about each recording, as `RecordingInfo.as_dict`; empty if nothing is.

        Raises:
            WatlowSinkError: It cannot be read.
        """
        found: list[dict[str, Any]] = []
        for reader in in_time_order(self._readers):
            with reading_errors(reader):
                found += reader.recordings()
        return distinct(found)

    @property
    def files(self) -> list[str]:
        """The paths and URLs of what is read."""
        return [reader.source for reader in self._readers]

    def column_names(self) -> list[str]:
        """Return the columns of the rows: those of the first row of each file.

        Raises:
            WatlowSinkError: A file cannot be read.
        """
        if self._query.columns is not None:
            return list(self._query.columns)
        names: dict[str, Any] = {}
        for reader in in_time_order(self._readers):
            with reading_errors(reader):
                names.update(next(iter(reader.rows(Query())), {}))
        return list(names)

    def tables(self) -> Iterator[Any]:
        """Yield the rows as pyarrow Tables, some 10,000 rows each, of which types may differ.

        Raises:
            WatlowSinkError: pyarrow is not installed, or a file cannot be read.
        """
        arrow()
        for reader in in_time_order(self._readers):
            with reading_errors(reader):
                for table in reader.tables(self._query):
                    yield self._filtered(table, reader)

    def types(self) -> dict[str, ColumnType]:
        """Return the types of the columns; this reads all rows.

        Raises:
            WatlowSinkError: pyarrow is not installed, a file cannot be read, or a column that
                was asked for does not exist.
        """
        return self._selected(common_types(types_of(table.schema) for table in self.tables()))

    def to_arrow(self) -> Any:
        """Return a pyarrow Table, with numbers in `value` and text in `value_text`.

        Raises:
            WatlowSinkError: pyarrow is not installed, or a file cannot be read.
        """
        pa = arrow()
        tables = list(self.tables())
        types = self._selected(common_types(types_of(table.schema) for table in tables))
        tables = [conform(table, types) for table in tables]
        return pa.concat_tables(tables or [conform(pa.table({}), types)])

    def to_pandas(self) -> Any:
        """Return a pandas DataFrame, with numbers in `value` and text in `value_text`.

        Raises:
            WatlowSinkError: pandas or pyarrow is not installed, or a file cannot be read.
        """
        import_optional("pandas")
        query = replace(self._query, dictionaries=True)
        with gathered(StoredSamples(self._readers, query, self._name).tables()) as tables:
            types = self._selected(common_types(types_of(table.schema) for table in tables))
            return to_frame(tables, types)

    def to_polars(self) -> Any:
        """Return a polars DataFrame, with numbers in `value` and text in `value_text`.

        Raises:
            WatlowSinkError: polars or pyarrow is not installed, or a file cannot be read.
        """
        return import_optional("polars").from_arrow(self.to_arrow())

    def wide(self) -> Any:
        """Return a pandas DataFrame with a row for each tick and a column for each series.

        The index `time` is the time when the tick was due (`scheduled_at`), or the first
        `requested_at` of the row. In files without ticks, a new row begins when a device,
        parameter and instance repeats. A column has the name `oven_top process_value`, with the
        instance at the end if the recording has several: `oven_top process_value 2`. A missing
        value is NaN; a column with texts keeps them. `frame.attrs["units"]` has the unit of each
        column that has one.

        Raises:
            WatlowSinkError: pandas or pyarrow is not installed, the rows have no device,
                parameter or value, or a file cannot be read.

        Example:
            >>> read_samples("run.sqlite").wide().plot()  # doctest: +SKIP
        """
        import_optional("pandas")
        return widen(self._only(WIDENED).to_arrow())

    def describe(self) -> Any:
        """Return a pandas DataFrame with statistics of each device, parameter and instance.

        The columns are `rows`, `count` (rows with a number or text), `gaps` (rows without),
        a column for each status of a gap such as `gaps_timeout`, `min`, `mean` and `max`,
        `longest_gap_s`, and the `first` and `last` time (`requested_at`). The longest gap is the
        longest time in seconds from a value to the next one; the first and the last row count
        as well.

        Raises:
            WatlowSinkError: pandas or pyarrow is not installed, the rows have no device,
                parameter or value, or a file cannot be read.
        """
        import_optional("pandas")
        return describe(self._only(DESCRIBED).to_arrow())

    def narrowed(
        self, columns: tuple[str, ...], parameters: tuple[str | int, ...]
    ) -> StoredSamples:
        """Return the same rows with `columns`, and of `parameters` if none are selected yet.

        Texts in tables are dictionaries if the format has them.
        """
        selected = self._query.parameters or parameters or None
        query = replace(self._query, columns=columns, parameters=selected, dictionaries=True)
        return StoredSamples(self._readers, query, self._name)

    def _only(self, columns: tuple[str, ...]) -> StoredSamples:
        return StoredSamples(self._readers, replace(self._query, columns=columns), self._name)

    def _projected(self, row: dict[str, Any]) -> dict[str, Any]:
        columns = self._query.columns
        if columns is None:
            return row
        self._check_columns(row)
        return {name: row.get(name) for name in columns}

    def _filtered(self, table: Any, reader: Reader) -> Any:
        expression = self._query.expression()
        if expression is None or not table.num_columns:
            return table
        self._query.check(table.column_names, reader)
        return conform(table, common_types([types_of(table.schema)])).filter(expression)

    def _selected(self, types: dict[str, ColumnType]) -> dict[str, ColumnType]:
        """Return the types of the columns that were asked for."""
        columns = self._query.columns
        if columns is None:
            return types or dict(COLUMN_TYPES)
        self._check_columns(types)
        return {name: types.get(name) or COLUMN_TYPES[name] for name in columns}

    def _check_columns(self, found: dict[str, Any]) -> None:
        for name in self._query.columns or ():
            if name not in found and name not in COLUMN_TYPES:
                raise WatlowSinkError(
                    f"{self._name} has no column {shown(name)}; "
                    + (
                        f"{shown(name)} is part of {shown(name.removesuffix(TEXTS))}"
                        if name.removesuffix(TEXTS) in COLUMN_TYPES
                        else f"known are {', '.join(dict.fromkeys([*COLUMN_TYPES, *found]))}"
                    )
                )


def read_samples(
    source: str | os.PathLike[str],
    *,
    table: str = "samples",
    device: Names = None,
    parameter: Names = None,
    since: When = None,
    until: When = None,
    columns: Names = None,
) -> StoredSamples:
    """Return the rows of files or of a database table.

    Args:
        source: A CSV, JSON Lines, SQLite or Parquet file, whose extension selects the format; a
            folder of files of one format; a pattern such as `data/ovens-*.parquet`; or
            postgresql://user@host/database. Several files are read in the order of their first
            rows; rows of PostgreSQL are in the order of `requested_at`.
        table: The table in a SQLite file or a database.
        device: One or several names of devices.
        parameter: One or several parameters: names as recorded, or numbers.
        since: The first `requested_at`: a datetime with a time zone, a date, or ISO 8601 text.
            Dates, and texts without an offset, are in UTC.
        until: The end of the times, which is not included; the same kinds as `since`.
        columns: The columns to return, in this order; `value` brings `value_text` in tables.

    Raises:
        WatlowConfigurationError: An unknown extension, files of several formats, or an invalid
            filter or table name.
        WatlowSinkError: There is no such file, or a package is not installed.

    Example:
        >>> rows = read_samples("data/ovens-*.parquet", device="oven_top")  # doctest: +SKIP
        >>> rows.wide().plot()  # doctest: +SKIP
        >>> may = read_samples("run.csv", since="2026-05-01", until="2026-06-01")  # doctest: +SKIP
        >>> may.to_pandas()  # doctest: +SKIP
    """
    return read_all([source], table, make_query(device, parameter, since, until, columns))


def read_all(sources: Sequence[str | os.PathLike[str]], table: str, query: Query) -> StoredSamples:
    """Return the rows of several sources, in the order of their first rows.

    Raises:
        WatlowConfigurationError: As for `read_samples`.
        WatlowSinkError: As for `read_samples`.
    """
    check_pattern("table", table, NAME, "letters, digits and underscores")
    readers = {reader.source: reader for each in sources for reader in readers_of(each, table)}
    return StoredSamples(list(readers.values()), query, ", ".join(map(shown, sources)))
