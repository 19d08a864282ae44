"""The times of a reply."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone, tzinfo

import pytest

from watlowlib.protocol import exchange
from watlowlib.protocol.exchange import Call, RetryPolicy

START = datetime(2026, 5, 1, tzinfo=timezone.utc)


class SlowClocks:
    """Both clocks of a machine on which the thread waits a second after each look at one."""

    now_s = 0.0

    def look(self) -> float:
        now_s, self.now_s = self.now_s, self.now_s + 1.0
        return now_s

    def monotonic(self) -> float:
        return self.look()

    def monotonic_ns(self) -> int:
        return round(1e9 * self.look())

    def now(self, zone: tzinfo) -> datetime:
        return START + timedelta(seconds=self.look())


def test_times_of_a_reply_include_the_exchange_if_the_thread_is_interrupted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clocks = SlowClocks()
    monkeypatch.setattr(exchange, "time", clocks)
    monkeypatch.setattr(exchange, "datetime", clocks)
    call = Call(RetryPolicy(0.5, 0))
    exchanged_at = START + timedelta(seconds=clocks.now_s)
    reply = call.make_reply(b"", b"")
    received_at = reply.requested_at + timedelta(seconds=reply.latency_s)
    assert reply.requested_at <= exchanged_at <= received_at
