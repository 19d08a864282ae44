"""The values of a reply that has several parameters are those that each would have alone."""

from __future__ import annotations

import struct
from dataclasses import replace
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watlowlib.devices.driver import Target
from watlowlib.devices.read_planner import Block, Span
from watlowlib.devices.register_values import decode_reply, outcomes_of
from watlowlib.errors import WatlowError, WatlowTimeoutError
from watlowlib.model import Value, WordOrder
from watlowlib.protocol.exchange import Reply
from watlowlib.protocol.modbus.words import register_count
from watlowlib.registry.parameters import PARAMETERS, DataType

KINDS = [each for each in DataType if register_count(each)]
NAN, UNINITIALISED = b"\x7f\xc0\x00\x00", b"\xcd\xcd\xcd\xcd"
ORDERS = (WordOrder.HIGH_LOW, WordOrder.LOW_HIGH)
WORDS = st.sampled_from([b"\0\0", b"\0\1", b"\1\0", b"\xff\xff", NAN[:2], UNINITIALISED[:2]])


def target_of(kind: DataType, number: int, scale: float = 1) -> Target:
    return replace(PARAMETERS.resolve(4001), number=number, data_type=kind, scale=scale), 1


def reply_of(content: bytes) -> Reply:
    return Reply(content, b"raw", datetime.now(timezone.utc), 0.0, 0)


def alone(span: Span, block: Block, content: bytes, order: WordOrder) -> Value | str:
    at = 2 * (span.register - block.register)
    try:
        return decode_reply(
            span.target[0], reply_of(content[at : at + 2 * span.count]), order
        ).value
    except WatlowError as error:
        return error.message


@given(st.data(), st.sampled_from(ORDERS))
def test_each_value_is_as_if_it_were_read_alone(data: st.DataObject, order: WordOrder) -> None:
    spans: list[Span] = []
    register = 100
    places = st.tuples(st.sampled_from(KINDS), st.sampled_from([-1, 0, 0, 0, 3]))
    for n, (kind, gap) in enumerate(data.draw(st.lists(places, min_size=1, max_size=6))):
        register = max(100, register + gap)  # -1: it overlaps the one before
        target = target_of(kind, n, data.draw(st.sampled_from([1, 1, 0.1])))
        spans.append(Span(register, register_count(kind), target))
        register = spans[-1].end
    spans.sort(key=lambda span: span.register)
    block = Block(tuple(spans))
    words = data.draw(st.lists(WORDS, min_size=block.count, max_size=block.count))
    content = b"".join(words)
    errors, values, reply, _ = outcomes_of(block, reply_of(content), order)
    assert reply is not None
    assert errors.keys() | values.keys() == set(block.targets)
    texts = {target: error.message for target, error in errors.items()}
    assert {**values, **texts} == {
        span.target: alone(span, block, content, order) for span in spans
    }


@pytest.mark.parametrize(
    ("kind", "bad"),
    [(DataType.FLOAT, NAN), (DataType.FLOAT, UNINITIALISED), (DataType.U8, b"\1\0")],
)
def test_one_value_that_cannot_be_used_fails_alone(kind: DataType, bad: bytes) -> None:
    wanted, broken = target_of(DataType.FLOAT, 1), target_of(kind, 2)
    block = Block((Span(100, 2, wanted), Span(102, len(bad) // 2, broken)))
    reply = reply_of(struct.pack(">f", 75.0) + bad)
    errors, values, *_ = outcomes_of(block, reply, WordOrder.HIGH_LOW)
    assert values == {wanted: 75.0}
    assert list(errors) == [broken]


def test_after_a_failed_exchange_each_target_has_an_error_of_its_own() -> None:
    targets = target_of(DataType.ENUM, 1), target_of(DataType.ENUM, 2)
    block = Block((Span(100, 1, targets[0]), Span(101, 1, targets[1])))
    errors, values, reply, _ = outcomes_of(
        block, WatlowTimeoutError("no reply"), WordOrder.HIGH_LOW
    )
    assert (list(errors), dict(values), reply) == (list(targets), {}, None)
    assert errors[targets[0]] is not errors[targets[1]]
