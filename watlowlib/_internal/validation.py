"""Checks of arguments, with messages that say what was given and what is allowed.

All types registered with `numbers.Real` are accepted as numbers, numpy's included; booleans
and strings are not.
"""

from __future__ import annotations

import math
import os
from enum import Enum
from numbers import Integral, Real
from typing import TypeVar

from watlowlib.errors import WatlowConfigurationError

E = TypeVar("E", bound=Enum)


def shown(given: object) -> str:
    """Return `given` as an error message shows it: a path as its text."""
    return repr(os.fspath(given) if isinstance(given, os.PathLike) else given)


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
    if isinstance(given, Integral) and not isinstance(given, bool):
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
