"""The meanings of recorded codes, by number and name."""

from __future__ import annotations

from watlowlib.registry.codes import codes_of


def test_the_name_tells_the_families_apart() -> None:
    assert codes_of(8003, "heat_algorithm")[71] == "PID"
    assert codes_of(20, "process_value") == {}


def test_an_unknown_parameter_has_no_codes() -> None:
    assert codes_of(8003, "process_value") == {}
    assert codes_of(1, "") == {}
