"""What the samples of a tick say that is new."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.sinks.samples import FIRST
from watlowlib.model import Sample
from watlowlib.model.events import EventKind
from watlowlib.streaming.event_detector import EventDetector

BOTTOM = replace(FIRST, device="oven_bot")


def failed(status: str, sample: Sample = FIRST) -> Sample:
    return replace(sample, value=None, raw=None, status=status)


def state(number: int, code: int, instance: int = 1) -> Sample:
    names = {9009: "alarm_state", 9011: "alarm_silenced", 12006: "limit_state"}
    return replace(
        FIRST, parameter=names[number], parameter_id=number, instance=instance, value=code
    )


def found(*ticks: list[Sample], ports: dict[str, str] | None = None) -> list[list[str]]:
    """Return the events of each tick as texts."""
    detector = EventDetector(ports or {})
    return [
        [f"{each.device} {each.kind}: {each.text}" for each in detector.feed(tick)]
        for tick in ticks
    ]


def test_a_port_is_lost_and_back_once_for_all_its_controllers() -> None:
    ports = {"oven_top": "/dev/ttyUSB0", "oven_bot": "/dev/ttyUSB0", "retort": "/dev/ttyUSB1"}
    retort = replace(FIRST, device="retort")
    lost = [failed("disconnected"), failed("disconnected", BOTTOM), retort]
    assert found(
        [FIRST, BOTTOM, retort], lost, lost, [failed("busy"), failed("busy", BOTTOM), retort],
        [FIRST, BOTTOM, retort], ports=ports,
    ) == [
        [], ["None port_lost: /dev/ttyUSB0"], [], [], ["None port_back: /dev/ttyUSB0"],
    ]  # fmt: skip


def test_a_controller_is_lost_and_back_once() -> None:
    assert found(
        [FIRST, BOTTOM], [failed("timeout"), BOTTOM], [failed("offline"), BOTTOM],
        [failed("offline"), BOTTOM], [failed("timeout"), BOTTOM], [failed("crc"), BOTTOM],
        [failed("no_such_instance"), BOTTOM], [FIRST, BOTTOM],
    ) == [
        [], [], ["oven_top controller_lost: it does not reply"], [], [], [],
        ["oven_top controller_back: it replies again"], [],
    ]  # fmt: skip


def test_another_controller_is_one_event_until_the_right_one_replies() -> None:
    assert found(
        [failed("offline")], [failed("other_device")], [failed("other_device")], [FIRST]
    ) == [
        ["oven_top controller_lost: it does not reply"],
        ["oven_top other_device: another controller replies"],
        [],
        ["oven_top controller_back: it replies again"],
    ]


def test_a_sensor_error_begins_and_ends_for_each_instance() -> None:
    broken, other = replace(FIRST, status="sensor_error"), replace(FIRST, instance=2)
    assert found([broken, other], [broken, other], [failed("timeout"), other], [FIRST, other]) == [
        ["oven_top sensor_error_begun: process_value, instance 1"],
        [],
        [],
        ["oven_top sensor_error_ended: process_value, instance 1"],
    ]


def test_an_alarm_is_raised_silenced_and_cleared() -> None:
    quiet, high, error = state(9009, 61), state(9009, 7), state(9009, 28)
    no, yes = state(9011, 59), state(9011, 106)
    second = state(9009, 8, instance=2)
    assert found(
        [quiet, no, second], [high, no, second], [high, yes, second], [error, yes],
        [failed("timeout", quiet)], [error, yes], [quiet, no], [state(9009, 88)],
    ) == [
        ["oven_top alarm_raised: alarm 2: Alarm low"],
        ["oven_top alarm_raised: alarm 1: Alarm high"],
        ["oven_top alarm_silenced: alarm 1"],
        ["oven_top alarm_raised: alarm 1: Error"],
        [],
        [],
        ["oven_top alarm_cleared: alarm 1"],
        [],
    ]  # fmt: skip


def test_a_limit_is_crossed_and_ends() -> None:
    assert found([state(12006, 62)], [state(12006, 51)], [state(12006, 61)]) == [
        [],
        ["oven_top limit_crossed: limit 1: Limit High"],
        ["oven_top limit_ended: limit 1"],
    ]


@pytest.mark.parametrize("status", ["stopped", "closed", "busy"])
def test_a_read_that_was_not_sent_is_no_event(status: str) -> None:
    assert found([failed(status)], [FIRST]) == [[], []]


def test_an_event_has_the_time_and_tick_of_its_sample() -> None:
    (event,) = EventDetector({}).feed([replace(failed("offline"), tick=17)])
    assert (event.time, event.tick, event.kind) == (
        FIRST.received_at, 17, EventKind.CONTROLLER_LOST,
    )  # fmt: skip
