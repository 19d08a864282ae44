"""Checks of the line behind an open port."""

from __future__ import annotations

import pytest

from watlowlib.diagnosis import line
from watlowlib.diagnosis.findings import Result
from watlowlib.transport.scripted import ScriptedTransport


def opened(transport: ScriptedTransport) -> ScriptedTransport:
    transport.open()
    return transport


def test_bytes_without_a_request_are_noise() -> None:
    quiet = opened(ScriptedTransport(lambda data: []))
    assert line.check_noise(quiet).result is Result.OK
    quiet.feed(b"\x00\xfe")
    finding = line.check_noise(quiet)
    assert finding.result is Result.WARNING
    assert finding.found.startswith("2 bytes")
    assert quiet.written == []


def test_noise_without_an_end_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    class Chatter(ScriptedTransport):
        def read(self, deadline: object) -> bytes:
            return bytes(1000)

    finding = line.check_noise(opened(Chatter(lambda data: [])))
    assert 4096 <= finding.details["bytes"] <= 6000


@pytest.mark.parametrize(
    ("echo", "result"), [(True, Result.WARNING), (False, Result.OK)], ids=["echo", "none"]
)
def test_an_echo_is_found_between_other_bytes(echo: bool, result: Result) -> None:
    transport = opened(
        ScriptedTransport(lambda data: [b"\x00", data[:5], data[5:] + b"\x55"] if echo else [b"U"])
    )
    assert line.check_echo(transport, 30).result is result
    # The address is one of Standard Bus, and the request a read.
    assert transport.written[0][:4] == bytes.fromhex("55FF051F")
