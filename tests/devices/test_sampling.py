"""The sensor check: the status of a value whose sensor is in error."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import fields, replace

import pytest

from watlowlib import (
    ControllerFamily,
    InMemorySink,
    ProtocolKind,
    SerialSettings,
    WatlowManager,
    open_device,
    pipe,
    record,
)
from watlowlib.simulator import Fault, SimulatedBus, SimulatedController, SimulatedSD

MODBUS = ProtocolKind.MODBUS_RTU


@pytest.fixture
def unit() -> SimulatedController:
    return SimulatedController(1, loops=2)


@pytest.fixture
def bus(unit: SimulatedController) -> Iterator[SimulatedBus]:
    with SimulatedBus([unit], baudrate=None, turnaround_s=0.0) as bus:
        yield bus


def test_readings_and_samples_have_all_their_fields(bus: SimulatedBus) -> None:
    with open_device(bus.port) as ctl:
        for value in (ctl.read_pv(), *ctl.poll("pv")):
            assert list(vars(value)) == [field.name for field in fields(value)]


def test_fields_of_readings_and_samples_share_one_table_of_names(bus: SimulatedBus) -> None:
    with open_device(bus.port) as ctl:
        for value in (ctl.read_pv(), *ctl.poll("pv")):
            # The first instances of a class have room for more fields; a dict with names of its
            # own takes about twice as much.
            assert sys.getsizeof(vars(value)) < 1.4 * sys.getsizeof(vars(replace(value)))


def test_a_gap_for_an_unusable_value_has_the_time_of_its_reply() -> None:
    unit = SimulatedController(1, protocol=MODBUS)
    unit.set("setpoint", math.nan)
    with SimulatedBus([unit], baudrate=None, turnaround_s=0.0) as bus:
        with open_device(
            bus.port, protocol=MODBUS, serial_settings=SerialSettings(baudrate=38400)
        ) as ctl:
            absent, value = ctl.poll(["setpoint", "setpoint_minimum"])
    assert (absent.status, value.status) == ("absent", "ok")
    assert absent.raw is None
    assert absent.latency_s == value.latency_s


def test_a_value_with_a_sensor_error_keeps_its_number_and_gets_the_status(
    bus: SimulatedBus, unit: SimulatedController
) -> None:
    unit.open_sensor(2)
    with open_device(bus.port) as ctl:
        poll = ctl.prepare(["process_value", "setpoint"], instances=[1, 2], sensor_check=True)
        samples = {(s.parameter, s.instance): s for s in poll()}
        assert {key: sample.status for key, sample in samples.items()} == {
            ("process_value", 1): "ok",
            ("process_value", 2): "sensor_error",
            ("setpoint", 1): "ok",
            ("setpoint", 2): "ok",
        }
        # A real unit with an open thermocouple read this value.
        assert samples["process_value", 2].value == pytest.approx(2531.8, abs=0.1)
        unit.close_sensor(2)
        assert {sample.status for sample in poll()} == {"ok"}
        unit.open_sensor(2)
        assert {sample.status for sample in ctl.prepare(["process_value"], instances=2)()} == {"ok"}


def test_an_unread_input_error_gives_the_status_sensor_unknown(bus: SimulatedBus) -> None:
    with open_device(bus.port, retries=0) as ctl:
        poll = ctl.prepare(["process_value"], sensor_check=True)
        # The replies: the serial number, the value and the input error.
        bus.faults.next_are(None, None, Fault.DROP)
        assert [sample.status for sample in poll()] == ["sensor_unknown"]
        bus.faults.next_are(Fault.DROP)
        assert [sample.status for sample in poll()] == ["timeout"]


def test_over_modbus_the_sensor_check_costs_no_exchange() -> None:
    unit = SimulatedController(1, protocol=MODBUS)
    line = SerialSettings(baudrate=115200)
    with SimulatedBus([unit], baudrate=None, turnaround_s=0.0) as bus:
        with open_device(bus.port, protocol=MODBUS, serial_settings=line) as ctl:
            ctl.identify()
            unit.open_sensor()
            before = ctl.stats.exchanges
            (sample,) = ctl.prepare(["process_value"], sensor_check=True)()
            assert ctl.stats.exchanges - before == 1
            assert sample.status == "sensor_error"


def test_a_recording_checks_the_sensors_of_both_families(unit: SimulatedController) -> None:
    sd, pm = SimulatedSD(2), SimulatedController(1, protocol=MODBUS)
    with SimulatedBus([sd, pm], baudrate=None, turnaround_s=0.0) as bus, WatlowManager() as mgr:
        mgr.add("pm", bus.port, protocol=MODBUS)
        mgr.add("sd", bus.port, protocol=MODBUS, address=2, family=ControllerFamily.SD)
        sd.set("input_error", 1)
        with (
            InMemorySink() as sink,
            record(
                mgr, parameters=["process_value"], rate_hz=50, duration=0.1, sensor_check=True
            ) as stream,
        ):
            pipe(stream, sink)
    statuses = {(sample.device, sample.status) for sample in sink.samples}
    assert statuses == {("pm", "ok"), ("sd", "sensor_error")}
    assert all(sample.value is not None for sample in sink.samples)
