"""Frozen dataclasses made quickly, for values of which a program makes thousands a second."""

from __future__ import annotations

from types import new_class
from typing import Any


def draft_of(kind: type[Any]) -> type[Any]:
    """Return the class of drafts of `kind`, a frozen dataclass: instances that can be changed.

    Make a draft, set all fields in the order of the dataclass, and set its `__class__` to `kind`,
    or to a subclass without further fields. The `__init__` of a frozen dataclass calls a function
    for each field, and takes six times as long. A value made from a draft is larger than one made
    by `__init__`: by about 60 bytes on Python 3.11 and 3.12, by about 240 bytes on Python 3.13.
    `kind` has neither `__post_init__` nor `__slots__`.
    """
    # `__class__` can only be set to a class with the same layout, of which `Generic` is a part.
    return new_class(f"{kind.__name__}Draft", getattr(kind, "__orig_bases__", ()))
