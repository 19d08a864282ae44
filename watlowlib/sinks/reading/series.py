"""Which device, parameter and instance each row belongs to, as numbers for vectorised work."""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple, TypeAlias

from watlowlib.errors import WatlowSinkError
from watlowlib.sinks.parquet.arrow import arrow

KEYS = ("device", "parameter", "instance")

Key: TypeAlias = "tuple[str, str, int | None]"


class Series(NamedTuple):
    """The series of the rows.

    Attributes:
        codes: The number of the series of each row, as a numpy array.
        keys: The device, parameter and instance of each series, in the order of first rows.
    """

    codes: Any
    keys: list[Key]


def numpy() -> Any:
    """Return the module numpy, which pandas needs itself."""
    return import_module("numpy")


def series_of(table: Any) -> Series:
    """Return the series of the rows of a pyarrow Table.

    Raises:
        WatlowSinkError: A row has no device, parameter or requested_at.
    """
    np = numpy()
    for name in ("device", "parameter", "requested_at"):
        if table.column(name).null_count:
            raise WatlowSinkError(
                f"rows without {name} belong to no series; select the others with device= and "
                "parameter=, or use to_pandas()"
            )
    codes = np.zeros(table.num_rows, "int64")
    cells: list[list[Any]] = []
    for name in KEYS:
        column = table.column(name).dictionary_encode("encode").combine_chunks()
        if isinstance(column, arrow().ChunkedArray):  # of no chunks, before pyarrow 17
            return Series(codes, [])
        cells.append(column.dictionary.to_pylist())
        codes = codes * max(1, len(cells[-1])) + column.indices.to_numpy(zero_copy_only=False)
    found, first, codes = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.argsort(order)
    shape = tuple(max(1, len(each)) for each in cells)
    places = zip(*(each.tolist() for each in np.unravel_index(found[order], shape)))
    keys = [tuple(each[at] for each, at in zip(cells, place)) for place in places]
    return Series(rank[codes], keys)


def numbers(table: Any, name: str) -> Any:
    """Return a column as floats; a missing number is NaN."""
    return table.column(name).to_numpy()


def microseconds(table: Any, name: str) -> Any:
    """Return a column of times as a numpy array datetime64[us] in UTC; a missing one is NaT."""
    return table.column(name).cast(arrow().timestamp("us")).to_numpy()
