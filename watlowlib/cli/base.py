"""The kind of all subcommands: help with examples, and -v before or after the name."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any

import click


class Command(click.Command):
    """A subcommand whose help ends with `examples`."""

    def __init__(self, *args: Any, examples: tuple[str, ...] = (), **options: Any) -> None:
        super().__init__(*args, **options)
        self.examples = examples
        self.params.append(verbose_option())

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, one a line."""
        with formatter.section("Examples"):
            for example in self.examples:
                formatter.write(f"{'':>{formatter.current_indent}}{example}\n")


def define(
    name: str,
    *,
    examples: tuple[str, ...],
    help: str,
    short_help: str,
    cls: type[Command] = Command,
) -> Callable[[Callable[..., None]], Command]:
    """Return a decorator that makes a subcommand of a function."""
    return click.command(name, cls=cls, examples=examples, help=help, short_help=short_help)


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object a line, without headings."
)


def verbose_option() -> click.Option:
    """Return the option -v, which shows the log; -vv shows each frame too."""
    return click.Option(
        ["-v", "--verbose"],
        count=True,
        expose_value=False,
        callback=_show_log,
        help="Show the log; -vv: each frame too.",
    )


class StderrHandler(logging.Handler):
    """A handler that prints to the current `sys.stderr`, which rich replaces for its display."""

    may_fail = False
    """Whether to go on if a record cannot be printed, because the disk is full, for example."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record."""
        try:
            print(self.format(record), file=sys.stderr)
        except OSError:
            if not self.may_fail:
                raise


def set_up_log() -> None:
    """Print warnings to standard error."""
    logging.basicConfig(
        level=logging.WARNING,
        format="%(asctime)s %(threadName)s %(message)s",
        handlers=[StderrHandler()],
    )
    # psycopg's pool repeats its warning while the server is down; our sink warns once.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)


def _show_log(ctx: click.Context, option: click.Parameter, level: int) -> None:
    if level:
        log = logging.getLogger("watlowlib")
        log.setLevel(logging.DEBUG if level > 1 else min(log.level or logging.INFO, logging.INFO))
        logging.getLogger("psycopg.pool").setLevel(logging.NOTSET)
