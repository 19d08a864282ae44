"""The figures of the suite: what a benchmark yields, and how they become a table or a page.

A module of a benchmark has a function `figures(size)` that yields `Figure`s, the first ones
early: a benchmark that reaches its deadline keeps what it has yielded. Contestants alternate in
short rounds. A value is the median of its rounds. A ratio is the median of the ratios of the
rounds, so that other load on the machine, which changes slowly, affects both sides of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from statistics import median, quantiles
from typing import NamedTuple, TypeVar

T = TypeVar("T")


class Size(Enum):
    """How much a benchmark measures."""

    TINY = "tiny"
    """Each function once, for tests."""
    QUICK = "quick"
    """All benchmarks in about four minutes."""
    FULL = "full"

    def of(self, tiny: T, quick: T, full: T) -> T:
        """Return the value for this size."""
        return {"tiny": tiny, "quick": quick, "full": full}[self.value]


class Figure(NamedTuple):
    """A measured value beside a peer of the same run and a target.

    Attributes:
        name: What was measured.
        value: The median of the rounds.
        unit: Its unit.
        spread: Half the distance between the quartiles, as a share of the value; None for one
            round.
        peer: What the value is compared with; empty for nothing.
        peer_value: The median of the peer, in the same unit.
        ratio: The value divided by the peer's.
        target: What the ratio is to be, such as ">= 0.8"; without a peer, the value. Empty for
            none.
        reached: Whether it is; None without a target.
    """

    name: str
    value: float
    unit: str
    spread: float | None = None
    peer: str = ""
    peer_value: float | None = None
    ratio: float | None = None
    target: str = ""
    reached: bool | None = None


def figure(
    name: str,
    values: Sequence[float],
    unit: str,
    peer: str = "",
    peer_values: Sequence[float] = (),
    target: str = "",
) -> Figure:
    """Return the figure of `values`, one for each round.

    Args:
        name: What was measured.
        values: The values of the rounds.
        unit: Their unit.
        peer: What they are compared with.
        peer_values: The values of the peer, one for each round.
        target: ">=" or "<=" and a number.
    """
    ratio = None
    if peer_values:
        # Rounds that a peer measures as nothing (no error, no time) have no ratio.
        pairs = [(ours, theirs) for ours, theirs in zip(values, peer_values) if theirs]
        ratio = median(ours / theirs for ours, theirs in pairs) if pairs else None
    compared = ratio if peer_values else median(values)
    return Figure(
        name,
        median(values),
        unit,
        spread_of(values),
        peer if peer_values else "",
        median(peer_values) if peer_values else None,
        ratio,
        target,
        _reached(compared, target),
    )


def spread_of(values: Sequence[float]) -> float | None:
    """Return half the distance between the quartiles as a share of the median."""
    if len(values) < 2 or not median(values):
        return None
    low, _, high = quantiles(values, n=4, method="inclusive")
    return (high - low) / 2 / abs(median(values))


def alternate(contestants: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """Call each contestant once a round; return the results of the rounds by name."""
    results: dict[str, list[T]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, measure in contestants.items():
            results[name].append(measure())
    return results


def _reached(value: float | None, target: str) -> bool | None:
    if not target or value is None:
        return None
    sign, limit = target.split()
    return value >= float(limit) if sign == ">=" else value <= float(limit)


HEADER = ("figure", "value", "+-", "unit", "peer", "peer's", "ratio", "target", "reached")


def cells(figures: Iterable[Figure]) -> list[tuple[str, ...]]:
    """Return the rows of a table with `HEADER`."""
    return [
        (
            each.name,
            number(each.value),
            "" if each.spread is None else f"{each.spread:.0%}",
            each.unit,
            each.peer,
            number(each.peer_value),
            "" if each.ratio is None else f"{each.ratio:.3g}",
            each.target,
            {True: "yes", False: "no", None: ""}[each.reached],
        )
        for each in figures
    ]


def number(value: float | None) -> str:
    """Return `value` with three digits or more."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
