"""The assembly of a PM: scattered parameters shown side by side, to be read in one go.

Registers 40 to 119 are pairs of pointers, kept in EEPROM; what a pointer names is shown
160 registers further on. So up to 40 parameters, wherever they are, can be had in
one or two reads. What the pointers were before is put back at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from watlowlib._internal.validation import as_bool
from watlowlib.devices.layout import check_map, check_order
from watlowlib.devices.modbus_driver import ModbusDriver
from watlowlib.devices.series_sd import SeriesSdDriver
from watlowlib.errors import (
    WatlowConfigurationError,
    WatlowConfirmationError,
    WatlowWriteError,
)
from watlowlib.protocol.modbus.words import decode_words
from watlowlib.registry.parameters import DataType

if TYPE_CHECKING:
    from watlowlib.devices.controller import Controller
    from watlowlib.devices.read_planner import Span
    from watlowlib.devices.stdbus_driver import Target
    from watlowlib.model import WordOrder
from watlowlib.protocol.exchange import WriteOptions

POINTERS, VALUES, PAIRS = 40, 200, 40
"""The first register of each, and how many pairs there are. Source: classes 19 and 20."""

LOOKS = 5
"""How often a value that moves is compared with itself before it is another one."""


def assembled(
    ctl: Controller, wanted: list[Target], *, confirm: bool
) -> AbstractContextManager[None]:
    """Let `wanted` be read through the assembly within the `with` block.

    Args:
        ctl: A PM on Modbus RTU, in data map 1.
        wanted: At most 40.
        confirm: Must be True: the pointers are kept in EEPROM.

    Raises:
        WatlowConfigurationError: This controller has no assembly, or not for so many; in
            data map 2 on entering the block.
        WatlowConfirmationError: `confirm=True` is missing; nothing was sent.
        WatlowWriteError: The assembly does not show what it was told to.
    """
    return _assembled(ctl, _checked(ctl, wanted, confirm), wanted)


@contextmanager
def _assembled(ctl: Controller, wire: ModbusDriver, wanted: list[Target]) -> Iterator[None]:
    if check_map(wire.layout) != 1:
        raise WatlowConfigurationError(
            f"{ctl.name}: where the assembly is in data map 2 is not known; leave assembly out"
        )
    spans = [wire.span(target) for target in wanted]
    pointers = [n for span in spans for n in (span.register, span.end - 1)]
    outside = wire.shown
    before = wire.ask_all(POINTERS, len(pointers))
    try:
        wire.shown = {}  # what stood there before may not any more
        _point(ctl, wire, before, pointers)
        shown = {span.target: VALUES + 2 * n for n, span in enumerate(spans)}
        _compare(ctl, wire, spans, shown)
        wire.shown = shown
        yield
    finally:
        wire.shown = {}
        _point(ctl, wire, wire.ask_all(POINTERS, len(pointers)), before)
        # A copy: who began to read before this block shall see that something has been.
        wire.shown = dict(outside)


def _checked(ctl: Controller, wanted: list[Target], confirm: bool) -> ModbusDriver:
    wire = ctl.wire
    if not isinstance(wire, ModbusDriver) or isinstance(wire, SeriesSdDriver):
        raise WatlowConfigurationError(
            f"{ctl.name}: only an EZ-ZONE PM on Modbus RTU has an assembly; leave assembly out"
        )
    if len(wanted) > PAIRS:
        raise WatlowConfigurationError(
            f"{len(wanted)} values to assemble: there is room for {PAIRS}"
        )
    if not as_bool("confirm", confirm):
        raise WatlowConfirmationError(
            f"assembling {len(wanted)} values writes as many pointers to the EEPROM of "
            f"{ctl.name}, and puts the old ones back at the end; pass confirm=True if that is meant"
        )
    return wire


def _point(ctl: Controller, wire: ModbusDriver, held: list[int], pointers: list[int]) -> None:
    """Write the pairs of pointers that are others than those held."""
    for at in range(0, len(pointers), 2):
        if held[at : at + 2] != pointers[at : at + 2]:
            wire.put(POINTERS + at, pointers[at : at + 2], WriteOptions(sending=ctl.note_wear))


def _compare(
    ctl: Controller, wire: ModbusDriver, spans: list[Span], shown: dict[Target, int]
) -> None:
    """See that each value shown is the value itself."""
    for span in spans:
        if not _shows(wire, span, shown[span.target]):
            spec, instance = span.target
            raise WatlowWriteError(
                f"the assembly of {ctl.name} does not show {spec.name} instance {instance}; "
                "leave assembly out",
                context=ctl.context_of(spec, instance),
            )


def _shows(wire: ModbusDriver, span: Span, register: int) -> bool:
    """Whether `register` shows a value: it stands still and is the same, or moves and is near."""
    spec, _ = span.target
    order = check_order(wire.layout)
    seen = [wire.ask(span.register, span.count)]
    for _ in range(LOOKS):
        shown = wire.ask(register, span.count)
        seen.append(wire.ask(span.register, span.count))
        if shown in seen:
            return True
        if spec.data_type is DataType.FLOAT and len(set(seen)) > 1:
            number, *numbers = (_number(words, order) for words in (shown, *seen))
            least, most = min(numbers), max(numbers)
            if least - (most - least) <= number <= most + (most - least):
                return True
    return False


def _number(words: tuple[int, ...], order: WordOrder) -> float:
    number = decode_words(DataType.FLOAT, words, order)
    assert isinstance(number, float)
    return number
