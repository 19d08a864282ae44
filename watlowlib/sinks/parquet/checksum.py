"""Arrow messages with a checksum, for the journal.

The CRC-32 of a message's bytes is in its own metadata, as eight digits that count as zeros in
the sum. The journal therefore stays a plain stream of Arrow record batches.
"""

from __future__ import annotations

import zlib
from io import BytesIO
from typing import Any

from watlowlib.sinks.parquet.arrow import arrow

KEY = b"checksum"
MARK = b"watlowlib.crc32="
ZEROS = b"00000000"


def schema_message(schema: Any, metadata: dict[bytes, bytes]) -> bytes:
    """Return the message of `schema` with `metadata` and a checksum."""
    schema = schema.with_metadata({**metadata, KEY: MARK + ZEROS})
    return _with_sum(bytearray(schema.serialize()))


class BatchMessages:
    """Makes the messages of record batches with one schema.

    One stream serves all batches: a stream for each would write the schema again.
    """

    def __init__(self, schema: Any) -> None:
        pa = arrow()
        self.schema = schema
        self._buffer = BytesIO()
        self._writer = pa.ipc.new_stream(pa.PythonFile(self._buffer, mode="w"), schema)
        self._schema_size = schema.serialize().size  # written before the first batch

    def message(self, batch: Any, metadata: dict[bytes, bytes]) -> bytes:
        """Return the message of a record batch with `metadata` and a checksum.

        The values must not contain `MARK`.
        """
        self._buffer.seek(0)
        self._buffer.truncate()
        self._writer.write_batch(batch, custom_metadata={**metadata, KEY: MARK + ZEROS})
        message = bytearray(self._buffer.getvalue()[self._schema_size :])
        self._schema_size = 0
        return _with_sum(message)


def metadata_of(message: bytes, schema: Any) -> dict[bytes, bytes]:
    """Return the metadata of the message of a record batch."""
    pa = arrow()
    stream = pa.BufferReader(schema.serialize().to_pybytes() + message)
    found = pa.ipc.open_stream(stream).read_next_batch_with_custom_metadata().custom_metadata
    return dict(found or {})


def is_intact(message: bytes, metadata_size: int) -> bool | None:
    """Return whether the checksum of a message is right; None if the message has none."""
    at = message.find(MARK, 0, metadata_size)
    if at < 0:
        return None
    digits = slice(at + len(MARK), at + len(MARK) + len(ZEROS))
    cleared = bytearray(message)
    cleared[digits] = ZEROS
    return _sum(cleared) == message[digits]


def _with_sum(message: bytearray) -> bytes:
    at = message.index(MARK) + len(MARK)
    message[at : at + len(ZEROS)] = _sum(message)
    return bytes(message)


def _sum(message: bytearray) -> bytes:
    return b"%08x" % zlib.crc32(message)
