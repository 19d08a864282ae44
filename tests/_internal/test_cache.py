"""The caches of a limited size."""

from __future__ import annotations

from watlowlib._internal.cache import Memo


def test_memo_makes_a_value_once_and_holds_a_limited_number() -> None:
    made: list[int] = []

    def double(key: int) -> int:
        made.append(key)
        return 2 * key

    memo = Memo(double, most=3)
    assert [memo[key] for key in (1, 2, 1, 3, 2, 3)] == [2, 4, 2, 6, 4, 6]
    assert made == [1, 2, 3]
    sizes = []
    for key in range(4, 20):
        assert memo[key] == 2 * key
        sizes.append(len(memo))
    assert max(sizes) == 3
