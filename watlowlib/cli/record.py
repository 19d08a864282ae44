"""`watlowlib record`: record controllers into files and databases, with a live display."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import click
from rich.console import Console

from watlowlib.cli.base import define, json_option
from watlowlib.cli.exits import WAITING, CommandError
from watlowlib.cli.first_contact import check_first
from watlowlib.cli.fleet import load_config, open_fleet
from watlowlib.cli.metrics import metrics_options
from watlowlib.cli.options import (
    DEFAULT_PARAMETERS,
    INSTANCES,
    PARAMETERS,
    PORT,
    SHOW_UNIT,
    Line,
    capture_options,
    line_options,
    rotation_options,
)
from watlowlib.cli.output import console
from watlowlib.cli.outputs import (
    Output,
    StdoutRows,
    format_summary,
    open_outputs,
    output_name,
    rows_waiting,
)
from watlowlib.cli.progress import Progress, WatchedSink
from watlowlib.cli.report import Reporter
from watlowlib.cli.types import TCP_PORT, Duration
from watlowlib.errors import WatlowConfigurationError, WatlowSinkError
from watlowlib.manager.manager import WatlowManager
from watlowlib.model import AcquisitionSummary, SinkReport
from watlowlib.rig.rule_checks import check_when
from watlowlib.rig.values import Rig
from watlowlib.rules.rule import Rule
from watlowlib.rules.rules import Rules
from watlowlib.simulator.bus import SimulatedBus
from watlowlib.simulator.fleet import simulated_fleet
from watlowlib.sinks.base import FileSink
from watlowlib.sinks.choose import EXTENSIONS
from watlowlib.sinks.count import describe_existing
from watlowlib.sinks.pipe import pipe
from watlowlib.streaming.recorder import Recording, record
from watlowlib.views.web.live import LiveFeed, SinkState, live_board
from watlowlib.views.web.metrics import MetricsServer
from watlowlib.views.web.page import WebPage
from watlowlib.views.web.serving import DEFAULT_HOST


@define(
    "record",
    short_help="Record parameters into files and databases.",
    help="Record parameters of the controllers on PORT, or of a rig file, until the duration is "
    "over or Ctrl-C. First each controller is asked once. The extension of an output selects its "
    f"format: {', '.join(EXTENSIONS)}; postgresql://user@host/database writes to the table "
    "samples there, with the password in ~/.pgpass or the file that PGPASSFILE names.",
    examples=(
        "watlowlib record /dev/ttyUSB0 --address 1-3 --rate 2 --duration 8h -o run.sqlite",
        "watlowlib record --config rig.toml -o run.parquet -o postgresql:///lab",
    ),
)
@PORT
@line_options
@PARAMETERS
@INSTANCES
@SHOW_UNIT
@click.option(
    "--rate", type=float, metavar="HZ", help="Ticks per second.  [default: 2, or the rig file's]"
)
@click.option(
    "--alarms",
    type=float,
    metavar="HZ",
    help="How often to read all alarms and the limit.  [default: never, or the rig file's]",
)
@click.option(
    "--no-events",
    "events",
    is_flag=True,
    flag_value=False,
    default=True,
    help="Store no events, only notes.",
)
@click.option(
    "--duration", type=Duration(), metavar="TIME", help="90, 90s, 5m, 8h, 2d.  [default: no end]"
)
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    metavar="FILE",
    help="A file or postgresql://...; may be repeated.  [default: the rig file's sinks]",
)
@rotation_options
@capture_options
@click.option("--anyway", is_flag=True, help="Start also when no controller replies.")
@click.option("--web", type=TCP_PORT, metavar="PORT", help="Serve a live page on this port.")
@click.option(
    "--web-host",
    metavar="HOST",
    help="The address of the page. If other machines can reach it, it has a token, which is "
    "printed.  [default: 127.0.0.1]",
)
@metrics_options
@click.option("--simulate", type=int, metavar="N", help="Record N simulated controllers.")
@click.option(
    "--speed", type=float, default=1.0, metavar="X", help="Of simulated ovens.  [default: 1]"
)
@json_option
def command(
    line: Line,
    outputs: tuple[str, ...],
    rotation: dict[str, Any],
    events: bool,
    capture: dict[str, Any],
    anyway: bool,
    web: int | None,
    web_host: str | None,
    metrics: MetricsServer | None,
    simulate: int | None,
    speed: float,
    as_json: bool,
    **options: Any,
) -> None:
    """Record until the end, Ctrl-C or an error, and then print a summary."""
    rig = None if simulate is not None and line.port is None else load_config(line)
    arguments = record_arguments(rig, **options)
    if simulate is not None and (line.port or line.config):
        raise click.UsageError("give --simulate, or a port or --config, not both")
    sinks = open_outputs(outputs, rig, needed=not as_json, rotation=rotation)
    _check_capture(sinks, **capture)
    screen = console(stderr=as_json)
    with ExitStack() as stack:
        page = _open_page(web, web_host, sinks, screen, stack)
        if metrics is not None:
            screen.print(f"metrics: {stack.enter_context(metrics).url}")
        manager = stack.enter_context(WatlowManager())
        if simulate is None:
            open_fleet(manager, line, rig, **capture)
        else:
            _add_simulated(manager, simulate, speed, stack, line.unit or "F", **capture)
        recording = record(manager, **arguments, events=events)
        check_first(manager, recording, arguments, screen, anyway=anyway)
        if as_json:
            sinks.append(StdoutRows())
        rules = Rules(recording, _usable_rules(rig, manager, arguments, screen), manager.get)
        _record(recording, sinks, screen, len(manager.names), page, metrics, rules)


def _check_capture(
    sinks: Sequence[Output], capture: str | None = None, capture_bytes: int | None = None
) -> None:
    """Refuse a sink whose file is also the capture: both would write to it."""
    del capture_bytes
    files = [os.path.realpath(sink.path) for sink in sinks if isinstance(sink, FileSink)]
    if capture is not None and os.path.realpath(capture) in files:
        raise click.UsageError(f"--capture {capture} is also an output; give another file")


def record_arguments(
    rig: Rig | None,
    *,
    parameter: tuple[str, ...] | None,
    instance: tuple[int, ...] | None,
    rate: float | None,
    alarms: float | None,
    duration: float | None,
    show_unit: str | None,
) -> dict[str, Any]:
    """Return the arguments of `record`: those of the rig file, then the options."""
    arguments: dict[str, Any] = {"parameters": list(DEFAULT_PARAMETERS), "rate_hz": 2.0}
    if rig is not None:
        arguments = rig.record_arguments()
    if parameter is not None:
        arguments["parameters"] = list(parameter)
        arguments["rate_hz"] = arguments["rate_hz"] or 2.0
    if rate is not None:
        arguments |= {"parameters": list(arguments["parameters"]), "rate_hz": rate}
    if instance is not None:
        arguments["instances"] = list(instance)
    if duration is not None:
        arguments["duration"] = duration
    if alarms is not None:
        arguments["alarms"] = alarms
    if show_unit is not None:
        if rig is not None and rig.rules and show_unit != rig.record.show_unit:
            raise click.UsageError(
                "the rules of the file have numbers in its unit: leave --show-unit out, or change "
                "show_unit and the rules in the file"
            )
        arguments["show_unit"] = show_unit
    return arguments


def _usable_rules(
    rig: Rig | None, manager: WatlowManager, arguments: dict[str, Any], screen: Console
) -> list[Rule]:
    """Return the rules of a rig file; print which ones the options of the command exclude."""
    registries = {name: manager.get(name).registry for name in manager.names}
    usable = []
    for rule in () if rig is None else rig.rules:
        try:
            check_when(rule.when, registries, arguments)
            if rule.write is not None:
                manager.get(rule.write.device)
        except WatlowConfigurationError as error:
            screen.print(f"rule {rule.name} is not evaluated: {error}")
        else:
            usable.append(rule)
    return usable


def _add_simulated(
    manager: WatlowManager, count: int, speed: float, stack: ExitStack, unit: str, **capture: Any
) -> None:
    fleet = simulated_fleet(count, temperature_unit=unit)
    bus = stack.enter_context(SimulatedBus(fleet, speed=speed))
    for address in bus.controllers:
        manager.add(f"oven_{address}", bus.port, address=address, temperature_unit=unit, **capture)


def _open_page(
    port: int | None,
    host: str | None,
    sinks: list[Output],
    screen: Console,
    stack: ExitStack,
) -> WebPage | None:
    """Begin to serve the live page and print its address; return None without --web."""
    if port is None:
        if host is not None:
            raise click.UsageError("--web-host needs --web PORT, such as --web 8080")
        return None
    names = (sink.path.name if isinstance(sink, FileSink) else repr(sink) for sink in sinks)
    board = live_board(", ".join(names))
    page = stack.enter_context(WebPage(board, host=host or DEFAULT_HOST, port=port))
    screen.print(f"live page: {page.url}")
    return page


def _record(
    recording: Recording,
    sinks: list[Output],
    screen: Console,
    controllers: int,
    page: WebPage | None,
    metrics: MetricsServer | None,
    rules: Rules,
) -> None:
    """Write the recording into the sinks, with a display, and print the summary."""
    stream: Recording | None = None
    try:
        with ExitStack() as stack:
            for sink in sinks:
                existing = describe_existing(sink)
                stack.enter_context(sink)  # an error first: nothing is appended to a file of others
                if existing:
                    screen.print(f"{output_name(sink)}: appending to {existing}")
            watched: list[WatchedSink] = []
            if page is not None:
                stack.enter_context(_feed(page, recording, watched))
            if metrics is not None:
                metrics.show(
                    recording,
                    recording.reads.latest,
                    lambda: _reports(recording, sinks, watched),
                    rules.report,
                )
            stack.enter_context(rules)
            stream = stack.enter_context(recording)
            progress: Progress | Reporter
            if screen.is_terminal:
                progress = stack.enter_context(Progress(screen, stream))
            else:
                progress = stack.enter_context(Reporter(screen, stream))
            watched += [WatchedSink(sink, progress) for sink in sinks]
            pipe(stream, *watched)
    except WatlowSinkError as error:
        if (
            stream is not None
            and rows_waiting(sinks)
            and not sum(each.rows_lost for each in stream.summary.sinks)
        ):
            raise CommandError(str(error), WAITING) from error
        raise
    finally:
        if stream is not None:  # the sinks are closed: the numbers are final
            screen.print(format_summary(sinks, stream.summary, controllers))
    if rows_waiting(sinks):
        raise CommandError("rows are waiting; 'watlowlib recover' delivers them", WAITING)


def _reports(
    recording: Recording, sinks: list[Output], watched: list[WatchedSink]
) -> list[tuple[str, SinkReport]]:
    """Return the report of each sink that is being written, with its path or other name."""
    summary = recording.summary
    return [(output_name(sink), each.output(summary).report) for sink, each in zip(sinks, watched)]


def _feed(page: WebPage, recording: Recording, watched: list[WatchedSink]) -> LiveFeed:
    """Return what puts the recording on the page, with the sinks that will be in `watched`."""

    def states(summary: AcquisitionSummary) -> list[SinkState]:
        return [
            SinkState(
                report.name,
                report.rows_written,
                report.rows_waiting + unwritten,
                report.rows_lost,
                report.error or sink.problem,
            )
            for sink in watched
            for report, unwritten in [sink.output(summary)]
        ]

    return LiveFeed(page, recording, states)
