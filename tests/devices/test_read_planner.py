"""Which registers are read together, and what the planner learns from refused reads."""

from __future__ import annotations

import pytest

from watlowlib.devices.read_planner import Block, ReadPlanner, Span
from watlowlib.registry.parameters import PARAMETERS

TARGET = (PARAMETERS.resolve(4001), 1)
BYTE_9600_S = 10 / 9600


def spans(*ranges: tuple[int, int]) -> list[Span]:
    return [Span(register, count, TARGET) for register, count in ranges]


def make_plan(planner: ReadPlanner, *ranges: tuple[int, int]) -> list[tuple[int, int]]:
    return [(block.register, block.count) for block in planner.blocks(spans(*ranges))]


def test_adjacent_registers_are_one_read_in_any_order() -> None:
    planner = ReadPlanner(32, BYTE_9600_S)
    assert make_plan(planner, (364, 2), (360, 2), (362, 1)) == [(360, 6)]


def test_a_gap_is_read_where_it_costs_less_than_another_exchange() -> None:
    # 20 bytes of framing and silence plus 5 ms of turnaround, 4.8 bytes at 9600 baud, take as
    # long as 12 registers of 2 bytes.
    planner = ReadPlanner(64, BYTE_9600_S)
    assert make_plan(planner, (100, 2), (114, 2)) == [(100, 16)]
    assert make_plan(planner, (100, 2), (115, 2)) == [(100, 2), (115, 2)]
    # On a faster line the turnaround is worth more bytes.
    assert make_plan(ReadPlanner(64, 10 / 38400), (100, 2), (120, 2)) == [(100, 22)]


def test_no_read_exceeds_the_limit() -> None:
    ranges = [(100 + 2 * n, 2) for n in range(40)]
    assert make_plan(ReadPlanner(32, BYTE_9600_S), *ranges) == [(100, 32), (132, 32), (164, 16)]
    assert make_plan(ReadPlanner(2, BYTE_9600_S), *ranges[:3]) == [(100, 2), (102, 2), (104, 2)]


def test_a_register_requested_twice_is_read_once() -> None:
    assert make_plan(ReadPlanner(32, BYTE_9600_S), (100, 2), (100, 2), (100, 1)) == [(100, 2)]


def test_a_refused_block_is_split_at_its_widest_gap_or_in_the_middle() -> None:
    def half_sizes(*ranges: tuple[int, int]) -> list[int]:
        return [len(half.spans) for half in Block(tuple(spans(*ranges))).halves()]

    assert half_sizes((0, 2), (2, 2), (10, 2), (12, 2), (14, 2)) == [2, 3]
    assert half_sizes((0, 2), (2, 2), (4, 2), (6, 2)) == [2, 2]


def test_a_gap_of_missing_registers_is_not_read_again() -> None:
    planner = ReadPlanner(32, BYTE_9600_S)
    (block,) = planner.blocks(spans((100, 2), (106, 2), (108, 2)))
    planner.keep_apart(*block.halves())
    assert make_plan(planner, (100, 2), (106, 2), (108, 2)) == [(100, 2), (106, 4)]
    assert planner.limit == 32


def test_a_read_above_the_learned_limit_is_not_sent_again() -> None:
    planner = ReadPlanner(32, BYTE_9600_S)
    ranges = [(100 + 2 * n, 2) for n in range(16)]
    (block,) = planner.blocks(spans(*ranges))
    planner.keep_apart(*block.halves())
    assert make_plan(planner, *ranges) == [(100, 16), (116, 16)]
    assert make_plan(planner, (500, 2), (516, 2)) == [(500, 2), (516, 2)]


def test_a_lower_limit_learned_from_the_halves_is_kept() -> None:
    planner = ReadPlanner(64, BYTE_9600_S)
    (block,) = planner.blocks(spans(*((100 + 2 * n, 2) for n in range(32))))
    left, right = block.halves()
    planner.keep_apart(*left.halves())
    planner.keep_apart(left, right)
    assert planner.limit == 16


@pytest.mark.parametrize("register", [100, 102, 104])
def test_a_refused_register_is_read_by_itself_until_it_succeeds(register: int) -> None:
    planner = ReadPlanner(32, BYTE_9600_S)
    ranges = [(100, 2), (102, 2), (104, 2)]
    (span,) = spans((register, 2))
    planner.note(span, refused=True)
    assert (register, 2) in make_plan(planner, *ranges)
    planner.note(span, refused=False)
    assert make_plan(planner, *ranges) == [(100, 6)]
