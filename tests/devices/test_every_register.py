"""A walk over the whole table over Modbus, in both data maps and both word orders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import product

import pytest

from tests.devices.test_every_parameter import UNSUPPORTED, bad_values, everywhere, good_values
from watlowlib._internal.clock import ManualClock
from watlowlib.devices.controller import Controller
from watlowlib.devices.factory import open_device
from watlowlib.errors import WatlowConfigurationError
from watlowlib.model import ProtocolKind, SerialSettings, WordOrder
from watlowlib.registry.parameters import PARAMETERS, DataType, ParameterSpec
from watlowlib.simulator import SimulatedBus, SimulatedController

MODBUS = ProtocolKind.MODBUS_RTU
COMMUNICATION_SETTINGS = (17002, 17003, 17007, 17009)
WAYS = list(product((1, 2), (WordOrder.LOW_HIGH, WordOrder.HIGH_LOW)))


@pytest.fixture(params=WAYS, ids=lambda way: f"map{way[0]}-{way[1]}")
def unit(request: pytest.FixtureRequest) -> SimulatedController:
    """Two loops and a cooling output: every instance that any unit has."""
    data_map, order = request.param
    return SimulatedController(
        1, loops=2, cooling=True, protocol=MODBUS, data_map=data_map, word_order=order
    )


@pytest.fixture
def whole(unit: SimulatedController) -> Iterator[Controller]:
    line = SerialSettings(baudrate=115200)
    with SimulatedBus([unit], baudrate=None, turnaround_s=0.0, clock=ManualClock()) as bus:
        with open_device(
            bus.port, protocol=MODBUS, serial_settings=line, temperature_unit="F"
        ) as ctl:
            yield ctl


def of_two(unit: SimulatedController) -> set[int]:
    """The registers at which the list has two parameters."""
    found = Counter(
        spec.register(instance, unit.data_map)
        for spec, instance in everywhere()
        if spec.register(instance, unit.data_map) is not None
    )
    return {register for register, times in found.items() if times > 1 and register is not None}


def near(unit: SimulatedController, spec: ParameterSpec, instance: int) -> object:
    """What the unit holds, as it is after its way over the wire."""
    value = unit.get(spec.number, instance)
    if spec.data_type is DataType.POINTER:
        assert isinstance(value, int)
        return value >> 16, value & 0xFFFF
    return pytest.approx(value, rel=1e-6) if isinstance(value, float) else value


def here(unit: SimulatedController, spec: ParameterSpec, instance: int) -> bool:
    """Whether the data map has a register for it."""
    return spec.register(instance, unit.data_map) is not None


def test_everything_that_has_a_register_reads_and_nothing_else(
    whole: Controller, unit: SimulatedController
) -> None:
    whole.identify()  # the map is known then, and what it lacks is refused before it is asked for
    shared, seen, refused = of_two(unit), 0, 0
    for spec, instance in everywhere():
        if not spec.readable:
            continue
        if not here(unit, spec, instance):
            before = whole.stats.exchanges
            with pytest.raises(WatlowConfigurationError, match="has no Modbus register"):
                whole.read_parameter(spec.number, instance=instance)
            assert whole.stats.exchanges == before
            refused += 1
        elif instance in (1, spec.instances):
            if spec.register(instance, unit.data_map) in shared or spec.class_id == 20:
                continue
            reading = whole.read_parameter(spec.number, instance=instance)
            assert reading.value == near(unit, spec, instance), spec
            seen += 1
    assert seen > 400
    assert refused > 20


def test_everything_together_reads_the_same(whole: Controller, unit: SimulatedController) -> None:
    wanted = [
        (spec, instance)
        for spec, instance in everywhere()
        if spec.readable and here(unit, spec, instance) and spec.class_id != 20
    ]
    shared = of_two(unit)
    for number in {spec.number for spec, _ in wanted}:
        spec = PARAMETERS.resolve(number)
        instances = [instance for each, instance in wanted if each is spec]
        for sample in whole.poll([number], instances=instances):
            if spec.register(sample.instance, unit.data_map) not in shared:
                assert sample.value == near(unit, spec, sample.instance), spec
    every = [spec.number for spec, instance in wanted if instance == 1]
    before = whole.stats.exchanges
    samples = whole.poll(every)
    assert whole.stats.exchanges - before < len(every) / 3
    assert [sample.parameter_id for sample in samples] == every
    for sample in samples:
        spec = PARAMETERS.resolve(sample.parameter_id)
        if spec.register(1, unit.data_map) not in shared and spec.class_id != 1:
            assert sample.status == "ok", sample
            assert sample.value == near(unit, spec, 1), spec


def test_everything_writable_takes_what_it_may_and_nothing_else(
    whole: Controller, unit: SimulatedController
) -> None:
    whole.identify()
    shared, part = of_two(unit), WAYS.index((unit.data_map, unit.word_order))
    written = refused = 0
    allowed = {spec.register(n, unit.data_map) for spec, n in everywhere() if spec.writable}
    for spec, instance in everywhere():
        if instance not in (1, spec.instances):
            continue
        supported = spec.data_type not in UNSUPPORTED and spec.number not in COMMUNICATION_SETTINGS
        if not spec.writable or not supported or not here(unit, spec, instance):
            before = whole.stats.exchanges
            with pytest.raises(WatlowConfigurationError):
                whole.write_parameter(spec.number, 1, instance=instance, confirm=True)
            assert whole.stats.exchanges == before
            refused += 1
            continue
        if spec.register(instance, unit.data_map) in shared:
            continue
        for value in good_values(spec)[(part + spec.number) % 4 :: 4]:
            held = whole.write_parameter(
                spec.number, value, instance=instance, confirm=True, force=True
            )
            assert held.value == pytest.approx(value, rel=1e-6), spec
            assert (unit.writes[-1].number, unit.writes[-1].instance) == (spec.number, instance)
            written += 1
        before = whole.stats.exchanges
        for wrong in bad_values(spec)[:2]:
            with pytest.raises(WatlowConfigurationError):
                whole.write_parameter(spec.number, wrong, instance=instance, confirm=True)  # type: ignore[arg-type]
            refused += 1
        assert whole.stats.exchanges == before, spec
        # Put back what the next ones depend on: the set point's own limits, the mode.
        if spec.default_f is not None and spec.readable and spec.number != 17043:
            default = spec.default_f if spec.data_type is DataType.FLOAT else int(spec.default_f)
            unit.set(spec.number, default, instance)
            whole.session.setpoint_limits.clear()
    assert len(unit.writes) == written > 150
    for register, words in unit.register_writes:
        assert register in allowed, (register, words)
    assert refused > 600
