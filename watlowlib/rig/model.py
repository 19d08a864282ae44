"""The tables of a rig file, as pydantic checks them, one value at a time.

The description of a key says what is allowed: error messages and `docs/rig.md` show it. What
concerns several values together is in `watlowlib.rig.checks`. Only `load_rig` imports this
module, because pydantic takes long to import.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema

from watlowlib._internal.switch_interval import SWITCH_INTERVAL_S
from watlowlib._internal.validation import check_port, finite_or_none, nearest
from watlowlib.devices.zones import GATEWAY_OFFSET, MOST_ZONES, REGISTERS
from watlowlib.errors import WatlowConfigurationError
from watlowlib.model import ControllerFamily, ProtocolKind, WordOrder
from watlowlib.protocol.modbus.frames import MOST_READ
from watlowlib.protocol.modbus.mbap import UNITS
from watlowlib.rig.problems import Place, Problems, key_text
from watlowlib.rules.rule import LONGEST_TIMEOUT_S, TIMEOUT_S
from watlowlib.sinks.choose import EXTENSIONS, check_sink
from watlowlib.sinks.postgres.config import KEEP_ROWS, check_keep_rows
from watlowlib.sinks.rotation.policy import (
    KEEP,
    ROTATE,
    SIZE,
    check_keep,
    check_min_free,
    check_rotate,
)
from watlowlib.streaming.plan import MAX_HZ, MAX_RATES, MAX_S
from watlowlib.streaming.recorder import OverflowPolicy
from watlowlib.transport.settings import BAUDRATES


def _checked(check: Callable[[Any], object]) -> AfterValidator:
    """Return a validator that raises what `check` raises, and an error if it returns False."""

    def validate(given: Any) -> Any:
        if check(given) is False:
            raise ValueError
        return given

    return AfterValidator(validate)


def _names(kind: Any) -> str:
    return ", ".join(member.value for member in kind)


def _parameter(given: object) -> bool:
    return isinstance(given, (str, int)) and not isinstance(given, bool)


def _data_map(given: object) -> bool:
    return type(given) in (int, str) and given in (1, 2, "auto")


def _number_or_text(given: object) -> bool:
    return isinstance(given, str) or finite_or_none(given) is not None


def _keep(given: object) -> None:
    try:
        check_keep(given)  # of a file
    except WatlowConfigurationError:
        check_keep_rows(given)


Lenient = Field(strict=False)  # takes the value of an enumeration for its member
Protocol = Annotated[ProtocolKind, Lenient]
Family = Annotated[ControllerFamily, Lenient]
Order = Annotated[WordOrder, Lenient]
Overflow = Annotated[OverflowPolicy, Lenient]
Scale = Literal["C", "F"]
Parameter = Annotated[Any, _checked(_parameter)]
Instance = Annotated[int, Field(ge=1)]
TextOrList = WithJsonSchema({"type": "string"})
Rate = Annotated[float, Field(gt=0, le=MAX_HZ)]


class Table(BaseModel):
    """A table of the file: other keys are errors, and a text is not a number."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class PortTable(Table):
    """The table `[ports.NAME]`."""

    port: Annotated[str, _checked(lambda given: check_port("port", given))] = Field(
        description="a text such as /dev/ttyUSB0, COM3, socket://host:4001, rfc2217://host:4001 "
        "or tcp://host"
    )
    protocol: Protocol = Field(ProtocolKind.STDBUS, description=f"one of {_names(ProtocolKind)}")
    baudrate: Annotated[int, _checked(BAUDRATES.__contains__)] | None = Field(
        None, description=f"one of {', '.join(map(str, BAUDRATES))}"
    )
    parity: Literal["N", "E", "O"] | None = Field(None, description="one of N, E, O")
    stopbits: Annotated[int, _checked((1, 2).__contains__)] | None = Field(
        None, description="1 or 2"
    )
    vary_source: bool = Field(False, description="true on Standard Bus only, or false")
    timeout: float = Field(
        0.5, gt=0, le=3600, description="a number of seconds above 0, up to 3600"
    )
    retries: int = Field(1, ge=0, le=100, description="a whole number from 0 to 100")
    temperature_unit: Scale | None = Field(None, description="C or F")
    capture: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="a file, such as wire.jsonl"
    )


class ControllerTable(Table):
    """The table `[controllers.NAME]`."""

    port: str = Field(description="the NAME of a table [ports.NAME]")
    address: int = Field(
        1,
        ge=UNITS[0],
        le=UNITS[-1],
        description="a whole number, 1 to 16 on Standard Bus, 1 to 247 on Modbus RTU, 0 to 255 "
        "on Modbus TCP",
    )
    family: Family = Field(
        ControllerFamily.UNKNOWN, description=f"one of {_names(ControllerFamily)}"
    )
    temperature_unit: Scale | None = Field(None, description="C or F")
    word_order: Order = Field(WordOrder.AUTO, description=f"one of {_names(WordOrder)}")
    data_map: Annotated[Any, _checked(_data_map)] = Field("auto", description='1, 2 or "auto"')
    registers_per_read: int | None = Field(
        None, ge=2, le=MOST_READ, description=f"a whole number from 2 to {MOST_READ}"
    )
    zone: int | None = Field(
        None, ge=1, le=MOST_ZONES, description=f"a whole number from 1 to {MOST_ZONES}"
    )
    gateway_offset: int = Field(
        GATEWAY_OFFSET, ge=1, le=REGISTERS - 1, description="a whole number from 1 to 65535"
    )
    offset: int | None = Field(
        None, ge=0, le=REGISTERS - 1, description="a whole number from 0 to 65535"
    )


class SinkTable(Table):
    """The table `[[record.sinks]]`."""

    url: Annotated[str, _checked(check_sink)] = Field(
        description=f"a file with the extension {', '.join(EXTENSIONS)}, "
        "or postgresql://user@host/database"
    )
    rotate: Annotated[Any, _checked(check_rotate), TextOrList] = Field(
        None, description=f"{ROTATE} in a list; only for files"
    )
    keep: Annotated[Any, _checked(_keep), TextOrList] = Field(
        None,
        description=f"{KEEP} in a list; only with rotate. For PostgreSQL {KEEP_ROWS}; only with "
        "partition",
    )
    compress: bool = Field(False, description="true for .csv and .jsonl with rotate only, or false")
    min_free: Annotated[str, _checked(check_min_free)] | None = Field(
        None, description=f"{SIZE}; only with rotate"
    )
    partition: Literal["1 day", "1 week", "1 month"] | None = Field(
        None, description='"1 day", "1 week" or "1 month"; only for PostgreSQL'
    )


class RecordTable(Table):
    """The table `[record]`."""

    parameters: list[Parameter] = Field(
        ["process_value", "setpoint"],
        min_length=1,
        description="a list of names, aliases or numbers of parameters, at least one",
    )
    rate_hz: Rate = Field(2.0, description=f"a number of Hz above 0, up to {MAX_HZ:,.0f}")
    rates: Annotated[
        dict[str, Rate], _checked(lambda given: len(set(given.values())) <= MAX_RATES)
    ] = Field(
        {},
        description="a table of parameters, each with a number of Hz above 0, up to "
        f"{MAX_HZ:,.0f}; at most {MAX_RATES} different ones",
    )
    instances: list[Instance] = Field(
        [1], min_length=1, description="a list of whole numbers from 1, at least one"
    )
    duration: Annotated[float, Field(gt=0, le=MAX_S)] | None = Field(
        None, description=f"a number of seconds above 0, up to {MAX_S:,.0f}"
    )
    overflow: Overflow = Field(OverflowPolicy.BLOCK, description=f"one of {_names(OverflowPolicy)}")
    sensor_check: bool = Field(False, description="true or false")
    alarms: Rate | None = Field(None, description=f"a number of Hz above 0, up to {MAX_HZ:,.0f}")
    show_unit: Scale | None = Field(None, description="C or F")
    switch_interval: Annotated[float, Field(ge=0, le=1)] = Field(
        SWITCH_INTERVAL_S, description="a number of seconds from 0 to 1"
    )
    metadata: dict[str, Any] = Field(
        {},
        description="a table of texts, finite numbers, times, true, false, and lists and "
        "tables of these",
    )
    sinks: list[SinkTable] = Field(
        [], description="tables [[record.sinks]] with the key url and those below"
    )


class WriteTable(Table):
    """The table `write` of a rule."""

    device: str = Field(description="the NAME of a table [controllers.NAME]")
    parameter: Parameter = Field(description="the name, alias or number of a parameter")
    value: Annotated[Any, _checked(_number_or_text), WithJsonSchema({"type": "number"})] = Field(
        description="a finite number, or the text of an enumeration"
    )
    instance: Instance = Field(1, description="a whole number from 1")
    confirm: Literal[True] = Field(description="true: a rule writes only with it")


class RuleTable(Table):
    """The table `[[rules]]`."""

    name: str = Field(min_length=1, max_length=100, description="a text of 1 to 100 characters")
    when: str = Field(
        description="a condition such as 'oven.process_value > 250 for 10 s', see docs/rules.md"
    )
    event: str = Field("", max_length=300, description="a text of up to 300 characters")
    command: list[str] = Field([], description="a list of texts: a program and its arguments")
    timeout: float = Field(
        TIMEOUT_S,
        gt=0,
        le=LONGEST_TIMEOUT_S,
        description=f"a number of seconds above 0, up to {LONGEST_TIMEOUT_S:g}",
    )
    write: WriteTable | None = Field(
        None, description="a table with the keys device, parameter, value and confirm"
    )


class RigTable(Table):
    """The whole file."""

    ports: dict[str, PortTable] = Field({}, description="tables such as [ports.line1]")
    controllers: dict[str, ControllerTable] = Field(
        {}, description="tables such as [controllers.oven]"
    )
    record: RecordTable = Field(RecordTable.model_validate({}), description="a table [record]")
    rules: list[RuleTable] = Field([], description="tables [[rules]]")


def table_at(place: Place) -> tuple[type[Table], str | None]:
    """Return the model of the table at `place` or around it, and the key in it, if any."""
    if place[:1] in (("ports",), ("controllers",)) and len(place) > 1:
        table: type[Table] = PortTable if place[0] == "ports" else ControllerTable
        inside = place[2:]
    elif place[:2] == ("record", "sinks") and len(place) > 2:
        table, inside = SinkTable, place[3:]
    elif place[:1] == ("rules",) and len(place) > 1:
        written = place[2:3] == ("write",) and len(place) > 3
        table, inside = (WriteTable, place[3:]) if written else (RuleTable, place[2:])
    elif place[:1] == ("record",):
        table, inside = RecordTable, place[1:]
    else:
        table, inside = RigTable, place
    return table, str(inside[0]) if inside else None


def check_tables(document: dict[str, Any], problems: Problems) -> RigTable:
    """Return the tables of a file; entries that are not allowed move to `problems`."""
    document = deepcopy(document)
    first = True
    while True:
        try:
            return RigTable.model_validate(document)
        except ValidationError as error:
            wrong = error.errors(include_url=False)
        for each in wrong if first else ():
            _report(each["loc"], each["type"], each["input"], problems)
        for each in reversed(wrong):  # the indices before a removed one stay valid
            missing = each["type"] == "missing"
            _remove(document, each["loc"][:-1] if missing else each["loc"])
        first = False


def _report(place: Place, kind: str, given: object, problems: Problems) -> None:
    table, key = table_at(place)
    field = table.model_fields.get(key or "")
    if kind == "extra_forbidden":
        # The value is not shown: it may be a password.
        hint = nearest(str(place[-1]), table.model_fields)
        problems.add(place, f"{key_text(place)}: unknown key; {hint}")
    elif kind == "missing" and field:
        problems.add(place, f"{key_text(place)} is missing: give {field.description}")
    elif field:
        problems.add_value(place, given, f"give {field.description}")
    else:
        problems.add_value(
            place, given, f"give a table with the keys {', '.join(table.model_fields)}"
        )


def _remove(document: dict[str, Any], place: Place) -> None:
    """Remove a value, unless a table around it was removed before."""
    inner: Any = document
    with suppress(KeyError, IndexError):
        for part in place[:-1]:
            inner = inner[part]
        del inner[place[-1]]
