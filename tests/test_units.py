"""Conversion between °F and °C, and the page about units."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from watlowlib import Reading, Unit, WatlowConfigurationError, read_samples
from watlowlib.model import Quantity
from watlowlib.simulator import SimulatedBus
from watlowlib.units import as_scale, converted

PAGE = (Path(__file__).parents[1] / "docs" / "units.md").read_text("utf-8")
(EXAMPLE,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
F, C = Unit.FAHRENHEIT, Unit.CELSIUS
TEMPERATURE, DIFFERENCE, RATE = Quantity.TEMPERATURE, Quantity.DIFFERENCE, Quantity.RATE


def reading(
    value: Any, quantity: Quantity | None, scale: Unit | None, unit: Unit | None
) -> Reading:
    now = datetime.now(timezone.utc)
    return Reading(
        value, unit, "setpoint", 7001, 1, 1, now, now, 0.01, b"raw", quantity=quantity, scale=scale
    )


@pytest.mark.parametrize(
    ("fahrenheit", "celsius", "quantity"),
    [
        (32.0, 0.0, TEMPERATURE),
        (212.0, 100.0, TEMPERATURE),
        (86.0, 30.0, TEMPERATURE),
        (-40.0, -40.0, TEMPERATURE),
        (0.0, -160 / 9, TEMPERATURE),
        (9.0, 5.0, DIFFERENCE),
        (-1.8, -1.0, DIFFERENCE),
        (3.6, 2.0, RATE),
    ],
)
def test_a_value_is_converted_in_both_directions(
    fahrenheit: float, celsius: float, quantity: Quantity
) -> None:
    assert reading(fahrenheit, quantity, F, F).to("C").value == pytest.approx(celsius, rel=1e-15)
    assert reading(celsius, quantity, C, C).to("F").value == pytest.approx(fahrenheit, abs=1e-14)


def test_a_converted_reading_has_the_unit_and_keeps_the_reply() -> None:
    shown = reading(86.0, TEMPERATURE, F, F).to("C")
    assert (str(shown), shown.raw, shown.scale) == ("30 °C (setpoint, instance 1)", b"raw", C)


def test_a_rate_has_a_scale_and_no_unit() -> None:
    shown = reading(9.0, RATE, F, None).to("C")
    assert (shown.value, shown.unit, str(shown)) == (5.0, None, "5 (setpoint, instance 1)")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (reading(5.0, None, None, Unit.PERCENT), "not known to be a temperature"),
        (reading("PM3", None, None, None), "not known to be a temperature"),
        (reading(86.0, TEMPERATURE, None, None), "scale .* is not known; open .*temperature_unit"),
    ],
)
def test_what_cannot_be_converted_is_an_error(given: Reading, message: str) -> None:
    with pytest.raises(WatlowConfigurationError, match=message):
        given.to("C")


@pytest.mark.parametrize("given", ["C", "c", "°C", Unit.CELSIUS])
def test_a_scale_has_several_spellings(given: str) -> None:
    assert as_scale("unit", given) is C


@pytest.mark.parametrize("given", ["K", "", None, 5, Unit.PERCENT])
def test_another_scale_is_refused(given: Any) -> None:
    with pytest.raises(WatlowConfigurationError, match="unit=.*: give 'C' or 'F'"):
        as_scale("unit", given)


def test_a_value_in_the_wanted_scale_is_not_touched() -> None:
    assert converted("setpoint", 0.1, TEMPERATURE, F, F) == 0.1


def test_the_example_of_the_page_runs(
    bus: SimulatedBus,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(EXAMPLE.replace("/dev/ttyUSB0", bus.port).replace("duration=1.0", "duration=0.1"), {})
    printed = re.findall(r"print\(.*\)  # (.*)", EXAMPLE)
    assert capsys.readouterr().out.splitlines() == printed
    assert {(row["value"], row["unit"]) for row in read_samples("run.csv")} == {(30.0, "°C")}
    assert bus.controllers[1].get("setpoint") == 86.0
