"""The assembly of an EZ-ZONE PM: scattered parameters in adjacent registers.

Registers 40 to 119 are pairs of pointers, stored in EEPROM. The value of the parameter that a
pointer pair names appears 160 registers higher. One or two reads return up to 40 parameters,
wherever their own registers are. The previous pointers are restored at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from watlowlib._internal.validation import as_bool
from watlowlib.devices.driver import Target
from watlowlib.devices.layout import check_map, check_order
from watlowlib.devices.modbus_driver import ModbusDriver
from watlowlib.devices.read_planner import Span
from watlowlib.devices.series_sd import SeriesSdDriver
from watlowlib.devices.session import Session
from watlowlib.errors import (
    WatlowConfigurationError,
    WatlowConfirmationError,
    WatlowWriteError,
)
from watlowlib.model import WordOrder
from watlowlib.model.text import counted
from watlowlib.protocol.exchange import WriteOptions
from watlowlib.protocol.modbus.words import decode_words
from watlowlib.registry.parameters import DataType

POINTER = 19001
POINTERS, VALUES, PAIRS = 40, 200, 40
"""First register of each, and the number of pairs. Source: classes 19 and 20."""

COMPARISONS = 5
"""How often a changing value is compared with its source before it counts as different."""


def assembled(
    session: Session, targets: Sequence[Target], *, confirm: bool
) -> AbstractContextManager[None]:
    """Read `targets` through the assembly within a `with` block.

    `session` must be a PM on Modbus RTU in data map 1, and `targets` at most 40 reads. `confirm`
    must be True, because the pointers are stored in EEPROM.

    Raises:
        WatlowConfigurationError: This controller has no assembly, or too many targets; in
            data map 2, or while another session uses it, when the block is entered.
        WatlowConfirmationError: `confirm=True` is missing; nothing was sent.
        WatlowWriteError: The assembly does not show the targets.
    """
    return _claimed(session, _checked_driver(session, targets, confirm), targets)


@contextmanager
def _claimed(session: Session, driver: ModbusDriver, targets: Sequence[Target]) -> Iterator[None]:
    """Set the assembly up unless another session uses it, which would read other values."""
    claims, station = session.port.assemblies, driver.station
    outermost = station not in claims
    if claims.setdefault(station, driver) is not driver:
        raise WatlowConfigurationError(
            f"{session.name}: another session of this program reads through the assembly of the "
            f"controller at address {driver.address}; share one controller object, or wait until "
            "the other block ends"
        )
    try:
        with _assembled(session, driver, targets):
            yield
    finally:
        if outermost:
            claims.pop(station, None)


@contextmanager
def _assembled(session: Session, driver: ModbusDriver, targets: Sequence[Target]) -> Iterator[None]:
    session.confirm()
    pointer = driver.registry.resolve(POINTER)
    data_map = check_map(driver.discover_layout())
    if pointer.register(1, data_map) != POINTERS:
        raise WatlowConfigurationError(
            f"{session.name}: the registers of the assembly in data map {data_map} of family "
            f"{pointer.family.value!r} are not known; leave assembly out"
        )
    spans = [driver.span(target) for target in targets]
    pointers = [n for span in spans for n in (span.register, span.end - 1)]
    outer, replacements = driver.assembled, session.replacements
    before = driver.read_registers(POINTERS, len(pointers))
    try:
        driver.assembled = {}  # the previous pointers are about to change
        _write_pointers(session, driver, before, pointers)
        registers = {span.target: VALUES + 2 * n for n, span in enumerate(spans)}
        for span in spans:
            if not _shows(driver, span, registers[span.target]):
                spec, instance = span.target
                raise WatlowWriteError(
                    f"the assembly of {session.name} does not show {spec.name} instance "
                    f"{instance}; leave assembly out",
                    context=session.context_of(spec, instance),
                )
        driver.assembled = registers
        yield
    finally:
        if not session.port.in_other_process:  # there, the parent still uses the assembly
            session.confirm()
            if session.replacements == replacements:  # these pointers are not another controller's
                driver.assembled = {}
                session.repeat_if_interrupted(lambda: _restore_pointers(session, driver, before))
                # A new dict: a read that began before this block notices the change by identity.
                driver.assembled = dict(outer)


def _checked_driver(session: Session, targets: Sequence[Target], confirm: bool) -> ModbusDriver:
    driver = session.driver
    if not isinstance(driver, ModbusDriver) or isinstance(driver, SeriesSdDriver):
        raise WatlowConfigurationError(
            f"{session.name}: only an EZ-ZONE PM on Modbus RTU has an assembly; leave assembly out"
        )
    if driver.station != driver.address:
        raise WatlowConfigurationError(
            f"{session.name}: behind a gateway it is not known whether the assembly shows the "
            "registers of the controller; leave assembly out"
        )
    if len(targets) > PAIRS:
        raise WatlowConfigurationError(
            f"{len(targets)} values to assemble: there is room for {PAIRS}"
        )
    if not as_bool("confirm", confirm):
        raise WatlowConfirmationError(
            f"assembling {counted(len(targets), 'value')} writes "
            f"{counted(len(targets), 'pointer')} to the EEPROM of {session.name} and restores "
            "the old ones at the end; pass confirm=True if this is intended"
        )
    return driver


def _restore_pointers(session: Session, driver: ModbusDriver, before: list[int]) -> None:
    current = driver.read_registers(POINTERS, len(before))
    _write_pointers(session, driver, current, before)


def _write_pointers(
    session: Session, driver: ModbusDriver, current: list[int], pointers: list[int]
) -> None:
    """Write the pointer pairs that differ from the current ones."""
    for at in range(0, len(pointers), 2):
        if current[at : at + 2] != pointers[at : at + 2]:
            options = WriteOptions(on_send=session.note_eeprom_write)
            driver.write_block(POINTERS + at, pointers[at : at + 2], options)


def _shows(driver: ModbusDriver, span: Span, register: int) -> bool:
    """Whether `register` shows the value: equal to it, or near it while it changes."""
    spec, _ = span.target
    order = check_order(driver.discover_layout())
    seen = [driver.read_block(span.register, span.count)]
    for _ in range(COMPARISONS):
        shown = driver.read_block(register, span.count)
        seen.append(driver.read_block(span.register, span.count))
        if shown in seen:
            return True
        if spec.data_type is DataType.FLOAT and len(set(seen)) > 1:
            number, *numbers = (_float(words, order) for words in (shown, *seen))
            least, most = min(numbers), max(numbers)
            if least - (most - least) <= number <= most + (most - least):
                return True
    return False


def _float(words: tuple[int, ...], order: WordOrder) -> float:
    number = decode_words(DataType.FLOAT, words, order)
    assert isinstance(number, float)
    return number
