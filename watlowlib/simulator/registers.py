"""The Modbus registers of a simulated controller: which value is at which register.

A `RegisterBank` reads and writes registers, in the data map and word order of its controller;
frames and line timing are handled elsewhere. The registers are from Watlow's list. The other
behaviour of a unit is not published; assumed here:

- Parameters of an EZ-ZONE are two registers apart. The odd register after a one-register value
  reads 0; a write to it together with its value changes nothing.
- A register without a parameter, of an instance the unit does not have, or of a write-only
  parameter cannot be read: exception 02. The same holds for a read across such a register, or,
  with `gaps="zero"`, only for a read that begins or ends at one.
- A rejected value, half a value, and any value of a read-only parameter: exception 03. A write
  to several parameters is checked as a whole before the first is stored.
- Where the list has two parameters at one register, the writable one counts, else the first.
- The assembly of a PM has the same registers in both maps, also on units with one loop. A pointer
  may have any value; only a read through a pointer to no register fails (02). A write through a
  pointer is rejected (03).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

from watlowlib.errors import WatlowConfigurationError, WatlowFrameError
from watlowlib.model import ControllerFamily, Value, WordOrder
from watlowlib.protocol.modbus.words import decode_words, encode_words, register_count
from watlowlib.registry.parameters import DataType, ParameterSpec

NO_SUCH_REGISTER, ILLEGAL_VALUE, DEVICE_FAILURE = 2, 3, 4
ASSEMBLY = (19, 20)
"""The parameter classes of the assembly's pointers and values."""
POINTERS, VALUES = 40, 200
"""The first registers of both: register 200 + n shows the target of the pointer at 40 + n."""
GAPS = ("refuse", "zero")


@dataclass(frozen=True)
class Write:
    """An accepted write: the parameter's number, the instance and the value."""

    number: int
    instance: int
    value: Value


class ModbusExceptionError(Exception):
    """The reply to the request is a Modbus exception with this code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code:02d}")
        self.code = code


class ValueStore(Protocol):
    """The controller with the values of the registers, in the types of the wire."""

    @property
    def word_order(self) -> WordOrder:
        """The word order of 32-bit values."""

    def instances_of(self, spec: ParameterSpec) -> int:
        """Return the number of instances of `spec`."""

    def read_wire_value(self, spec: ParameterSpec, instance: int) -> Value:
        """Return the current value."""

    def accepts_wire_value(self, spec: ParameterSpec, instance: int, value: Value) -> bool:
        """Whether the value is accepted."""

    def write_wire_value(self, spec: ParameterSpec, instance: int, value: Value) -> None:
        """Store the value and carry out its action."""


class RegisterRange(NamedTuple):
    """The registers of one value."""

    spec: ParameterSpec
    instance: int
    first: int

    @property
    def end(self) -> int:
        """The register after the value."""
        return self.first + register_count(self.spec.data_type)


def register_map(
    registry: Iterable[ParameterSpec],
    data_map: int,
    instances_of: Callable[[ParameterSpec], int],
) -> dict[int, RegisterRange]:
    """Return the value at each register of a data map, also at the odd registers after values."""
    ranges: dict[int, RegisterRange] = {}
    for spec in registry:
        spacing = 1 if spec.family is ControllerFamily.SD else 2
        for instance in range(1, instances_of(spec) + 1):
            first = spec.register(instance, data_map)
            if first is None and spec.class_id in ASSEMBLY:
                first = spec.register(instance, 1)
            if first is None:
                continue
            new, existing = RegisterRange(spec, instance, first), ranges.get(first)
            if existing is None or (spec.writable and not existing.spec.writable):
                ranges |= dict.fromkeys(range(first, max(new.end, first + spacing)), new)
    return ranges


class RegisterBank:
    """The registers of one controller; for `gaps` see `SimulatedController`.

    Raises:
        WatlowConfigurationError: `data_map` or `gaps` is something else.
    """

    def __init__(
        self,
        store: ValueStore,
        registry: Iterable[ParameterSpec],
        *,
        data_map: int = 1,
        gaps: str = "refuse",
    ) -> None:
        if data_map not in (1, 2) or gaps not in GAPS:
            raise WatlowConfigurationError(
                f"data_map={data_map!r}, gaps={gaps!r}: allowed are 1 or 2, and refuse or zero"
            )
        self.data_map = data_map
        self._store = store
        self._registry = registry
        self._zero_gaps = gaps == "zero"

    @cached_property
    def _ranges(self) -> dict[int, RegisterRange]:
        return register_map(self._registry, self.data_map, self._store.instances_of)

    def read(self, start: int, count: int) -> list[int]:
        """Return the words of `count` registers from `start` on.

        Raises:
            ModbusExceptionError: A register does not exist or cannot be read.
        """
        # Each value is read once, so its two words are from the same moment.
        cache: dict[RegisterRange, tuple[int, ...]] = {}
        ends = (start, start + count - 1)
        return [
            self._word(at, cache) if self._readable(at) or at in ends or not self._zero_gaps else 0
            for at in range(start, start + count)
        ]

    def write(self, start: int, words: Sequence[int]) -> None:
        """Store the values in `words` from register `start` on: all, or none on an error.

        Raises:
            ModbusExceptionError: A register does not exist or a value is rejected.
        """
        values: list[tuple[RegisterRange, Value]] = []
        at, end = start, start + len(words)
        while at < end:
            target = self._ranges.get(at)
            if target is None:
                raise ModbusExceptionError(NO_SUCH_REGISTER)
            if at < target.end:
                values.append((target, self._accepted_value(target, at, words[at - start :])))
            at = max(at + 1, target.end)
        if not values:
            raise ModbusExceptionError(ILLEGAL_VALUE)
        for target, value in values:
            self._store.write_wire_value(target.spec, target.instance, value)

    def _readable(self, at: int) -> bool:
        return at in self._ranges and self._ranges[at].spec.readable

    def _word(self, at: int, cache: dict[RegisterRange, tuple[int, ...]]) -> int:
        if not self._readable(at):
            raise ModbusExceptionError(NO_SUCH_REGISTER)
        source = self._ranges[at]
        if source.spec.data_type is DataType.ANY:
            target = self._word(at - VALUES + POINTERS, cache)
            if target in self._ranges and self._ranges[target].spec.data_type is DataType.ANY:
                raise ModbusExceptionError(NO_SUCH_REGISTER)
            return self._word(target, cache)
        if source not in cache:
            cache[source] = self._words(source)
        return cache[source][at - source.first] if at < source.end else 0

    def _words(self, source: RegisterRange) -> tuple[int, ...]:
        value = self._store.read_wire_value(source.spec, source.instance)
        if source.spec.data_type is DataType.POINTER and isinstance(value, int):
            value = divmod(value, 0x10000)
        try:
            return encode_words(source.spec.data_type, value, self._store.word_order)
        except WatlowFrameError:
            raise ModbusExceptionError(DEVICE_FAILURE) from None

    def _accepted_value(self, target: RegisterRange, at: int, words: Sequence[int]) -> Value:
        """Return the value at the start of `words`, if it is complete and accepted."""
        spec, size = target.spec, target.end - target.first
        if at == target.first and len(words) >= size and spec.writable:
            try:
                value = decode_words(spec.data_type, words[:size], self._store.word_order)
            except WatlowFrameError:
                raise ModbusExceptionError(ILLEGAL_VALUE) from None
            if isinstance(value, tuple):
                value = value[0] * 0x10000 + value[1]
            through_pointer = spec.data_type is DataType.ANY
            if not through_pointer and self._store.accepts_wire_value(spec, target.instance, value):
                return value
        raise ModbusExceptionError(ILLEGAL_VALUE)
