"""Frozen dataclasses made quickly, for values of which a program makes thousands a second."""

from __future__ import annotations

from typing import Any, TypeVar

T = TypeVar("T")


def frozen(kind: type[T], fields: dict[str, Any]) -> T:
    """Return an instance of a frozen dataclass with `fields`, which must be all its fields.

    The `__init__` of a frozen dataclass calls a function for each field, and takes five times
    as long. `kind` has neither `__post_init__` nor `__slots__`. The instance keeps `fields` itself.
    """
    value = object.__new__(kind)
    object.__setattr__(value, "__dict__", fields)
    return value
