"""Every parameter of the table on a simulated unit: read, written, refused."""

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
    """A unit with two loops and a cooling output: every instance that any unit has."""
    return SimulatedController(1, loops=2, cooling=True)


@pytest.fixture
def ctl(unit: SimulatedController) -> Iterator[Controller]:
    with SimulatedBus([unit], baudrate=None, turnaround_s=0.0) as bus:
        with open_device(bus.port, temperature_unit="F") as ctl:
            yield ctl


def all_instances() -> Iterator[tuple[ParameterSpec, int]]:
    """Yield each instance of each parameter of the table."""
    for spec in PARAMETERS:
        for instance in range(1, spec.instances + 1):
            yield spec, instance


def test_every_readable_parameter_is_read_with_its_type(ctl: Controller) -> None:
    counts: Counter[str] = Counter()
    for spec, instance in all_instances():
        if not spec.readable:
            with pytest.raises(WatlowConfigurationError, match="cannot be read"):
                ctl.read_parameter(spec.number, instance=instance)
            continue
        reading = ctl.read_parameter(spec.name, instance=instance)
        assert type(reading.value) is TYPES.get(spec.data_type, int), spec
        assert (reading.parameter_id, reading.instance) == (spec.number, instance)
        if spec.data_type is DataType.ENUM and spec.codes:
            assert reading.label in spec.codes.values(), spec
        counts[spec.data_type.value] += 1
    # Every readable instance of the table, and all nine data types.
    assert sum(counts.values()) == sum(s.instances for s in PARAMETERS if s.readable)
    assert len(counts) == 9


def valid_values(spec: ParameterSpec) -> list[float]:
    """Return the default and the limits, or every code."""
    if spec.codes:
        return list(spec.codes)
    low, high = spec.limits(Unit.FAHRENHEIT)
    values = [value for value in (spec.default_f, low, high) if value is not None]
    return list(dict.fromkeys(values))


def invalid_values(spec: ParameterSpec) -> list[object]:
    """Return values one step beyond each limit, and values of a wrong type."""
    if spec.codes:
        return [max(spec.codes) + 1, "no such label", None]
    low, high = spec.limits(Unit.FAHRENHEIT)
    step = 0.001 if spec.data_type is DataType.FLOAT else 1
    values: list[object] = [float("nan"), "75", None, True]
    if low is not None and high is not None:
        values += [value for value in (low - step, high + step) if value not in (low, high)]
    elif spec.data_type in LARGEST:
        values += [-1, LARGEST[spec.data_type] + 1]
    return values


def test_every_writable_parameter_stores_valid_values_and_refuses_others(
    ctl: Controller, unit: SimulatedController
) -> None:
    written = refused = 0
    for spec, instance in all_instances():
        supported = spec.data_type not in UNSUPPORTED and spec.number not in COMMUNICATION_SETTINGS
        if not spec.writable or not supported:
            before = ctl.stats.exchanges
            with pytest.raises(WatlowConfigurationError):
                ctl.write_parameter(spec.number, 1, instance=instance, confirm=True)
            assert ctl.stats.exchanges == before
            refused += 1
            continue
        for value in valid_values(spec):
            held = ctl.write_parameter(
                spec.number, value, instance=instance, confirm=True, force=True
            )
            assert held.value == pytest.approx(value, rel=1e-6), spec
            written += 1
        before = ctl.stats.exchanges
        for wrong in invalid_values(spec):
            with pytest.raises(WatlowConfigurationError):
                ctl.write_parameter(spec.number, wrong, instance=instance, confirm=True)  # type: ignore[arg-type]
            refused += 1
        assert ctl.stats.exchanges == before, spec
        # Restore what the next parameters depend on: the limits of the set point, the mode.
        if spec.default_f is not None and spec.readable:
            default = spec.default_f if spec.data_type is DataType.FLOAT else int(spec.default_f)
            unit.set(spec.number, default, instance)
            ctl.session.settings.setpoint_limits.clear()
    assert len(unit.writes) == written > 2500
    assert refused > 5000


def test_a_read_of_a_write_only_parameter_is_refused_by_the_unit(ctl: Controller) -> None:
    spec = PARAMETERS.resolve("restore_settings_from")
    with pytest.raises(WatlowAccessDeniedError):
        ctl.session.read(spec, 1)
