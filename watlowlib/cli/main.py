"""The `watlowlib` command: parse the arguments, run the subcommand, print errors.

Exit codes: 0 success, 1 a failure at run time, 2 invalid arguments, 129 ended by SIGHUP (the
terminal was closed), 130 ended by Ctrl-C, 143 ended by SIGTERM (sent to end a program).
"""

from __future__ import annotations

import argparse
import errno
import io
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

import watlowlib
from watlowlib._internal.validation import masked, shown
from watlowlib.cli import discover, export, parameters, read, record, recover, simulate
from watlowlib.errors import WatlowConfigurationError, WatlowError

INTERRUPTED = 130
ENDING_SIGNALS = ("SIGTERM", "SIGHUP")
"""Names of the signals that end the command; Windows has no SIGHUP."""


class _StderrHandler(logging.Handler):
    """A handler that prints to the current `sys.stderr`, which rich replaces for its bar."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr)


class _Parser(argparse.ArgumentParser):
    """A parser whose messages show no password of a URL given in the wrong place."""

    def error(self, message: str) -> NoReturn:
        super().error(masked(message))


class _TerminatedError(BaseException):
    """Raised on SIGTERM and SIGHUP: the command ends in the same way as after Ctrl-C.

    Attributes:
        code: The exit code, 128 and the number of the signal, as shells report it.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.code = 128 + number


def _raise_terminated(number: int, frame: object) -> None:
    hangup = getattr(signal, "SIGHUP", None)
    if hangup is not None and signal.getsignal(hangup) is _raise_terminated:
        # The shell and the system both send SIGHUP: a second one must not interrupt the end.
        signal.signal(hangup, signal.SIG_IGN)
    if number == hangup:
        _discard_lost_terminal()
    raise _TerminatedError(number)


def _discard_lost_terminal() -> None:
    """Send the output to the null device if its terminal was closed: a write would fail."""
    for descriptor in (1, 2):
        try:
            os.get_terminal_size(descriptor)
        except OSError as error:  # anything but EIO: a file or a pipe
            if error.errno == errno.EIO:
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, descriptor)
                os.close(null)


@contextmanager
def _signals_raise() -> Iterator[None]:
    """Raise `_TerminatedError` on SIGTERM and SIGHUP.

    A signal that is ignored (by nohup) or has a handler of the calling program stays so.
    """
    numbers = [getattr(signal, name) for name in ENDING_SIGNALS if hasattr(signal, name)]
    in_main = threading.current_thread() is threading.main_thread()
    caught = [n for n in numbers if in_main and signal.getsignal(n) is signal.SIG_DFL]
    for number in caught:
        signal.signal(number, _raise_terminated)
    try:
        yield
    finally:
        for number in caught:
            signal.signal(number, signal.SIG_DFL)


COMMANDS = {
    "record": record,
    "recover": recover,
    "export": export,
    "read": read,
    "discover": discover,
    "parameters": parameters,
    "simulate": simulate,
}


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = _Parser(
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
        with _signals_raise():
            run(arguments)
    except KeyboardInterrupt:
        return INTERRUPTED
    except _TerminatedError as error:
        return error.code
    except WatlowError as error:
        print(f"watlowlib: {error}", file=sys.stderr)
        return 2 if isinstance(error, WatlowConfigurationError) else 1
    return 0


def _refuse_unknown(command: str, unknown: list[str]) -> None:
    if unknown:
        raise WatlowConfigurationError(
            f"unknown argument {shown(unknown[0])}; 'watlowlib {command} --help' lists the options"
        )
