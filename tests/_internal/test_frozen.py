from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass, replace

import pytest

from watlowlib._internal.frozen import frozen


@dataclass(frozen=True)
class Point:
    x: int
    y: int = 0


def test_the_value_is_as_if_made_by_init() -> None:
    point = frozen(Point, {"x": 1, "y": 2})
    assert point == Point(1, 2)
    assert hash(point) == hash(Point(1, 2))
    assert repr(point) == "Point(x=1, y=2)"
    assert replace(point, y=3) == Point(1, 3)


def test_the_value_cannot_be_changed() -> None:
    point = frozen(Point, {"x": 1, "y": 2})
    with pytest.raises(FrozenInstanceError):
        point.x = 3  # type: ignore[misc]
