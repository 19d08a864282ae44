"""The `watlowlib` command: parse the arguments, run the subcommand, print errors.

Exit codes: 0 success, 1 a failure at run time, 2 invalid arguments, 130 ended by
Ctrl-C, 143 ended by SIGTERM (sent by the system to end a program).
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


class _StderrHandler(logging.Handler):
    """A handler that prints to the current `sys.stderr`, which rich replaces for its bar."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr)


class _TerminatedError(BaseException):
    """Raised on SIGTERM: the command ends in the same way as after Ctrl-C."""


def _raise_terminated(number: int, frame: object) -> None:
    raise _TerminatedError


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    """Raise `_TerminatedError` on SIGTERM, unless the calling program has its own handler."""
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _raise_terminated)
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
    """Return the parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="watlowlib", description="Read, write and record Watlow temperature controllers."
    )
    parser.add_argument("--version", action="version", version=watlowlib.__version__)
    parser.add_argument(
        "-v", "--verbose", action="count", default=0, help="show the log; -vv: each frame too"
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, module in COMMANDS.items():
        command = commands.add_parser(
            name, help=module.HELP, description=module.DESCRIPTION, usage=module.USAGE
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run, command=name)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    arguments, unknown = make_parser().parse_known_args(record.mark_output(words))
    record.accept_bare_output(arguments, unknown)
    logging.basicConfig(
        level=logging.INFO if arguments.verbose else logging.WARNING,
        format="%(asctime)s %(threadName)s %(message)s",
        handlers=[_StderrHandler()],
    )
    if arguments.verbose > 1:
        logging.getLogger("watlowlib").setLevel(logging.DEBUG)
    if not arguments.verbose:
        # psycopg's pool repeats its warning while the server is down; our sink warns once.
        logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Some terminals cannot encode the degree sign.
            stream.reconfigure(errors="replace")
    run: Callable[[argparse.Namespace], None] = arguments.run
    try:
        _refuse_unknown(arguments.command, unknown)
        with _sigterm_raises():
            run(arguments)
    except KeyboardInterrupt:
        return INTERRUPTED
    except _TerminatedError:
        return TERMINATED
    except WatlowError as error:
        print(f"watlowlib: {error}", file=sys.stderr)
        return 2 if isinstance(error, WatlowConfigurationError) else 1
    return 0


def _refuse_unknown(command: str, unknown: list[str]) -> None:
    if unknown:
        raise WatlowConfigurationError(
            f"unknown argument {unknown[0]!r}; 'watlowlib {command} --help' lists the options"
        )
