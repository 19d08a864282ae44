"""Frames of Modbus TCP in the bytes of a connection."""

from __future__ import annotations

import pytest

from watlowlib.errors import WatlowFrameError
from watlowlib.protocol.modbus.mbap import (
    TcpDecoder,
    TcpFrame,
    encode_frame,
    split_frames,
    whole_size,
)

# The example of the implementation guide 1.0b, section 4.3.1: transaction 1, unit FF, function 3.
GUIDE = bytes.fromhex("15 01 00 00 00 06 FF 03 00 04 00 01".replace(" ", ""))
REPLY = bytes.fromhex("000200000007010304000042 96".replace(" ", ""))


def test_a_frame_encodes_and_decodes() -> None:
    payload = bytes.fromhex("0300040001")
    assert encode_frame(0x1501, 0xFF, payload) == GUIDE
    assert split_frames(GUIDE + REPLY) == [
        TcpFrame(0x1501, 0xFF, payload, GUIDE),
        TcpFrame(2, 1, bytes.fromhex("030400004296"), REPLY),
    ]


@pytest.mark.parametrize("cut", range(len(REPLY)))
def test_only_whole_frames_are_counted(cut: int) -> None:
    assert whole_size(REPLY[:cut]) == 0
    assert whole_size(GUIDE + REPLY[:cut]) == len(GUIDE)
    assert whole_size(GUIDE + REPLY) == len(GUIDE) + len(REPLY)


@pytest.mark.parametrize(
    "head",
    [
        "0001 0001 0006",  # another protocol
        "0001 0100 0006",
        "0001 0000 0002",  # a length without a function and data
        "0001 0000 00ff",  # longer than any frame
        "0001 0000 0106",
        "4854 5450 2f31",  # HTTP/1
        "0103 0442 9600",  # a reply on Modbus RTU
    ],
)
def test_bytes_that_begin_no_frame_are_refused(head: str) -> None:
    wrong = bytes.fromhex(head.replace(" ", ""))
    with pytest.raises(WatlowFrameError, match="not a frame of Modbus TCP"):
        whole_size(wrong)
    assert whole_size(REPLY + wrong) == len(REPLY)  # what came before is still good
    assert split_frames(wrong) == []


def test_the_decoder_joins_slices() -> None:
    decoder = TcpDecoder()
    found = [
        frame for at in range(0, 25, 4) for frame in decoder.feed((GUIDE + REPLY)[at : at + 4])
    ]
    assert [frame.raw for frame in found] == [GUIDE, REPLY]
