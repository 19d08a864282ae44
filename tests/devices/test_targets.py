"""The targets of a call are kept for the next equal call, and only for that."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from watlowlib import ProtocolKind, WatlowConfigurationError, open_device
from watlowlib.devices.controller import Controller
from watlowlib.devices.driver import Driver
from watlowlib.devices.layout import RegisterLayout
from watlowlib.devices.session_attributes import MOST_CALLS
from watlowlib.registry.parameters import SD_PARAMETERS
from watlowlib.simulator import SimulatedBus, SimulatedController

MODBUS = ProtocolKind.MODBUS_RTU
ONLY_IN_MAP_2 = "display_intensity"


def names(ctl: Controller, parameters: Any, instances: Any = (1,)) -> list[str]:
    return [spec.name for spec, _ in ctl.session.targets(parameters, instances)]


@pytest.mark.parametrize("kind", [list, tuple, iter, lambda given: (each for each in given)])
def test_any_iterable_names_the_parameters(
    ctl: Controller, kind: Callable[[list[str]], Iterable[str]]
) -> None:
    for given in (["pv", "sp"], ["sp", "pv"], ["pv", "sp"]):
        found = [sample.parameter for sample in ctl.poll(kind(given))]
        assert found == [{"pv": "process_value", "sp": "setpoint"}[each] for each in given]


def test_a_list_that_was_changed_is_read_as_it_is_now(ctl: Controller) -> None:
    given = ["pv"]
    assert len(ctl.poll(given)) == 1
    given.append("sp")
    assert [sample.parameter for sample in ctl.poll(given)] == ["process_value", "setpoint"]


def test_a_list_that_is_changed_during_the_call_is_not_kept_under_its_old_names(
    ctl: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ["pv", "sp"]

    def layout_while_the_list_is_changed(driver: Driver) -> RegisterLayout:
        given[:] = ["sp"]  # as another thread does
        return RegisterLayout()

    with monkeypatch.context() as patched:
        patched.setattr(Driver, "known_layout", property(layout_while_the_list_is_changed))
        names(ctl, given)
    assert names(ctl, ["pv", "sp"]) == ["process_value", "setpoint"]


def test_an_exhausted_generator_is_refused(ctl: Controller) -> None:
    given = (each for each in ["pv"])
    ctl.poll(given)
    with pytest.raises(WatlowConfigurationError, match="nothing to read"):
        ctl.poll(given)


@pytest.mark.parametrize(
    ("good", "wrong"),
    [
        (([4001], 1), ([4001.0], 1)),
        ((["pv"], 1), ([["pv"]], 1)),
        ((["pv"], 1), (["pv"], 1.5)),
        ((["pv"], [1]), (["pv"], [[1]])),
        (([4001], 1), ([{}], 1)),
    ],
)
def test_an_argument_that_resembles_an_earlier_one_is_checked(
    ctl: Controller, good: tuple[Any, Any], wrong: tuple[Any, Any]
) -> None:
    for _ in range(2):
        assert names(ctl, *good) == ["process_value"]
    with pytest.raises(WatlowConfigurationError):
        names(ctl, *wrong)


def test_one_parameter_is_not_a_list_of_one(ctl: Controller) -> None:
    assert names(ctl, ["pv"]) == names(ctl, "pv") == ["process_value"]
    with pytest.raises(WatlowConfigurationError):
        ctl.read_parameter(["pv"])  # type: ignore[arg-type]
    assert ctl.session.target("pv", 1)[1] == 1
    with pytest.raises(WatlowConfigurationError):
        ctl.session.target("pv", [1])  # type: ignore[arg-type]


def test_each_instance_has_targets_of_its_own(two_loops: Controller) -> None:
    for instances in ((1,), (2,), (2, 1), 1):
        found = two_loops.session.targets("setpoint", instances)
        wanted = [instances] if isinstance(instances, int) else list(instances)
        assert [instance for _, instance in found] == wanted


def test_a_parameter_is_refused_once_the_data_map_shows_that_it_has_no_register() -> None:
    unit = SimulatedController(1, protocol=MODBUS)
    with SimulatedBus([unit], baudrate=None, turnaround_s=0.0) as bus:
        with open_device(bus.port, protocol=MODBUS) as ctl:
            assert names(ctl, ONLY_IN_MAP_2) == [ONLY_IN_MAP_2]
            ctl.read_pv()
            ctl.session.driver.discover_layout()
            with pytest.raises(WatlowConfigurationError, match="register"):
                ctl.poll(ONLY_IN_MAP_2)
            with pytest.raises(WatlowConfigurationError, match="register"):
                ctl.read_parameter(ONLY_IN_MAP_2)


def test_names_are_looked_up_in_the_registry_of_the_session(ctl: Controller) -> None:
    assert ctl.session.target("setpoint", 1)[0].number == 7001
    ctl.session.names = SD_PARAMETERS
    (spec, _), *_ = ctl.session.targets("setpoint", 1)
    assert spec.number == ctl.session.target("setpoint", 1)[0].number != 7001


def test_the_targets_of_few_calls_are_kept(ctl: Controller) -> None:
    for n in range(2 * MOST_CALLS):
        ctl.session.targets(["pv"] * (n + 1), 1)
    assert 0 < len(ctl.session._checked) <= MOST_CALLS
