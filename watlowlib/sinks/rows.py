"""From rows to columns of cells: what all tabular sinks have in common.

A row is a `Sample`, or a mapping of column names to cells for what other instruments say.
Samples always have the same columns, `COLUMNS`, whatever is in the first of them. A file
that begins with mappings has the columns of the first batch. Once a file has its columns
they stay: a mapping's cell for another column is left out, with one warning a column.

The sinks work on whole columns: a list a column is made, and written, several times
faster than a tuple a row.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from enum import Enum
from numbers import Integral, Real
from operator import attrgetter
from typing import Any, TypeAlias, TypeVar

from watlowlib.errors import WatlowSinkError
from watlowlib.model import Sample

log = logging.getLogger(__name__)

T = TypeVar("T")
Cell: TypeAlias = "float | int | str | datetime | None"
Row: TypeAlias = "Sample | Mapping[str, Any]"
Column: TypeAlias = "Sequence[Any]"


class ColumnType(Enum):
    """What a column holds, None aside."""

    TEXT = "text"
    INTEGER = "integer"
    REAL = "real"
    TIME = "time"
    ANY = "any"
    """Numbers and texts in one column, each staying what it is."""


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
}
COLUMNS = tuple(COLUMN_TYPES)
"""The columns of a tabular sink: a `Sample` without `raw`."""

TEXTS = "_text"
"""What is added to a column's name for its texts, in sinks whose columns have one type."""

TIMES = frozenset(name for name, kind in COLUMN_TYPES.items() if kind is ColumnType.TIME)


class Cache(dict[Any, T]):
    """What the cells of a column are written as, which occur again and again.

    At most `LIMIT` are kept: a column may hold a different cell in each row.
    """

    LIMIT = 10_000

    def __init__(self, write: Callable[[Any], T]) -> None:
        self._write = write

    def __missing__(self, cell: Any) -> T:
        if len(self) >= self.LIMIT:
            self.clear()
        self[cell] = written = self._write(cell)
        return written


class TimeText:
    """Writes times as ISO 8601 in UTC: all but the microseconds is made once a second.

    Else writing the times would cost more than all the rest of a row.
    """

    def __init__(self) -> None:
        self._begin = self._end = datetime.min.replace(tzinfo=timezone.utc)
        self._text = ""

    def __call__(self, when: datetime) -> str:
        """`when` as text."""
        if not self._begin <= when < self._end:
            self._begin = when.astimezone(timezone.utc).replace(microsecond=0)
            self._end = self._begin + timedelta(seconds=1)
            self._text = self._begin.isoformat()[:19] + ".%06d+00:00"
        return self._text % when.microsecond


class TimeCount:
    """Counts the microseconds from `epoch` to times, in the same way."""

    def __init__(self, epoch: datetime) -> None:
        self._epoch = epoch
        self._begin = self._end = datetime.min.replace(tzinfo=timezone.utc)
        self._count = 0

    def __call__(self, when: datetime) -> int:
        """Microseconds to `when`."""
        if not self._begin <= when < self._end:
            self._begin = when.astimezone(timezone.utc).replace(microsecond=0)
            self._end = self._begin + timedelta(seconds=1)
            self._count = (self._begin - self._epoch) // timedelta(microseconds=1)
        return self._count + when.microsecond


def _words(value: Any) -> Any:
    return " ".join(map(str, value)) if isinstance(value, tuple) else value


_SIMPLE = {name: attrgetter(name) for name in COLUMNS}


def _samples_column(
    name: str, samples: Sequence[Sample], time: Callable[[datetime], Any]
) -> Column:
    if name in TIMES:
        return list(map(time, map(_SIMPLE[name], samples)))
    if name == "protocol":
        return [sample.protocol._value_ for sample in samples]
    if name == "unit":
        return [None if sample.unit is None else sample.unit._value_ for sample in samples]
    if name == "value":
        return [_words(v) if type(v) is tuple else v for v in map(_SIMPLE[name], samples)]
    if name in COLUMN_TYPES:
        return list(map(_SIMPLE[name], samples))
    return [None] * len(samples)


def samples_to_columns(samples: Sequence[Sample], time: Callable[[datetime], Any]) -> list[Column]:
    """One list of cells for each of `COLUMNS`; times are put through `time`."""
    return [_samples_column(name, samples, time) for name in COLUMNS]


def sample_to_row(sample: Sample) -> dict[str, Any]:
    """One row as a dict, in the order of `COLUMNS`; times as ISO 8601 text in UTC."""
    columns = samples_to_columns((sample,), TimeText())
    return {name: column[0] for name, column in zip(COLUMNS, columns)}


class ColumnLayout:
    """The columns of one file or table, and what goes into them.

    Args:
        kinds: What each column holds, in their order.
    """

    def __init__(self, kinds: Mapping[str, ColumnType]) -> None:
        self.types = dict(kinds)
        self._left_out: set[str] = set()

    @classmethod
    def of(cls, rows: Sequence[Row]) -> ColumnLayout:
        """That of a sink whose first rows these are.

        Raises:
            WatlowSinkError: A cell that is no number, text, time or None, a name that is no
                text, or no cell at all.
        """
        if any(isinstance(row, Sample) for row in rows):
            return cls(COLUMN_TYPES)
        found: dict[str, set[ColumnType]] = {}
        for row in rows:
            for name, cell in _plain(row).items():
                found.setdefault(name, set()).update(_kinds(name, cell))
        if not found or not all(isinstance(name, str) for name in found):
            raise WatlowSinkError(
                f"the columns would be {list(found)}: give rows whose cells have names, as texts"
            )
        return cls({name: _common(kinds) for name, kinds in found.items()})

    def columns(self, rows: Sequence[Row], time: Callable[[datetime], Any]) -> list[Column]:
        """One list of cells a column; times are put through `time`.

        Raises:
            WatlowSinkError: A cell that is no number, text, time or None.
        """
        samples = [row for row in rows if isinstance(row, Sample)]
        if len(samples) == len(rows):
            if samples:
                self._leave_out(COLUMN_TYPES)
            return [_samples_column(name, samples, time) for name in self.types]
        plain = [_plain(row) for row in rows]
        self._leave_out(dict.fromkeys(name for row in plain for name in row))
        return [
            [_fit(kind, row.get(name), time) for row in plain] for name, kind in self.types.items()
        ]

    def _leave_out(self, names: Iterable[str]) -> None:
        for name in names:
            if name not in self.types and name not in self._left_out:
                self._left_out.add(name)
                log.warning(
                    "column %r is left out: the columns are %s", name, ", ".join(self.types)
                )


def columns_of(layout: ColumnLayout) -> dict[str, ColumnType]:
    """The columns for `layout` in sinks whose columns have one type: see `split_numbers`.

    Raises:
        WatlowSinkError: A column has the name that the texts of another one need.
    """
    columns: dict[str, ColumnType] = {}
    for name, kind in layout.types.items():
        if kind in (ColumnType.REAL, ColumnType.ANY) and name + TEXTS in layout.types:
            raise WatlowSinkError(
                f"column {name + TEXTS!r} needs another name: this is where {name!r} has its texts"
            )
        columns[name] = ColumnType.REAL if kind is ColumnType.ANY else kind
        if kind is ColumnType.ANY:
            columns[name + TEXTS] = ColumnType.TEXT
    return columns


def split_numbers(column: Column) -> tuple[list[float | None], list[str | None]]:
    """An ANY column as one of numbers and one of texts, for sinks whose columns have one type.

    A text has no number; a whole number is in both, so that it reads back as what it was.
    """
    if set(map(type, column)) <= {float}:
        return list(column), [None] * len(column)
    return (
        [None if isinstance(cell, str) or cell is None else float(cell) for cell in column],
        [None if isinstance(cell, float) or cell is None else str(cell) for cell in column],
    )


def join_numbers(numbers: Iterable[float | None], texts: Iterable[str | None]) -> list[Cell]:
    """What `split_numbers` has split."""
    return [
        number if text is None else text if number is None else int(text)
        for number, text in zip(numbers, texts)
    ]


def _plain(row: Row) -> dict[str, Cell]:
    if isinstance(row, Sample):
        (cells,) = zip(*samples_to_columns((row,), lambda when: when))
        return dict(zip(COLUMNS, cells))
    return {name: _cell(name, given) for name, given in row.items()}


def _cell(name: str, given: Any) -> Cell:
    if isinstance(given, Enum):
        given = given.value
    if isinstance(given, str):
        return _time(name, given) if name in TIMES else given
    if given is None:
        return None
    if isinstance(given, datetime):
        if given.tzinfo is None:
            raise WatlowSinkError(f"{name}={given!r}: give a time with its zone, such as UTC")
        return given
    if isinstance(given, Integral):
        return int(given)
    if isinstance(given, Real):
        return float(given)
    raise WatlowSinkError(f"{name}={given!r}: a cell is a number, a text, a time or None")


def _fit(kind: ColumnType, cell: Cell, time: Callable[[datetime], Any]) -> Any:
    """`cell` as a column of `kind` holds it: one that was once text stays text."""
    if isinstance(cell, datetime):
        return time(cell) if kind is ColumnType.TIME else TimeText()(cell)
    if kind is ColumnType.TEXT:
        return None if cell is None else str(cell)
    if kind is ColumnType.REAL and isinstance(cell, int):
        return float(cell)
    if kind is ColumnType.INTEGER and isinstance(cell, float) and cell.is_integer():
        return int(cell)
    return cell


def _time(name: str, text: str) -> datetime:
    try:
        when = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise WatlowSinkError(f"{name}={text!r}: give a time, or one as ISO 8601 text") from None
    if when.tzinfo is None:
        raise WatlowSinkError(f"{name}={text!r}: give a time with its zone, such as +00:00")
    return when


def _kinds(name: str, cell: Cell) -> set[ColumnType]:
    if name in COLUMN_TYPES:
        return {COLUMN_TYPES[name]}
    kinds = {
        str: ColumnType.TEXT,
        int: ColumnType.INTEGER,
        float: ColumnType.REAL,
        datetime: ColumnType.TIME,
    }
    return {kind for type_, kind in kinds.items() if isinstance(cell, type_)}


def _common(kinds: set[ColumnType]) -> ColumnType:
    if kinds == {ColumnType.INTEGER, ColumnType.REAL}:
        return ColumnType.ANY
    return kinds.pop() if len(kinds) == 1 else ColumnType.ANY
