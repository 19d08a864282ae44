"""Whether the rates of a recording fit its lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from watlowlib import RateReport, WatlowManager, load_rig
from watlowlib.devices.wire_time import TURNAROUND_S
from watlowlib.manager.line_load import LineLoad, line_loads, measure
from watlowlib.manager.rig_check import check_rig
from watlowlib.simulator import SimulatedBus, SimulatedController

BYTE_S = 10 / 38400
READ_BYTES = 16 + 21
"""A read of a 32-bit float in the captures: request and reply."""


def test_the_load_is_computed_from_bytes_and_turnaround(bus: SimulatedBus) -> None:
    with WatlowManager() as manager:
        manager.add("top", bus.port, address=1)
        manager.add("bot", bus.port, address=2)
        rates = [RateReport(2.0, ("pv", "sp")), RateReport(0.5, ("output_power",))]
        (load,) = line_loads(manager, rates, names=["top", "bot"])
        (half,) = line_loads(manager, rates, names=["top"])
        (checked,) = line_loads(manager, rates, names=["top"], sensor_check=True)
        (both,) = line_loads(manager, rates, names=["top"], instances=(1, 2))
    read_s = READ_BYTES * BYTE_S + TURNAROUND_S
    assert (load.port, load.reads) == (bus.port, 6)
    assert load.tick_s == pytest.approx(6 * read_s)
    assert load.busy == pytest.approx(2 * (2 * 2.0 + 1 * 0.5) * read_s)
    assert half.busy == pytest.approx(load.busy / 2)
    assert (checked.reads, both.reads) == (4, 6)


def test_alarms_are_part_of_the_load(bus: SimulatedBus, tmp_path: Path) -> None:
    rig = f'''
    [ports.line]
    port = "{bus.port}"
    [controllers.top]
    port = "line"
    [controllers.other]
    port = "line"
    address = 9
    [record]
    parameters = ["pv"]
    rate_hz = 1.0
    '''
    found = []
    for n, alarms in enumerate(["", "alarms = 1000.0"]):
        file = tmp_path / f"rig{n}.toml"
        file.write_text(rig + alarms, "utf-8")
        found += [each for each in check_rig(load_rig(file)) if each.kind == "line"]
    assert [each.ok for each in found] == [True, False]


def test_adjacent_registers_share_an_exchange() -> None:
    slave = SimulatedController(3, protocol="modbus_rtu")
    with SimulatedBus([slave], baudrate=None) as bus, WatlowManager() as manager:
        manager.add("oven", bus.port, address=3, protocol="modbus_rtu")
        rates = [RateReport(1.0, ("process_value", "input_error"))]
        (load,) = line_loads(manager, rates, names=["oven"])
        alone = line_loads(manager, [RateReport(1.0, ("process_value",))], names=["oven"])
    assert load.reads == 2
    assert alone[0].tick_s < load.tick_s < 2 * alone[0].tick_s


def test_each_port_has_its_own_load(bus: SimulatedBus) -> None:
    with SimulatedBus([1], baudrate=None) as other, WatlowManager() as manager:
        manager.add("top", bus.port)
        manager.add("retort", other.port)
        loads = line_loads(manager, [RateReport(1.0, ("pv",))], names=["top", "retort"])
        assert [load.port for load in loads] == [bus.port, other.port]


def test_the_longest_port_gets_the_measured_duration() -> None:
    loads = [LineLoad("a", 4, 0.4, 0.8), LineLoad("b", 2, 0.2, 0.4)]
    first, second = measure(lambda: None, loads)
    assert first.measured
    assert 0 < first.tick_s < 0.4
    assert second.tick_s == pytest.approx(first.tick_s / 2)
    assert second.busy == pytest.approx(first.busy / 2)
    assert measure(lambda: None, []) == []


@pytest.mark.parametrize(
    ("busy", "rate_hz", "fitting"), [(2.0, 10.0, 4.5), (1.5, 2.0, 1.2), (3.0, 1000.0, 300.0)]
)
def test_a_fitting_rate_leaves_some_time(busy: float, rate_hz: float, fitting: float) -> None:
    load = LineLoad("a", 2, 0.1, busy)
    assert not load.fits
    assert load.fitting(rate_hz) == fitting
