"""The registers of the EZ-ZONE families; every expected number is from a paper or a program."""

from __future__ import annotations

from pathlib import Path

import pytest

from watlowlib.model import ControllerFamily
from watlowlib.registry.bases import all_bases
from watlowlib.registry.parameters import PARAMETERS, registry_of

LIST = Path(__file__).parents[1] / "data/pm_registers.tsv"
RM, RMC, RMH, ST = (ControllerFamily(each) for each in ("rm", "rmc", "rmh", "st"))

RMH_REGISTERS = {
    4001: 380, 4005: 388, 4006: 390, 4020: 418, 4042: 462, 3005: 368,
    8001: 4100, 8003: 4104, 8009: 4110, 8010: 4120, 8052: 4156,
    7001: 5220, 7009: 5236, 7014: 5246, 7015: 5248, 7017: 5252,
    9001: 2660, 9002: 2662, 9003: 2664, 9004: 2666, 9005: 2668, 9007: 2672, 9008: 2674,
    9015: 2688, 9017: 2692, 9018: 2694, 9023: 2704, 9025: 2708,
    6002: 1822, 6005: 1828, 6006: 1830, 6009: 1836, 6010: 1838, 6012: 1842,
}  # fmt: skip
"""Instance 1, as a program that runs with eight zones of an RMH uses them."""


def test_the_rule_and_its_exceptions_give_every_register_of_the_list() -> None:
    rows = [line.split("\t") for line in LIST.read_text("utf-8").splitlines()[1:]]
    expected = {
        (int(number), int(instance), int(data_map)): int(register)
        for data_map, number, registers in rows
        for instance, register in (each.split(":") for each in registers.split())
    }
    assert len(expected) == 1509
    assert expected.pop((3031, 1, 2)) == 2360  # which is the register of 8001, by the same list
    assert {key: PARAMETERS.resolve(key[0]).register(*key[1:]) for key in expected} == expected


@pytest.mark.parametrize(
    ("number", "instance", "registers"),
    [
        (7001, 2, (2240, 2720)),
        (8031, 2, (482, 492)),  # not at the distance of its class
        (7021, 2, (None, 2760)),  # an instance in one of the maps
        (18001, 3, (800, None)),
        (4042, 1, (None, 442)),  # at its place in map 1 is 4002 of input 2
        (12013, 1, (None, 744)),
        (6001, 9, (None, 1240)),
        (20001, 2, (240, None)),
        (1009, 1, (None, None)),
    ],
)
def test_exceptions_of_a_pm(
    number: int, instance: int, registers: tuple[int | None, int | None]
) -> None:
    spec = PARAMETERS.resolve(number)
    assert (spec.register(instance, 1), spec.register(instance, 2)) == registers


def test_registers_of_an_rmh() -> None:
    registry = registry_of(RMH)
    found = {number: registry.resolve(number).register(1, 1) for number in RMH_REGISTERS}
    assert found == RMH_REGISTERS


@pytest.mark.parametrize(
    ("family", "number", "instance", "data_map", "register"),
    [
        (RMH, 4001, 8, 1, 1010),
        (RMH, 8001, 2, 1, 4170),
        (RMH, 9001, 2, 1, 2720),
        (RMH, 6002, 2, 1, None),  # no distance
        (RMC, 4001, 4, 1, 630),
        (RMC, 9006, 1, 1, 1750),
        (RMC, 9006, 3, 1, 1870),
        (RMC, 12004, 1, 1, 726),
        (RMC, 12004, 2, 1, None),
        (RMC, 19001, 1, 1, 40),
        (RMC, 8011, 1, 1, None),  # published as 2244 and as 2224
        (RMC, 7001, 1, 1, None),
        (RMC, 1007, 1, 1, None),
        (RM, 4001, 1, 1, None),
        (RM, 4001, 1, 2, None),
        (RMH, 17043, 1, 1, None),
        (RMH, 4001, 1, 2, None),
        (ST, 4001, 2, 2, 450),
        (ST, 4001, 1, 1, None),  # in map 1, the ST itself has other registers
        (ST, 6001, 2, 2, 970),
        (ST, 8001, 1, 2, 1750),
        (ST, 9001, 2, 2, 1510),
        (ST, 17043, 1, 2, 2068),
        (ST, 7001, 1, 2, None),
    ],
)
def test_registers_of_other_families(
    family: ControllerFamily, number: int, instance: int, data_map: int, register: int | None
) -> None:
    assert registry_of(family).resolve(number).register(instance, data_map) == register


def test_registers_of_an_st_behind_a_gateway() -> None:
    registry = registry_of(ST, gateway=True)
    expected = {(4001, 1): 360, (4001, 2): 520, (6001, 2): 910, (7001, 1): 2160, (9001, 2): 1530}
    expected |= {(17043, 1): 2426, (12004, 1): 686}
    assert {key: registry.resolve(key[0]).register(key[1], 1) for key in expected} == expected
    assert registry.resolve(8001).register(1, 1) is None
    assert registry.resolve(7001).register(2, 1) is None
    assert registry_of(RMH, gateway=True) is registry_of(RMH)


@pytest.mark.parametrize(
    ("family", "instances"),
    [(RMH, (16, 16, 16, 16)), (RMC, (4, 4, 4, 8)), (ST, (2, 2, 2, 4)), (RM, (16, 16, 16, 16))],
)
def test_instances_of_a_family(family: ControllerFamily, instances: tuple[int, ...]) -> None:
    registry = registry_of(family)
    found = tuple(registry.resolve(number).instances for number in (4001, 7001, 8001, 9001))
    assert found == instances


@pytest.mark.parametrize(
    ("family", "number", "instance", "doubted"),
    [
        (RMH, 4001, 16, False),
        (RMH, 7001, 1, False),
        (RMH, 7001, 2, True),
        (RMH, 6002, 1, True),
        (RMH, 3005, 1, True),
        (RMH, 9025, 1, True),
        (RMC, 9006, 8, False),
        (RMC, 12004, 1, False),
    ],
)
def test_an_inference_is_in_doubt(
    family: ControllerFamily, number: int, instance: int, doubted: bool
) -> None:
    spec = registry_of(family).resolve(number)
    assert bool(spec.doubt(instance, 1)) is doubted
    assert spec.register(instance, 1) is not None


@pytest.mark.parametrize("gateway", [False, True])
@pytest.mark.parametrize("family", [RMC, RMH, ST])
def test_each_register_of_a_family_has_one_parameter(
    family: ControllerFamily, gateway: bool
) -> None:
    for data_map in (1, 2):
        holders: dict[int, tuple[str, int]] = {}
        for spec in registry_of(family, gateway=gateway):
            for instance in range(1, spec.instances + 1):
                register = spec.register(instance, data_map)
                if register is not None:
                    assert register not in holders, (register, spec.name, holders[register])
                    holders[register] = spec.name, instance


def test_each_line_of_the_table_has_a_sureness_and_a_source() -> None:
    keys = [(base.family, base.data_map, base.class_id) for base in all_bases()]
    assert len(set(keys)) == len(keys)
    for base in all_bases():
        assert base.source, base
        assert base.sure in (("H", "M", "L") if base.first is not None else ("",)), base
        assert base.sure_distance in (("H", "M", "L") if base.distance is not None else ("",)), base
