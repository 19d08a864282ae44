"""Which adapter is which, by entries as `serial.tools.list_ports` makes them."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from watlowlib.transport.usb import Adapter, adapter_at, found_again


@dataclass
class Listed:
    device: str
    serial_number: str | None = None
    location: str | None = None
    vid: int | None = 0x0403
    pid: int | None = 0x6001


ONE, OTHER = Adapter(0x0403, 0x6001, "A10K2M", ""), Adapter(0x0403, 0x6001, "A10K9Z", "")


def test_an_adapter_is_found_where_it_has_gone_to() -> None:
    before = [Listed("/dev/ttyUSB0", "A10K2M", "1-1.4"), Listed("/dev/ttyUSB1", "A10K9Z", "1-1.3")]
    assert adapter_at("/dev/ttyUSB0", before) == ONE
    assert adapter_at("/dev/ttyUSB1", before) == OTHER
    # Put back in the other order, into other sockets: each has the other one's name.
    after = [Listed("/dev/ttyUSB0", "A10K9Z", "1-1.4"), Listed("/dev/ttyUSB1", "A10K2M", "2-3")]
    assert found_again(ONE, after) == "/dev/ttyUSB1"
    assert found_again(OTHER, after) == "/dev/ttyUSB0"


def test_one_that_is_not_there_is_not_another_one() -> None:
    assert found_again(ONE, []) is None
    assert found_again(ONE, [Listed("/dev/ttyUSB0", "A10K9Z", "1-1.4")]) is None
    # The same number from another maker.
    assert found_again(ONE, [Listed("/dev/ttyUSB0", "A10K2M", "1-1.4", vid=0x067B)]) is None


def test_the_ports_of_one_adapter_are_told_apart() -> None:
    before = [Listed(f"/dev/ttyUSB{n}", "FT4ABC", f"1-1.4:1.{n}") for n in range(4)]
    third = adapter_at("/dev/ttyUSB2", before)
    assert third is not None
    after = [Listed(f"/dev/ttyUSB{n + 5}", "FT4ABC", f"3-2:1.{n}") for n in range(4)]
    assert found_again(third, after) == "/dev/ttyUSB7"


@pytest.mark.parametrize(
    "entries",
    [
        [],
        [Listed("/dev/ttyUSB1", "A10K2M")],
        [Listed("/dev/ttyUSB0", None)],
        [Listed("/dev/ttyS0", None, vid=None, pid=None), Listed("/dev/ttyUSB0", "")],
        # Clones that all have the same number.
        [Listed("/dev/ttyUSB0", "0001", "1-1"), Listed("/dev/ttyUSB1", "0001", "1-2")],
    ],
)
def test_one_that_cannot_be_told_from_others_goes_by_its_name(entries: list[Listed]) -> None:
    assert adapter_at("/dev/ttyUSB0", entries) is None


def test_two_that_claim_to_be_it_are_none() -> None:
    twice = [Listed("/dev/ttyUSB0", "A10K2M", "1-1"), Listed("/dev/ttyUSB1", "A10K2M", "1-2")]
    assert found_again(ONE, twice) is None
