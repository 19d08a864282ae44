"""Makes a Parquet file from a journal: compressed, in large row groups, replaced atomically."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from watlowlib._internal.log import logger
from watlowlib._internal.optional import import_optional
from watlowlib.errors import WatlowSinkError
from watlowlib.sinks.files import replace
from watlowlib.sinks.meta_file import distinct
from watlowlib.sinks.parquet.arrow import arrow, widened, widens
from watlowlib.sinks.parquet.journal import ID, RECORDINGS, Journal, JournalReader, journal_of

log = logger(__name__)

ROW_GROUP = 131_072
"""Rows in a row group, which readers process at once and which must fit into memory."""


@dataclass(frozen=True)
class ParquetOptions:
    """How the Parquet file is written: see `ParquetSink`."""

    compression: str = "zstd"
    use_dictionary: bool | tuple[str, ...] = True
    row_group_size: int = ROW_GROUP

    def arguments(self, schema: Any) -> dict[str, Any]:
        """Return arguments for pyarrow's ParquetWriter.

        Texts and integers recur and are stored in dictionaries. Times and ticks grow in similar
        steps; their differences are stored. The first bytes of numbers differ little; the bytes
        are split.
        """
        types = arrow().types
        dictionary = self.use_dictionary
        if dictionary is True:
            dictionary = tuple(
                field.name
                for field in schema
                if types.is_string(field.type)
                or (types.is_integer(field.type) and field.name != "tick")
            )
        encodings = {}
        for field in schema:
            if dictionary and field.name in dictionary:
                continue
            if types.is_timestamp(field.type) or types.is_integer(field.type):
                encodings[field.name] = "DELTA_BINARY_PACKED"
            elif types.is_floating(field.type):
                encodings[field.name] = "BYTE_STREAM_SPLIT"
        return {
            "compression": self.compression,
            "compression_level": 3 if self.compression == "zstd" else None,
            "use_dictionary": list(dictionary) if dictionary else False,
            "column_encoding": encodings,
            "store_schema": False,  # takes a kilobyte and is not needed for the types
        }


class Finalized(NamedTuple):
    """What `finalize` has done.

    Attributes:
        rows: The number of rows added.
        bytes_set_aside: The number of bytes moved to a file because they are not a valid batch.
    """

    rows: int = 0
    bytes_set_aside: int = 0


def finalize(journal: Journal, path: Path, options: ParquetOptions) -> Finalized:
    """Add the rows of `journal` to the Parquet file `path`, or create the file.

    This can be repeated after a crash at any moment: a journal is never added twice. The bytes
    after the last valid batch are moved to a file beside the journal.

    Raises:
        OSError: The disk is full, or the folder cannot be written to.
        WatlowSinkError: The file has other columns than the journal.
    """
    with JournalReader(journal.path) as reader:
        rows = _add_rows(reader, path, options)
        for _ in reader:  # of a journal that was added before
            pass
    return Finalized(rows, journal.set_aside(reader.end))


def _add_rows(reader: JournalReader, path: Path, options: ParquetOptions) -> int:
    parquet = import_optional("pyarrow.parquet")
    schema = reader.schema
    if schema is None:
        return 0
    if not path.exists():
        return _write_file(path, reader, iter(reader), [], options)
    with parquet.ParquetFile(path) as old:
        if added(schema, old):
            return 0
        same = old.schema_arrow.equals(schema, check_metadata=False)
        if not same and not widens(old.schema_arrow, schema):
            raise WatlowSinkError(
                f"{journal_of(path)} has other columns than {path}: rename {path}, "
                f"then run: watlowlib recover {path}"
            )
        old_batches = old.iter_batches(batch_size=options.row_group_size)
        if not same:
            old_batches = (widened(batch, schema) for batch in old_batches)
        rows = _write_file(path, reader, chain(old_batches, reader), recordings_in(old), options)
        return rows - int(old.metadata.num_rows)


def added(schema: Any, file: Any) -> bool:
    """Whether the ParquetFile `file` already has the rows of the journal with `schema`."""
    return bool((file.metadata.metadata or {}).get(ID) == schema.metadata[ID])


def recordings_in(file: Any) -> list[dict[str, Any]]:
    """Return what the ParquetFile `file` has about the recordings of its rows."""
    found = json.loads((file.metadata.metadata or {}).get(RECORDINGS, b"[]"))
    return list(found)


def _write_file(
    path: Path,
    reader: JournalReader,
    batches: Iterator[Any],
    recordings: list[dict[str, Any]],
    options: ParquetOptions,
) -> int:
    """Replace `path` by a new file with the rows of `batches`; return the number of rows.

    The metadata is that of the journal and `recordings`, which are those of the old file.
    """
    schema = reader.schema
    pa, parquet = arrow(), import_optional("pyarrow.parquet")
    new = path.with_name(f"_{path.name}.new")
    rows = 0
    try:
        with parquet.ParquetWriter(new, schema, **options.arguments(schema)) as writer:
            for group in row_groups(batches, options.row_group_size):
                table = pa.Table.from_batches(group).cast(schema)
                writer.write_table(table, row_group_size=options.row_group_size)
                rows += table.num_rows
            writer.add_key_value_metadata({ID: schema.metadata[ID]})
            if known := distinct([*recordings, *reader.recordings]):
                writer.add_key_value_metadata({RECORDINGS: json.dumps(known).encode()})
        replace(new, path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    return rows


def row_groups(batches: Iterator[Any], size: int) -> Iterator[list[Any]]:
    """Yield lists of batches or tables, `size` rows in total; the last list may have fewer."""
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
