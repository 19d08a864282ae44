"""`examine`: the checks one after another, on simulated lines."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from watlowlib.diagnosis import Finding, Result, examine, line, longest_s
from watlowlib.errors import WatlowConfigurationError
from watlowlib.model import ProtocolKind
from watlowlib.protocol import port_pool
from watlowlib.simulator import Fault, FaultPlan, SimulatedBus, SimulatedController
from watlowlib.transport.serial_port import SerialTransport

STDBUS, MODBUS = ProtocolKind.STDBUS, ProtocolKind.MODBUS_RTU
SHORT_S = 0.25


@pytest.fixture(autouse=True)
def quick_and_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Listen for a short time, and see no other program: one may still have an old pty open."""
    monkeypatch.setattr(line, "LISTEN_S", 0.05)
    monkeypatch.setattr("watlowlib.diagnosis.port._programs_with", lambda device: ([], 0))


def by_check(findings: list[Finding]) -> dict[str, Finding]:
    return {each.check: each for each in findings}


def test_a_good_line_has_no_problem_and_nothing_is_written() -> None:
    pm = SimulatedController(1)
    slave = SimulatedController(2, protocol=MODBUS)
    with SimulatedBus([pm, slave], baudrate=None, turnaround_s=0.0) as bus:
        options = {"addresses": (1, 2), "baudrates": (9600,), "timeout_s": SHORT_S}
        found = list(examine(bus.port, temperature_unit="F", **options))  # type: ignore[arg-type]
    checks = [each.check for each in found]
    assert checks[:4] == ["port", "permission", "other programs", "opening"]
    assert checks[4:7] == ["latency timer", "idle line", "echo"]
    assert {each.result for each in found} == {Result.OK, Result.WARNING}
    (warning,) = [each for each in found if each.result is Result.WARNING]
    assert "2 different settings" in warning.found  # the protocols differ
    assert [each.details["serial_number"] for each in found if each.check == "controller"] == [
        200001,
        200002,
    ]
    assert (pm.writes, slave.register_writes) == ([], [])
    assert port_pool._ports == []


def test_nothing_is_sent_on_a_port_that_another_program_has_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "watlowlib.diagnosis.port._programs_with", lambda device: ([(99, "picocom")], 0)
    )
    with SimulatedBus([1], baudrate=None, turnaround_s=0.0) as bus:
        found = list(examine(bus.port, addresses=[1]))
    assert [each.check for each in found] == ["port", "permission", "other programs"]
    assert "picocom (pid 99)" in found[-1].found


def test_an_echoing_adapter_is_a_warning() -> None:
    plan = FaultPlan({Fault.ECHO: 1.0})
    with SimulatedBus([1], baudrate=None, turnaround_s=0.0, faults=plan) as bus:
        found = by_check(list(examine(bus.port, protocols=[STDBUS], addresses=[1])))
    assert found["echo"].result is Result.WARNING
    assert found["replies"].result is Result.OK


def test_a_wrong_baud_rate_is_a_problem() -> None:
    # A pty has no parity.
    options = {"baudrate": None, "turnaround_s": 0.0, "transport": "tcp"}
    with SimulatedBus([1], garbled=True, **options) as bus:  # type: ignore[arg-type]
        found = by_check(
            list(examine(bus.port, baudrates=[9600], addresses=[1], timeout_s=SHORT_S))
        )
    finding = found["protocol and baud rate"]
    assert finding.result is Result.PROBLEM
    assert "no controller replies, but bytes came back" in finding.found
    # All parities were tried.
    assert {"parity E", "parity O"} <= {
        place.split(", ")[1] for place in finding.details["garbled"]
    }


def test_a_silent_line_is_a_problem() -> None:
    with SimulatedBus([1], baudrate=None, turnaround_s=0.0) as bus:
        found = list(examine(bus.port, protocols="stdbus", addresses=9, timeout_s=SHORT_S))
    assert found[-1].result is Result.PROBLEM
    assert "no reply to any of 1 request," in found[-1].found


def test_a_port_in_use_ends_the_checks() -> None:
    with SimulatedBus([1]) as bus:
        held = SerialTransport(bus.port)
        held.open()
        try:
            found = list(examine(bus.port))
        finally:
            held.close()
    assert (found[-1].check, found[-1].result) == ("opening", Result.PROBLEM)
    assert "in use by another program" in found[-1].found


def test_a_missing_port_ends_the_checks() -> None:
    (finding,) = examine(Path("/dev/ttyUSB77"))
    assert (finding.subject, finding.result) == ("/dev/ttyUSB77", Result.PROBLEM)


def test_a_missing_permission_ends_the_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *given: False)
    with SimulatedBus([1]) as bus:
        found = list(examine(bus.port))
    assert [each.check for each in found] == ["port", "permission"]
    assert found[-1].result is Result.PROBLEM


@pytest.mark.parametrize(
    "wrong",
    [
        {"addresses": [248]},
        {"protocols": ["auto"]},
        {"parity": "X"},
        {"temperature_unit": "%"},
        {"protocols": []},
        {"timeout_s": 0},
    ],
)
def test_wrong_arguments_are_refused_before_the_first_check(wrong: dict[str, object]) -> None:
    with pytest.raises(WatlowConfigurationError):
        examine("/dev/ttyUSB77", **wrong)  # type: ignore[arg-type]


def test_the_longest_time_counts_every_probe() -> None:
    one_s = longest_s([STDBUS], addresses=[1]) - longest_s([STDBUS], addresses=[])
    assert one_s > 0.25
    known_s = longest_s([STDBUS], addresses=[])
    assert longest_s([STDBUS], addresses=[1, 2, 17]) == pytest.approx(known_s + 2 * one_s)
    assert longest_s([MODBUS], [9600], [17], "E") == pytest.approx(known_s + one_s)
    # Three baud rates with three parities each.
    assert longest_s([MODBUS], addresses=[17]) == pytest.approx(known_s + 9 * one_s)
