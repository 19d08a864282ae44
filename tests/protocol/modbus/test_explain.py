"""Explanations of Modbus RTU frames: registers with the parameters of both data maps."""

from __future__ import annotations

import random

import pytest

from watlowlib.model import ControllerFamily, ProtocolKind, WordOrder
from watlowlib.protocol.explain import Explainer
from watlowlib.protocol.explanation import Explanation, Field
from watlowlib.protocol.modbus.frames import crc16

AS_FLOAT = "66664296"
"""75.2 with the low word first."""


def framed(body: str) -> bytes:
    data = bytes.fromhex(body)
    return data + crc16(data)


def explain(*bodies: str) -> list[Explanation]:
    """Return the explanation of each frame, given without its checksum."""
    explainer = Explainer()
    return [frame for body in bodies for frame in explainer.explain(framed(body))]


def field(frame: Explanation, name: str) -> Field:
    (found,) = (each for each in frame.fields if each.name == name)
    return found


def test_a_frame_with_a_published_checksum_is_good() -> None:
    (frame,) = Explainer().explain(bytes.fromhex("01 03 00 00 00 0A C5 CD"))
    assert (frame.protocol, frame.problems) == (ProtocolKind.MODBUS_RTU, ())
    assert field(frame, "register").matches[0].parameter == "hardware_id"


def test_a_reply_after_its_request_has_values_in_both_word_orders() -> None:
    request, reply = explain("280301680002", "280304" + AS_FLOAT)
    (asked,) = field(request, "register").matches
    assert (asked.parameter_id, asked.instance, asked.data_maps) == (4001, 1, (1, 2))
    low_first, high_first = field(reply, "register 360").matches
    assert (low_first.word_order, low_first.value) == (WordOrder.LOW_HIGH, pytest.approx(75.2))
    assert high_first.word_order is WordOrder.HIGH_LOW
    assert high_first.value == pytest.approx(2.718431e23)
    assert field(reply, "register 361").matches == ()


@pytest.mark.parametrize(("register", "data_map"), [("0870", 1), ("0A50", 2)])
def test_a_register_names_the_data_map_of_its_parameter(register: str, data_map: int) -> None:
    (request,) = explain(f"0103{register}0002")
    found = {each.parameter: each.data_maps for each in field(request, "register").matches}
    assert found["setpoint"] == (data_map,)


def test_a_reply_without_its_request_has_words_and_floats() -> None:
    (reply,) = explain("280304" + AS_FLOAT)
    assert reply.kind == "read reply"
    assert "26214; with the next as a float 75.2 (low_high)" in field(reply, "word 1").meaning


@pytest.mark.parametrize("other", ["290301680002", "280301680003", "280401680002"])
def test_a_reply_that_does_not_fit_the_request_before_names_no_register(other: str) -> None:
    _, reply = explain(other, "280304" + AS_FLOAT)
    assert [each.name for each in reply.fields if each.name.startswith("word")] == [
        "word 1",
        "word 2",
    ]


def test_a_series_sd_has_its_own_parameters_and_scale() -> None:
    _, reply = explain("050300140002", "050304000125C0")
    (match,) = field(reply, "register 20").matches
    assert (match.family, match.parameter) == (ControllerFamily.SD, "process_value")
    assert (match.value, match.data_maps) == (75.2, ())


def test_a_code_has_its_label() -> None:
    _, reply = explain("0103075C0001", "0103020047")
    assert [(each.value, each.label) for each in field(reply, "register 1884").matches] == [
        (71, "PID")
    ]


def test_an_exception_has_its_meaning_and_the_registers_of_the_request() -> None:
    _, exception = explain("2803FDE80001", "288302")
    assert exception.kind == "exception"
    meaning = "it has no such register; the request before was for register 65000"
    assert field(exception, "exception code").meaning == meaning


def test_a_reply_is_not_taken_for_a_request() -> None:
    *_, exception = explain("280301680002", "280304" + AS_FLOAT, "288302")
    assert field(exception, "exception code").meaning == "it has no such register"


def test_a_write_and_its_reply_are_told_apart() -> None:
    request, reply = explain("281008700002" + "04" + AS_FLOAT, "281008700002")
    assert (request.kind, reply.kind) == ("write request", "write reply")
    assert field(request, "register 2160").matches[0].value == pytest.approx(75.2)
    assert field(reply, "register").matches[0].parameter == "setpoint"
    one, echo = explain("0106075C0047", "0106075C0047")
    assert (one.kind, echo.kind) == ("write request or reply", "write reply")


@pytest.mark.parametrize(
    "body", ["280301680002", "280304" + AS_FLOAT, "28100870000204" + AS_FLOAT, "288302"]
)
def test_damaged_and_short_frames_are_explained_and_reported(body: str) -> None:
    frame = framed(body)
    for at in range(len(frame)):
        for damaged in (frame[:at] + bytes((frame[at] ^ 1,)) + frame[at + 1 :], frame[: at + 1]):
            if damaged != frame:
                found = list(Explainer(ProtocolKind.MODBUS_RTU).explain(damaged))
                assert any(each.problems for each in found)
                assert b"".join(each.data for each in found) == damaged


def test_any_frame_is_explained() -> None:
    source = random.Random(1)
    explainer = Explainer(ProtocolKind.MODBUS_RTU)
    for function in (1, 3, 4, 6, 16, 0x83, 0x90) * 50:
        body = bytes((source.randrange(256), function)) + source.randbytes(source.randrange(14))
        data = body + crc16(body)
        assert b"".join(each.data for each in explainer.explain(data)) == data


def test_a_wrong_checksum_is_shown_with_the_expected_one() -> None:
    data = bytes.fromhex("01 03 00 00 00 0A C5 CC")
    (frame,) = Explainer(ProtocolKind.MODBUS_RTU).explain(data)
    assert frame.problems == ("CRC: wrong, expected c5 cd",)


def test_two_frames_without_a_gap_are_split() -> None:
    data = framed("280301680002") + framed("280304" + AS_FLOAT)
    request, reply = Explainer().explain(data)
    assert (request.kind, reply.kind) == ("read request", "read reply")
    assert field(reply, "register 360").matches
