"""Numbers and texts from columns of unquoted texts, all cells of a column in a few calls."""

from __future__ import annotations

from typing import Any

from watlowlib._internal.optional import import_optional
from watlowlib.sinks.parquet.arrow import arrow
from watlowlib.sinks.rows import TEXTS

INTEGER = r"^[+-]?[0-9]+$"
NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$|^[+-]?inf$|^nan$"


def split_texts(texts: Any) -> tuple[Any, Any]:
    """Split an array of texts into numbers and texts, as `split_numbers` splits cells.

    "72.4" is a number, "PM3" a text; the integer "72" is in both.
    """
    pa, pc = arrow(), import_optional("pyarrow.compute")
    try:
        numbers = texts.cast(pa.float64())
        special = pc.invert(pc.is_finite(numbers))
        certain = not pc.any(special).as_py()  # Arrow accepts more, such as "Infinity"
    except pa.ArrowInvalid:
        certain = False
    if certain:
        return numbers, _integers(texts)
    is_number = pc.match_substring_regex(texts, NUMBER)
    missing = pa.scalar(None, pa.string())
    as_numbers = pc.if_else(is_number, texts, missing)
    numbers = pc.utf8_ltrim(as_numbers, "+").cast(pa.float64())
    return numbers, pc.if_else(is_number, _integers(as_numbers), texts)


def _integers(numbers: Any) -> Any:
    """Return those of the texts `numbers` that are integers; null for the others."""
    pa, pc = arrow(), import_optional("pyarrow.compute")
    missing = pa.scalar(None, pa.string())
    if pc.all(pc.match_substring(numbers, ".")).as_py() is not False:
        return pa.nulls(len(numbers), pa.string())
    integers = pc.if_else(pc.match_substring_regex(numbers, INTEGER), numbers, missing)
    try:
        return pc.utf8_ltrim(integers, "+").cast(pa.int64()).cast(pa.string())
    except pa.ArrowInvalid:  # beyond 64 bits
        return integers


def inferred(name: str, texts: Any) -> dict[str, Any]:
    """Return the column `name` with the type of its cells: of one type if all have it."""
    pa, pc = arrow(), import_optional("pyarrow.compute")
    if texts.null_count == len(texts):
        return {name: pa.nulls(len(texts))}
    numbers, others = split_texts(texts)
    if others.null_count == len(others):
        return {name: numbers}
    if numbers.null_count == len(numbers):
        return {name: others}
    if pc.all(pc.equal(pc.is_null(numbers), pc.is_null(others))).as_py():
        try:
            return {name: others.cast(pa.int64())}
        except pa.ArrowInvalid:
            pass
    return {name: numbers, name + TEXTS: others}
