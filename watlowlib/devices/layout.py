"""The register layout of a controller over Modbus: its data map and its word order.

Both are settings of the controller, and a program that assumes the wrong one writes into
another parameter. They are discovered with reads only:

- The data map by the active control mode (8002) and the heat algorithm (8003): only in one of
  the two maps do their registers hold codes of these enumerations. The same test shows whether
  a controller is the RMH or ST that the user says. For an RMC, whose registers of 8002 are not
  certain, it shows only that the controller is not a PM in data map 1.
- The word order by its own setting (17043), a single register, and by the hardware ID (1001),
  a small number in two registers, of which the low one is not 0 and the high one is.

Exceptions 01, 02 and 03 count as "no such register". Any other error is raised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

from watlowlib.errors import (
    WatlowIllegalFunctionError,
    WatlowIllegalValueError,
    WatlowNoSuchRegisterError,
    WatlowUncertainError,
)
from watlowlib.model import WordOrder
from watlowlib.registry.parameters import PARAMETERS, ParameterSpec, Registry

ReadBlock: TypeAlias = "Callable[[int, int], tuple[int, ...]]"
"""Reads a number of registers, given the first register and the count."""

HARDWARE_IDS = (19, 28)
"""The hardware IDs in the register list."""

ORDERS = {1330: WordOrder.HIGH_LOW, 1331: WordOrder.LOW_HIGH}
ORDER_SETTING = 17043

RMC_MODE = 2222
"""Register of 8002 in an RMC, if its loops begin at 2220. Then loop 3 has it where a PM has that of
loop 1 in data map 2, which has no register here."""

RMC_DOUBT = (
    "8002 and 8003 hold valid codes in data map 2, and 8002 also where an RMC may have it; give "
    "family='rmc' for an RMC"
)
AS_A_PM = "8002 and 8003 hold valid codes where a PM has them in data map"
CHECK_FAMILY = "check family="
NEITHER = "in neither map; give family='sd' for a Series SD, or that of an RM or ST"


class RegisterLayout(NamedTuple):
    """The data map and word order of a controller; an unknown one is None.

    Attributes:
        data_map: 1 or 2.
        word_order: Which word of a 32-bit value comes first.
        doubt: Why something is not known, for the message to the user.
    """

    data_map: int | None = None
    word_order: WordOrder | None = None
    doubt: str = ""


def discover_layout(
    known: RegisterLayout, read: ReadBlock, registry: Registry = PARAMETERS
) -> RegisterLayout:
    """Return the layout of the controller; what the user has given in `known` is not read.

    `registry` has the registers of its family. If that is not a PM, the registers are tested also
    where the user has given the data map: they would be those of other parameters of a PM.

    Raises:
        WatlowTimeoutError: No reply.
        WatlowCRCError: Only damaged replies.
        WatlowConnectionError: The port is lost.
    """
    layout = known
    if known.data_map is None:
        layout = _with_map(known, read, registry)
    elif registry is not PARAMETERS and _is_tested(known.data_map, registry):
        found = _with_map(known._replace(data_map=None), read, registry)
        layout = known if found.data_map == known.data_map else found
    return layout if layout.word_order is not None else _with_order(layout, read, registry)


def check_map(layout: RegisterLayout) -> int:
    """Return the data map; raise WatlowUncertainError if it is not known."""
    if layout.data_map is None:
        raise WatlowUncertainError(
            f"the data map of this controller is not certain ({layout.doubt})"
            + _advice(layout, "", "data_map=1 or data_map=2")
        )
    return layout.data_map


def check_order(layout: RegisterLayout) -> WordOrder:
    """Return the word order; raise WatlowUncertainError if it is not known."""
    if layout.word_order is None:
        raise WatlowUncertainError(
            f"the word order of this controller is not certain ({layout.doubt})"
            + _advice(
                layout, ", Modbus Word Order", "word_order='low_high' or word_order='high_low'"
            )
        )
    return layout.word_order


def _advice(layout: RegisterLayout, menu: str, give: str) -> str:
    if CHECK_FAMILY in layout.doubt:
        return ""  # the setting would not help
    return f"; look it up on the controller (Setup, Communications menu{menu}) and give {give}"


def _is_tested(data_map: int, registry: Registry) -> bool:
    """Whether the registers of a data map show whether a controller is of the family."""
    return registry.data_maps == (1,) or registry.resolve(8002).register(1, data_map) is not None


def _with_map(layout: RegisterLayout, read: ReadBlock, registry: Registry) -> RegisterLayout:
    maps, specs = registry.data_maps, (registry.resolve(8002), registry.resolve(8003))
    tested = [each for each in maps if specs[0].register(1, each) is not None]
    if len(maps) == 1 and not tested:
        data_map = _map_of_pm(read)
        if data_map is not None:
            hint = f"{AS_A_PM} {data_map}: {CHECK_FAMILY}{registry.family.value!r}"
            return _with_doubt(layout, hint)
        return layout._replace(data_map=maps[0])
    found = [
        each for each in tested if _hold_codes([(s, s.register(1, each)) for s in specs], read)
    ]
    if registry is not PARAMETERS:
        doubt = f"8002 and 8003 hold no valid codes: {CHECK_FAMILY}{registry.family.value!r}"
        for each in set(maps).difference(tested):
            doubt += f", or give data_map={each}, which has no test"
    elif found == [2] and _hold_codes([(specs[0], RMC_MODE)], read):
        return _with_doubt(layout, RMC_DOUBT)
    else:
        doubt = f"8002 and 8003 hold valid codes {'in both maps' if found else NEITHER}"
    return layout._replace(data_map=found[0]) if len(found) == 1 else _with_doubt(layout, doubt)


def _map_of_pm(read: ReadBlock) -> int | None:
    """Return the data map of a PM that is declared as an RMC; None if it may be an RMC.

    There is no register to test an RMC by. Those of a PM in data map 1 belong to its alarm 3, with
    other codes; those in data map 2 to its loop 3, if its loop 1 has them at `RMC_MODE`.
    """
    mode, algorithm = PARAMETERS.resolve(8002), PARAMETERS.resolve(8003)
    for data_map in (1, 2):
        registers = [(each, each.register(1, data_map)) for each in (mode, algorithm)]
        if _hold_codes(registers, read):
            as_rmc = data_map == 2 and _hold_codes([(mode, RMC_MODE)], read)
            return None if as_rmc else data_map
    return None


def _hold_codes(registers: Iterable[tuple[ParameterSpec, int | None]], read: ReadBlock) -> bool:
    """Whether the registers hold codes of these enumerations."""
    return all(_read_one(register, read) in spec.codes for spec, register in registers)


def _with_order(layout: RegisterLayout, read: ReadBlock, registry: Registry) -> RegisterLayout:
    data_map = layout.data_map
    spec, hardware = registry.resolve(ORDER_SETTING), registry.resolve(1001).register(1, 1)
    code = None if data_map is None else _read_one(spec.register(1, data_map), read)
    setting = ORDERS.get(-1 if code is None else code)
    if hardware is None:
        if setting is not None:  # the only evidence there is
            return layout._replace(word_order=setting)
        return _with_doubt(layout, "17043 gives no order" if code is None else f"17043 is {code}")
    found = _read_or_none(hardware, 2, read)
    words = found or (0, 0)
    by_hardware_id = _order_of_small_number(words)
    confirmed = setting or max(words) in HARDWARE_IDS
    if by_hardware_id is not None and confirmed and setting in (by_hardware_id, None):
        return layout._replace(word_order=by_hardware_id)
    shown = "gives no order" if setting is None else f"is {setting}"
    held = "cannot be read" if found is None else f"is {words[0]:04X} {words[1]:04X}"
    return _with_doubt(layout, f"17043 {shown}, and the hardware ID {held}")


def _order_of_small_number(words: tuple[int, ...]) -> WordOrder | None:
    """Return the order in which two words make a number from 1 to 65535."""
    first, second = words
    if first and not second:
        return WordOrder.LOW_HIGH
    return WordOrder.HIGH_LOW if second and not first else None


def _read_one(register: int | None, read: ReadBlock) -> int | None:
    words = None if register is None else _read_or_none(register, 1, read)
    return words[0] if words else None


def _read_or_none(register: int, count: int, read: ReadBlock) -> tuple[int, ...] | None:
    """Read registers; None where the controller has none."""
    try:
        return read(register, count)
    except (WatlowIllegalFunctionError, WatlowNoSuchRegisterError, WatlowIllegalValueError):
        return None


def _with_doubt(layout: RegisterLayout, doubt: str) -> RegisterLayout:
    return layout._replace(doubt=f"{layout.doubt}; {doubt}" if layout.doubt else doubt)
