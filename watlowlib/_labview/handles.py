"""What stands between LabVIEW's plain values and this library's objects.

A handle is a number that stands for an object; it is never given twice. What goes in is
checked (a DBL where a whole number is wanted is one, if it is whole), what comes out is
numbers and texts, and what is raised makes sense in LabVIEW's error dialog.
"""

from __future__ import annotations

import functools
import itertools
import math
import random
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Generic, ParamSpec, Protocol, TypeVar

from watlowlib._internal.validation import finite_or_none
from watlowlib.errors import WatlowConfigurationError, WatlowError
from watlowlib.model import Reading, Sample, Value

P = ParamSpec("P")
T = TypeVar("T")


class Closeable(Protocol):
    """What a handle can stand for."""

    def close(self) -> object:
        """Let go."""


C = TypeVar("C", bound=Closeable)
_lock = threading.Lock()
_numbers = itertools.count(random.SystemRandom().randrange(1, 1 << 20) * 1000)
"""Handles, in the range of an I32. They begin elsewhere in each session, so that one that was
kept from the last session is refused, and does not mean another controller."""


class LabviewError(RuntimeError):
    """What LabVIEW's error dialog shows: the function, what happened and what to do."""


class Handles(Generic[C]):
    """The objects of one kind, by their handles."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._objects: dict[int, C] = {}

    def add(self, thing: C) -> int:
        """Keep `thing`; its handle."""
        with _lock:
            handle = next(_numbers)
            self._objects[handle] = thing
        return handle

    def get(self, handle: int) -> C:
        """The object of `handle`.

        Raises:
            WatlowConfigurationError: It is closed, or was never one of this kind.
        """
        with suppress(KeyError):
            return self._objects[whole_number("handle", handle)]
        raise WatlowConfigurationError(
            f"handle {handle} is no open {self._what}: it was closed, belongs to something else "
            f"or to an earlier session; open the {self._what} again and wire the new handle"
        )

    def close(self, handle: int) -> C:
        """Close the object of `handle`, which nobody can use from now on, and give it back.

        Raises:
            WatlowError: There is none, or it could not end well.
        """
        thing = self.get(handle)
        with _lock:
            mine = self._objects.pop(handle, None)
        if mine is not None:  # else another thread closes it at this moment
            mine.close()
        return thing

    def close_all(self) -> list[str]:
        """Close all, youngest first; what went wrong."""
        wrong = []
        for handle in sorted(self._objects, reverse=True):
            try:
                self.close(handle)
            except WatlowError as error:
                wrong.append(str(error))
        return wrong

    def __contains__(self, handle: int) -> bool:
        return whole_number("handle", handle) in self._objects


def for_labview(function: Callable[P, T]) -> Callable[P, T]:
    """Let `function` raise nothing but what makes sense in LabVIEW's dialog."""

    @functools.wraps(function)
    def told(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            kind = "" if isinstance(error, WatlowError) else f"{type(error).__name__}: "
            text = str(error).replace("pass confirm=True", "wire TRUE to confirm")
            raise LabviewError(f"watlowlib {function.__name__}: {kind}{text}") from error

    return told


def whole_number(name: str, given: float) -> int:
    """`given` as an int, also when a DBL was wired."""
    value = finite_or_none(given)
    if value is None or not value.is_integer():
        raise WatlowConfigurationError(f"{name}={given!r}: wire a whole number")
    return int(value)


def real_number(name: str, given: float) -> float:
    """`given` as a float; a Boolean or a text is none."""
    value = finite_or_none(given)
    if value is None:
        raise WatlowConfigurationError(f"{name}={given!r}: wire a number")
    return value


def flag(name: str, given: bool) -> bool:
    """`given` as a bool; a text such as "FALSE" is none."""
    if given in (True, False):
        return bool(given)
    raise WatlowConfigurationError(f"{name}={given!r}: wire TRUE or FALSE")


def texts(given: Sequence[str]) -> list[str]:
    """`given` as a list, also when it is one text."""
    return [given] if isinstance(given, str) else [str(each) for each in given]


def each_once(given: Sequence[int]) -> list[int]:
    """`given` as a list of handles, also when it is one."""
    try:
        several = [whole_number("handle", each) for each in given]
    except TypeError:
        several = [whole_number("handle", given)]  # type: ignore[arg-type]
    if not several or len(set(several)) < len(several):
        raise WatlowConfigurationError(f"handles={given!r}: wire at least one, and each only once")
    return several


def number_of(sample: Sample) -> tuple[float, str]:
    """A sample's value, or NaN, and its status."""
    if isinstance(sample.value, (str, tuple)):
        return math.nan, "text"
    return number(sample.value), sample.status


def numbers_of(samples: Sequence[Sample]) -> tuple[list[float], list[str]]:
    """All values, and all statuses."""
    pairs = [number_of(sample) for sample in samples]
    return [value for value, _ in pairs], [status for _, status in pairs]


def number(value: Value | None) -> float:
    """A value as a float; NaN if it is no number."""
    return float(value) if isinstance(value, (int, float)) else math.nan


def text_of(reading: Reading) -> str:
    """What an enumeration's code means, or the value as text."""
    return reading.label or str(reading.value)
