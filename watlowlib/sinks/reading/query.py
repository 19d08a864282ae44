"""The rows and columns to read: the filters of `read_samples`.

A reader may use the filters to read less (SQLite and PostgreSQL in WHERE, Parquet through its
statistics). The exact selection is made here, in the same way for all formats.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timezone
from functools import cached_property, reduce
from operator import and_
from typing import Any, TypeAlias

from watlowlib._internal.clock import parse_time
from watlowlib._internal.optional import import_optional
from watlowlib._internal.validation import shown
from watlowlib.errors import WatlowConfigurationError, WatlowSinkError
from watlowlib.sinks.rows import TEXTS

When: TypeAlias = "datetime | date | str | None"
Names: TypeAlias = "str | int | Iterable[str | int] | None"


@dataclass(frozen=True)
class Query:
    """Which rows and columns to read; None is all of them.

    Attributes:
        devices: Names of devices.
        parameters: Names of parameters as recorded, and numbers.
        since: The first `requested_at`.
        until: The end of the times: rows at this time or later are left out.
        columns: Names of columns, in the order of the result.
        dictionaries: Whether a reader may return texts as dictionaries, which need less memory.
    """

    devices: tuple[str, ...] | None = None
    parameters: tuple[str | int, ...] | None = None
    since: datetime | None = None
    until: datetime | None = None
    columns: tuple[str, ...] | None = None
    dictionaries: bool = False

    @cached_property
    def parameter_names(self) -> tuple[str, ...]:
        """The parameters that were given as names."""
        return tuple(each for each in self.parameters or () if isinstance(each, str))

    @cached_property
    def parameter_ids(self) -> tuple[int, ...]:
        """The parameters that were given as numbers."""
        return tuple(each for each in self.parameters or () if isinstance(each, int))

    @cached_property
    def filtered(self) -> tuple[str, ...]:
        """The columns that the filters look at."""
        columns = {
            "device": self.devices is not None,
            "parameter": bool(self.parameter_names),
            "parameter_id": bool(self.parameter_ids),
            "requested_at": self.since is not None or self.until is not None,
        }
        return tuple(name for name, needed in columns.items() if needed)

    def reads(self, name: str) -> bool:
        """Whether a reader needs the column `name`, for the result or for a filter."""
        return self.columns is None or name in self.columns or name in self.filtered

    def check(self, names: Iterable[str], source: object) -> None:
        """Check that a source with the columns `names` can be filtered.

        Raises:
            WatlowSinkError: It lacks a column that a filter looks at.
        """
        missing = set(self.filtered) - set(names)
        if missing:
            raise WatlowSinkError(
                f"{source} cannot be filtered: it has no column {', '.join(sorted(missing))}"
            )

    def accepts(self, row: dict[str, Any]) -> bool:
        """Whether `row` passes the filters."""
        if self.devices is not None and row.get("device") not in self.devices:
            return False
        if self.parameters is not None and not (
            (self.parameter_names and row.get("parameter") in self.parameter_names)
            or (self.parameter_ids and row.get("parameter_id") in self.parameter_ids)
        ):
            return False
        if self.since is None and self.until is None:
            return True
        when = row.get("requested_at")
        return (
            when is not None
            and (self.since is None or when >= self.since)
            and (self.until is None or when < self.until)
        )

    def expression(self) -> Any:
        """Return the filters as a pyarrow expression; None if there are no filters."""
        pc = import_optional("pyarrow.compute")
        parts = []
        if self.devices is not None:
            parts.append(pc.field("device").isin(list(self.devices)))
        if self.parameters is not None:
            parameter = pc.scalar(False)
            if self.parameter_names:
                parameter = parameter | pc.field("parameter").isin(list(self.parameter_names))
            if self.parameter_ids:
                parameter = parameter | pc.field("parameter_id").isin(list(self.parameter_ids))
            parts.append(parameter)
        if self.since is not None:
            parts.append(pc.field("requested_at") >= self.since)
        if self.until is not None:
            parts.append(pc.field("requested_at") < self.until)
        return reduce(and_, parts) if parts else None

    def arrow_columns(self, names: Iterable[str]) -> list[str]:
        """Return those of the Arrow columns `names` to read; texts are part of their column.

        If there are none, it is the first: without a column, the number of rows would be lost.
        """
        names = list(names)
        read = [name for name in names if self.reads(name) or self.reads(name.removesuffix(TEXTS))]
        return read or names[:1]


def make_query(device: Names, parameter: Names, since: When, until: When, columns: Names) -> Query:
    """Return the `Query` for the arguments of `read_samples`.

    Raises:
        WatlowConfigurationError: An argument is invalid.
    """
    return Query(
        _names("device", device, str),
        _names("parameter", parameter, (str, int)),
        _time("since", since),
        _time("until", until),
        _names("columns", columns, str),
    )


def _names(name: str, given: Any, kinds: Any) -> tuple[Any, ...] | None:
    if given is None:
        return None
    single = isinstance(given, (str, int)) or not isinstance(given, Iterable)
    names = tuple(dict.fromkeys([given] if single else given))
    if not names or not all(isinstance(each, kinds) for each in names):
        numbers = " and numbers" if kinds is not str else ""
        raise WatlowConfigurationError(
            f"{name}={shown(given)}: give one or several names{numbers}, or None for all"
        )
    return names


def _time(name: str, given: Any) -> datetime | None:
    if given is None:
        return None
    try:
        when = _parsed(given) if isinstance(given, str) else given
        if isinstance(when, datetime):
            if when.tzinfo is not None:
                return when.astimezone(timezone.utc)
        elif isinstance(when, date):
            return datetime.combine(when, time(), timezone.utc)
    except (ValueError, OverflowError):
        pass
    raise WatlowConfigurationError(
        f"{name}={shown(given)}: give a datetime with a time zone, a date, or text such as "
        "'2026-03-01' or '2026-03-01T12:00'; dates, and texts without an offset, are in UTC"
    )


def _parsed(text: str) -> datetime:
    when = parse_time(text.strip())
    return when if when.tzinfo is not None else when.replace(tzinfo=timezone.utc)


PathLike: TypeAlias = "str | os.PathLike[str]"
