"""The reports of a recording without a terminal."""

from __future__ import annotations

import io
import time
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from watlowlib import SinkReport
from watlowlib.cli.report import REPORT_S, Reporter


class Stream:
    """A recording whose state the test sets."""

    def __init__(self) -> None:
        self.latest: list[Any] = []
        self.summary = SimpleNamespace(
            duration_s=61.2, samples_emitted=1200, samples_late=3, gaps=4, sinks=()
        )


class Sink:
    problem: str | None = None
    error: str | None = None

    def output(self, summary: object) -> Any:
        return SimpleNamespace(report=SinkReport("run.csv", 2400, 0, self.error, 60))


@pytest.fixture
def stream() -> Stream:
    return Stream()


@pytest.fixture
def reporter(stream: Stream) -> Reporter:
    return Reporter(Console(file=io.StringIO()), stream)  # type: ignore[arg-type]


def sample(status: str, device: str = "oven", parameter: str = "setpoint") -> Any:
    value = 1.0 if status == "ok" else None
    return SimpleNamespace(device=device, parameter=parameter, status=status, value=value)


def test_a_line_is_printed_every_minute(reporter: Reporter, stream: Stream) -> None:
    reporter.add_sink(Sink())  # type: ignore[arg-type]
    now_s = time.monotonic()
    assert reporter.lines(now_s) == []
    assert reporter.lines(now_s + REPORT_S + 1) == [
        "61 s: run.csv 2,400 rows written and 60 waiting; 1,200 ticks, 3 late, "
        "4 reads without a value"
    ]
    assert reporter.lines(now_s + REPORT_S + 2) == []


def test_a_change_of_a_controller_is_printed_once(reporter: Reporter, stream: Stream) -> None:
    found = []
    for statuses in (["ok"], ["timeout"], ["timeout"], ["busy"], ["offline", "ok"], ["ok"]):
        stream.latest = [sample(each) for each in statuses]
        found.append(reporter.lines(0.0))
    assert found == [[], ["oven: timeout"], [], [], ["oven: ok"], []]


def test_a_change_of_a_sink_is_printed_once(reporter: Reporter) -> None:
    sink = Sink()
    reporter.add_sink(sink)  # type: ignore[arg-type]
    found = []
    for problem, error in ((None, None), ("refused", None), ("refused", None), (None, "disk full")):
        sink.problem, sink.error = problem, error
        found.append(reporter.lines(0.0))
    assert found == [[], ["run.csv: rows wait: refused"], [], ["run.csv: rows are lost: disk full"]]
