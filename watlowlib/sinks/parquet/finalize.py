"""From a journal to a Parquet file: small, in large row groups, and put in place at once."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from watlowlib._internal.optional import import_optional
from watlowlib.errors import WatlowSinkError
from watlowlib.sinks.files import replace
from watlowlib.sinks.parquet.arrow import arrow
from watlowlib.sinks.parquet.journal import ID, read_journal

log = logging.getLogger(__name__)

ROW_GROUP = 131_072
"""Rows in a row group: what readers work on at once, and what is held in memory."""


@dataclass(frozen=True)
class Packing:
    """How the Parquet file is written: see `ParquetSink`."""

    compression: str = "zstd"
    use_dictionary: bool | tuple[str, ...] = True
    row_group_size: int = ROW_GROUP

    def options(self, schema: Any) -> dict[str, Any]:
        """Arguments for pyarrow's ParquetWriter.

        Texts and whole numbers occur again and again: a dictionary. Times grow by about
        the same: their differences. Numbers have much in common in their first bytes.
        """
        types = arrow().types
        dictionary = self.use_dictionary
        if dictionary is True:
            dictionary = tuple(
                field.name
                for field in schema
                if types.is_string(field.type) or types.is_integer(field.type)
            )
        encodings = {}
        for field in schema:
            if dictionary and field.name in dictionary:
                continue
            if types.is_timestamp(field.type):
                encodings[field.name] = "DELTA_BINARY_PACKED"
            elif types.is_floating(field.type):
                encodings[field.name] = "BYTE_STREAM_SPLIT"
        return {
            "compression": self.compression,
            "compression_level": 3 if self.compression == "zstd" else None,
            "use_dictionary": list(dictionary) if dictionary else False,
            "column_encoding": encodings,
            "store_schema": False,  # the types can be seen without, and it takes a kilobyte
        }


def finish(journal: Path, path: Path, packing: Packing) -> int:
    """Add the rows of `journal` to the Parquet file `path`, which may not be there yet.

    It may be done again after a crash at any moment: a journal is never added twice.

    Returns:
        How many rows have been added.

    Raises:
        OSError: The disk is full, or the place cannot be written to.
        WatlowSinkError: The file has other columns.
    """
    parquet = import_optional("pyarrow.parquet", "parquet")
    schema, batches = read_journal(journal)
    if schema is None:
        return 0
    if not path.exists():
        return _write(path, schema, batches, packing)
    with parquet.ParquetFile(path) as old:
        if added(schema, old):
            return 0
        if not old.schema_arrow.equals(schema, check_metadata=False):
            raise WatlowSinkError(
                f"{journal} has rows with other columns than {path}: give {path} another name, "
                f"then run: watlowlib recover {path}"
            )
        kept = old.iter_batches(batch_size=packing.row_group_size)
        return _write(path, schema, chain(kept, batches), packing) - int(old.metadata.num_rows)


def added(schema: Any, file: Any) -> bool:
    """Whether the rows of the journal with `schema` are in the ParquetFile `file` already."""
    return bool((file.metadata.metadata or {}).get(ID) == schema.metadata[ID])


def _write(path: Path, schema: Any, batches: Iterator[Any], packing: Packing) -> int:
    """Put a new file in the place of `path`; how many rows it has."""
    pa, parquet = arrow(), import_optional("pyarrow.parquet", "parquet")
    new = path.with_name(f"_{path.name}.new")
    rows = 0
    try:
        with parquet.ParquetWriter(new, schema, **packing.options(schema)) as writer:
            for group in _groups(batches, packing.row_group_size):
                table = pa.Table.from_batches(group).cast(schema)
                writer.write_table(table, row_group_size=packing.row_group_size)
                rows += table.num_rows
            writer.add_key_value_metadata({ID: schema.metadata[ID]})
        replace(new, path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    return rows


def _groups(batches: Iterator[Any], size: int) -> Iterator[list[Any]]:
    """Batches together, `size` rows or the last ones."""
    group: list[Any] = []
    rows = 0
    for batch in batches:
        while rows + batch.num_rows >= size:
            taken = size - rows
            yield [*group, batch.slice(0, taken)]
            batch, group, rows = batch.slice(taken), [], 0
        if batch.num_rows:
            group.append(batch)
            rows += batch.num_rows
    if group:
        yield group
