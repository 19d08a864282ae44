"""What a simulated controller holds, as Modbus registers: where each value stands, its words.

A `RegisterBank` knows no frame and no line: registers in, registers out, in the data map and
the word order of its holder. Watlow's list says where values stand; what else a unit does
is not published, and assumed here:

- Parameters of a PM stand two registers apart. The odd neighbour of a value of one register
  reads 0; written along with its value it changes nothing.
- A register without a parameter, of an instance the unit does not have, or of what can only
  be written is not there to be read: exception 02. So is a read across one, or, with
  `gaps="zero"`, only a read that begins or ends on one.
- A value that is refused, half a value, and any value of what is read-only: exception 03.
  A write over several parameters is checked as a whole before the first is stored.
- Where the list has two parameters at one register, the one that can be written is there,
  else the first.
- The assembly stands at the same registers in both maps, on units with one loop too. What
  a pointer names may be anything; only a read of its value finds out that nothing is there
  (02), and the values cannot be written through (03).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import NamedTuple, Protocol

from watlowlib.errors import WatlowConfigurationError, WatlowFrameError
from watlowlib.model import ControllerFamily, Value, WordOrder
from watlowlib.protocol.modbus.words import decode_words, encode_words, register_count
from watlowlib.registry.parameters import DataType, ParameterSpec

NO_SUCH_REGISTER, REFUSED_VALUE, DEVICE_FAILURE = 2, 3, 4
ASSEMBLY = (19, 20)
"""The classes of its pointers and of its values."""
POINTERS, VALUES = 40, 200
"""Where they begin: what the pointer at 40 + n names is shown at 200 + n."""
GAPS = ("refuse", "zero")


class Refused(Exception):  # noqa: N818 - an answer, not an error
    """The request is answered by an exception with this code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code:02d}")
        self.code = code


class Holder(Protocol):
    """Whose values the registers show; values are what the wire's types hold."""

    @property
    def word_order(self) -> WordOrder:
        """The order of 32-bit values."""

    def instances_of(self, spec: ParameterSpec) -> int:
        """How many instances of `spec` there are."""

    def held(self, spec: ParameterSpec, instance: int) -> Value:
        """The value now."""

    def takes(self, spec: ParameterSpec, instance: int, value: Value) -> bool:
        """Whether the value would be taken."""

    def take(self, spec: ParameterSpec, instance: int, value: Value) -> None:
        """Store the value and do what it asks for."""


class Place(NamedTuple):
    """Where a value stands."""

    spec: ParameterSpec
    instance: int
    first: int

    @property
    def end(self) -> int:
        """The register behind the value."""
        return self.first + register_count(self.spec.data_type)


def places(
    registry: Iterable[ParameterSpec],
    data_map: int,
    instances_of: Callable[[ParameterSpec], int],
) -> dict[int, Place]:
    """What stands at each register of a data map; at the odd neighbours too."""
    found: dict[int, Place] = {}
    for spec in registry:
        apart = 2 if spec.family is ControllerFamily.PM else 1
        for instance in range(1, instances_of(spec) + 1):
            first = spec.register(instance, 1 if spec.class_id in ASSEMBLY else data_map)
            if first is None:
                continue
            place, there = Place(spec, instance, first), found.get(first)
            if there is None or (spec.writable and not there.spec.writable):
                found |= dict.fromkeys(range(first, max(place.end, first + apart)), place)
    return found


class RegisterBank:
    """The registers of one controller.

    Args:
        holder: Whose values they are.
        registry: The parameters of its family.
        data_map: Which of the two maps it is set to, 1 or 2.
        gaps: What a read across registers without a parameter brings: "refuse" or "zero".

    Raises:
        WatlowConfigurationError: There is no such data map, or no such way with gaps.
    """

    def __init__(
        self,
        holder: Holder,
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
        self._holder = holder
        self._registry = registry
        self._zero = gaps == "zero"

    @cached_property
    def _places(self) -> dict[int, Place]:
        return places(self._registry, self.data_map, self._holder.instances_of)

    def read(self, start: int, count: int) -> list[int]:
        """The words at `count` registers from `start` on.

        Raises:
            Refused: There is no such register to be read.
        """
        # Each value is taken once, so that its two words belong together.
        taken: dict[Place, tuple[int, ...]] = {}
        ends = (start, start + count - 1)
        return [
            self._word(at, taken) if self._there(at) or at in ends or not self._zero else 0
            for at in range(start, start + count)
        ]

    def write(self, start: int, words: Sequence[int]) -> None:
        """Store the values that `words` are, from register `start` on.

        Raises:
            Refused: There is no such register, or a value is not taken; none is stored then.
        """
        stored: list[tuple[Place, Value]] = []
        at, end = start, start + len(words)
        while at < end:
            place = self._places.get(at)
            if place is None:
                raise Refused(NO_SUCH_REGISTER)
            if at < place.end:
                stored.append((place, self._taken(place, at, words[at - start :])))
            at = max(at + 1, place.end)
        if not stored:
            raise Refused(REFUSED_VALUE)
        for place, value in stored:
            self._holder.take(place.spec, place.instance, value)

    def _there(self, at: int) -> bool:
        return at in self._places and self._places[at].spec.readable

    def _word(self, at: int, taken: dict[Place, tuple[int, ...]]) -> int:
        if not self._there(at):
            raise Refused(NO_SUCH_REGISTER)
        place = self._places[at]
        if place.spec.data_type is DataType.ANY:
            named = self._word(at - VALUES + POINTERS, taken)
            if named in self._places and self._places[named].spec.data_type is DataType.ANY:
                raise Refused(NO_SUCH_REGISTER)
            return self._word(named, taken)
        if place not in taken:
            taken[place] = self._words(place)
        return taken[place][at - place.first] if at < place.end else 0

    def _words(self, place: Place) -> tuple[int, ...]:
        value = self._holder.held(place.spec, place.instance)
        if place.spec.data_type is DataType.POINTER and isinstance(value, int):
            value = divmod(value, 0x10000)
        try:
            return encode_words(place.spec.data_type, value, self._holder.word_order)
        except WatlowFrameError:
            raise Refused(DEVICE_FAILURE) from None

    def _taken(self, place: Place, at: int, words: Sequence[int]) -> Value:
        """The value that `words` begin with, if it is whole and the holder takes it."""
        spec, size = place.spec, place.end - place.first
        if at == place.first and len(words) >= size and spec.writable:
            try:
                value = decode_words(spec.data_type, words[:size], self._holder.word_order)
            except WatlowFrameError:
                raise Refused(REFUSED_VALUE) from None
            if isinstance(value, tuple):
                value = value[0] * 0x10000 + value[1]
            pointed = spec.data_type is DataType.ANY
            if not pointed and self._holder.takes(spec, place.instance, value):
                return value
        raise Refused(REFUSED_VALUE)
