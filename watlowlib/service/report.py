"""What a service reports about itself, in lines of text."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from watlowlib._internal.log import logger
from watlowlib.model import Sample
from watlowlib.model.reports import recording_line
from watlowlib.model.text import counted, times
from watlowlib.service.recorder import RigService

log = logger(__name__)

REPORT_S = 3600.0
"""Seconds between two reports in the log."""


def report_lines(service: RigService) -> list[str]:
    """Return the counters: a line for each sink, and one for the recording."""
    summary = service.summary
    sinks = [str(replace(report, name=label)) for label, report in service.outputs()]
    rules = map(rule_line, service.rules.report())
    return [
        *rules,
        *sinks,
        f"{counted(len(service.rig.controllers), 'controller')}, {recording_line(summary)}",
    ]


def rule_line(report: Mapping[str, Any]) -> str:
    """Return the state of a rule; see `Rules.report`."""
    last = report["last_fired"]
    when = f", last at {last:%Y-%m-%d %H:%M:%S} UTC" if last else ""
    failed = f", failures: {report['failures']}" * bool(report["failures"])
    often = times(report["firings"])
    return f"rule {report['name']}: {report['state']}, fired {often}{when}{failed}"


class PeriodicReport:
    """Writes the counters to the log every `REPORT_S`; called after each tick."""

    def __init__(self, service: RigService) -> None:
        self._service = service
        self._due_s = time.monotonic() + REPORT_S

    def __call__(self, samples: list[Sample]) -> None:
        """Write them if it is time."""
        if time.monotonic() >= self._due_s:
            self._due_s = time.monotonic() + REPORT_S
            for line in report_lines(self._service):
                log.info("%s", line)
