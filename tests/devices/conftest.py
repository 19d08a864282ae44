"""A clock turned by hand, for what takes hours on a line."""

from __future__ import annotations

import time

import pytest

from watlowlib._internal.clock import ManualClock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    turned = ManualClock(10**12)
    monkeypatch.setattr(time, "monotonic", lambda: turned.now_ns() / 1e9)
    return turned
