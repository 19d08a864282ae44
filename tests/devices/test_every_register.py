"""Every parameter of the table over Modbus, in both data maps and both word orders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import product

import pytest

from tests.devices.test_every_parameter import (
    UNSUPPORTED,
    all_instances,
    invalid_values,
    valid_values,
)
from watlowlib._internal.clock import ManualClock
from watlowlib.devices.controller import Controller
from watlowlib.devices.factory import open_device
from watlowlib.errors import WatlowConfigurationError
from watlowlib.model import ProtocolKind, WordOrder
from watlowlib.registry.parameters import PARAMETERS, DataType, ParameterSpec
from watlowlib.simulator import SimulatedBus, SimulatedController
from watlowlib.transport.settings import SerialSettings

MODBUS = ProtocolKind.MODBUS_RTU
COMMUNICATION_SETTINGS = (17002, 17003, 17007, 17009)
LAYOUTS = list(product((1, 2), (WordOrder.LOW_HIGH, WordOrder.HIGH_LOW)))


@pytest.fixture(params=LAYOUTS, ids=lambda layout: f"map{layout[0]}-{layout[1]}")
def unit(request: pytest.FixtureRequest) -> SimulatedController:
    """A unit with two loops and a cooling output: every instance that any unit has."""
    data_map, order = request.param
    return SimulatedController(
        1, loops=2, cooling=True, protocol=MODBUS, data_map=data_map, word_order=order
    )


@pytest.fixture
def ctl(unit: SimulatedController) -> Iterator[Controller]:
    line = SerialSettings(baudrate=115200)
    with SimulatedBus([unit], baudrate=None, turnaround_s=0.0, clock=ManualClock()) as bus:
        with open_device(
            bus.port, protocol=MODBUS, serial_settings=line, temperature_unit="F", timeout_s=10.0
        ) as ctl:
            yield ctl


def shared_registers(unit: SimulatedController) -> set[int]:
    """Return the registers to which the list assigns two parameters."""
    uses = Counter(
        spec.register(instance, unit.data_map)
        for spec, instance in all_instances()
        if spec.register(instance, unit.data_map) is not None
    )
    return {register for register, count in uses.items() if count > 1 and register is not None}


def expected_value(unit: SimulatedController, spec: ParameterSpec, instance: int) -> object:
    """Return the value that the unit holds, as a read returns it."""
    value = unit.get(spec.number, instance)
    if spec.data_type is DataType.POINTER:
        assert isinstance(value, int)
        return value >> 16, value & 0xFFFF
    return pytest.approx(value, rel=1e-6) if isinstance(value, float) else value


def has_register(unit: SimulatedController, spec: ParameterSpec, instance: int) -> bool:
    """Whether the parameter has a register in the data map of the unit."""
    return spec.register(instance, unit.data_map) is not None


def test_every_parameter_with_a_register_is_read_and_others_are_refused(
    ctl: Controller, unit: SimulatedController
) -> None:
    ctl.identify()  # discovers the map: a parameter without a register then sends nothing
    shared, read, refused = shared_registers(unit), 0, 0
    for spec, instance in all_instances():
        if not spec.readable:
            continue
        if not has_register(unit, spec, instance):
            before = ctl.stats.exchanges
            with pytest.raises(WatlowConfigurationError, match="has no Modbus register"):
                ctl.read_parameter(spec.number, instance=instance)
            assert ctl.stats.exchanges == before
            refused += 1
        elif instance in (1, spec.instances):
            if spec.register(instance, unit.data_map) in shared or spec.class_id == 20:
                continue
            reading = ctl.read_parameter(spec.number, instance=instance)
            assert reading.value == expected_value(unit, spec, instance), spec
            read += 1
    assert read > 400
    assert refused > 20


def test_parameters_read_together_have_the_same_values(
    ctl: Controller, unit: SimulatedController
) -> None:
    targets = [
        (spec, instance)
        for spec, instance in all_instances()
        if spec.readable and has_register(unit, spec, instance) and spec.class_id != 20
    ]
    shared = shared_registers(unit)
    for number in {spec.number for spec, _ in targets}:
        spec = PARAMETERS.resolve(number)
        instances = [instance for each, instance in targets if each is spec]
        for sample in ctl.poll([number], instances=instances):
            if spec.register(sample.instance, unit.data_map) not in shared:
                assert sample.value == expected_value(unit, spec, sample.instance), spec
    first_instances = [spec.number for spec, instance in targets if instance == 1]
    before = ctl.stats.exchanges
    samples = ctl.poll(first_instances)
    assert ctl.stats.exchanges - before < len(first_instances) / 3
    assert [sample.parameter_id for sample in samples] == first_instances
    for sample in samples:
        spec = PARAMETERS.resolve(sample.parameter_id)
        if spec.register(1, unit.data_map) not in shared and spec.class_id != 1:
            assert sample.status == "ok", sample
            assert sample.value == expected_value(unit, spec, 1), spec


def test_every_writable_register_stores_valid_values_and_refuses_others(
    ctl: Controller, unit: SimulatedController
) -> None:
    ctl.identify()
    shared, quarter = shared_registers(unit), LAYOUTS.index((unit.data_map, unit.word_order))
    written = refused = 0
    allowed = {spec.register(n, unit.data_map) for spec, n in all_instances() if spec.writable}
    for spec, instance in all_instances():
        if instance not in (1, spec.instances):
            continue
        supported = spec.data_type not in UNSUPPORTED and spec.number not in COMMUNICATION_SETTINGS
        if not spec.writable or not supported or not has_register(unit, spec, instance):
            before = ctl.stats.exchanges
            with pytest.raises(WatlowConfigurationError):
                ctl.write_parameter(spec.number, 1, instance=instance, confirm=True)
            assert ctl.stats.exchanges == before
            refused += 1
            continue
        if spec.register(instance, unit.data_map) in shared:
            continue
        for value in valid_values(spec)[(quarter + spec.number) % 4 :: 4]:
            held = ctl.write_parameter(
                spec.number, value, instance=instance, confirm=True, force=True
            )
            assert held.value == pytest.approx(value, rel=1e-6), spec
            assert (unit.writes[-1].number, unit.writes[-1].instance) == (spec.number, instance)
            written += 1
        before = ctl.stats.exchanges
        for wrong in invalid_values(spec)[:2]:
            with pytest.raises(WatlowConfigurationError):
                ctl.write_parameter(spec.number, wrong, instance=instance, confirm=True)  # type: ignore[arg-type]
            refused += 1
        assert ctl.stats.exchanges == before, spec
        # Restore what the next parameters depend on: the limits of the set point, the mode.
        if spec.default_f is not None and spec.readable and spec.number != 17043:
            default = spec.default_f if spec.data_type is DataType.FLOAT else int(spec.default_f)
            unit.set(spec.number, default, instance)
            ctl.session.settings.setpoint_limits.clear()
    assert len(unit.writes) == written > 150
    for register, words in unit.register_writes:
        assert register in allowed, (register, words)
    assert refused > 600
