"""The `watlowlib` command: its arguments, and what an error looks like.

Exit codes: 0 done, 1 something failed on the way, 2 something cannot be as it was
asked, 130 ended by Ctrl-C, 143 by SIGTERM, with which systems end programs.
"""

from __future__ import annotations

import argparse
import io
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import watlowlib
from watlowlib.cli import discover, parameters, read, record, recover, simulate
from watlowlib.errors import WatlowConfigurationError, WatlowError

INTERRUPTED = 130
TERMINATED = 143


class _ToScreen(logging.Handler):
    """Prints to what is stderr now: while a bar is drawn, rich puts its own there."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr)


class _TerminatedError(BaseException):
    """What SIGTERM becomes, so that all ends as it does after Ctrl-C."""


def _terminate(number: int, frame: object) -> None:
    raise _TerminatedError


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end what is done within, unless a program that calls `main` sees to it."""
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


COMMANDS = {
    "record": record,
    "recover": recover,
    "read": read,
    "discover": discover,
    "parameters": parameters,
    "simulate": simulate,
}


def make_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = argparse.ArgumentParser(
        prog="watlowlib", description="Talk to Watlow temperature controllers and record them."
    )
    parser.add_argument("--version", action="version", version=watlowlib.__version__)
    parser.add_argument("-v", "--verbose", action="store_true", help="show the log")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, module in COMMANDS.items():
        command = commands.add_parser(
            name, help=module.HELP, description=module.DESCRIPTION, usage=module.USAGE
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run, command=name)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    arguments, left = make_parser().parse_known_args(record.with_output_last(words))
    record.take_output(arguments, left)
    logging.basicConfig(
        level=logging.INFO if arguments.verbose else logging.WARNING,
        format="%(asctime)s %(threadName)s %(message)s",
        handlers=[_ToScreen()],
    )
    if not arguments.verbose:
        # While a server is away it repeats itself; our sink says it once.
        logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A screen that has no degree sign is no reason to end.
            stream.reconfigure(errors="replace")
    run: Callable[[argparse.Namespace], None] = arguments.run
    try:
        _check_nothing_left(arguments.command, left)
        with _ended_by_sigterm():
            run(arguments)
    except KeyboardInterrupt:
        return INTERRUPTED
    except _TerminatedError:
        return TERMINATED
    except WatlowError as error:
        print(f"watlowlib: {error}", file=sys.stderr)
        return 2 if isinstance(error, WatlowConfigurationError) else 1
    return 0


def _check_nothing_left(command: str, left: list[str]) -> None:
    if left:
        raise WatlowConfigurationError(
            f"cannot make sense of {left[0]!r}; 'watlowlib {command} --help' says what there is"
        )
