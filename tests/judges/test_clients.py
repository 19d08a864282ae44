"""Third-party Standard Bus drivers, as published, read and write a simulated controller.

They were written against real controllers, so they show that the simulated one behaves like
those. The extra `judges` installs them.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from watlowlib.simulator import SimulatedBus, SimulatedController, Write

C_180 = 356.0
"""180 °C in °F."""


@pytest.fixture
def unit() -> SimulatedController:
    return SimulatedController(1, setpoint=100.0)


@pytest.fixture
def line(unit: SimulatedController) -> Iterator[SimulatedBus]:
    with SimulatedBus([unit, SimulatedController(5, setpoint=55.5)]) as running:
        yield running


def test_pywatlow_reads_and_writes(line: SimulatedBus, unit: SimulatedController) -> None:
    watlow = pytest.importorskip("pywatlow.watlow")
    client = watlow.Watlow(port=line.port, timeout=2.0)
    try:
        value = client.read()
        assert value["error"] is None
        assert (value["address"], value["param"]) == (1, 4001)
        assert value["data"] == pytest.approx(72.0, abs=5.0)
        assert client.readSetpoint()["data"] == 100.0
        assert client.readParam(8003, int)["data"] == 71
        assert client.write(C_180)["data"] == C_180
        assert client.readSetpoint()["data"] == C_180
        # It writes integers from MAC 03, and expects the reply there.
        assert client.writeParam(8003, 62, int)["data"] == 62
    finally:
        client.close()
    assert unit.writes == [Write(7001, 1, C_180), Write(8003, 1, 62)]


def test_pywatlow_at_another_address_gets_an_error_reply(line: SimulatedBus) -> None:
    watlow = pytest.importorskip("pywatlow.watlow")
    client = watlow.Watlow(port=line.port, timeout=0.5, address=5)
    try:
        assert client.readSetpoint()["data"] == 55.5
        # The reply to a write of a read-only parameter is an error reply, which it cannot parse.
        reply = client.writeParam(4001, 5.0, float)
        assert reply["data"] is None
        assert "could not be parsed" in str(reply["error"])
    finally:
        client.close()


def test_the_watlow_package_reads_and_writes(line: SimulatedBus, unit: SimulatedController) -> None:
    watlow = pytest.importorskip("watlow")
    client = watlow.TemperatureController(line.port, timeout=2.0)
    try:
        # Its values are in °C; on the line they are in °F.
        assert client.get()["setpoint"] == pytest.approx((100.0 - 32.0) / 1.8)
        client.set(180.0)
        read = client.get()
    finally:
        client.close()
    assert read["setpoint"] == pytest.approx(180.0)
    assert read["actual"] == pytest.approx((72.0 - 32.0) / 1.8, abs=5.0)
    assert unit.writes == [Write(7001, 1, C_180)]
