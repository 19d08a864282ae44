from __future__ import annotations

import struct
from typing import Any

import pytest

from tests.captures import CAPTURES, Capture
from watlowlib._internal.clock import ManualClock
from watlowlib.errors import WatlowConfigurationError
from watlowlib.protocol.stdbus.frames import FrameDecoder
from watlowlib.protocol.stdbus.payloads import (
    ErrorReply,
    Payload,
    ReadReply,
    ReadRequest,
    WriteReply,
    WriteRequest,
    decode_payload,
)
from watlowlib.simulator import SimulatedController, Write

HOT = struct.pack(">f", 392.0)


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda capture: capture.what[:10])
def test_replies_match_the_captured_unit(capture: Capture) -> None:
    unit = SimulatedController(1, part_number="PM3R1CA-AAAAAAA")
    unit.set("setpoint", 392.0)
    # An open thermocouple, as on the captured unit: input error set, same process value.
    unit.set("input_error", 65)
    unit.set("process_value", 2531.8017578125)
    (request,), (response,) = (FrameDecoder().feed(data) for data in capture[1:])
    assert unit.reply_to(decode_payload(request.payload)) == decode_payload(response.payload)


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        (ReadRequest(99, 1, 1), ErrorReply(0x81)),
        (ReadRequest(0, 0, 1), ErrorReply(0x81)),
        (ReadRequest(4, 99, 1), ErrorReply(0x83)),
        (ReadRequest(4, 1, 99), ErrorReply(0x84)),
        (ReadRequest(7, 1, 2), ErrorReply(0x84)),
        (ReadRequest(7, 1, 0), ErrorReply(0x84)),
        (WriteRequest(4, 1, 1, 8, HOT), ErrorReply(0x80)),
        (WriteRequest(7, 1, 1, 0x0F, b"\x01\x00\x01"), ErrorReply(0x80)),
        (WriteRequest(7, 1, 1, 8, b"\x00"), ErrorReply(0x80)),
        (WriteRequest(7, 1, 1, 8, struct.pack(">f", 1e5)), ErrorReply(0x80)),
        (WriteRequest(8, 3, 1, 0x0F, b"\x01\x00\x01"), ErrorReply(0x80)),
        (WriteRequest(7, 1, 1, 8, HOT), WriteReply(7, 1, 1, 8, HOT)),
        (ErrorReply(0x80), None),
        (ReadReply(7, 1, 1, 8, HOT), None),
    ],
)
def test_reply_to_each_kind_of_request(request_: Payload, reply: Payload | None) -> None:
    unit = SimulatedController(1)
    assert unit.reply_to(request_) == reply
    expected = [Write(7001, 1, 392.0)] if isinstance(reply, WriteReply) else []
    assert unit.writes == expected


def test_a_unit_has_values_of_its_own() -> None:
    one, other = SimulatedController(1), SimulatedController(1)
    one.set("alarm_high_setpoint", 321.0)
    assert other.get("alarm_high_setpoint") != 321.0
    assert SimulatedController(1).get("alarm_high_setpoint") != 321.0


def test_process_value_follows_the_set_point_with_the_clock() -> None:
    clock = ManualClock()
    unit = SimulatedController(1)
    unit.set_clock(clock)
    assert unit.get("process_value") == 72.0
    unit.set("setpoint", 200.0)
    clock.advance(5.0)
    early = float(unit.get("process_value"))  # type: ignore[arg-type]
    assert unit.get("heat_power") == 100.0
    clock.advance(1800.0)
    assert 75.0 < early < 150.0
    assert unit.get("process_value") == pytest.approx(200.0, abs=1.0)


def test_the_number_of_reads_does_not_change_the_curve() -> None:
    rare, frequent = SimulatedController(1), SimulatedController(1)
    for unit, reads in ((rare, 1), (frequent, 600)):
        clock = ManualClock()
        unit.set_clock(clock)
        unit.set("setpoint", 200.0)
        for _ in range(reads):
            clock.advance(60.0 / reads)
            unit.get("process_value")
    expected = float(rare.get("process_value"))  # type: ignore[arg-type]
    assert frequent.get("process_value") == pytest.approx(expected, abs=0.5)


def test_heat_power_in_off_and_manual_mode() -> None:
    clock = ManualClock()
    unit = SimulatedController(1, setpoint=300.0)
    unit.set_clock(clock)
    unit.set("control_mode", 62)
    clock.advance(60.0)
    assert (unit.get("heat_power"), unit.get("control_mode_active")) == (0.0, 62)
    unit.set("control_mode", 54)
    unit.set("manual_power", 30.0)
    clock.advance(60.0)
    assert unit.get("heat_power") == 30.0


def test_the_second_loop_has_its_own_oven() -> None:
    clock = ManualClock()
    unit = SimulatedController(1, loops=2, setpoint=100.0)
    unit.set_clock(clock)
    unit.set("setpoint", 300.0, 2)
    clock.advance(1800.0)
    assert unit.get("process_value", 1) == pytest.approx(100.0, abs=1.0)
    assert unit.get("process_value", 2) == pytest.approx(300.0, abs=1.0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"address": 0}, "address=0: it must be 1 to 16"),
        ({"address": 17}, "address=17: it must be 1 to 16"),
        ({"loops": 3}, "loops=3: of family 'pm' it must be 1 or 2"),
        ({"loops": 2, "family": "rmh"}, "loops=2: of family 'rmh' it must be 16"),
        ({"family": "rm"}, "family='rm': it must be one of pm, rmc, rmh, st"),
        ({"family": "st", "data_map": 1}, "data_map=1: of family 'st' it must be 2"),
    ],
)
def test_invalid_arguments_are_rejected(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(WatlowConfigurationError, match=message):
        SimulatedController(**wrong)


def test_unknown_temperature_unit_is_refused() -> None:
    with pytest.raises(WatlowConfigurationError, match="temperature_unit='K': give 'C' or 'F'"):
        SimulatedController(temperature_unit="K")
