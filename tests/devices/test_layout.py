"""Discovery of the data map and the word order; without certainty nothing is written."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from watlowlib import (
    ProtocolKind,
    SerialSettings,
    WatlowConfigurationError,
    WatlowTimeoutError,
    WatlowUncertainError,
    WordOrder,
    open_device,
)
from watlowlib.devices.controller import Controller
from watlowlib.devices.layout import RegisterLayout, check_map, check_order, discover_layout
from watlowlib.errors import WatlowDeviceFailureError, WatlowNoSuchRegisterError
from watlowlib.model import ControllerFamily
from watlowlib.registry.parameters import registry_of
from watlowlib.simulator import Fault, SimulatedBus, SimulatedController

LOW, HIGH = WordOrder.LOW_HIGH, WordOrder.HIGH_LOW
MODBUS = ProtocolKind.MODBUS_RTU

# From Watlow's list: 8002 and 8003 at 1882 and 1884 (map 1) or 2362 and 2364 (map 2), 17043 at
# 2488 or 2968, the hardware ID at 0; 10 is Auto, 71 is PID, 1331 is Low_High, 28 the ARM unit.
MAP1 = {1882: 10, 1884: 71, 2488: 1331, 0: 28, 1: 0}
MAP2 = {2362: 10, 2364: 71, 2968: 1331, 0: 28, 1: 0}


class Registers(dict[int, int]):
    """Registers of a controller, and a record of the reads."""

    def __init__(self, registers: dict[int, int]) -> None:
        super().__init__(registers)
        self.reads: list[int] = []

    def read(self, register: int, count: int) -> tuple[int, ...]:
        self.reads.append(register)
        try:
            return tuple(self[register + n] for n in range(count))
        except KeyError:
            raise WatlowNoSuchRegisterError("no such register") from None


@pytest.mark.parametrize(
    ("registers", "data_map", "order"),
    [
        (MAP1, 1, LOW),
        (MAP2, 2, LOW),
        (MAP1 | {2488: 1330, 0: 0, 1: 28}, 1, HIGH),
        (MAP2 | {2968: 1330, 0: 0, 1: 19}, 2, HIGH),
        # The registers of the other map hold values that are not codes of 8002 and 8003.
        (MAP1 | {2362: 0x4296, 2364: 0}, 1, LOW),
        (MAP2 | {1882: 62, 1884: 0}, 2, LOW),
        # A hardware ID that is not in the list, but agrees with the setting.
        (MAP1 | {0: 35}, 1, LOW),
        # No word order setting, but a known hardware ID.
        ({each: MAP1[each] for each in (1882, 1884, 0, 1)}, 1, LOW),
    ],
)
def test_a_certain_layout_is_discovered(
    registers: dict[int, int], data_map: int, order: WordOrder
) -> None:
    found = discover_layout(RegisterLayout(), Registers(registers).read)
    assert (check_map(found), check_order(found)) == (data_map, order)


def test_an_rmc_is_not_taken_for_a_pm_in_data_map_2() -> None:
    # If the loops of an RMC begin at 2220, the third has its mode at 2362.
    rmc = {2220 + 70 * loop + at: code for loop in range(4) for at, code in ((2, 10), (4, 71))}
    assert rmc[2362] == 10
    found = discover_layout(RegisterLayout(), Registers(rmc | {0: 28, 1: 0}).read)
    with pytest.raises(WatlowUncertainError, match="give family='rmc' for an RMC"):
        check_map(found)


@pytest.mark.parametrize(("registers", "data_map"), [(MAP1, 1), (MAP2, 2)])
def test_a_pm_is_not_taken_for_an_rmc(registers: dict[int, int], data_map: int) -> None:
    for given in (RegisterLayout(), RegisterLayout(1, LOW)):
        found = discover_layout(given, Registers(registers).read, registry_of(ControllerFamily.RMC))
        with pytest.raises(WatlowUncertainError, match=f"data map {data_map}: check family='rmc'"):
            check_map(found)


def test_an_rmc_with_loops_like_those_of_a_pm_is_an_rmc() -> None:
    rmc = {2220 + 70 * loop + at: code for loop in range(4) for at, code in ((2, 10), (4, 71))}
    given = RegisterLayout(None, LOW)
    assert (
        check_map(discover_layout(given, Registers(rmc).read, registry_of(ControllerFamily.RMC)))
        == 1
    )


@pytest.mark.parametrize(
    "registers",
    [
        {0: 28, 1: 0},
        MAP1 | MAP2,
        MAP1 | {1882: 11},
        MAP1 | {1884: 10},
    ],
)
def test_an_uncertain_data_map_is_refused(registers: dict[int, int]) -> None:
    found = discover_layout(RegisterLayout(), Registers(registers).read)
    with pytest.raises(WatlowUncertainError, match="data_map=1 or data_map=2"):
        check_map(found)
    # The word order is certain without the map.
    assert check_order(found) is LOW


@pytest.mark.parametrize(
    "registers",
    [
        MAP1 | {0: 0, 1: 28},
        MAP1 | {2488: 1330},
        MAP1 | {0: 0},
        MAP1 | {0: 28, 1: 28},
        {1882: 10, 1884: 71, 2488: 1331},
        {1882: 10, 1884: 71, 0: 35, 1: 0},
    ],
)
def test_an_uncertain_word_order_is_refused(registers: dict[int, int]) -> None:
    found = discover_layout(RegisterLayout(), Registers(registers).read)
    assert check_map(found) == 1
    with pytest.raises(WatlowUncertainError, match="word_order='low_high' or"):
        check_order(found)


def test_given_settings_are_not_read() -> None:
    registers = Registers(MAP2)
    assert discover_layout(RegisterLayout(1, HIGH), registers.read) == RegisterLayout(1, HIGH)
    assert registers.reads == []
    discover_layout(RegisterLayout(2), registers.read)
    assert set(registers.reads) == {2968, 0}


@pytest.mark.parametrize("error", [WatlowTimeoutError, WatlowDeviceFailureError])
def test_a_failed_read_is_not_taken_for_a_missing_register(error: type[Exception]) -> None:
    def read(register: int, count: int) -> tuple[int, ...]:
        if register == 1882:
            raise error("failed")
        return tuple(MAP2[register + n] for n in range(count))

    with pytest.raises(error):
        discover_layout(RegisterLayout(), read)


@pytest.fixture
def unit() -> SimulatedController:
    return SimulatedController(1, loops=2, protocol=MODBUS, data_map=2)


@pytest.fixture
def bus(unit: SimulatedController) -> Iterator[SimulatedBus]:
    with SimulatedBus([unit], baudrate=None, turnaround_s=0.0) as bus:
        yield bus


def open_unit(bus: SimulatedBus, **options: object) -> Controller:
    line = SerialSettings(baudrate=115200)
    return open_device(bus.port, protocol=MODBUS, serial_settings=line, **options)  # type: ignore[arg-type]


def test_no_register_of_map_1_is_written_on_a_unit_in_map_2(
    bus: SimulatedBus, unit: SimulatedController
) -> None:
    with open_unit(bus) as ctl:
        ctl.set_setpoint(80.0, confirm=True)
        ctl.write_parameter("heat_proportional_band", 30.0, confirm=True)
        ctl.loop(2).set_setpoint(90.0, confirm=True)
    # In map 2 of Watlow's list 7001 is at 2640 and 2720. 8009 is 10 after the first register of
    # the loop: 1890 after 1880 in map 1, so 2370 after 2360 in map 2.
    assert [register for register, _ in unit.register_writes] == [2640, 2370, 2720]


def test_nothing_is_written_while_the_data_map_is_uncertain(
    bus: SimulatedBus, unit: SimulatedController
) -> None:
    unit.set(8003, 99)  # not a code of the heat algorithm: neither map is recognised
    with open_unit(bus) as ctl:
        for write in (ctl.set_setpoint, lambda value, confirm: ctl.loop(1).set_setpoint(value)):
            with pytest.raises((WatlowUncertainError, ValueError)):
                write(80.0, confirm=True)
        with pytest.raises(WatlowUncertainError, match="data map"):
            ctl.read_pv()
        # A parameter with the same register in both maps can be read but not written.
        with pytest.raises(WatlowUncertainError, match="data map"):
            ctl.write_parameter("restore_settings_from", "Factory", confirm=True)
        assert ctl.read_parameter("hardware_id").value == 28
        before = ctl.stats.exchanges
        (sample,) = ctl.poll(["process_value"])
        assert (sample.value, sample.status) == (None, "uncertain")
        assert ctl.stats.exchanges == before
        info = ctl.identify()
        assert (info.data_map, info.word_order) == (None, LOW)
        unit.set(8003, 71)
        assert ctl.identify().data_map == 2
        assert ctl.read_setpoint().value == 75.0
    assert unit.register_writes == []


def test_the_layout_is_discovered_once_after_a_failed_attempt(
    bus: SimulatedBus, unit: SimulatedController
) -> None:
    with open_unit(bus, retries=0) as ctl:
        bus.faults.next_are(Fault.DROP)
        with pytest.raises(WatlowTimeoutError):
            ctl.read_setpoint()
        ctl.read_setpoint()
        before = ctl.stats.exchanges
        ctl.read_setpoint()
        ctl.read_pv()
        assert ctl.stats.exchanges - before == 2


def test_a_change_of_the_word_order_is_followed(
    bus: SimulatedBus, unit: SimulatedController
) -> None:
    with open_unit(bus) as ctl:
        assert ctl.read_setpoint().value == 75.0
        ctl.write_parameter("modbus_word_order", "High_Low", confirm=True)
        assert unit.word_order is HIGH
        assert ctl.read_setpoint().value == 75.0
        assert ctl.identify().word_order is HIGH


def test_a_given_layout_costs_no_exchange(bus: SimulatedBus) -> None:
    with open_unit(bus, data_map=2, word_order="low_high") as ctl:
        assert ctl.read_setpoint().value == 75.0
        assert ctl.stats.exchanges == 1


@pytest.mark.parametrize("order", [LOW, HIGH])
def test_registers_of_both_maps_are_read_while_the_map_is_uncertain(
    bus: SimulatedBus, unit: SimulatedController, order: WordOrder
) -> None:
    unit.set(8003, 99)  # not a code of the heat algorithm: neither map is recognised
    unit.set(17043, {LOW: 1331, HIGH: 1330}[order])
    with open_unit(bus, word_order=order) as ctl:
        assert ctl.read_pv().value == pytest.approx(72.0, abs=5.0)  # register 360 in both
        assert ctl.read_parameter("input_error").label == "None"  # 362
        assert ctl.read_parameter("serial_number").value == unit.get(1007)
        before, samples = ctl.stats.exchanges, ctl.poll(["pv", "input_error"])
        assert [sample.status for sample in samples] == ["ok", "ok"]
        assert ctl.stats.exchanges == before + 1
        for read in (lambda: ctl.read_pv(instance=2), ctl.read_setpoint):  # 440 or 450, ...
            with pytest.raises(WatlowUncertainError, match="data map"):
                read()
        with pytest.raises(WatlowUncertainError, match="data map"):
            ctl.write_parameter("sensor_type", "Off", confirm=True)
    assert unit.register_writes == []


def test_an_ez_key_is_not_read_from_the_register_of_the_control_mode(bus: SimulatedBus) -> None:
    # Watlow's list gives 2360 in map 2 to 3031 and to 8001.
    with open_unit(bus, data_map=2, word_order=LOW) as ctl:
        assert ctl.read_parameter(8001).label == "Auto"
        before = ctl.stats.exchanges
        with pytest.raises(WatlowConfigurationError, match="3031.*has no Modbus register"):
            ctl.read_parameter(3031)
        assert ctl.stats.exchanges == before
