"""Conversion between LabVIEW's plain values and this library's objects.

A handle is a number that stands for an object; no number is used twice. Inputs are checked (a
DBL is accepted as an integer if it is whole). Outputs are numbers and texts. Errors have
messages for LabVIEW's error dialog.
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

from watlowlib._internal.process import run_in_child
from watlowlib._internal.validation import finite_or_none, shown
from watlowlib.errors import WatlowConfigurationError, WatlowError
from watlowlib.model import Reading, Sample, Value

P = ParamSpec("P")
T = TypeVar("T")


class Closeable(Protocol):
    """An object that can have a handle."""

    def close(self) -> object:
        """Close the object."""


C = TypeVar("C", bound=Closeable)
_lock = threading.Lock()
_numbers = itertools.count(random.SystemRandom().randrange(1, 1 << 20) * 1000)
"""Handles, in the range of an I32. The first number is random in each session: a handle kept
from an earlier session is refused, and does not select another controller."""


def _renew_lock() -> None:
    global _lock
    _lock = threading.Lock()


run_in_child(_renew_lock)


class LabviewError(RuntimeError):
    """An error for LabVIEW's dialog: the function, what happened and what to do."""


class Handles(Generic[C]):
    """The open objects of one kind, by handle."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._objects: dict[int, C] = {}

    def add(self, thing: C) -> int:
        """Store `thing` and return its handle."""
        with _lock:
            handle = next(_numbers)
            self._objects[handle] = thing
        return handle

    def get(self, handle: int) -> C:
        """Return the object of `handle`.

        Raises:
            WatlowConfigurationError: It was closed, or is not a handle of this kind.
        """
        with suppress(KeyError):
            return self._objects[whole_number("handle", handle)]
        raise WatlowConfigurationError(
            f"handle {handle} is not an open {self._what}: it was closed, is not the handle "
            f"of a {self._what}, or is from an earlier session; open the {self._what} again and "
            "wire the new handle"
        )

    def close(self, handle: int) -> C:
        """Remove the handle, close its object and return the object.

        Raises:
            WatlowError: There is no such handle, or closing the object failed.
        """
        thing = self.get(handle)
        with _lock:
            removed = self._objects.pop(handle, None)
        if removed is not None:  # otherwise another thread is closing it
            removed.close()
        return thing

    def close_all(self) -> list[str]:
        """Close all objects, the newest first, and return the error messages."""
        errors = []
        for handle in sorted(self._objects, reverse=True):
            try:
                self.close(handle)
            except WatlowError as error:
                errors.append(str(error))
        return errors

    def __contains__(self, handle: int) -> bool:
        return whole_number("handle", handle) in self._objects


def for_labview(function: Callable[P, T]) -> Callable[P, T]:
    """Return `function` with every exception raised as a `LabviewError`."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            kind = "" if isinstance(error, WatlowError) else f"{type(error).__name__}: "
            text = str(error).replace("pass confirm=True", "wire TRUE to confirm")
            raise LabviewError(f"watlowlib {function.__name__}: {kind}{text}") from error

    return wrapper


def whole_number(name: str, given: float) -> int:
    """Return `given` as an int; a DBL with a whole value is accepted."""
    value = finite_or_none(given)
    if value is None or not value.is_integer():
        raise WatlowConfigurationError(f"{name}={shown(given)}: wire a whole number")
    return int(value)


def real_number(name: str, given: float) -> float:
    """Return `given` as a float; a Boolean or a text is refused."""
    value = finite_or_none(given)
    if value is None:
        raise WatlowConfigurationError(f"{name}={shown(given)}: wire a number")
    return value


def boolean(name: str, given: bool) -> bool:
    """Return `given` as a bool; a text such as "FALSE" is refused."""
    if given in (True, False):
        return bool(given)
    raise WatlowConfigurationError(f"{name}={shown(given)}: wire TRUE or FALSE")


def text_list(given: Sequence[str]) -> list[str]:
    """Return `given` as a list of texts; a single text is accepted."""
    return [given] if isinstance(given, str) else [str(each) for each in given]


def distinct_handles(given: Sequence[int]) -> list[int]:
    """Return `given` as a list of handles; a single handle is accepted."""
    try:
        handles = [whole_number("handle", each) for each in given]
    except TypeError:
        handles = [whole_number("handle", given)]  # type: ignore[arg-type]
    if not handles or len(set(handles)) < len(handles):
        raise WatlowConfigurationError(
            f"handles={shown(given)}: wire at least one, and each only once"
        )
    return handles


def value_and_status(sample: Sample) -> tuple[float, str]:
    """Return a sample's value, or NaN, and its status; "text" for a text."""
    if isinstance(sample.value, (str, tuple)):
        return math.nan, "text"
    return float_or_nan(sample.value), sample.status


def values_and_statuses(samples: Sequence[Sample]) -> tuple[list[float], list[str]]:
    """Return all values and all statuses."""
    pairs = [value_and_status(sample) for sample in samples]
    return [value for value, _ in pairs], [status for _, status in pairs]


def float_or_nan(value: Value | None) -> float:
    """Return a value as a float; NaN if it is not a number."""
    return float(value) if isinstance(value, (int, float)) else math.nan


def reading_text(reading: Reading) -> str:
    """Return the label of an enumeration's code, or the value as text."""
    return reading.label or str(reading.value)
