"""Conversion of rows to columns of cells, for all sinks with columns.

A row is a `Sample`, or a mapping of column names to cells, for data of other instruments.
Samples always have the columns `COLUMNS`. A file that begins with mappings has the columns
of its first batch. The columns of a file do not change: cells for other columns are left out,
with one warning. So are `tick` and `scheduled_at` in a file of an earlier version, and also
`midpoint_at` and `status` in a file of the library that `watlowlib.sync` is for; its column `t_utc`
gets the midpoint.

The sinks work on columns because one list per column is several times faster to build and
write than one tuple per row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from numbers import Integral, Real
from operator import attrgetter
from typing import Any, TypeAlias

from watlowlib._internal.clock import parse_time
from watlowlib._internal.log import logger
from watlowlib.errors import WatlowSinkError
from watlowlib.model import Sample
from watlowlib.sinks.cells import TimeText

log = logger(__name__)

Cell: TypeAlias = "float | int | str | datetime | None"
Row: TypeAlias = "Sample | Mapping[str, Any]"
Column: TypeAlias = "Sequence[Any]"
ConvertTimes: TypeAlias = "Callable[[Iterable[datetime]], list[Any]]"
"""Converts the times of a column."""


class ColumnType(Enum):
    """The type of the cells in a column; any cell may also be None."""

    TEXT = "text"
    INTEGER = "integer"
    REAL = "real"
    TIME = "time"
    ANY = "any"
    """Numbers and text in one column; each cell keeps its type."""


COLUMN_TYPES = {
    "device": ColumnType.TEXT,
    "address": ColumnType.INTEGER,
    "protocol": ColumnType.TEXT,
    "parameter": ColumnType.TEXT,
    "parameter_id": ColumnType.INTEGER,
    "instance": ColumnType.INTEGER,
    "value": ColumnType.ANY,
    "unit": ColumnType.TEXT,
    "requested_at": ColumnType.TIME,
    "received_at": ColumnType.TIME,
    "midpoint_at": ColumnType.TIME,
    "latency_s": ColumnType.REAL,
    "status": ColumnType.TEXT,
    "tick": ColumnType.INTEGER,
    "scheduled_at": ColumnType.TIME,
}
_SAMPLE_COLUMNS = list(COLUMN_TYPES.items())
COLUMNS = tuple(COLUMN_TYPES)
"""The columns of a `Sample` in a sink: all fields except `raw` and `monotonic_ns`.

Later versions add columns only at the end: programs that use the number of a column still work.
"""

LATER_COLUMNS = ("tick", "scheduled_at")
"""Columns that files and tables of earlier versions lack; these take rows without them."""

REQUIRED_COLUMNS = tuple(name for name in COLUMNS if name not in LATER_COLUMNS)
"""The columns that a file or table for samples must have."""

OTHER_LIBRARY_LACKS = ("midpoint_at", "status")
"""Columns that files of the library that `watlowlib.sync` is for lack besides; see `t_utc`."""

SHORT_UNITS = {"°C": "C", "°F": "F"}
"""The units of temperatures as that library writes them."""

TEXTS = "_text"
"""Suffix of the column with the text of an ANY column, in sinks whose columns have one type."""

LEAST_INTEGER, MOST_INTEGER = -(1 << 63), (1 << 63) - 1
"""The range of a column of integers, which has 64 bits."""

TIME_COLUMNS = frozenset(n for n, type_ in COLUMN_TYPES.items() if type_ is ColumnType.TIME)


ROWS_ONE_BY_ONE = 16
"""Up to so many samples are converted one by one, which is faster than column by column."""

_time_text = TimeText()
_GETTERS = {name: attrgetter(name) for name in COLUMNS}


def _sample_column(name: str, samples: Sequence[Sample], convert_times: ConvertTimes) -> Column:
    if name == "scheduled_at":  # the same for all samples of a tick
        times = list(map(_GETTERS[name], samples))
        # In order, not in a set: `convert_times` is fast for times that follow each other.
        distinct = [when for when in dict.fromkeys(times) if when is not None]
        return list(map(dict(zip(distinct, convert_times(distinct))).get, times))
    if name in TIME_COLUMNS:
        return convert_times(map(_GETTERS[name], samples))
    if name == "t_utc":  # the midpoint in a file of another library
        return convert_times(map(_GETTERS["midpoint_at"], samples))
    if name == "protocol":
        return [sample.protocol._value_ for sample in samples]
    if name == "unit":
        return [None if sample.unit is None else sample.unit._value_ for sample in samples]
    if name == "value":
        values = list(map(_GETTERS[name], samples))
        if tuple in set(map(type, values)):
            return [" ".join(map(str, v)) if type(v) is tuple else v for v in values]
        return values
    if name in COLUMN_TYPES:
        return list(map(_GETTERS[name], samples))
    return [None] * len(samples)


def samples_to_columns(samples: Sequence[Sample], convert_times: ConvertTimes) -> list[Column]:
    """Return one list of cells for each of `COLUMNS`; `convert_times` converts the times."""
    return [_sample_column(name, samples, convert_times) for name in COLUMNS]


def sample_to_row(sample: Sample) -> dict[str, Any]:
    """Return the row as a dict in the order of `COLUMNS`; times are ISO 8601 text in UTC."""
    columns = samples_to_columns((sample,), _time_text.column)
    return {name: column[0] for name, column in zip(COLUMNS, columns)}


class SampleCells:
    """Converter of a sample to its cells, in the order of `COLUMNS`; times become text.

    Args:
        quote: What to write before and after each time.
    """

    def __init__(self, quote: str = "") -> None:
        self._read_time, self._due_time = TimeText(quote), TimeText(quote)

    def __call__(self, sample: Sample) -> tuple[Any, ...]:
        """Return the cells of `sample`."""
        time_text, value = self._read_time, sample.value
        unit, due = sample.unit, sample.scheduled_at
        return (
            sample.device,
            sample.address,
            sample.protocol._value_,
            sample.parameter,
            sample.parameter_id,
            sample.instance,
            " ".join(map(str, value)) if type(value) is tuple else value,
            None if unit is None else unit._value_,
            time_text(sample.requested_at),
            time_text(sample.received_at),
            time_text(sample.midpoint_at),
            sample.latency_s,
            sample.status,
            sample.tick,
            None if due is None else self._due_time(due),
        )


class ColumnLayout:
    """The names and types of the columns of one file or table.

    Args:
        types: The type of each column by its name, in the order of the columns.
        short_units: Whether to write `F` and `C` for the units of temperatures.
    """

    def __init__(self, types: Mapping[str, ColumnType], *, short_units: bool = False) -> None:
        self.types = dict(types)
        self.short_units = short_units
        self.is_of_samples = not short_units and list(types.items()) == _SAMPLE_COLUMNS
        """Whether the columns are exactly those of samples."""

        self._left_out: set[str] = set()

    @classmethod
    def infer(cls, rows: Sequence[Row]) -> ColumnLayout:
        """Return the layout for `rows`, the first rows of a file or table.

        Raises:
            WatlowSinkError: A cell is not a number, string, time or None, a column name is
                not a string, or there are no cells.
        """
        if any(isinstance(row, Sample) for row in rows):
            return cls(COLUMN_TYPES).fitting(rows)
        found: dict[str, set[ColumnType]] = {}
        for row in rows:
            for name, cell in _cells(row).items():
                found.setdefault(name, set()).update(_cell_types(name, cell))
        if not found or not all(isinstance(name, str) for name in found):
            raise WatlowSinkError(
                f"the columns would be {list(found)}: give rows with column names, as strings"
            )
        return cls({name: _common_type(types) for name, types in found.items()}).fitting(rows)

    def fitting(self, rows: Sequence[Row]) -> ColumnLayout:
        """Return this layout, or one whose address and value can have the cells of `rows`."""
        types = dict(self.types)
        for name in ("address", "value"):
            if types.get(name, ColumnType.ANY) is not ColumnType.ANY:
                cells = [
                    getattr(row, name) if isinstance(row, Sample) else row.get(name) for row in rows
                ]
                native = _NATIVE.get(types[name])
                if not all(type(cell) is native or _fits(types[name], cell) for cell in cells):
                    types[name] = ColumnType.ANY
        if types == self.types:
            return self
        return ColumnLayout(types, short_units=self.short_units)

    def columns(self, rows: Sequence[Row], convert_times: ConvertTimes) -> list[Column]:
        """Return one list of cells per column; `convert_times` converts the times.

        Raises:
            WatlowSinkError: A cell is not a number, string, time or None.
        """
        samples = [row for row in rows if isinstance(row, Sample)]
        if len(samples) == len(rows):
            if samples:
                self._warn_left_out(COLUMN_TYPES)
            columns = [self._sample_column(name, samples, convert_times) for name in self.types]
        else:
            mappings = [_cells(row) for row in rows]
            self._warn_left_out(dict.fromkeys(name for row in mappings for name in row))
            columns = [
                [_convert(type_, row.get(name), convert_times) for row in mappings]
                for name, type_ in self.types.items()
            ]
        if self.short_units:
            at = list(self.types).index("unit")
            columns[at] = [SHORT_UNITS.get(unit, unit) for unit in columns[at]]
        return columns

    def _sample_column(
        self, name: str, samples: Sequence[Sample], convert_times: ConvertTimes
    ) -> Column:
        type_ = self.types[name]
        if type_ is not ColumnType.TIME:
            convert_times = _time_text.column
        column = _sample_column(name, samples, convert_times)
        if type_ is ColumnType.TEXT and COLUMN_TYPES.get(name) is not ColumnType.TEXT:
            return [None if cell is None else str(cell) for cell in column]
        return column

    def _warn_left_out(self, names: Iterable[str]) -> None:
        new = [name for name in names if name not in self.types and name not in self._left_out]
        if new:
            self._left_out.update(new)
            log.warning(
                "%s left out: the columns are %s",
                f"column {new[0]!r} is" if len(new) == 1 else f"columns {new} are",
                ", ".join(self.types),
            )


def columns_of(layout: ColumnLayout) -> dict[str, ColumnType]:
    """Return the columns of `layout` in sinks whose columns have one type; see `split_numbers`.

    Raises:
        WatlowSinkError: A column has the name that is reserved for the text of another one.
    """
    columns: dict[str, ColumnType] = {}
    for name, type_ in layout.types.items():
        if type_ in (ColumnType.REAL, ColumnType.ANY) and name + TEXTS in layout.types:
            raise WatlowSinkError(
                f"column {name + TEXTS!r} needs another name: it is for the text of {name!r}"
            )
        columns[name] = ColumnType.REAL if type_ is ColumnType.ANY else type_
        if type_ is ColumnType.ANY:
            columns[name + TEXTS] = ColumnType.TEXT
    return columns


def split_numbers(column: Column) -> tuple[list[float | None], list[str | None]]:
    """Split an ANY column into numbers and text, for sinks whose columns have one type.

    Text has no number. An integer is in both columns, and reads back as an integer.
    """
    if set(map(type, column)) <= {float}:
        return list(column), [None] * len(column)
    return (
        [None if isinstance(cell, str) or cell is None else float(cell) for cell in column],
        [None if isinstance(cell, float) or cell is None else str(cell) for cell in column],
    )


def join_numbers(numbers: Iterable[float | None], texts: Iterable[str | None]) -> list[Cell]:
    """Return the column that `split_numbers` has split."""
    return [
        number if text is None else text if number is None else int(text)
        for number, text in zip(numbers, texts)
    ]


def _cells(row: Row) -> dict[str, Cell]:
    if isinstance(row, Sample):
        (cells,) = zip(*samples_to_columns((row,), list))
        return dict(zip(COLUMNS, cells))
    return {name: _check_cell(name, given) for name, given in row.items()}


def _check_cell(name: str, given: Any) -> Cell:
    if isinstance(given, Enum):
        given = given.value
    if isinstance(given, str):
        return _parse_time(name, given) if name in TIME_COLUMNS else given
    if given is None:
        return None
    if isinstance(given, datetime):
        if given.tzinfo is None:
            raise WatlowSinkError(f"{name}={given!r}: give a time with a time zone, such as UTC")
        return given
    if isinstance(given, Real):
        try:
            number = float(given)
        except OverflowError:
            raise WatlowSinkError(
                f"{name}: a number is too large; the largest is about 1.8e308"
            ) from None
        return int(given) if isinstance(given, Integral) else number
    raise WatlowSinkError(f"{name}={given!r}: a cell must be a number, a string, a time or None")


def _convert(type_: ColumnType, cell: Cell, convert_times: ConvertTimes) -> Any:
    """Return `cell` converted for a column of `type_`; a TEXT column stores numbers as text."""
    if isinstance(cell, datetime):
        return convert_times((cell,))[0] if type_ is ColumnType.TIME else _time_text(cell)
    if type_ is ColumnType.TEXT:
        return None if cell is None else str(cell)
    if type_ is ColumnType.REAL and isinstance(cell, int):
        return float(cell)
    if type_ is ColumnType.INTEGER and isinstance(cell, float) and cell.is_integer():
        return int(cell)
    return cell


def _parse_time(name: str, text: str) -> datetime:
    try:
        when = parse_time(text)
    except ValueError:
        raise WatlowSinkError(f"{name}={text!r}: give a datetime or ISO 8601 text") from None
    if when.tzinfo is None:
        raise WatlowSinkError(f"{name}={text!r}: give a time with a time zone, such as +00:00")
    return when


def _cell_types(name: str, cell: Cell) -> set[ColumnType]:
    if name in COLUMN_TYPES:
        return {COLUMN_TYPES[name]}
    if isinstance(cell, int) and not LEAST_INTEGER <= cell <= MOST_INTEGER:
        return {ColumnType.ANY}  # exact as text
    types = {
        str: ColumnType.TEXT,
        int: ColumnType.INTEGER,
        float: ColumnType.REAL,
        datetime: ColumnType.TIME,
    }
    return {column for python, column in types.items() if isinstance(cell, python)}


_NATIVE = {ColumnType.TEXT: str, ColumnType.INTEGER: int, ColumnType.REAL: float}
"""The types of cells that fit."""


def _fits(type_: ColumnType, cell: object) -> bool:
    """Whether a column of `type_` can have `cell` without a loss."""
    if cell is None:
        return True
    if isinstance(cell, (str, tuple)):
        return type_ is ColumnType.TEXT
    if type_ is ColumnType.INTEGER:
        return isinstance(cell, Integral) or (isinstance(cell, float) and cell.is_integer())
    return type_ is not ColumnType.TEXT


def _common_type(types: set[ColumnType]) -> ColumnType:
    return types.pop() if len(types) == 1 else ColumnType.ANY
