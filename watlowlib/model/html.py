"""Tables in HTML for notebooks, with captions and headings, without styles; texts are escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from watlowlib.units import format_value


def text(value: object) -> str:
    """Return a value as text: an empty one for None, times in UTC."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, datetime):
        if value.tzinfo is not None:
            value = value.astimezone(timezone.utc)
        return f"{value:%Y-%m-%d %H:%M:%S}.{value.microsecond // 1000:03} {value:%Z}".rstrip()
    if isinstance(value, (tuple, list)):
        return ", ".join(map(text, value))
    return str(value)


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table with headings; the first cell of a row is the heading of the row."""
    headings = "".join(f'<th scope="col">{_escaped(each)}</th>' for each in head)
    return _table(caption, f"<thead><tr>{headings}</tr></thead>", rows)


def fields(caption: str, values: Mapping[str, object]) -> str:
    """Return a table with a row for each field that is not None."""
    found = [(name, value) for name, value in values.items() if value is not None]
    return _table(caption, "", found)


def read_fields(read: Any, label: str | None = None) -> dict[str, object]:
    """Return what `fields` shows of a reading or a sample; `label`: of a reading."""
    return {
        "value": format_value(read.value, label, read.unit),
        "parameter": f"{read.parameter} ({read.parameter_id})",
        "instance": read.instance,
        "address": read.address,
        "protocol": read.protocol,
        "requested at": read.requested_at,
        "latency": f"{1000 * read.latency_s:.1f} ms",
    }


def details(summary: str, content: str) -> str:
    """Return `content`, HTML that is shown after a click on the text `summary`."""
    return f"<details><summary>{_escaped(summary)}</summary>{content}</details>"


def paragraph(content: str) -> str:
    """Return a text as a paragraph."""
    return f"<p>{_escaped(content)}</p>"


def _table(caption: str, head: str, rows: Iterable[Sequence[object]]) -> str:
    body = "".join(f"<tr>{_cells(row)}</tr>" for row in rows)
    return f"<table><caption>{_escaped(caption)}</caption>{head}<tbody>{body}</tbody></table>"


def _cells(row: Sequence[object]) -> str:
    first, *others = (_escaped(text(cell)) for cell in row)
    return f'<th scope="row">{first}</th>' + "".join(f"<td>{each}</td>" for each in others)


def _escaped(content: str) -> str:
    from html import escape  # its table of entities would make the import of the library slower

    return escape(content)
