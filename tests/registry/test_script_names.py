"""Every name that scripts for another library use, natively and in `watlowlib.sync`."""

from __future__ import annotations

from pathlib import Path

import pytest

from watlowlib.errors import WatlowConfigurationError, WatlowUnknownParameterError
from watlowlib.model import ControllerFamily
from watlowlib.registry.parameters import PARAMETERS, SD_PARAMETERS, Registry
from watlowlib.registry.script_names import script_names

TABLE = Path(__file__).parents[1] / "data" / "script_names.tsv"
NAMES = [line.split("\t") for line in TABLE.read_text("utf-8").splitlines()[1:]]
PM_NAMES = [(name, int(number)) for family, name, number in NAMES if family == "pm"]
SD_NAMES = [(name, int(number)) for family, name, number in NAMES if family == "sd"]

EXPECTED_ELSEWHERE = {
    "calibration_offset": 4012,
    "deadband": 8008,
    "display_units": 3005,
    "elapsed_time": 31016,
    "filter": 4014,
    "input_value": 4001,
    "line_frequency": 1034,
    "maximum_set_point": 7004,
    "minimum_set_point": 7003,
    "offset": 4012,
    "power": 8033,
    "serial_number": 1007,
    "status": 1016,
    "time_of_day": 36001,
}
"""Names of which users of this library expect another parameter."""

SHARED_TITLES = set(
    "cip_originator_master_to_target_pm clear_request day_of_week error event_1 event_2 function "
    "function_instance high_power_scale high_set_point hours hysteresis low_power_scale "
    "low_set_point minutes output_value produced_set_point_1 range_high range_low scale_high "
    "scale_low seconds sides source_function_a source_function_b source_instance_a "
    "source_instance_b source_value_a source_value_b state target_set_point_1 target_set_point_2 "
    "time type value".split()
)
"""Names that fit several parameters of Watlow's list equally."""

ALIASES = {
    **dict.fromkeys(("analog_input_value", "process_val", "pv"), "process_value"),
    **dict.fromkeys(("set_point", "sp"), "setpoint"),
    **dict.fromkeys(("firmware", "fw"), "firmware_id"),
    **dict.fromkeys(("hardware", "hw"), "hardware_id"),
    **dict.fromkeys(("model", "part"), "part_number"),
}
"""Names that the samples of such scripts do not have, but another name of the parameter."""

SCRIPTS = script_names(ControllerFamily.PM)


def test_the_table_of_names_is_complete() -> None:
    assert (len(PM_NAMES), len(SD_NAMES)) == (309, 25)


def test_each_name_has_its_number_or_lists_its_candidates() -> None:
    for name, number in PM_NAMES:
        if name not in SHARED_TITLES:
            found = PARAMETERS.resolve(name).number
            assert found == EXPECTED_ELSEWHERE.get(name, number), name
            continue
        with pytest.raises(
            WatlowUnknownParameterError, match=rf"parameters are called.*\b{number} \("
        ):
            PARAMETERS.resolve(name)


def test_a_script_reads_the_number_that_it_means() -> None:
    for name, number in PM_NAMES:
        spec = SCRIPTS.resolve(name)
        assert (spec.number, spec.recorded_as) == (number, ALIASES.get(name, name))
        assert spec.name == PARAMETERS.resolve(number).name
        assert SCRIPTS.resolve(name) is spec


def test_a_script_writes_only_what_the_name_means_everywhere() -> None:
    for name, number in PM_NAMES:
        if name not in EXPECTED_ELSEWHERE:
            assert SCRIPTS.resolve_for_writing(name).number == number, name
            continue
        with pytest.raises(WatlowConfigurationError, match="nothing was written") as caught:
            SCRIPTS.resolve_for_writing(name)
        assert str(number) in str(caught.value)
        assert str(EXPECTED_ELSEWHERE[name]) in str(caught.value)


@pytest.mark.parametrize("registry", [PARAMETERS, SCRIPTS], ids=["native", "scripts"])
def test_a_read_only_name_is_never_writable(registry: Registry) -> None:
    for name, number in PM_NAMES:
        if name in SHARED_TITLES and registry is PARAMETERS:
            continue
        if not PARAMETERS.resolve(number).writable:
            assert not registry.resolve(name).writable, name


def test_names_of_the_series_sd() -> None:
    for name, number in SD_NAMES:
        assert SD_PARAMETERS.resolve(name).number == number, name
        assert script_names(ControllerFamily.SD).resolve_for_writing(name).number == number, name


@pytest.mark.parametrize("name", ["filter", " Filter ", "calibration-offset", "Minimum Set Point"])
def test_spelling_does_not_change_what_a_script_means(name: str) -> None:
    plain = name.strip().lower().replace("-", "_").replace(" ", "_")
    assert SCRIPTS.resolve(name).number == dict(PM_NAMES)[plain]
    assert SCRIPTS.resolve(name).recorded_as == plain


@pytest.mark.parametrize("number", [26026, "26026", 4014])
def test_a_number_is_the_same_in_a_script(number: int | str) -> None:
    spec = SCRIPTS.resolve(number)
    assert (spec.number, spec.recorded_as) == (int(number), spec.name)


@pytest.mark.parametrize(
    ("title", "number"),
    [
        ("Control Loop - Set Point", 7001),
        ("Control Loop - Idle Set Point", 7009),
        ("Monitor - Idle Set Point", 7019),
        ("Monitor - Closed-Loop Set Point", 7007),
        ("Timer - Source Function A (Run)", 31001),
        ("Digital Input/Output - Direction", 6001),
        ("Alarm - Sides", 9004),
    ],
)
def test_titles_of_the_register_list_are_resolved(title: str, number: int) -> None:
    assert PARAMETERS.resolve(title).number == number


SHARED_LABELS = (
    "Pointer of Data - ",
    "Value of Pointer - ",
    "Diagnostic - Serial",
    "Timer - Elapsed Time",
)


def test_every_other_title_is_resolved() -> None:
    for spec in PARAMETERS:
        if not spec.label.startswith(SHARED_LABELS):
            assert PARAMETERS.resolve(spec.label) is spec
