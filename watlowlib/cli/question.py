"""Asks for a yes before something is written."""

from __future__ import annotations

import sys

from watlowlib.cli.exits import FAILED, CommandError


def ask(question: str = "Write it?") -> None:
    """Ask for a yes.

    Raises:
        CommandError: The answer is no, or there is no answer.
    """
    print(f"{question} [y/N] ", end="", flush=True, file=sys.stderr)
    try:
        answer = input()
    except EOFError:
        answer = ""
        print(file=sys.stderr)
    if answer.strip().lower() not in ("y", "yes"):
        raise CommandError("nothing was written; --yes writes without a question", FAILED)
