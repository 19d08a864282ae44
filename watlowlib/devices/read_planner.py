"""Plans which registers to read together, and learns from refused reads. No I/O.

Adjacent registers share one read, also across a gap when the gap costs less wire time than
another exchange. How many registers a controller returns in one read, and which registers it
lacks between two parameters, is not published. A refused read is split; when both halves
succeed they are kept apart from then on. A register that is refused by itself is read by itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import NamedTuple

from watlowlib.devices.driver import Target
from watlowlib.devices.layout import RegisterLayout
from watlowlib.model import WordOrder
from watlowlib.protocol.modbus.words import JointFormat, joint_format

FRAMING_BYTES = 8 + 5 + 7
"""Bytes of an exchange besides the registers: the request, the head and checksum of the reply,
and two silences of 3.5 characters."""

NETWORK_BYTE_TIME_S = 10 / 38400
"""On a network, as on Standard Bus: a gateway reads the registers over such a line."""

TURNAROUND_S = 0.005
"""The shortest time a controller takes before it replies."""


@dataclass(frozen=True)
class Span:
    """The registers of one parameter."""

    register: int
    count: int
    target: Target

    @property
    def end(self) -> int:
        """The register after the last one."""
        return self.register + self.count


@dataclass(frozen=True)
class Block:
    """Registers that are read together: spans in ascending order."""

    spans: tuple[Span, ...]

    @cached_property
    def register(self) -> int:
        """The first register."""
        return self.spans[0].register

    @cached_property
    def count(self) -> int:
        """The number of registers, gaps included."""
        return max(span.end for span in self.spans) - self.register

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """The targets, in the order of the spans."""
        return tuple(span.target for span in self.spans)

    @cached_property
    def joint_format(self) -> JointFormat | None:
        """How to decode all values at once; None where each is decoded by itself."""
        if any(spec.scale != 1 for spec, _ in self.targets):
            return None
        return joint_format(
            (2 * (span.register - self.register), span.target[0].data_type) for span in self.spans
        )

    def halves(self) -> tuple[Block, Block]:
        """Split the block at its widest gap, or in the middle."""
        middle = len(self.spans) / 2
        at = max(
            range(1, len(self.spans)),
            key=lambda n: (self.spans[n].register - self.spans[n - 1].end, -abs(n - middle)),
        )
        return Block(self.spans[:at]), Block(self.spans[at:])


class Basis(NamedTuple):
    """What the registers of a read depend on, besides what never changes; compared by identity."""

    discovered: RegisterLayout | None
    assembled: dict[Target, int]
    knowledge: object


class Plan(NamedTuple):
    """The blocks of registers for several targets."""

    blocks: list[Block]
    layout: RegisterLayout
    basis: Basis


class Place(NamedTuple):
    """The registers of one target, and the order of their words."""

    span: Span
    order: WordOrder
    basis: Basis


class ReadPlanner:
    """Combines spans into blocks for one controller, of at most `limit` registers at first."""

    def __init__(self, limit: int, byte_time_s: float) -> None:
        self.limit = limit
        byte_time_s = byte_time_s or NETWORK_BYTE_TIME_S
        self.widest_gap = int((FRAMING_BYTES + TURNAROUND_S / byte_time_s) / 2)
        """A gap of more registers costs more than another exchange."""
        self.knowledge = object()
        """Another object after each change of what was learned, or if the layout was discarded."""
        self._borders: set[int] = set()
        self._refused: set[int] = set()

    def expire(self) -> None:
        """Mark all earlier blocks as out of date."""
        self.knowledge = object()

    def blocks(self, spans: Iterable[Span]) -> list[Block]:
        """Return the fewest reads for `spans`, in ascending order."""
        blocks: list[list[Span]] = []
        end = 0
        for span in sorted(spans, key=_first):
            if blocks and self._joins(blocks[-1][0].register, end, span):
                blocks[-1].append(span)
                end = max(end, span.end)
            else:
                blocks.append([span])
                end = span.end
        return [Block(tuple(block)) for block in blocks]

    def keep_apart(self, left: Block, right: Block) -> None:
        """Remember that both halves of a refused block succeeded."""
        if right.register > left.register + left.count:
            self._borders.add(right.register)
        else:
            # The halves may have been split too, and have set a lower limit.
            self.limit = min(self.limit, max(left.count, right.count))
        self.expire()

    def note(self, span: Span, *, refused: bool) -> None:
        """Remember the result of reading one span by itself."""
        if refused is not (span.register in self._refused):
            (self._refused.add if refused else self._refused.discard)(span.register)
            self.expire()

    def _joins(self, first: int, end: int, span: Span) -> bool:
        """Whether the block of the registers from `first` to before `end` takes in `span`."""
        register = span.register
        return (
            register - end <= self.widest_gap
            and max(end, span.end) - first <= self.limit
            and (register < end or register not in self._borders)
            and first not in self._refused
            and register not in self._refused
        )


_first = attrgetter("register")
