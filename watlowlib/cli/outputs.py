"""The outputs of a recording: the sinks, what they hold already, and the summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import click

from watlowlib.cli.output import print_json, sample_rows
from watlowlib.model import AcquisitionSummary, Sample
from watlowlib.model.reports import recording_line, sink_line
from watlowlib.model.text import counted
from watlowlib.rig.values import Rig
from watlowlib.sinks.base import FileSink, TableSink
from watlowlib.sinks.choose import EXTENSIONS, open_sink
from watlowlib.sinks.csv import CsvSink
from watlowlib.sinks.postgres.sink import PostgresSink


class StdoutRows:
    """A sink that prints each row as a JSON object on its own line."""

    def __repr__(self) -> str:
        return "standard output"

    def __enter__(self) -> StdoutRows:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def open(self) -> None:
        """Do nothing: it is always open."""

    def write_many(self, samples: Sequence[Sample]) -> None:
        """Print the rows."""
        print_json(sample_rows(samples))

    def close(self) -> None:
        """Do nothing."""


Output = TableSink | StdoutRows


def open_outputs(
    paths: Sequence[str],
    rig: Rig | None,
    *,
    needed: bool,
    rotation: Mapping[str, Any] | None = None,
) -> list[Output]:
    """Return the sinks for `paths`, or those of the rig file; they are not opened.

    Args:
        paths: The paths and URLs.
        rig: The rig file.
        needed: Whether no output is an error.
        rotation: Options of `open_sink`; they replace those of the rig file.

    Raises:
        UsageError: There is none, although one is `needed`.
        WatlowConfigurationError: A path is of no known format.
    """
    stored = [] if paths or rig is None else rig.record.sinks
    given = dict.fromkeys(paths, rotation or {})
    given |= {each.url: each.rotation | dict(rotation or {}) for each in stored}
    if needed and not given:
        raise click.UsageError(
            "give an output file, such as -o run.sqlite; known extensions: "
            + ", ".join(EXTENSIONS),
            click.get_current_context(silent=True),
        )
    return [_for_spreadsheets(open_sink(url, **each), each) for url, each in given.items()]


def _for_spreadsheets(sink: TableSink, rotation: Mapping[str, Any]) -> TableSink:
    if isinstance(sink, CsvSink):
        return CsvSink(sink.path, spreadsheet_safe=True, **rotation)
    return sink


def output_name(sink: Output) -> str:
    """Return the sink as a user named it: the path of a file."""
    return str(sink.path) if isinstance(sink, FileSink) else repr(sink)


def waiting_place(sink: Output) -> str:
    """Return where the rows of `sink` wait, and why."""
    if not isinstance(sink, PostgresSink):
        return ""
    return f" in {sink.spool} ({sink.stats.last_error or 'they are not sent yet'})"


def rows_waiting(sinks: Sequence[Output]) -> int:
    """Return how many rows of all sinks are not in their final place."""
    return sum(getattr(sink, "rows_waiting", 0) for sink in sinks)


def format_summary(sinks: Sequence[Output], summary: AcquisitionSummary, controllers: int) -> str:
    """Return the summary of a recording: a line for each sink, and one for all of it."""
    reports = {report.name: report for report in summary.sinks}
    lines = [
        sink_line(replace(reports[repr(sink)], name=output_name(sink)), waiting_place(sink))
        for sink in sinks
        if repr(sink) in reports
    ]
    return "\n".join([*lines, f"{counted(controllers, 'controller')}, {recording_line(summary)}"])
