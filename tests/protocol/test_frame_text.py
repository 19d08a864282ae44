"""Frames in lines of text."""

from __future__ import annotations

import pytest

from watlowlib import WatlowConfigurationError
from watlowlib.model import ProtocolKind
from watlowlib.protocol.frame_text import FrameText, frames_of

DATA = b"\x55\xff\x05"


@pytest.mark.parametrize(
    "line",
    [
        "55 FF 05",
        "55ff05\n",
        "55:ff:05",
        "0x55, 0xFF, 0x05",
        r"\x55\xff\x05",
        "  55 ff 05  # a request",
        "55 ff 05 ; a request",
        "2026-11-21 10:00:00,123 MainThread /dev/ttyUSB0 address 1 sent 55 ff 05",
        "COM3 address 16 received 55 ff 05 after 9.6 ms",
        "socket://host:4001 address 1 no reply after 500.1 ms: 55 ff 05",
        '{"request": "55FF05", "what": "a read"}',
        '{"raw": "55 ff 05"}',
    ],
)
def test_a_line_with_a_frame_is_read(line: str) -> None:
    assert frames_of(line) == [FrameText(DATA)]


def test_a_json_object_has_the_request_the_reply_and_the_protocol() -> None:
    line = '{"response": "0602", "request": "55FF05", "protocol": "stdbus"}'
    assert frames_of(line) == [
        FrameText(DATA, ProtocolKind.STDBUS),
        FrameText(b"\x06\x02", ProtocolKind.STDBUS),
    ]


@pytest.mark.parametrize(
    "line", ["", "  \n", "# a comment", "p address 1 no reply after 9.1 ms: nothing"]
)
def test_a_line_without_bytes_has_no_frame(line: str) -> None:
    assert frames_of(line) == []


@pytest.mark.parametrize("line", ["hello", "2026-11-21 opened", '{"request": ', "5"])
def test_another_text_is_no_frame(line: str) -> None:
    assert frames_of(line) is None


@pytest.mark.parametrize("line", ["55 FG 05", "55 FF 5", "55 FF 05 hello"])
def test_a_mistake_in_hex_is_refused(line: str) -> None:
    with pytest.raises(WatlowConfigurationError, match="two digits a byte"):
        frames_of(line)
