"""`watlowlib record`: record controllers into a file, with a progress display."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from contextlib import ExitStack

from rich.console import Console

from watlowlib._internal.validation import shown
from watlowlib.cli.options import add_controllers, add_line_options
from watlowlib.cli.progress import Progress, WatchedSink
from watlowlib.errors import WatlowConfigurationError
from watlowlib.manager.manager import WatlowManager
from watlowlib.model import AcquisitionSummary
from watlowlib.simulator.bus import SimulatedBus
from watlowlib.simulator.fleet import simulated_fleet
from watlowlib.sinks.base import FileSink, TableSink
from watlowlib.sinks.choose import EXTENSIONS, open_sink, resembles_url
from watlowlib.sinks.csv import CsvSink
from watlowlib.sinks.pipe import pipe
from watlowlib.sinks.postgres.sink import PostgresSink
from watlowlib.streaming.recorder import Recording, record

HELP = "record parameters into a file"
DESCRIPTION = (
    "Record parameters of controllers into a file until the duration is over or Ctrl-C. "
    f"The file extension selects the format: {', '.join(EXTENSIONS)}; "
    "postgresql://user@host/database writes to the table samples there, with the password in "
    "~/.pgpass or the file that PGPASSFILE names."
)
USAGE = """watlowlib record PORT [--address N ...] [--parameter NAME ...] [options] OUTPUT
       watlowlib record --simulate N [options] OUTPUT"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this subcommand to `parser`."""
    add_line_options(parser)
    parser.add_argument("--simulate", type=int, metavar="N", help="N simulated controllers")
    parser.add_argument("--speed", type=float, default=1.0, metavar="X", help="of simulated ovens")
    parser.add_argument(
        "--rate", type=float, default=2.0, metavar="HZ", help="ticks per second (default: 2)"
    )
    parser.add_argument("--duration", type=float, metavar="S", help="seconds (default: no end)")
    parser.add_argument("--output", metavar="OUTPUT", help="the file, or give it last")


def mark_output(words: Sequence[str]) -> list[str]:
    """Return `words` with `--output` put before the last one, if that is a file name.

    Otherwise `--parameter process_value setpoint run.csv` would read the file as a parameter.
    """
    marked = any(word == "--" or word.startswith("--o") for word in words)
    recording = "record" in words[:2] and not marked
    if recording and (re.search(r"\.[A-Za-z]\w*$", words[-1]) or resembles_url(words[-1])):
        return [*words[:-1], "--output", words[-1]]
    return list(words)


def accept_bare_output(arguments: argparse.Namespace, unknown: list[str]) -> None:
    """Use a single unknown word as the output: a name without extension, which is refused later."""
    named = len(unknown) == 1 and not unknown[0].startswith("-")
    if arguments.run is run and arguments.output is None and named:
        arguments.output = unknown.pop()


def run(arguments: argparse.Namespace) -> None:
    """Record until the end, Ctrl-C or an error, and then print a summary."""
    if arguments.output is None:
        raise WatlowConfigurationError(
            "give the output file last, such as run.sqlite; known extensions: "
            + ", ".join(EXTENSIONS)
        )
    sink = open_sink(arguments.output)
    if isinstance(sink, CsvSink):
        sink = CsvSink(sink.path, spreadsheet_safe=True)
    console = Console(highlight=False, soft_wrap=True)
    stream: Recording | None = None
    controllers = 0
    try:
        with ExitStack() as stack:
            manager = stack.enter_context(WatlowManager())
            _add_fleet(manager, arguments, stack)
            controllers = len(manager.names)
            recording = record(
                manager,
                parameters=arguments.parameter,
                rate_hz=arguments.rate,
                duration=arguments.duration,
                instances=arguments.instance,
            )
            stack.enter_context(sink)
            stream = stack.enter_context(recording)
            progress = stack.enter_context(Progress(console, stream))
            pipe(stream, WatchedSink(sink, progress))
    finally:
        if stream is not None:  # the sink is closed: the numbers are final
            name = str(sink.path) if isinstance(sink, FileSink) else repr(sink)
            console.print(format_summary(name, stream.summary, controllers, _place(sink)))


def _add_fleet(manager: WatlowManager, arguments: argparse.Namespace, stack: ExitStack) -> None:
    if arguments.simulate is None:
        add_controllers(manager, arguments)
        return
    if arguments.port is not None:
        raise WatlowConfigurationError(
            f"give a port or --simulate, not both (port: {shown(arguments.port)})"
        )
    bus = stack.enter_context(
        SimulatedBus(simulated_fleet(arguments.simulate), speed=arguments.speed)
    )
    for address in bus.controllers:
        manager.add(f"oven_{address}", bus.port, address=address, temperature_unit="F")


def _place(sink: TableSink) -> str:
    """Return where the rows of `sink` wait, and why."""
    if not isinstance(sink, PostgresSink):
        return ""
    return f" in {sink.spool} ({sink.stats.last_error or 'they are not sent yet'})"


def format_summary(
    output: str, summary: AcquisitionSummary, controllers: int, place: str = ""
) -> str:
    """Return the summary of a recording as two lines of text; `place` is where rows wait."""
    written = sum(sink.rows_written for sink in summary.sinks)
    waiting = sum(sink.rows_waiting for sink in summary.sinks)
    lost = sum(sink.rows_lost for sink in summary.sinks)
    ticks = summary.samples_emitted
    reads = summary.rows // ticks if ticks else 0
    return (
        f"{output}: {written} rows written{f', {waiting} waiting{place}' if waiting else ''} "
        f"({controllers} controllers, {ticks} ticks of {reads} reads), "
        f"{summary.gaps} without a value, {lost} lost\n"
        f"{summary.duration_s:.1f} s, {summary.samples_late} ticks late, "
        f"largest drift {summary.max_drift_ms:.1f} ms"
    )
