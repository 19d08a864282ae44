"""The `watlowlib` command: find the subcommand, run it, print its error.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 nothing answered, 4 rows are waiting and not
delivered, 129 ended by SIGHUP (the terminal was closed), 130 ended by Ctrl-C, 143 ended by SIGTERM
(sent to end a program).
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module

import click
from click.shell_completion import shell_complete

import watlowlib
from watlowlib._internal.validation import masked
from watlowlib.cli.base import set_up_log, verbose_option
from watlowlib.cli.exits import FAILED, INTERRUPTED, USAGE, code_of
from watlowlib.cli.signals import TerminatedError, discard_output, signals_raise
from watlowlib.errors import WatlowError

NAME = "watlowlib"
COMPLETE = "_WATLOWLIB_COMPLETE"
"""The environment variable by which the shells' completion calls the command."""

COMMANDS = (
    "discover",
    "identify",
    "read",
    "set",
    "configure",
    "doctor",
    "snapshot",
    "record",
    "run",
    "reload",
    "status",
    "latest",
    "service",
    "init",
    "check",
    "export",
    "plot",
    "recover",
    "serve",
    "parameters",
    "decode",
    "replay",
    "raw",
    "simulate",
)
"""The subcommands; each is `command` in the module of its name, imported when it is needed."""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"watlowlib.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            near = get_close_matches(args[0], COMMANDS, 1)
            if not near:
                raise
            text = f"No such command {args[0]!r}. Did you mean {near[0]!r}?"
            raise click.UsageError(text, ctx) from None


COMMAND = _Commands(
    NAME,
    help="Read, write and record Watlow temperature controllers.",
    epilog="'watlowlib COMMAND --help' describes a command and shows examples.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    params=[verbose_option()],
)
click.version_option(watlowlib.__version__, message="%(version)s")(COMMAND)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    try:
        with signals_raise():
            return _run(list(sys.argv[1:] if argv is None else argv))
    except KeyboardInterrupt:
        return INTERRUPTED
    except TerminatedError as error:
        return error.code


def _run(words: list[str]) -> int:
    if COMPLETE in os.environ:
        return shell_complete(COMMAND, {}, NAME, COMPLETE, os.environ[COMPLETE])
    set_up_log()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Some terminals cannot encode the degree sign.
            stream.reconfigure(errors="replace")
    try:
        with COMMAND.make_context(NAME, words) as context:
            COMMAND.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        return _report(_advice(error), USAGE)
    except WatlowError as error:
        if _lost_reader(error):
            return _end_quietly()
        return _report(str(error), code_of(error))
    except BrokenPipeError:
        return _end_quietly()
    return 0


def _report(message: str, code: int) -> int:
    print(f"{NAME}: {masked(message)}", file=sys.stderr)
    return code


def _advice(error: click.ClickException) -> str:
    """Return the message in one line, with what to do."""
    message = " ".join(error.format_message().split()).removesuffix(".")
    if "unexpected extra argument" in message:
        message += "; a list has commas, such as --address 1-3,5"
    if message.endswith("?)"):  # click's "No such option '--x'. (Did you mean '--y'?)"
        message = message[:-1].replace(" (Did you mean", " Did you mean")
    context = error.ctx if isinstance(error, click.UsageError) else None
    path = context.command_path if context else NAME
    joint = "" if message.endswith("?") else ";"
    return f"{message[:1].lower()}{message[1:]}{joint} '{path} --help' describes the usage"


def _lost_reader(error: BaseException) -> bool:
    """Whether the output was a pipe to another program that has closed it."""
    return isinstance(error.__cause__, BrokenPipeError)


def _end_quietly() -> int:
    discard_output(1)
    return FAILED
