"""How long things took, kept in a space that does not grow with how many there were.

A duration goes into a bucket whose width is at most 1/64 of what is in it, so that a
percentile is never too low and at most 1.6 % too high. Whatever the durations are, there
are fewer than 4000 buckets, and only those that something fell into exist.
"""

from __future__ import annotations

import math

FINE_BITS = 6
"""Each power of two is divided into 2 ** FINE_BITS buckets."""


class Histogram:
    """Counts of durations in nanoseconds, for percentiles.

    One thread adds; any may ask.
    """

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self._longest_ns = 0

    def __len__(self) -> int:
        """How many buckets there are."""
        return len(self._counts)

    def add(self, duration_ns: int) -> None:
        """Count one duration, 0 or more."""
        bucket = _bucket(duration_ns)
        self._longest_ns = max(self._longest_ns, duration_ns)
        self._counts[bucket] = self._counts.get(bucket, 0) + 1

    def percentile_ns(self, percent: float) -> int:
        """What at least `percent` of the durations did not exceed; 0 when there are none.

        Never less than the exact percentile, and at most 1/64 more.
        """
        counts = dict(self._counts)
        wanted = max(1, math.ceil(sum(counts.values()) * percent / 100))
        for bucket in sorted(counts):
            wanted -= counts[bucket]
            if wanted <= 0:
                return min(_last_of(bucket), self._longest_ns)
        return 0


def _bucket(ns: int) -> int:
    """The number of the bucket that holds `ns`; below 2 ** FINE_BITS each has its own."""
    coarse = max(0, ns.bit_length() - FINE_BITS - 1)
    return (coarse << FINE_BITS) + (ns >> coarse)


def _last_of(bucket: int) -> int:
    """The longest duration that falls into `bucket`."""
    coarse = max(0, (bucket >> FINE_BITS) - 1)
    return ((bucket - (coarse << FINE_BITS) + 1) << coarse) - 1
