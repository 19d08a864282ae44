"""Arrow messages with a checksum, for the journal.

The CRC-32 of a message's bytes is in its own metadata, as eight digits that count as zeros in
the sum. The journal therefore stays a plain stream of Arrow record batches.
"""

from __future__ import annotations

import zlib
from typing import Any

from watlowlib.sinks.parquet.arrow import arrow

KEY = b"checksum"
MARK = b"watlowlib.crc32="
ZEROS = b"00000000"


def schema_message(schema: Any, metadata: dict[bytes, bytes]) -> bytes:
    """Return the message of `schema` with `metadata` and a checksum."""
    schema = schema.with_metadata({**metadata, KEY: MARK + ZEROS})
    return _with_sum(bytearray(schema.serialize()))


def batch_message(batch: Any) -> bytes:
    """Return the message of a record batch with a checksum."""
    pa = arrow()
    stream = pa.BufferOutputStream()
    with pa.ipc.new_stream(stream, batch.schema) as writer:
        writer.write_batch(batch, custom_metadata={KEY: MARK + ZEROS})
        end = stream.tell()
    begin = batch.schema.serialize().size  # the stream begins with the schema
    return _with_sum(bytearray(stream.getvalue()[begin:end]))


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
