"""Frozen dataclasses made quickly, for values of which a program makes thousands a second."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar

T = TypeVar("T")


def blank(kind: type[T]) -> tuple[T, dict[str, Any]]:
    """Return a new instance of a frozen dataclass, and the dict to fill with all its fields.

    The `__init__` of a frozen dataclass calls a function for each field, and takes five times as
    long. `kind` has neither `__post_init__` nor `__slots__`. Fill the dict field by field, in the
    order of the dataclass: then all instances share one table of names. A dict that is filled at
    once has a table of its own, which doubles the memory of a value.
    """
    value = object.__new__(kind)
    return value, value.__dict__


_shared: set[type[Any]] = set()


def share_names(kind: type[Any]) -> None:
    """Let the blank instances of `kind` share their names, also on Python 3.10.

    There the first instance that `__init__` makes creates the table.
    """
    if kind not in _shared:
        kind(*[None] * len(fields(kind)))
        _shared.add(kind)
