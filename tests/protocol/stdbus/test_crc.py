"""Checksums compared with captured values and with the bitwise definitions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watlowlib.protocol.stdbus.crc import crc8, crc16, is_intact


@pytest.mark.parametrize(
    ("address", "check"), [(1, 0xE8), (2, 0x61), (3, 0xF9), (4, 0x70), (5, 0xCA)]
)
def test_header_crc_of_a_six_byte_request(address: int, check: int) -> None:
    assert crc8(bytes((5, 0x0F + address, 0, 0, 6))) == check


@pytest.mark.parametrize(
    ("member", "check"), [(1, "E399"), (2, "8BB3"), (3, "53AA"), (4, "5BE7"), (5, "83FE")]
)
def test_data_crc_of_a_read_request(member: int, check: str) -> None:
    assert crc16(bytes((1, 3, 1, 4, member, 1))) == bytes.fromhex(check)


def test_data_crc_is_crc_16_x_25() -> None:
    assert crc16(b"123456789") == (0x906E).to_bytes(2, "little")


def bitwise_crc(data: bytes, register: int, polynomial: int) -> int:
    """Return a reflected CRC by its definition, one bit at a time."""
    for byte in data:
        for bit in range(8):
            out = (register ^ byte >> bit) & 1
            register = register >> 1 ^ (polynomial if out else 0)
    return register


@given(st.binary(max_size=300))
def test_crcs_match_the_bitwise_definitions(data: bytes) -> None:
    assert crc8(data) == bitwise_crc(data, 0xFF, 0x81) ^ 0xFF
    assert crc16(data) == (bitwise_crc(data, 0xFFFF, 0x8408) ^ 0xFFFF).to_bytes(2, "little")


@given(st.binary(max_size=300), st.integers(1, 0xFFFF))
def test_data_is_intact_with_its_own_check_bytes_only(data: bytes, change: int) -> None:
    check = int.from_bytes(crc16(data), "little")
    assert is_intact(data + check.to_bytes(2, "little"))
    assert not is_intact(data + (check ^ change).to_bytes(2, "little"))
