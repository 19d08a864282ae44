"""The two checksums of a BACnet MS/TP frame.

The header's CRC-8 has the polynomial x^8 + x^7 + 1, the data's CRC-16 is the CRC-16/X-25
(reflected CCITT). Both start at all ones and are sent as their ones' complement. The
CRC-8 uses a table. The CRC-16 uses `binascii.crc_hqx`, C code for the same polynomial in the
opposite bit order, so the bits are reversed before and after.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterable


def _crc8_step(value: int) -> int:
    # The reflected polynomial of x^8 + x^7 + 1 is 0x81: bits 0 and 7.
    for _ in range(8):
        value = (value >> 1) ^ 0x81 if value & 1 else value >> 1
    return value


def _table(of_bits: Iterable[int]) -> bytes:
    """Return the results for 0 to 255: each is the XOR of the results for its bits, from bit 0."""
    table = [0]
    for result in of_bits:
        table += [result ^ other for other in table]
    return bytes(table)


_REVERSED = _table(0x80 >> bit for bit in range(8))
_INTACT = 0x1D0F
"""What is left of a CRC-16 that also covers its own check bytes."""
_CRC8 = _table(_crc8_step(1 << bit) for bit in range(8))


def crc8(header: bytes) -> int:
    """Return the check byte of a header: type, destination, source and two length bytes."""
    crc = 0xFF
    for byte in header:
        crc = _CRC8[crc ^ byte]
    return crc ^ 0xFF


def crc16(data: bytes) -> bytes:
    """Return the two check bytes of a payload, low byte first, as sent on the wire."""
    crc = binascii.crc_hqx(data.translate(_REVERSED), 0xFFFF) ^ 0xFFFF
    # Reverse 16 bits: reverse each byte and swap the two.
    return bytes((_REVERSED[crc >> 8], _REVERSED[crc & 0xFF]))


def is_intact(data: bytes) -> bool:
    """Whether `data` ends with the two check bytes of what comes before them."""
    return binascii.crc_hqx(data.translate(_REVERSED), 0xFFFF) == _INTACT
