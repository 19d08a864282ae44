from __future__ import annotations

import pytest

from watlowlib.simulator.timed_line import TimedLine

BYTE_S = 10 / 38400


def test_a_request_takes_the_time_of_its_bytes() -> None:
    assert TimedLine(BYTE_S).request(100.0, bytes(16)) == pytest.approx(100.0 + 16 * BYTE_S)


def test_a_reply_arrives_after_its_last_bit() -> None:
    line = TimedLine(BYTE_S)
    end_s = line.reply(100.0, b"21 bytes are a float.")
    assert end_s == pytest.approx(100.0 + 21 * BYTE_S)
    assert line.next_s() == end_s
    assert line.due(end_s - 1e-6) == b""
    assert line.due(end_s) == b"21 bytes are a float."
    assert line.next_s() is None


def test_replies_arrive_in_order_of_their_end() -> None:
    line = TimedLine(BYTE_S)
    line.reply(200.0, b"late")
    line.reply(100.0, b"soon")
    assert line.due(300.0) == b"soonlate"


def test_a_request_during_a_reply_corrupts_both() -> None:
    line = TimedLine(BYTE_S)
    end_s = line.reply(100.0, b"reply")
    assert line.request(100.0 + BYTE_S, b"request") is None
    assert line.due(end_s) not in (b"", b"reply")
    assert line.collisions == 1


def test_two_replies_at_once_corrupt_each_other() -> None:
    line = TimedLine(BYTE_S)
    line.reply(100.0, b"one")
    end_s = line.reply(100.0 + BYTE_S, b"two")
    arrived = line.due(end_s)
    assert len(arrived) == 6
    assert b"one" not in arrived
    assert b"two" not in arrived


def test_a_line_without_timing_has_no_collisions() -> None:
    line = TimedLine(0.0)
    line.reply(100.0, b"reply")
    assert line.request(100.0, b"request") == 100.0
    assert line.due(100.0) == b"reply"
    assert line.collisions == 0
