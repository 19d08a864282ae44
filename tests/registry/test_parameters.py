from __future__ import annotations

import pytest

from watlowlib.errors import WatlowUnknownParameterError
from watlowlib.registry.parameters import PARAMETERS, DataType, Kind


@pytest.mark.parametrize(
    ("asked", "number"),
    [
        ("process_value", 4001),
        ("Process Value", 4001),
        (" process-value ", 4001),
        ("pv", 4001),
        ("PV", 4001),
        (4001, 4001),
        ("4001", 4001),
        ("setpoint", 7001),
        ("set_point", 7001),
        ("sp", 7001),
        ("heat_power", 8011),
        ("output", 8033),
        ("pid_p", 8009),
        ("part_number", 1009),
    ],
)
def test_names_that_people_type(asked: str | int, number: int) -> None:
    assert PARAMETERS.resolve(asked).number == number


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("setpiont", "setpoint"),
        ("proces_value", "process_value"),
        ("heatpower", "heat_power"),
        ("alarm_hi", "alarm_"),
    ],
)
def test_a_slip_is_told_what_was_meant(asked: str, meant: str) -> None:
    with pytest.raises(WatlowUnknownParameterError, match=f"did you mean .*'{meant}"):
        PARAMETERS.resolve(asked)


@pytest.mark.parametrize("asked", ["", "zzz", 4, 99001, True, None, 4001.0, ["pv"]])
def test_what_is_no_parameter(asked: object) -> None:
    with pytest.raises(WatlowUnknownParameterError, match=r"there is no parameter .*; "):
        PARAMETERS.resolve(asked)  # type: ignore[arg-type]


def test_names_and_numbers_are_unique() -> None:
    names = [name for spec in PARAMETERS for name in (spec.name, *spec.aliases)]
    assert len(set(names)) == len(names)
    assert len({spec.number for spec in PARAMETERS}) == len(PARAMETERS)


def test_the_table_makes_sense() -> None:
    for spec in PARAMETERS:
        assert spec.name.isidentifier() and spec.name.islower()
        assert set(spec.rwes) <= set("RWES") and spec.rwes
        assert (
            bool(spec.codes) == (spec.data_type is DataType.ENUM) == (spec.kind is Kind.ENUMERATION)
        )
        assert (spec.kind is Kind.TEXT) == (spec.data_type is DataType.STRING)
        if spec.low is not None and spec.high is not None:
            assert spec.low < spec.high
        if spec.default is not None:
            assert not spec.codes or spec.default in spec.codes
            assert spec.low is None or spec.low <= spec.default


def test_a_row_as_the_manual_has_it() -> None:
    spec = PARAMETERS.resolve(7001)
    assert (spec.class_id, spec.member_id) == (7, 1)
    assert (spec.low, spec.high, spec.default) == (-1999.0, 9999.0, 75.0)
    assert (spec.readable, spec.writable, spec.persistent) == (True, True, True)
    assert PARAMETERS.resolve(8003).codes == {62: "Off", 71: "PID", 64: "On/Off"}
