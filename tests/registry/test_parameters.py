from __future__ import annotations

import contextlib
import threading

import pytest

from watlowlib.errors import WatlowUnknownParameterError
from watlowlib.model import ControllerFamily, Unit
from watlowlib.registry.parameters import (
    PARAMETERS,
    SD_PARAMETERS,
    DataType,
    Kind,
    ParameterSpec,
    Registry,
)

# Names that users are likely to type: from the manual, the menu, or habit.
COMMON_NAMES = [
    ("PV", 4001),
    ("process value", 4001),
    ("Temperature", 4001),
    ("SP", 7001),
    ("Set Point", 7001),
    ("set-point", 7001),
    ("setpoint", 7001),
    ("sensor error", 4002),
    ("sensor type", 4005),
    ("thermocouple type", 4006),
    ("calibration offset", 4012),
    ("filter", 4014),
    ("cold junction temperature", 4004),
    ("manual power", 7002),
    ("max setpoint", 7004),
    ("minimum set point", 7003),
    ("Idle Setpoint", 7009),
    ("ramp rate", 7017),
    ("ramp action", 7014),
    ("remote setpoint", 7021),
    ("control mode", 8001),
    ("mode", 8001),
    ("actual mode", 8002),
    ("heat algorithm", 8003),
    ("PID P", 8009),
    ("pid-i", 8006),
    ("pid_d", 8007),
    ("proportional band", 8009),
    ("integral", 8006),
    ("derivative", 8007),
    ("h_pb", 8009),
    ("deadband", 8008),
    ("cool proportional band", 8012),
    ("heat hysteresis", 8010),
    ("heat power", 8011),
    ("cooling power", 8014),
    ("Output", 8033),
    ("output power", 8033),
    ("autotune", 8026),
    ("autotune status", 8027),
    ("high alarm", 9001),
    ("alarm low set point", 9002),
    ("Alarm Hysteresis", 9003),
    ("alarm type", 9015),
    ("alarm state", 9009),
    ("clear alarm", 9013),
    ("silence alarm", 9014),
    ("high limit setpoint", 12004),
    ("limit reset", 12001),
    ("heater current", 15007),
    ("event input status", 10005),
    ("digital output function", 6005),
    ("baud rate", 17002),
    ("Modbus Address", 17007),
    ("word order", 17043),
    ("units", 3005),
    ("model", 1009),
    ("serial number", 1007),
    ("firmware", 1002),
    ("start profile", 22001),
]


@pytest.mark.parametrize(
    ("parameter", "number"),
    [
        *COMMON_NAMES,
        ("process_value", 4001),
        (" process-value ", 4001),
        ("PV", 4001),
        (4001, 4001),
        ("4001", 4001),
        ("h.Pb", 8009),
        ("temp", 4001),
        ("target", 7001),
    ],
)
def test_common_names_are_resolved(parameter: str | int, number: int) -> None:
    assert PARAMETERS.resolve(parameter).number == number


@pytest.mark.parametrize(
    ("mistyped", "suggested"),
    [
        ("setpiont", "setpoint"),
        ("proces_value", "process_value"),
        ("heatpower", "heat_power"),
        ("alarm_hi", "alarm_"),
    ],
)
def test_error_suggests_similar_names(mistyped: str, suggested: str) -> None:
    with pytest.raises(WatlowUnknownParameterError, match=f"did you mean .*'{suggested}"):
        PARAMETERS.resolve(mistyped)


@pytest.mark.parametrize("parameter", ["", "zzz", 4, 99001, True, None, 4001.0, ["pv"]])
def test_unknown_parameter_is_refused(parameter: object) -> None:
    with pytest.raises(WatlowUnknownParameterError, match=r"there is no parameter .*; "):
        PARAMETERS.resolve(parameter)  # type: ignore[arg-type]


def test_names_and_numbers_are_unique() -> None:
    names = [name for spec in PARAMETERS for name in (spec.name, *spec.aliases)]
    assert len(set(names)) == len(names)
    assert len({spec.number for spec in PARAMETERS}) == len(PARAMETERS)


def test_at_least_60_common_names_are_tested() -> None:
    assert len({name for name, _ in COMMON_NAMES}) >= 60


def test_the_table_has_every_parameter() -> None:
    assert len(PARAMETERS) == 426


# Inconsistent in Watlow's list, as noted in the table: the type and the codes of 1001, 3003,
# 4028, 4030, 9013, 9014 and 12001 do not match; 26001 and 26002 have no codes.
INCONSISTENT = {1001, 3003, 4028, 4030, 9013, 9014, 12001, 26001, 26002}


def test_table_is_consistent() -> None:
    for spec in PARAMETERS:
        assert spec.name.isidentifier() and spec.name.islower(), spec
        assert set(spec.rwes) <= set("RWES") and spec.rwes, spec
        if spec.number not in INCONSISTENT:
            enumeration = spec.data_type is DataType.ENUM
            assert bool(spec.codes) == enumeration == (spec.kind is Kind.ENUMERATION), spec
        assert (spec.kind is Kind.TEXT) == (spec.data_type is DataType.STRING), spec
        for low, high, default in (
            (*spec.limits_f, spec.default_f),
            (*spec.limits_c, spec.default_c),
        ):
            assert (low is None) == (high is None)
            if low is not None and high is not None:
                assert low <= high, spec
                assert default is None or low <= default <= high, spec
        registers = [register for register in (*spec.map1, *spec.map2) if register is not None]
        assert all(0 <= register < 10_000 for register in registers)
        assert max(len(spec.map1), len(spec.map2)) <= spec.instances


def test_limits_without_temperature_are_equal_in_both_scales() -> None:
    thermal = (Kind.TEMPERATURE, Kind.TEMPERATURE_DIFFERENCE, Kind.TEMPERATURE_RATE)
    for spec in PARAMETERS:
        if spec.kind not in thermal:
            assert spec.limits_f == spec.limits_c, spec
            assert spec.default_f == spec.default_c, spec


def test_setpoint_row_matches_the_manual() -> None:
    spec = PARAMETERS.resolve(7001)
    assert (spec.class_id, spec.member_id) == (7, 1)
    assert spec.label == "Control Loop - Set Point"
    assert (spec.limits_f, spec.limits_c) == ((-1999.0, 9999.0), (-1128.0, 5537.0))
    assert (spec.default_f, spec.default_c) == (75.0, 24.0)
    assert (spec.readable, spec.writable, spec.persistent) == (True, True, True)
    assert (spec.map1, spec.map2) == ((2160, 2240), (2640, 2720))
    assert PARAMETERS.resolve(8003).codes == {62: "Off", 71: "PID", 64: "On/Off"}


@pytest.mark.parametrize(
    ("scale", "limits"),
    [
        (Unit.FAHRENHEIT, (-1999.0, 9999.0)),
        (Unit.CELSIUS, (-1128.0, 5537.0)),
        (None, (-1999.0, 9999.0)),
    ],
)
def test_limits_use_the_given_scale(scale: Unit | None, limits: tuple[float, float]) -> None:
    assert PARAMETERS.resolve("setpoint").limits(scale) == limits


def test_search_finds_names_labels_and_numbers() -> None:
    assert {spec.number for spec in PARAMETERS.search("baud")} == {17002}
    assert 8009 in {spec.number for spec in PARAMETERS.search("Proportional Band")}
    assert {spec.number for spec in PARAMETERS.search("7001")} == {7001, 17001}
    assert len(PARAMETERS.search("")) == len(PARAMETERS)


def test_concurrent_lookups_return_the_same_object() -> None:
    fresh = Registry("pm.tsv", ControllerFamily.PM)
    found: list[ParameterSpec] = []
    start = threading.Barrier(4, timeout=10)

    def resolve() -> None:
        start.wait()
        found.append(fresh.resolve("setpoint"))

    threads = [threading.Thread(target=resolve) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(found) == 4
    assert len(set(map(id, found))) == 1


@pytest.mark.parametrize(
    ("parameter", "register", "data_type", "scale"),
    [
        ("pv", 20, DataType.S32, 0.001),
        ("setpoint", 27, DataType.S32, 0.001),
        ("output power", 26, DataType.S16, 0.01),
        ("heat_power", 256, DataType.S16, 0.01),
        (17, 17, DataType.U16, 1.0),
    ],
)
def test_series_sd_has_its_own_table(
    parameter: str | int, register: int, data_type: DataType, scale: float
) -> None:
    spec = SD_PARAMETERS.resolve(parameter)
    assert (spec.map1, spec.data_type, spec.scale) == ((register,), data_type, scale)
    assert spec.family is ControllerFamily.SD
    assert len(SD_PARAMETERS) == 21


def test_scale_of_all_pm_parameters_is_one() -> None:
    assert {(spec.scale, spec.family) for spec in PARAMETERS} == {(1.0, ControllerFamily.PM)}


def test_series_sd_names_are_unique_and_agree_with_the_pm() -> None:
    names = [name for spec in SD_PARAMETERS for name in (spec.name, *spec.aliases)]
    assert len(set(names)) == len(names)
    for spec in SD_PARAMETERS:
        with contextlib.suppress(WatlowUnknownParameterError):
            assert PARAMETERS.resolve(spec.name).name == spec.name


def test_error_suggests_similar_numbers() -> None:
    with pytest.raises(WatlowUnknownParameterError, match=r"did you mean .*7001 \(setpoint\)"):
        PARAMETERS.resolve(70010)


def test_error_names_the_series_sd() -> None:
    with pytest.raises(WatlowUnknownParameterError, match="^a Series SD has no parameter 'heat_al"):
        SD_PARAMETERS.resolve("heat_algorithm")
    with pytest.raises(WatlowUnknownParameterError, match="'process_value' or a number such as 20"):
        SD_PARAMETERS.resolve("")
