"""The explanation of a frame: its fields in the order of the wire, as frozen values.

The modules `stdbus/explain.py` and `modbus/explain.py` read a frame with a `FieldReader`, which
also explains the beginning of a frame that is cut short.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from watlowlib.model import ControllerFamily, ProtocolKind, Value, WordOrder


@dataclass(frozen=True)
class Match:
    """A parameter that a field of a frame names, or may name.

    Attributes:
        parameter_id: Parameter number, class * 1000 + member; for a Series SD the register.
        parameter: The canonical name.
        instance: Which of several inputs, loops or alarms, from 1.
        family: The product family whose list has the parameter.
        data_maps: Over Modbus, the data maps in which the register holds the parameter; empty on
            Standard Bus and for a Series SD.
        word_order: The order of words that gives `value`; None where it does not matter.
        value: The value, in the unit of the wire; None in a frame without a value.
        label: The meaning of an enumeration's code.
    """

    parameter_id: int
    parameter: str
    instance: int
    family: ControllerFamily
    data_maps: tuple[int, ...] = ()
    word_order: WordOrder | None = None
    value: Value | None = None
    label: str | None = None


@dataclass(frozen=True)
class Field:
    """One field of a frame.

    Attributes:
        name: What the field is, such as "source".
        data: Its bytes; fewer than it should have if the frame is cut short.
        meaning: What the bytes say.
        problem: Why the field is damaged; empty for a good one.
        matches: The parameters that the field names, or may name.
    """

    name: str
    data: bytes
    meaning: str = ""
    problem: str = ""
    matches: tuple[Match, ...] = ()


@dataclass(frozen=True)
class Explanation:
    """A frame field by field, or bytes that are no frame.

    Attributes:
        protocol: The protocol of the frame; None if it is not known.
        kind: What the frame is, such as "read reply".
        fields: Its fields, in the order of the wire.
    """

    protocol: ProtocolKind | None
    kind: str
    fields: tuple[Field, ...]

    @property
    def data(self) -> bytes:
        """The bytes of all fields."""
        return b"".join(field.data for field in self.fields)

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with the frame; empty for a good one."""
        return tuple(f"{each.name}: {each.problem}" for each in self.fields if each.problem)


class EndOfFrameError(Exception):
    """Raised by `FieldReader.take` where the bytes end within a field."""


class FieldReader:
    """Takes fields from the beginning of `data`."""

    def __init__(self, data: bytes) -> None:
        self.rest = data
        self.fields: list[Field] = []

    def take(
        self, name: str, size: int, meaning: str | Callable[[bytes], str | Field] = ""
    ) -> bytes:
        """Add the next `size` bytes as a field and return them.

        Args:
            name: The name of the field.
            size: Its size in bytes.
            meaning: The meaning, or a function of the bytes that returns it or the whole field.

        Raises:
            EndOfFrameError: There are fewer bytes; a field with these has been added.
        """
        data, self.rest = self.rest[:size], self.rest[size:]
        if len(data) < size:
            problem = f"cut short after {len(data)} of {size} bytes"
            if not data:
                problem = "missing, because the frame ends before it"
            self.fields.append(Field(name, data, problem=problem))
            raise EndOfFrameError
        found = meaning if isinstance(meaning, str) else meaning(data)
        self.fields.append(found if isinstance(found, Field) else Field(name, data, found))
        return data

    def take_check(self, name: str, expected: bytes) -> None:
        """Add a checksum and compare it with the one computed from the bytes before it.

        Raises:
            EndOfFrameError: There are fewer bytes.
        """

        def compare(data: bytes) -> Field:
            if data == expected:
                return Field(name, data, "good")
            return Field(name, data, problem=f"wrong, expected {expected.hex(' ')}")

        self.take(name, len(expected), compare)

    def take_rest(self) -> None:
        """Add the bytes that belong to no field, if there are any."""
        if self.rest:
            surplus = "these bytes belong to no field"
            self.fields.append(Field("rest", self.rest, problem=surplus))
            self.rest = b""


def noise(data: bytes, protocol: ProtocolKind | None, problem: str) -> Explanation:
    """Return the explanation of bytes that are no frame."""
    return Explanation(protocol, "no frame", (Field("bytes", data, problem=problem),))


def text_of(value: Value, label: str | None = None) -> str:
    """Return a value as text: `PID (71)` with a label, a float with 7 digits."""
    text = f"{value:.7g}" if isinstance(value, float) else str(value)
    return text if label is None else f"{label} ({text})"
