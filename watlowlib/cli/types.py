"""The types of options: lists with commas, addresses with ranges, and durations."""

from __future__ import annotations

import re
from typing import Any

import click

from watlowlib._internal.validation import masked

SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Names(click.ParamType):  # type: ignore[type-arg] # in old versions it has none
    """Texts separated by commas."""

    name = "names"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a tuple of texts."""
        if not isinstance(value, str):
            return value
        return tuple(each.strip() for each in value.split(",") if each.strip())


class Numbers(click.ParamType):  # type: ignore[type-arg] # in old versions it has none
    """Whole numbers and ranges, separated by commas: `1-3,5`."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a tuple of numbers, without duplicates."""
        if not isinstance(value, str):
            return value
        ranges = map(self._range, value.split(","))
        return tuple(dict.fromkeys(number for each in ranges for number in each))

    def _range(self, text: str) -> range:
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", text.strip())
        if match and (numbers := range(int(match[1]), int(match[2] or match[1]) + 1)):
            return numbers
        raise click.BadParameter(f"{masked(text)!r}: give a number, or a list such as 1-3,5")


class Duration(click.ParamType):  # type: ignore[type-arg] # in old versions it has none
    """Seconds as a number, or a number with the unit s, m, h or d."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return seconds."""
        if not isinstance(value, str):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)\s*([smhd]?)", value.strip().lower())
        if match is None:
            raise click.BadParameter(
                f"{masked(value)!r}: give seconds, or a number with s, m, h or d, such as 8h"
            )
        return float(match[1]) * SECONDS[match[2]]


class Size(click.ParamType):  # type: ignore[type-arg] # in old versions it has none
    """A width and a height in pixels: `1280x800`."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the width and the height."""
        if not isinstance(value, str):
            return value
        match = re.fullmatch(r"(\d{1,6})x(\d{1,6})", value.strip().lower())
        if match is None:
            raise click.BadParameter(f"{masked(value)!r}: give pixels, such as 1280x800")
        return int(match[1]), int(match[2])


class Parameter(Names):
    """Names of parameters separated by commas, completed by the shell."""

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        """Return the names that begin with the last word of the list."""
        from watlowlib.registry.parameters import PARAMETERS

        done, comma, begun = incomplete.rpartition(",")
        return [
            click.shell_completion.CompletionItem(f"{done}{comma}{spec.name}")
            for spec in PARAMETERS
            if spec.name.startswith(begun)
        ]


TCP_PORT = click.IntRange(1, 65535)
"""A TCP port."""
