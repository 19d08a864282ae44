"""Where a controller's values are over Modbus: which data map, which word order.

Both are settings of the controller, and a program that is wrong about one writes into another
parameter. So they are found out, by reads alone:

- The map by the control mode that is active (8002) and the heat algorithm (8003): only
  in one of the two maps do their registers hold codes that these have.
- The word order by its own setting (17043), a single register, and by the hardware ID
  (1001), a small number in two registers, of which the low one is not 0 and the high one is.

What a controller refuses is a no; what it does not answer is neither, and is raised.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from watlowlib.errors import (
    WatlowIllegalFunctionError,
    WatlowIllegalValueError,
    WatlowNoSuchRegisterError,
    WatlowUncertainError,
)
from watlowlib.model import WordOrder
from watlowlib.registry.parameters import PARAMETERS, ParameterSpec

Ask: TypeAlias = "Callable[[int, int], tuple[int, ...]]"
"""Reads so many registers from one on."""

MAPS = (1, 2)
HARDWARE_IDS = (19, 28)
"""Those that the register list names."""

ORDERS = {1330: WordOrder.HIGH_LOW, 1331: WordOrder.LOW_HIGH}
ORDER_SETTING = 17043


@dataclass(frozen=True)
class RegisterLayout:
    """What is known; None for what is not.

    Attributes:
        data_map: 1 or 2.
        word_order: Which word comes first.
        doubt: Why something is not known, in words for the user.
    """

    data_map: int | None = None
    word_order: WordOrder | None = None
    doubt: str = ""


def discover_layout(known: RegisterLayout, ask: Ask) -> RegisterLayout:
    """Find out what is not known yet.

    Args:
        known: What was given by the user, which is not asked for.
        ask: How to read registers.

    Raises:
        WatlowTimeoutError: No answer; nothing is settled.
        WatlowCRCError: Only damaged answers; likewise.
        WatlowConnectionError: The port is gone.
    """
    layout = known
    if layout.data_map is None:
        layout = _with_map(layout, ask)
    if layout.word_order is None:
        layout = _with_order(layout, ask)
    return layout


def check_map(layout: RegisterLayout) -> int:
    """The data map.

    Raises:
        WatlowUncertainError: It is not known.
    """
    if layout.data_map is None:
        raise WatlowUncertainError(
            f"the data map of this controller is not certain ({layout.doubt}); look it up on the "
            "controller (Setup, Communications menu) and give data_map=1 or data_map=2"
        )
    return layout.data_map


def check_order(layout: RegisterLayout) -> WordOrder:
    """The word order.

    Raises:
        WatlowUncertainError: It is not known.
    """
    if layout.word_order is None:
        raise WatlowUncertainError(
            f"the word order of this controller is not certain ({layout.doubt}); look it up on "
            "the controller (Setup, Communications menu, Modbus Word Order) and give "
            "word_order='low_high' or word_order='high_low'"
        )
    return layout.word_order


def _with_map(layout: RegisterLayout, ask: Ask) -> RegisterLayout:
    found = [number for number in MAPS if _looks_like(number, ask)]
    if len(found) == 1:
        return replace(layout, data_map=found[0])
    where = "in both maps" if found else "in neither map; a Series SD must be named: family='sd'"
    return _doubting(layout, f"8002 and 8003 hold codes of theirs {where}")


def _looks_like(data_map: int, ask: Ask) -> bool:
    """Whether 8002 and 8003 hold codes of theirs where this map has them."""
    return all(
        _single(spec, data_map, ask) in spec.codes
        for spec in (PARAMETERS.resolve(8002), PARAMETERS.resolve(8003))
    )


def _with_order(layout: RegisterLayout, ask: Ask) -> RegisterLayout:
    setting = None
    if layout.data_map is not None:
        code = _single(PARAMETERS.resolve(ORDER_SETTING), layout.data_map, ask)
        setting = ORDERS.get(-1 if code is None else code)
    words = _answered(0, 2, ask) or (0, 0)
    hardware = _order_of_small(words)
    sure = setting or max(words) in HARDWARE_IDS
    if hardware is not None and sure and setting in (hardware, None):
        return replace(layout, word_order=hardware)
    said = "does not tell" if setting is None else f"says {setting}"
    return _doubting(layout, f"17043 {said}, and the hardware ID is {words[0]:04X} {words[1]:04X}")


def _order_of_small(words: tuple[int, ...]) -> WordOrder | None:
    """The order in which two words make a number below 65536 that is not 0."""
    first, second = words
    if first and not second:
        return WordOrder.LOW_HIGH
    return WordOrder.HIGH_LOW if second and not first else None


def _single(spec: ParameterSpec, data_map: int, ask: Ask) -> int | None:
    register = spec.register(1, data_map)
    assert register is not None
    words = _answered(register, 1, ask)
    return words[0] if words else None


def _answered(register: int, count: int, ask: Ask) -> tuple[int, ...] | None:
    """The registers; None where the controller says that it has none there."""
    try:
        return ask(register, count)
    except (WatlowIllegalFunctionError, WatlowNoSuchRegisterError, WatlowIllegalValueError):
        return None


def _doubting(layout: RegisterLayout, doubt: str) -> RegisterLayout:
    return replace(layout, doubt=f"{layout.doubt}; {doubt}" if layout.doubt else doubt)
