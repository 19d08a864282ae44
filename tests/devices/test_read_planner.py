"""Which registers are read together, and what refusals teach."""

from __future__ import annotations

import pytest

from watlowlib.devices.read_planner import Block, ReadPlanner, Span
from watlowlib.registry.parameters import PARAMETERS

TARGET = (PARAMETERS.resolve(4001), 1)
BYTE_9600_S = 10 / 9600


def spans(*places: tuple[int, int]) -> list[Span]:
    return [Span(register, count, TARGET) for register, count in places]


def make_plan(planner: ReadPlanner, *places: tuple[int, int]) -> list[tuple[int, int]]:
    return [(block.register, block.count) for block in planner.blocks(spans(*places))]


def test_neighbours_are_one_read_in_whatever_order_they_are_wanted() -> None:
    planner = ReadPlanner(32, BYTE_9600_S)
    assert make_plan(planner, (364, 2), (360, 2), (362, 1)) == [(360, 6)]


def test_a_gap_is_read_where_that_costs_less_than_another_exchange() -> None:
    # 20 bytes of framing and silence, and 5 ms of turnaround, which at 9600 baud is 4.8 bytes:
    # as much as 12 registers of 2 bytes.
    planner = ReadPlanner(64, BYTE_9600_S)
    assert make_plan(planner, (100, 2), (114, 2)) == [(100, 16)]
    assert make_plan(planner, (100, 2), (115, 2)) == [(100, 2), (115, 2)]
    # The faster the line, the more of an exchange is turnaround.
    assert make_plan(ReadPlanner(64, 10 / 38400), (100, 2), (120, 2)) == [(100, 22)]


def test_no_read_is_longer_than_the_limit() -> None:
    places = [(100 + 2 * n, 2) for n in range(40)]
    assert make_plan(ReadPlanner(32, BYTE_9600_S), *places) == [(100, 32), (132, 32), (164, 16)]
    assert make_plan(ReadPlanner(2, BYTE_9600_S), *places[:3]) == [(100, 2), (102, 2), (104, 2)]


def test_one_register_wanted_twice_is_read_once() -> None:
    assert make_plan(ReadPlanner(32, BYTE_9600_S), (100, 2), (100, 2), (100, 1)) == [(100, 2)]


def test_a_refused_block_is_parted_at_its_widest_gap_or_in_the_middle() -> None:
    def parts(*places: tuple[int, int]) -> list[int]:
        return [len(half.spans) for half in Block(tuple(spans(*places))).halves()]

    assert parts((0, 2), (2, 2), (10, 2), (12, 2), (14, 2)) == [2, 3]
    assert parts((0, 2), (2, 2), (4, 2), (6, 2)) == [2, 2]


def test_a_hole_is_not_read_across_again() -> None:
    planner = ReadPlanner(32, BYTE_9600_S)
    (block,) = planner.blocks(spans((100, 2), (106, 2), (108, 2)))
    planner.keep_apart(*block.halves())
    assert make_plan(planner, (100, 2), (106, 2), (108, 2)) == [(100, 2), (106, 4)]
    assert planner.limit == 32


def test_too_many_at_once_are_not_asked_for_again() -> None:
    planner = ReadPlanner(32, BYTE_9600_S)
    places = [(100 + 2 * n, 2) for n in range(16)]
    (block,) = planner.blocks(spans(*places))
    planner.keep_apart(*block.halves())
    assert make_plan(planner, *places) == [(100, 16), (116, 16)]
    assert make_plan(planner, (500, 2), (516, 2)) == [(500, 2), (516, 2)]


def test_a_limit_that_the_parts_have_taught_is_kept() -> None:
    planner = ReadPlanner(64, BYTE_9600_S)
    (block,) = planner.blocks(spans(*((100 + 2 * n, 2) for n in range(32))))
    left, right = block.halves()
    planner.keep_apart(*left.halves())
    planner.keep_apart(left, right)
    assert planner.limit == 16


@pytest.mark.parametrize("place", [100, 102, 104])
def test_a_register_that_is_refused_is_asked_for_by_itself_until_it_is_not(place: int) -> None:
    planner = ReadPlanner(32, BYTE_9600_S)
    places = [(100, 2), (102, 2), (104, 2)]
    (span,) = spans((place, 2))
    planner.note(span, refused=True)
    assert (place, 2) in make_plan(planner, *places)
    planner.note(span, refused=False)
    assert make_plan(planner, *places) == [(100, 6)]
