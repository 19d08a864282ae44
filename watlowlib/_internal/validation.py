"""Checks of arguments, with messages that say what was given and what is allowed.

All types registered with `numbers.Real` are accepted as numbers, numpy's included; booleans
and strings are not.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable
from enum import Enum
from numbers import Integral, Real
from typing import Any, TypeVar

from watlowlib.errors import WatlowConfigurationError

E = TypeVar("E", bound=Enum)

# `re` compiles and caches them at the first use: an import would take longer with them compiled.
_PASSWORDS = (
    # //user:PASSWORD@, also with a mistyped scheme; the password may contain : / @ and blanks.
    r"(?s)((?://|:/)[^:]*:).*@",
    # user:PASSWORD@host, or scheme:user:PASSWORD@host
    r"""(?s)((?:^|(?<=['"\s]))(?!\d)[^:/\s'"]{2,}:)(?![/\s]).*@""",
)
# zone2@tcp://host:502, the name of a controller: no password ends at this @
_STATION = r"""(?:^|(?<=[\s'",(\[]))((?:zone)?\d+@)(?=(?:tcp|socket|rfc2217)://)"""
# password=WORD, password='WORDS', and &password=WORD in a URL
_PASSWORD_OPTION = r"""(?is)(\w*(?:passw|pwd)\w*\s*=\s*)(?:'(?:[^'\\]|\\.)*(?:'|$)|(?:\\.|\S)+)"""


def masked(text: str) -> str:
    """Return `text` with *** in place of the passwords of URLs and connection strings.

    Where the end of a password is uncertain, more is masked.
    """
    # The names of several controllers would look like one URL.
    return "".join(map(_masked_part, re.split(_STATION, text)))


def _masked_part(text: str) -> str:
    for pattern in _PASSWORDS:
        text = re.sub(pattern, r"\1***@", text)
    return re.sub(_PASSWORD_OPTION, r"\1***", text)


def shown(given: object) -> str:
    """Return `given` as an error message shows it: a path as its text, passwords masked."""
    text = repr(_masked_inside(given))
    # Elements were masked one by one: two of them together may look like a URL.
    return text if isinstance(given, (str, os.PathLike, list, tuple, dict)) else masked(text)


def _masked_inside(given: Any) -> Any:
    if isinstance(given, os.PathLike):
        given = os.fspath(given)
    if type(given) is str:
        return masked(given)
    if type(given) in (list, tuple):
        return type(given)(map(_masked_inside, given))
    if type(given) is dict:
        return {_masked_inside(key): _masked_inside(value) for key, value in given.items()}
    return given


def check_port(name: str, given: str) -> None:
    """Check that `given` can be the name of a port, and is not a database URL with a password.

    Raises:
        WatlowConfigurationError: It is empty, has a character that no name of a port has, or a
            password, which would be in samples and the log.
    """
    wrong = next((each for each in given if each == "\0" or "\ud800" <= each <= "\udfff"), None)
    if not given or wrong is not None:
        reason = "" if wrong is None else f"no port has the character {wrong!r} in its name; "
        raise WatlowConfigurationError(
            f"{name}={shown(given)}: {reason}give a name such as '/dev/ttyUSB0'"
        )
    if masked(given) != given:
        raise WatlowConfigurationError(
            f"{name}={shown(given)}: a port has no password; give a name such as '/dev/ttyUSB0'"
        )


def as_enum(name: str, kind: type[E], given: object) -> E:
    """Return the member of `kind` for `given`, which is a member or its value.

    Raises:
        WatlowConfigurationError: There is none; the message lists the allowed values.
    """
    try:
        return kind(given)
    except ValueError:
        allowed = ", ".join(str(member.value) for member in kind)
        raise WatlowConfigurationError(f"{name}={shown(given)}: allowed are {allowed}") from None


def as_int(name: str, given: object, low: int, high: int | None, what: str) -> int:
    """Return `given` as an int from `low` to `high` (None: no upper limit).

    Raises:
        WatlowConfigurationError: It is not a whole number, or out of range; the message ends
            with `what`, which says what is allowed.
    """
    if isinstance(given, (int, Integral)) and not isinstance(given, bool):
        number = int(given)
        if number >= low and (high is None or number <= high):
            return number
    raise WatlowConfigurationError(f"{name}={shown(given)}: {what}")


def finite_or_none(given: object) -> float | None:
    """Return `given` as a finite float, or None when it is not one."""
    if not isinstance(given, Real) or isinstance(given, bool):
        return None
    try:
        number = float(given)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def as_positive(name: str, given: object, most: float, what: str) -> float:
    """Return `given` as a float above 0 and up to `most`.

    Raises:
        WatlowConfigurationError: It is not; the message names the unit in `what`.
    """
    number = finite_or_none(given)
    if number is None or not 0 < number <= most:
        raise WatlowConfigurationError(
            f"{name}={shown(given)}: give a number above 0 and up to {most:g} ({what})"
        )
    return number


def as_bool(name: str, given: object) -> bool:
    """Return `given` as a bool; strings are refused, because `bool("no")` is True.

    Raises:
        WatlowConfigurationError: It is not True, False, 1 or 0.
    """
    if given not in (True, False):
        raise WatlowConfigurationError(f"{name}={shown(given)}: give True or False")
    return bool(given)


def check_storable(name: str, given: object) -> None:
    """Check that `given` is a text that files and databases can store, which is UTF-8.

    Raises:
        WatlowConfigurationError: It is not a text, or has a lone surrogate: half of a character,
            as in file names with bytes that are not UTF-8.
    """
    if not isinstance(given, str):
        raise WatlowConfigurationError(f"{name}={shown(given)}: give a text")
    try:
        given.encode("utf-8")
    except UnicodeEncodeError as error:
        raise WatlowConfigurationError(
            f"{name}={shown(given)}: no file or database can store the character "
            f"{given[error.start]!r} (half of a character, from text that was not UTF-8); "
            "give a name without it"
        ) from None


def nearest(given: str, known: Iterable[str]) -> str:
    """Return "did you mean ...?" with the nearest name, or all known names."""
    from difflib import get_close_matches  # only errors need it

    names = list(known)
    near = get_close_matches(given, names, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(names) or 'none'}"
