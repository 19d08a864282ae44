"""A batch that the sender may send while it is packed, before it is in the spool.

The server inserts the first rows while the last ones are packed. It commits them only when the
batch is in the spool; otherwise it rolls them back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from queue import Empty, SimpleQueue

from watlowlib.sinks.postgres.spool import SpooledRows
from watlowlib.sinks.rows import ColumnLayout

WAIT_S = 1.0
"""How long to wait for the next rows; the server has an open transaction meanwhile."""


class NotSentError(Exception):
    """A batch was not sent early; if it is in the spool, it has to be sent from there."""


class EarlyBatch:
    """A batch that one thread packs and another may send.

    Its queue needs no limit: it has the parts of one batch, which are in memory anyway, because the
    spool stores them together.

    Args:
        layout: The columns of the rows.
        rows: The number of rows.
    """

    def __init__(self, layout: ColumnLayout, rows: int) -> None:
        self.layout = layout
        self.number = 0
        """The number of the batch in the spool; 0 if it is not there."""

        self._rows = rows
        self._parts: SimpleQueue[bytes] = SimpleQueue()

    def passing(self, parts: Iterable[bytes]) -> Iterator[bytes]:
        """Yield `parts`, the packed rows, and give each to the thread that sends them."""
        for part in parts:
            self._parts.put(part)
            yield part

    def end(self) -> None:
        """Let the thread that sends the rows commit them if `number` is set, or roll back."""
        self._parts.put(b"")

    def parts(self) -> Iterator[bytes]:
        """Yield the packed rows; end when all of them are in the spool.

        Raises:
            NotSentError: They are not in the spool, or nothing has come for `WAIT_S`.
        """
        try:
            while part := self._parts.get(timeout=WAIT_S):
                yield part
        except Empty:  # rows may be missing, even if `number` is set now
            raise NotSentError from None
        if not self.number:
            raise NotSentError

    def spooled(self) -> SpooledRows:
        """Return the batch in the spool, without its data."""
        return SpooledRows(self.layout, b"", self._rows, self.number, self.number)
