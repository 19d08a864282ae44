from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, dataclass, replace

import pytest

from watlowlib._internal.frozen import draft_of


@dataclass(frozen=True)
class Point:
    x: int
    y: int = 0


def make_point() -> Point:
    point = draft_of(Point)()
    point.x, point.y = 1, 2
    point.__class__ = Point
    return point  # type: ignore[no-any-return]


def test_the_value_is_as_if_made_by_init() -> None:
    point = make_point()
    assert point == Point(1, 2)
    assert hash(point) == hash(Point(1, 2))
    assert repr(point) == "Point(x=1, y=2)"
    assert replace(point, y=3) == Point(1, 3)
    assert copy.deepcopy(point) == pickle.loads(pickle.dumps(point)) == Point(1, 2)


def test_the_value_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        make_point().x = 3  # type: ignore[misc]
