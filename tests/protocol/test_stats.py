"""Counters of the controllers on a port."""

from __future__ import annotations

import pytest

from watlowlib.protocol.stats import DeviceCounters, DeviceStats


def test_threads_that_need_the_counters_of_a_controller_at_once_get_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counters = DeviceCounters()
    interrupted: set[int] = set()
    of_other_thread: list[DeviceStats] = []

    class Interrupted(DeviceStats):
        """Counters that another thread needs too while they are made."""

        def __init__(self) -> None:
            super().__init__()
            if 1 not in interrupted:
                interrupted.add(1)
                of_other_thread.append(counters[1])

    monkeypatch.setattr("watlowlib.protocol.stats.DeviceStats", Interrupted)
    found = counters[1]
    assert found is of_other_thread[0] is counters[1]
