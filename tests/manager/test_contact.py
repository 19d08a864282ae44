"""Asking each controller of a fleet once."""

from __future__ import annotations

from watlowlib import WatlowManager
from watlowlib.manager.contact import read_each_once
from watlowlib.simulator import SimulatedBus


def test_each_controller_is_asked_once(bus: SimulatedBus) -> None:
    bus.power_off(2)
    with WatlowManager() as manager:
        for address, timeout_s in ((1, 10.0), (2, 0.1)):
            options = {"timeout_s": timeout_s, "retries": 0}
            manager.add(f"oven_{address}", bus.port, address=address, **options)
        first, second = read_each_once(manager, manager.prepare(["setpoint"]))
    assert (first.name, first.address, first.port) == ("oven_1", 1, bus.port)
    assert (first.part_number, first.firmware_id) == ("PM3R1CA-AAAAAAA", 1)
    assert (first.first.value, first.error, first.replies) == (75.0, None, True)
    assert (second.part_number, second.firmware_id, second.replies) == (None, None, False)
    assert second.first.value is None
    assert "no reply" in str(second.error)


def test_a_controller_that_refuses_the_parameter_replies(bus: SimulatedBus) -> None:
    with WatlowManager() as manager:
        manager.add("oven", bus.port)
        (contact,) = read_each_once(manager, manager.prepare(["setpoint"], instances=2))
    assert contact.replies
    assert contact.first.status == "no_such_instance"
    assert contact.part_number == "PM3R1CA-AAAAAAA"
