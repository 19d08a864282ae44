"""`watlowlib run`: record what a rig file says until it is stopped, with access while it runs."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import PurePath
from queue import SimpleQueue

import click

from watlowlib._internal.log import logger
from watlowlib._internal.threads import Worker
from watlowlib.cli.base import StderrHandler, define
from watlowlib.cli.metrics import metrics_options
from watlowlib.cli.signals import first_signal_only
from watlowlib.errors import WatlowError
from watlowlib.service.endpoint import Endpoint
from watlowlib.service.notify import Notifier
from watlowlib.service.recorder import RigService
from watlowlib.service.report import PeriodicReport, report_lines
from watlowlib.service.requests import carry_out
from watlowlib.service.server import RequestServer
from watlowlib.views.web.metrics import MetricsServer

PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3}
"""The levels of syslog, which journald reads from the beginning of a line."""

log = logger(__name__)

JOIN_S = 60.0


@define(
    "run",
    short_help="Record a rig file until it is stopped.",
    help="Record what the rig file FILE says until Ctrl-C or SIGTERM. Ports that do not exist yet "
    "are waited for, and sinks that fail are opened again. Meanwhile read, set, status and latest "
    "go through the running recorder, and 'watlowlib reload FILE' makes it load the changed "
    "file.",
    examples=("watlowlib run rig.toml", "watlowlib run rig.toml --service --metrics 9187"),
)
@click.argument("file", metavar="FILE")
@click.option(
    "--service",
    "as_service",
    is_flag=True,
    help="For systemd and Docker: SIGHUP loads the file again, and a log replaces the display.",
)
@metrics_options
def command(file: str, as_service: bool, metrics: MetricsServer | None) -> None:
    """Record until a signal, and print a summary."""
    service = RigService(file, notifier=Notifier(os.environ))
    display = not as_service and sys.stdout.isatty()
    for handler in _stderr_handlers():
        handler.may_fail = True
    if not display:
        log_everything()
    with ExitStack() as stack:
        stack.enter_context(first_signal_only())
        endpoint = stack.enter_context(closing(Endpoint(service.path)))
        server = RequestServer(endpoint, partial(carry_out, service))
        stack.callback(server.wait)
        stack.callback(_print_summary, service)
        if metrics is not None:  # an address that cannot be used is an error before the first row
            print(f"metrics: {stack.enter_context(metrics).url}", file=sys.stderr)
        if as_service:
            stack.enter_context(reload_on_hangup(service))
        stack.enter_context(service)
        if metrics is not None:
            metrics.show(
                service.recording, service.latest.all, service.outputs, service.rules.report
            )
        stack.enter_context(server)
        log.info("%s is recorded: %s", service.path, _what_is_recorded(service))
        if display:
            stack.enter_context(_display(service))
        else:
            service.observers.append(PeriodicReport(service))
        service.wait()


def _what_is_recorded(service: RigService) -> str:
    outputs = ", ".join(label for label, _ in service.outputs()) or "no file or database"
    return f"controllers {', '.join(service.rig.controllers)}; outputs {outputs}"


def log_everything() -> None:
    """Print the log from INFO on; for journald with priorities and without times."""
    log = logging.getLogger("watlowlib")
    log.setLevel(min(log.level or logging.INFO, logging.INFO))
    if "JOURNAL_STREAM" in os.environ:
        for handler in _stderr_handlers():
            handler.setFormatter(JournalFormatter())


def _stderr_handlers() -> list[StderrHandler]:
    return [each for each in logging.getLogger().handlers if isinstance(each, StderrHandler)]


class JournalFormatter(logging.Formatter):
    """One line of journald for each line of a record: `<4>the text`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines."""
        prefix = f"<{PRIORITIES.get(record.levelno, 6)}>"
        return "\n".join(prefix + line for line in super().format(record).splitlines())


@contextmanager
def reload_on_hangup(service: RigService) -> Iterator[None]:
    """Load the file again on SIGHUP, in a thread, so that no other signal interrupts it."""
    number = getattr(signal, "SIGHUP", None)
    if number is None:
        yield
        return
    wanted: SimpleQueue[bool] = SimpleQueue()  # a handler may not wait for a lock

    def reload() -> None:
        while wanted.get():
            try:
                service.reload()
            except WatlowError:
                pass  # it is in the log
            except Exception:
                log.exception("%s is not loaded again", service.path)

    def note(number: int, frame: object) -> None:
        if wanted.empty():
            wanted.put(True)

    worker = Worker("reloader", reload, lambda: wanted.put(False))
    before = signal.signal(number, note)
    try:
        worker.start()
        yield
    finally:
        signal.signal(number, before)
        worker.stop()
        worker.join(JOIN_S)


@contextmanager
def _display(service: RigService) -> Iterator[None]:
    # rich is loaded only for a terminal.
    from watlowlib.cli.output import console
    from watlowlib.cli.progress import Progress
    from watlowlib.cli.view import Output, ViewState

    class Display(Progress):
        """The display of `record`, for sinks and controllers that change."""

        def _state(self) -> ViewState:
            now = {(each.device, each.parameter, each.instance) for each in service.latest.all()}
            with self._lock:
                rows = [track.row() for key, track in self._tracks.items() if key in now]
            outputs = [
                Output(replace(report, name=PurePath(label).name))
                for label, report in service.outputs()
            ]
            return ViewState(service.summary, rows, outputs, service.recording.ticks)

    with Display(console(), service.recording) as display:
        service.observers.append(display.add_written)
        try:
            yield
        finally:
            service.observers.remove(display.add_written)


def _print_summary(service: RigService) -> None:
    if service.started:
        with suppress(OSError):  # the log may be on a full disk
            print("\n".join(report_lines(service)), file=sys.stderr)
