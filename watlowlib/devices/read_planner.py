"""Which registers to read together: pure planning, and what refusals teach.

Neighbours go into one read, across a gap too when the registers in it cost less wire time
than another exchange. How many registers a controller gives in one read, and which
registers between two parameters it does not have, is not published: it is learnt. A read that is
refused is split; when both parts are answered, they are kept apart from then on, and a
register that is refused by itself is asked for by itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from watlowlib.devices.stdbus_driver import Target

FRAMING_BYTES = 8 + 5 + 7
"""What an exchange costs besides its registers: the question, the answer's head and checksum,
and two silences of 3.5 characters."""

TURNAROUND_S = 0.005
"""What a controller takes before it answers, at least."""


@dataclass(frozen=True)
class Span:
    """The registers of one parameter."""

    register: int
    count: int
    target: Target

    @property
    def end(self) -> int:
        """The register behind the last one."""
        return self.register + self.count


@dataclass(frozen=True)
class Block:
    """Registers that are read together: spans in order, the first of them first."""

    spans: tuple[Span, ...]

    @property
    def register(self) -> int:
        """The first register."""
        return self.spans[0].register

    @property
    def count(self) -> int:
        """How many, gaps included."""
        return max(span.end for span in self.spans) - self.register

    def halves(self) -> tuple[Block, Block]:
        """The block in two, parted at its widest gap, or in the middle."""
        middle = len(self.spans) / 2
        at = max(
            range(1, len(self.spans)),
            key=lambda n: (self.spans[n].register - self.spans[n - 1].end, -abs(n - middle)),
        )
        return Block(self.spans[:at]), Block(self.spans[at:])


class ReadPlanner:
    """Puts spans together for one controller.

    Args:
        limit: The most registers in one read, to begin with.
        byte_time_s: How long a byte is on the wire.
    """

    def __init__(self, limit: int, byte_time_s: float) -> None:
        self.limit = limit
        self.widest_gap = int((FRAMING_BYTES + TURNAROUND_S / byte_time_s) / 2)
        """A gap of more registers costs more than another exchange."""
        self._borders: set[int] = set()
        self._refused: set[int] = set()

    def blocks(self, spans: Iterable[Span]) -> list[Block]:
        """The fewest reads for `spans`, in the order of their registers."""
        blocks: list[list[Span]] = []
        for span in sorted(spans, key=lambda span: span.register):
            if blocks and self._joins(blocks[-1], span):
                blocks[-1].append(span)
            else:
                blocks.append([span])
        return [Block(tuple(block)) for block in blocks]

    def parted(self, left: Block, right: Block) -> None:
        """Both were answered, but not together."""
        if right.register > left.register + left.count:
            self._borders.add(right.register)
        else:
            # The parts may have been parted themselves, which has taught more than they do.
            self.limit = min(self.limit, max(left.count, right.count))

    def note(self, span: Span, *, refused: bool) -> None:
        """A register was asked for by itself."""
        (self._refused.add if refused else self._refused.discard)(span.register)

    def _joins(self, block: list[Span], span: Span) -> bool:
        end = max(each.end for each in block)
        alone = {block[0].register, span.register} & self._refused
        return (
            not alone
            and span.register - end <= self.widest_gap
            and (span.register < end or span.register not in self._borders)
            and max(end, span.end) - block[0].register <= self.limit
        )
