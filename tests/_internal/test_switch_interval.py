"""The switch interval: the smallest that is wanted, and afterwards what it was."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.forked import in_child, needs_fork
from watlowlib._internal.switch_interval import as_switch_interval, lowered
from watlowlib.errors import WatlowConfigurationError


def current_us() -> int:
    return round(sys.getswitchinterval() * 1e6)


@pytest.fixture(autouse=True)
def own_us() -> Iterator[int]:
    """The interval of the program, one that is not a whole number of binary fractions."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.004_007_5)
    yield 4007
    sys.setswitchinterval(before)


def test_the_interval_is_lowered_and_restored(own_us: int) -> None:
    for _ in range(3):
        with lowered(0.0005):
            assert current_us() == 500
        assert current_us() == own_us


def test_it_is_restored_after_an_error(own_us: int) -> None:
    with pytest.raises(ZeroDivisionError), lowered(0.0005):
        raise ZeroDivisionError
    assert current_us() == own_us


def test_none_leaves_it_alone(own_us: int) -> None:
    with lowered(None):
        assert current_us() == own_us


def test_it_is_never_raised(own_us: int) -> None:
    with lowered(0.01):
        assert current_us() == own_us


def test_the_smallest_of_overlapping_intervals_counts(own_us: int) -> None:
    first, second, third = ExitStack(), ExitStack(), ExitStack()
    first.enter_context(lowered(0.001))
    second.enter_context(lowered(0.0003))
    third.enter_context(lowered(0.001))
    assert current_us() == 300
    first.close()
    assert current_us() == 300
    second.close()
    assert current_us() == 1000
    third.close()
    assert current_us() == own_us


def test_what_the_program_sets_meanwhile_stays() -> None:
    with lowered(0.0005):
        sys.setswitchinterval(0.0025)
    assert current_us() == 2500


def test_what_the_program_sets_meanwhile_is_restored_after_a_later_user() -> None:
    first, second = ExitStack(), ExitStack()
    first.enter_context(lowered(0.0005))
    sys.setswitchinterval(0.0025)
    second.enter_context(lowered(0.001))
    assert current_us() == 500
    first.close()
    second.close()
    assert current_us() == 2500


def test_the_last_lowered_interval_may_become_the_programs_own() -> None:
    with lowered(0.0005):
        sys.setswitchinterval(0.0025)
    sys.setswitchinterval(0.0005)
    with lowered(0.0005):
        pass
    assert current_us() == 500


@needs_fork
def test_a_forked_child_has_the_programs_interval(own_us: int) -> None:
    with lowered(0.0005):
        assert in_child(current_us) == own_us
        assert current_us() == 500


@pytest.mark.parametrize("given", [0, -0.001, 1.5, "0.0005", True, float("nan")])
def test_other_values_are_refused(given: object) -> None:
    with pytest.raises(WatlowConfigurationError, match=r"switch_interval=.*above 0 and up to 1 "):
        as_switch_interval(given)  # type: ignore[arg-type]
