"""A walk over the whole table against the simulated unit: read, written, refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from watlowlib.devices.controller import Controller
from watlowlib.devices.factory import open_device
from watlowlib.errors import WatlowAccessDeniedError, WatlowConfigurationError
from watlowlib.model import Unit
from watlowlib.registry.parameters import PARAMETERS, DataType, ParameterSpec
from watlowlib.simulator import SimulatedBus, SimulatedController

TYPES: dict[DataType, type] = {
    DataType.FLOAT: float,
    DataType.ANY: float,
    DataType.STRING: str,
}
UNSUPPORTED = (DataType.STRING, DataType.ANY, DataType.POINTER)
COMMUNICATION_SETTINGS = (17001, 17002, 17009)
LARGEST = {DataType.U8: 255, DataType.U16: 65535, DataType.ENUM: 65535}


@pytest.fixture
def unit() -> SimulatedController:
    """Two loops and a cooling output: every instance that any unit has."""
    return SimulatedController(1, loops=2, cooling=True)


@pytest.fixture
def whole(unit: SimulatedController) -> Iterator[Controller]:
    with SimulatedBus([unit], baudrate=None, turnaround_s=0.0) as bus:
        with open_device(bus.port, temperature_unit="F") as ctl:
            yield ctl


def everywhere() -> Iterator[tuple[ParameterSpec, int]]:
    for spec in PARAMETERS:
        for instance in range(1, spec.instances + 1):
            yield spec, instance


def test_everything_readable_reads_with_the_right_type(whole: Controller) -> None:
    seen: Counter[str] = Counter()
    for spec, instance in everywhere():
        if not spec.readable:
            with pytest.raises(WatlowConfigurationError, match="cannot be read"):
                whole.read_parameter(spec.number, instance=instance)
            continue
        reading = whole.read_parameter(spec.name, instance=instance)
        assert type(reading.value) is TYPES.get(spec.data_type, int), spec
        assert (reading.parameter_id, reading.instance) == (spec.number, instance)
        if spec.data_type is DataType.ENUM and spec.codes:
            assert reading.label in spec.codes.values(), spec
        seen[spec.data_type.value] += 1
    # As many as the table has, counted by hand from Watlow's list.
    assert sum(seen.values()) == sum(s.instances for s in PARAMETERS if s.readable)
    assert len(seen) == 9


def good_values(spec: ParameterSpec) -> list[float]:
    """The default, the limits, and every code."""
    if spec.codes:
        return list(spec.codes)
    low, high = spec.limits(Unit.FAHRENHEIT)
    found = [value for value in (spec.default_f, low, high) if value is not None]
    return list(dict.fromkeys(found))


def bad_values(spec: ParameterSpec) -> list[object]:
    """One step beyond each limit, and what is no value at all."""
    if spec.codes:
        return [max(spec.codes) + 1, "no such label", None]
    low, high = spec.limits(Unit.FAHRENHEIT)
    step = 0.001 if spec.data_type is DataType.FLOAT else 1
    found: list[object] = [float("nan"), "75", None, True]
    if low is not None and high is not None:
        found += [value for value in (low - step, high + step) if value not in (low, high)]
    elif spec.data_type in LARGEST:
        found += [-1, LARGEST[spec.data_type] + 1]
    return found


def test_everything_writable_takes_what_it_may_and_nothing_else(
    whole: Controller, unit: SimulatedController
) -> None:
    written = refused = 0
    for spec, instance in everywhere():
        supported = spec.data_type not in UNSUPPORTED and spec.number not in COMMUNICATION_SETTINGS
        if not spec.writable or not supported:
            before = whole.stats.exchanges
            with pytest.raises(WatlowConfigurationError):
                whole.write_parameter(spec.number, 1, instance=instance, confirm=True)
            assert whole.stats.exchanges == before
            refused += 1
            continue
        for value in good_values(spec):
            held = whole.write_parameter(
                spec.number, value, instance=instance, confirm=True, force=True
            )
            assert held.value == pytest.approx(value, rel=1e-6), spec
            written += 1
        before = whole.stats.exchanges
        for wrong in bad_values(spec):
            with pytest.raises(WatlowConfigurationError):
                whole.write_parameter(spec.number, wrong, instance=instance, confirm=True)  # type: ignore[arg-type]
            refused += 1
        assert whole.stats.exchanges == before, spec
        # Put back what the next ones depend on: the set point's own limits, the mode.
        if spec.default_f is not None and spec.readable:
            default = spec.default_f if spec.data_type is DataType.FLOAT else int(spec.default_f)
            unit.set(spec.number, default, instance)
            whole.session.setpoint_limits.clear()
    assert len(unit.writes) == written > 2500
    assert refused > 5000


def test_what_only_can_be_written_is_refused_by_the_unit_itself(whole: Controller) -> None:
    spec = PARAMETERS.resolve("restore_settings_from")
    with pytest.raises(WatlowAccessDeniedError):
        whole.session.read(spec, 1)
