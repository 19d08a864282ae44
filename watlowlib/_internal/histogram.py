"""A histogram of durations in bounded memory.

The width of a bucket is at most 1/64 of the durations in it. A percentile is therefore never
too low and at most 1.6 % too high. There are fewer than 4000 buckets for any durations, and
only the used ones exist.
"""

from __future__ import annotations

import math

FINE_BITS = 6
"""Each power of two is divided into 2 ** FINE_BITS buckets."""


class Histogram:
    """Counts of durations in nanoseconds, for percentiles.

    One thread may add durations; any thread may read percentiles.
    """

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self._longest_ns = 0

    def __len__(self) -> int:
        """Return the number of buckets in use."""
        return len(self._counts)

    def add(self, duration_ns: int) -> None:
        """Count one duration, which must be 0 or more."""
        bucket = _bucket(duration_ns)
        self._longest_ns = max(self._longest_ns, duration_ns)
        self._counts[bucket] = self._counts.get(bucket, 0) + 1

    def percentile_ns(self, percent: float) -> int:
        """Return the percentile of the durations; 0 when there are none.

        The result is never less than the exact percentile, and at most 1/64 more.
        """
        counts = dict(self._counts)
        remaining = max(1, math.ceil(sum(counts.values()) * percent / 100))
        for bucket in sorted(counts):
            remaining -= counts[bucket]
            if remaining <= 0:
                return min(_bucket_end(bucket), self._longest_ns)
        return 0


def _bucket(ns: int) -> int:
    """Return the bucket number of `ns`; durations below 2 ** FINE_BITS have a bucket each."""
    shift = max(0, ns.bit_length() - FINE_BITS - 1)
    return (shift << FINE_BITS) + (ns >> shift)


def _bucket_end(bucket: int) -> int:
    """Return the longest duration in `bucket`."""
    shift = max(0, (bucket >> FINE_BITS) - 1)
    return ((bucket - (shift << FINE_BITS) + 1) << shift) - 1
