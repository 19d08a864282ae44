"""How the commands print samples and rows: tables for people, JSON lines for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any

from rich.console import Console
from rich.table import Table

from watlowlib.model import Sample
from watlowlib.registry.codes import codes_of
from watlowlib.sinks.cells import TimeText
from watlowlib.sinks.rows import sample_to_row

NO_VALUE = "-"
MOST_COLUMNS = 10_000
"""The widest table, in characters."""


def console(*, stderr: bool = False) -> Console:
    """Return a console that prints each line as it is, however long."""
    return Console(highlight=False, soft_wrap=True, markup=False, emoji=False, stderr=stderr)


def printable(text: str) -> str:
    """Return `text` with ? for each character that a terminal would not show but obey."""
    return "".join(each if each.isprintable() else "?" for each in text)


def print_json(rows: Iterable[Mapping[str, Any]]) -> None:
    """Print each row as a JSON object on its own line; times are ISO 8601 in UTC."""
    for row in rows:
        print(json_text(row), flush=True)


def json_text(row: Mapping[str, Any]) -> str:
    """Return a row as JSON; NaN and infinity, which JSON does not have, are null."""
    return json.dumps(_finite(row), default=_json_cell, ensure_ascii=False)


def _finite(cell: Any) -> Any:
    if isinstance(cell, float) and not math.isfinite(cell):
        return None
    if isinstance(cell, Mapping):
        return {key: _finite(each) for key, each in cell.items()}
    return [_finite(each) for each in cell] if isinstance(cell, (list, tuple)) else cell


def _json_cell(cell: object) -> object:
    if isinstance(cell, datetime):
        return TimeText()(cell)
    return cell.value if isinstance(cell, Enum) else str(cell)


def print_table(
    headings: Sequence[str], rows: Iterable[Sequence[object]], *, stderr: bool = False
) -> None:
    """Print a table without borders; None is a dash."""
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, no_wrap=True)
    for row in rows:
        table.add_row(*(NO_VALUE if cell is None else str(cell) for cell in row))
    wide = console(stderr=stderr)
    wide.width = MOST_COLUMNS  # a narrower terminal must not cut the cells
    wide.print(table, crop=False)


def sample_table(samples: Iterable[Sample]) -> Table:
    """Return a table with one row per sample."""
    table = Table(box=None, pad_edge=False)
    for heading in ("controller", "parameter", "instance"):
        table.add_column(heading, no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("status", no_wrap=True)
    for each in samples:
        where = (each.device, each.parameter, str(each.instance))
        table.add_row(*where, format_value(each), each.status)
    return table


def format_value(sample: Sample) -> str:
    """Return a sample's value as text: with its unit, or the label of a code: "PID (71)"."""
    value = sample.value
    if value is None:
        return NO_VALUE
    label = label_of(sample)
    if label is not None:
        return f"{label} ({value})"
    number = f"{value:.2f}" if isinstance(value, float) else str(value)
    return number if sample.unit is None else f"{number} {sample.unit}"


def label_of(sample: Sample) -> str | None:
    """Return the meaning of a code, such as "PID"; None for another kind of value."""
    if not isinstance(sample.value, int):
        return None
    return codes_of(sample.parameter_id, sample.parameter).get(sample.value)


def sample_rows(samples: Iterable[Sample]) -> Iterable[dict[str, Any]]:
    """Return the rows of samples as the sinks store them."""
    return map(sample_to_row, samples)
