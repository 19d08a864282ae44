"""Frames made from Arrow tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from watlowlib.sinks.reading import frames
from watlowlib.sinks.reading.frames import gathered, to_frame
from watlowlib.sinks.rows import ColumnType

pa = pytest.importorskip("pyarrow")


def pool() -> str:
    return str(pa.default_memory_pool().backend_name)


@pytest.fixture
def before() -> str:
    if pool() == "system":
        pytest.skip("Arrow takes memory from the system anyway")
    return pool()


def three_tables() -> Iterator[Any]:
    for _ in range(3):
        yield pa.table({"tick": pa.array([1, 2, 3])})


def test_small_tables_keep_the_programs_pool(before: str) -> None:
    with gathered(three_tables()) as tables:
        assert pool() == before
    assert len(tables) == 3


def test_large_tables_take_memory_from_the_system(
    before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "LARGE", -1)
    pools = []
    with gathered(pools.append(pool()) or each for each in three_tables()):  # type: ignore[func-returns-value]
        pools.append(pool())
    assert pools == [before, "system", "system", "system"]
    assert pool() == before


def test_arrow_has_the_programs_pool_again_after_a_failure(
    before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "LARGE", -1)
    with pytest.raises(OSError, match="disk"), gathered(three_tables()):
        raise OSError("the disk is gone")
    assert pool() == before


def test_arrow_has_the_programs_pool_again_after_two_threads(
    before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "LARGE", -1)
    first, second = gathered(three_tables()), gathered(three_tables())
    with first:
        second.__enter__()
    second.__exit__(None, None, None)
    assert pool() == before


def test_tables_without_a_column_keep_their_rows() -> None:
    pytest.importorskip("pandas")
    tables = [pa.table({"tick": [1, 2]}).select([]) for _ in range(2)]
    assert to_frame(tables, {"tick": ColumnType.INTEGER})["tick"].isna().tolist() == [True] * 4


def test_converted_columns_are_released(before: str) -> None:
    pytest.importorskip("pandas")
    begun = pa.total_allocated_bytes()
    with gathered(pa.table({"tick": pa.array(range(10_000))}) for _ in range(3)) as tables:
        assert pa.total_allocated_bytes() - begun >= 3 * 80_000
        frame = to_frame(tables, {"tick": ColumnType.INTEGER})
        assert pa.total_allocated_bytes() - begun < 4 * 80_000  # the frame has three
    assert len(frame) == 30_000


@pytest.mark.parametrize("column_is_large", [False, True])
def test_cells_of_a_frame_can_be_changed(
    column_is_large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pandas")
    monkeypatch.setattr(frames, "LARGE_COLUMN", 0 if column_is_large else 1 << 40)
    types = {"device": ColumnType.TEXT, "tick": ColumnType.INTEGER, "value": ColumnType.ANY}
    table = pa.table({"device": ["a", "b"], "tick": [1, 2], "value": [1.5, 2.5]})
    frame = to_frame([table], types)
    frame.loc[0, "tick"], frame.loc[1, "value"], frame.loc[1, "device"] = 5, 6.5, "c"
    assert list(frame) == ["device", "tick", "value", "value_text"]
    assert frame["tick"].tolist() == [5, 2]
    assert frame["value"].tolist() == [1.5, 6.5]
    assert frame["device"].tolist() == ["a", "c"]
