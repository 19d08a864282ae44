"""The problems of a rig file, collected to be reported together.

A value that contains `${NAME}` is shown as it is written in the file: the value of the
variable may be a secret.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypeAlias

from watlowlib._internal.validation import shown
from watlowlib.errors import WatlowConfigurationError

Place: TypeAlias = "tuple[str | int, ...]"
"""The keys and indices that lead to a value of the file."""


def key_text(place: Place) -> str:
    """Return a place as TOML writes it: `record.sinks[0].url`, `controllers."oven 1".port`."""
    text = ""
    for part in place:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            bare = re.fullmatch(r"[A-Za-z0-9_-]+", part)
            text += ("." if text else "") + (part if bare else f'"{part}"')
    return text


class Problems:
    """The problems of one file, at most one for each place."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._texts: dict[Place, str] = {}
        self.written: dict[str, str] = {}
        """The text in the file, by the text that replaces it."""

    def add(self, place: Place, text: str) -> None:
        """Add a problem, unless this place has one already."""
        self._texts.setdefault(place, self._as_written(text))

    def add_value(self, place: Place, given: object, what: str) -> None:
        """Add the problem that `given` is not allowed; `what` says what to do."""
        if isinstance(given, dict):
            text = "(a table)"
        elif isinstance(given, bool):
            text = str(given).lower()
        else:
            text = shown(given)
        self.add(place, f"{key_text(place)}={text}: {what}")

    def check(self) -> None:
        """Raise an error with all problems, one per line.

        Raises:
            WatlowConfigurationError: There is at least one.
        """
        if self._texts:
            lines = (f"{self._path}: {text}" for text in self._texts.values())
            raise WatlowConfigurationError("\n".join(lines))

    def _as_written(self, text: str) -> str:
        for value, written in self.written.items():
            text = text.replace(shown(value), shown(written))
        return text
