"""Explanations of frames: what each field says, and where a damaged frame ends."""

from __future__ import annotations

import random

import pytest

from tests.captures import CAPTURES, FRAMES
from watlowlib.model import ProtocolKind
from watlowlib.protocol.explain import Explainer
from watlowlib.protocol.explanation import Explanation, Field
from watlowlib.protocol.stdbus.frames import REPLY, REQUEST, Frame, encode_frame

READ_PV = "55FF0510000006E8010301040101E399"

NAMED = [
    ("read", 4001, "process_value", 2531.8017578125, None),
    ("write", 7001, "setpoint", 392.0, None),
    ("read", 7001, "setpoint", 392.0, None),
    ("read", 8003, "heat_algorithm", 71, "PID"),
    ("read", 1001, "hardware_id", 28, "ARM CPU"),
    ("read", 1009, "part_number", "PM3R1CA-AAAAAAA", None),
]
"""What the captures say of themselves; the label of 28 is in the register list."""


def explain(text: str, protocol: ProtocolKind = ProtocolKind.AUTO) -> list[Explanation]:
    return list(Explainer(protocol).explain(bytes.fromhex(text)))


def frame_of(kind: int, payload: str) -> str:
    """Return the hex of a frame between the host and controller 1."""
    ends = (0x10, 0) if kind == REQUEST else (0, 0x10)
    return encode_frame(Frame(kind, *ends, bytes.fromhex(payload))).hex()


def field(frame: Explanation, name: str) -> Field:
    (found,) = (each for each in frame.fields if each.name == name)
    return found


@pytest.mark.parametrize(("capture", "named"), list(zip(CAPTURES, NAMED)))
def test_each_captured_frame_is_explained(
    capture: tuple[str, bytes, bytes], named: tuple[str, int, str, object, str | None]
) -> None:
    operation, number, name, value, label = named
    explainer = Explainer()
    (request,), (reply,) = (list(explainer.explain(data)) for data in capture[1:])
    assert (request.data, reply.data) == capture[1:]
    assert request.problems == reply.problems == ()
    assert (request.kind, reply.kind) == (f"{operation} request", f"{operation} reply")
    for frame in (request, reply):
        (match,) = field(frame, "parameter").matches
        assert (match.parameter_id, match.parameter, match.instance) == (number, name, 1)
    (match,) = field(reply, "value").matches
    assert (match.value, match.label) == (value, label)
    assert field(request, "destination").meaning == "controller address 1"
    assert field(reply, "destination").meaning == "the host"


@pytest.mark.parametrize("frame", FRAMES)
def test_a_frame_cut_short_is_explained_up_to_its_end(frame: bytes) -> None:
    whole = next(Explainer().explain(frame)).fields
    for size in range(2, len(frame)):
        (cut,) = Explainer().explain(frame[:size])
        assert cut.data == frame[:size]
        assert len(cut.problems) == 1
        *before, last = cut.fields
        assert before == list(whole[: len(before)])
        assert last.name in (whole[len(before)].name, "payload")
        assert last.problem.startswith(("cut short", "missing"))


@pytest.mark.parametrize("frame", FRAMES)
def test_each_damaged_byte_is_reported(frame: bytes) -> None:
    for at in range(len(frame)):
        damaged = frame[:at] + bytes((frame[at] ^ 0x10,)) + frame[at + 1 :]
        found = list(Explainer(ProtocolKind.STDBUS).explain(damaged))
        assert any(each.problems for each in found), at
        assert b"".join(each.data for each in found) == damaged


def test_a_wrong_checksum_is_shown_with_the_expected_one() -> None:
    (frame,) = explain(READ_PV.replace("06E8", "0600").replace("E399", "E398"))
    assert frame.problems == (
        "header CRC: wrong, expected e8",
        "data CRC: wrong, expected e3 99",
    )


def test_an_error_reply_names_what_the_request_before_it_was_for() -> None:
    _, reply = explain(READ_PV + frame_of(REPLY, "0284"))
    code = field(reply, "error code")
    assert (reply.kind, reply.problems) == ("error reply", ())
    assert "does not have this instance" in code.meaning
    assert code.matches[0].parameter == "process_value"


def test_an_error_reply_is_not_matched_to_a_damaged_request() -> None:
    _, reply = explain(READ_PV.replace("E399", "E398") + frame_of(REPLY, "0284"))
    assert field(reply, "error code").matches == ()


def test_an_error_reply_alone_names_no_parameter() -> None:
    (reply,) = explain(frame_of(REPLY, "0284"))
    assert field(reply, "error code").matches == ()


@pytest.mark.parametrize("size", [10, 15])
@pytest.mark.parametrize("frame", [FRAMES[0], FRAMES[-1]])
def test_a_whole_frame_after_one_that_is_cut_short_is_found(frame: bytes, size: int) -> None:
    cut, whole = explain(frame[:size].hex() + READ_PV)
    assert cut.problems
    assert (whole.kind, whole.problems) == ("read request", ())


def test_noise_around_a_frame_is_reported() -> None:
    before, frame, after = explain("0102" + READ_PV + "0304")
    assert [each.kind for each in (before, frame, after)] == [
        "no frame",
        "read request",
        "no frame",
    ]
    assert (before.data, after.data) == (b"\x01\x02", b"\x03\x04")


def test_an_error_reply_of_another_controller_names_no_parameter() -> None:
    other = encode_frame(Frame(REPLY, 0, 0x11, b"\x02\x84")).hex()
    _, reply = explain(READ_PV + other)
    assert field(reply, "error code").matches == ()


def test_a_value_of_an_unknown_type_is_not_damage() -> None:
    (frame,) = explain(frame_of(REPLY, "0203010401017EABCD"))
    assert frame.problems == ()
    assert field(frame, "value").meaning == "of an unknown type"


def test_a_value_that_does_not_fit_its_type_is_damage() -> None:
    (frame,) = explain(frame_of(REPLY, "0203010401010842"))
    assert frame.problems == ("value: tag 08 does not match the bytes 42",)


def test_any_payload_is_explained() -> None:
    source = random.Random(1)
    starts = (b"", b"\x01\x03\x01", b"\x02\x03\x01", b"\x01\x04", b"\x02\x04", b"\x02")
    explainer = Explainer()
    for start in starts * 50:
        payload = start + source.randbytes(source.randrange(12))
        ends = source.choice([(0x10, 0), (0, 0x10)])
        data = encode_frame(Frame(source.randrange(8), *ends, payload))
        assert b"".join(each.data for each in explainer.explain(data)) == data


def test_an_unknown_payload_is_not_damage() -> None:
    (frame,) = explain(frame_of(REQUEST, "010302040101"))
    assert frame.problems == ()
    assert field(frame, "payload").meaning == "no request or reply of the attribute service"


def test_bytes_of_an_unknown_protocol_ask_for_the_protocol() -> None:
    (found,) = explain("0102030405")
    assert found.protocol is None
    assert "give the protocol" in found.problems[0]


@pytest.mark.parametrize("given", [ProtocolKind.AUTO, ProtocolKind.STDBUS])
def test_the_protocol_of_the_explainer_takes_precedence(given: ProtocolKind) -> None:
    (found,) = Explainer(given).explain(b"\x01\x03\x14", ProtocolKind.MODBUS_RTU)
    assert found.protocol is (ProtocolKind.MODBUS_RTU if given == "auto" else given)


def test_damaged_bytes_have_the_protocol_of_the_frame_before() -> None:
    explainer = Explainer()
    list(explainer.explain(bytes.fromhex("01 03 00 00 00 0A C5 CD")))
    (reply,) = explainer.explain(bytes.fromhex("010314"))
    assert (reply.protocol, reply.kind) == (ProtocolKind.MODBUS_RTU, "read reply")
