from __future__ import annotations

import pytest

from watlowlib.simulator.wire import Wire

BYTE_S = 10 / 38400


def test_a_request_takes_its_bytes_time() -> None:
    assert Wire(BYTE_S).request(100.0, bytes(16)) == pytest.approx(100.0 + 16 * BYTE_S)


def test_a_reply_arrives_when_its_last_bit_has_passed() -> None:
    wire = Wire(BYTE_S)
    end_s = wire.reply(100.0, b"21 bytes are a float.")
    assert end_s == pytest.approx(100.0 + 21 * BYTE_S)
    assert wire.next_s() == end_s
    assert wire.due(end_s - 1e-6) == b""
    assert wire.due(end_s) == b"21 bytes are a float."
    assert wire.next_s() is None


def test_what_ends_first_arrives_first() -> None:
    wire = Wire(BYTE_S)
    wire.reply(200.0, b"late")
    wire.reply(100.0, b"soon")
    assert wire.due(300.0) == b"soonlate"


def test_who_speaks_while_another_does_spoils_both() -> None:
    wire = Wire(BYTE_S)
    end_s = wire.reply(100.0, b"reply")
    assert wire.request(100.0 + BYTE_S, b"request") is None
    assert wire.due(end_s) not in (b"", b"reply")
    assert wire.collisions == 1


def test_two_replies_at_a_time_spoil_each_other() -> None:
    wire = Wire(BYTE_S)
    wire.reply(100.0, b"one")
    end_s = wire.reply(100.0 + BYTE_S, b"two")
    arrived = wire.due(end_s)
    assert len(arrived) == 6
    assert b"one" not in arrived
    assert b"two" not in arrived


def test_a_wire_that_takes_no_time_has_no_collisions() -> None:
    wire = Wire(0.0)
    wire.reply(100.0, b"reply")
    assert wire.request(100.0, b"request") == 100.0
    assert wire.due(100.0) == b"reply"
    assert wire.collisions == 0
