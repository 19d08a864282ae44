"""Which reply has which fault."""

from __future__ import annotations

import pytest

from watlowlib.errors import WatlowConfigurationError
from watlowlib.simulator import Fault
from watlowlib.testing import Faults


def drawn(faults: Faults, count: int) -> str:
    """Return the first letters of the faults of the next replies, "." for none."""
    return "".join(
        (fault.value[0] if fault else ".") for fault in (faults.draw() for _ in range(count))
    )


def test_every_and_times() -> None:
    faults = Faults()
    assert drawn(faults, 3) == "..."
    faults.drop(every=3)
    assert drawn(faults, 7) == "..d..d."
    faults.none()
    faults.corrupt(times=2)
    assert drawn(faults, 4) == "cc.."
    faults.drop(every=2, times=2)
    assert drawn(faults, 7) == ".d.d..."
    faults.echo()
    assert drawn(faults, 2) == "ee"
    assert (faults.happened["drop"], faults.happened[Fault.CORRUPT]) == (4, 2)  # type: ignore[index]


def test_the_rarer_of_two_faults_is_used_in_any_order() -> None:
    for rare_first in (True, False):
        faults = Faults()
        for rare in (rare_first, not rare_first):
            _ = faults.drop(every=3) if rare else faults.echo()  # type: ignore[func-returns-value]
        assert drawn(faults, 6) == "eedeed"
        faults.corrupt(times=1)
        assert drawn(faults, 3) == "ced"


def test_each_delay_is_that_of_its_fault() -> None:
    faults = Faults()
    faults.delay(2.0)
    faults.delay(5.0, every=2)
    delays = [faults.portions(faults.draw(), b"request", b"reply") for _ in range(2)]
    assert delays == [[(2.0, b"reply")], [(5.0, b"reply")]]


def test_none_ends_scripted_faults_too() -> None:
    faults = Faults()
    faults.next_are(Fault.DROP)
    faults.drop()
    assert repr(faults) == "<Faults: drop every 1; faults so far: 0>"
    faults.none()
    assert drawn(faults, 2) == ".."
    assert repr(faults) == "<Faults: none; faults so far: 0>"


@pytest.mark.parametrize(
    ("options", "message"), [({"every": 0}, "every=0"), ({"times": 0}, "times=0")]
)
def test_wrong_numbers_are_refused(options: dict[str, int], message: str) -> None:
    with pytest.raises(WatlowConfigurationError, match=message):
        Faults().drop(**options)  # type: ignore[arg-type]
    with pytest.raises(WatlowConfigurationError, match="seconds"):
        Faults().delay(-1.0)
