"""Removes passwords and personal names from what a bundle holds."""

from __future__ import annotations

import getpass
import os
import platform
import re
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from watlowlib._internal.validation import masked

HIDDEN = "***"
_SECRET = (
    r"passw|passphrase|pwd|secret|token|(?:api|access|private|auth)[_-]?key|credential"
    r"|authorization|(?<![a-z])(?:pass|pw)(?![a-z])"
)
SECRET_NAME = re.compile(_SECRET, re.IGNORECASE)
_SECRET_OPTION = re.compile(rf"""(\b\w*(?:{_SECRET})\w*["']?\s*[=:]\s*).*""", re.IGNORECASE)
_FOLDERS = ("PWD", "OLDPWD")
"""Variables of the shell whose names look like that of a password."""
SHORTEST_SECRET = 4
"""Shorter values of environment variables would be replaced inside other words."""


class Redactor:
    """Replaces secrets in texts and in JSON values.

    Passwords of URLs and connection strings, values under names such as `password` and `token`,
    and the values of such environment variables become `***`; the home folder becomes `~`, the
    user `USER` and the computer `HOST`.
    """

    def __init__(self) -> None:
        secrets = {
            value
            for name, value in os.environ.items()
            if SECRET_NAME.search(name) and name not in _FOLDERS
        }
        self._secrets = sorted((s for s in secrets if len(s) >= SHORTEST_SECRET), key=len)[::-1]
        self._names = [
            (re.compile(rf"(?<!\w){re.escape(name)}(?!\w)"), label)
            for name, label in _personal_names()
            if name
        ]

    def text(self, text: str) -> str:
        """Return `text` without secrets, line by line."""
        return "\n".join(map(self._line, text.split("\n")))

    def _line(self, line: str) -> str:
        for secret in self._secrets:
            line = line.replace(secret, HIDDEN)
        line = _SECRET_OPTION.sub(rf"\1{HIDDEN}", masked(line))
        for pattern, label in self._names:
            line = pattern.sub(label, line)
        return line

    def value(self, value: Any) -> Any:
        """Return a copy of a JSON value without secrets."""
        if isinstance(value, Mapping):
            return {
                self.text(str(key)): HIDDEN if SECRET_NAME.search(str(key)) else self.value(each)
                for key, each in value.items()
            }
        if isinstance(value, (list, tuple)):
            return [self.value(each) for each in value]
        if isinstance(value, Enum):
            return self.value(value.value)
        if value is None or isinstance(value, (bool, int, float)):
            return value
        return self.text(str(value))


def _personal_names() -> list[tuple[str, str]]:
    """Return the names to replace, the longest paths first, and what replaces each."""
    home = str(Path.home())
    homes = {home, os.path.realpath(home)} - {os.sep}
    names = [(each, "~") for each in sorted(homes, key=len, reverse=True)]
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # this user has no name
        user = ""
    return [*names, (user, "USER"), (platform.node(), "HOST")]
