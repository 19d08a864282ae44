"""The attributes and keywords of another library's blocking interface, as a table."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest

import watlowlib
from watlowlib import errors
from watlowlib.simulator import SimulatedBus
from watlowlib.sync import (
    SyncController,
    SyncControllerLoop,
    SyncInMemorySink,
    SyncPortal,
    SyncWatlowManager,
    Watlow,
    pipe,
    record,
)

ATTRIBUTES = {
    "controller": "loops session portal capabilities serial_settings snapshot poll poll_many "
    "identify loop read_pv read_setpoint read_parameter write_parameter set_setpoint close "
    "read_comms_unit_label set_comms_unit_label set_persistent_writes",
    "loop": "number read_pv read_setpoint set_setpoint read_output read_alarms read_pid write_pid",
    "manager": "portal closed error_policy names add get remove poll execute_each record_to_sink "
    "close",
    "portal": "running call wrap_async_context_manager wrap_async_iter",
    "iterator": "close __enter__ __exit__ __next__",
    "sink": "async_sink portal open write_many close samples",
    "recording": "stream summary rate_hz __next__",
    "reading": "value unit received_at monotonic_ns raw protocol",
    "entry": "spec instance value raw",
    "sample": "device address protocol parameter parameter_id instance value unit t_mono_ns t_utc "
    "t_midpoint_mono_ns requested_at received_at latency_s raw",
    "summary": "started_at finished_at samples_emitted samples_late max_drift_ms "
    "tick_duration_ms_p50 tick_duration_ms_p99 disconnects",
    "info": "part_number hardware_id firmware_id serial_number family protocol address "
    "capabilities serial_settings loops health configured_protocol protocol_mismatch",
    "part": "raw family details",
    "settings": "port baudrate bytesize parity stopbits rtscts xonxoff exclusive",
    "snapshot": "name model firmware serial connected last_error recoverable_error_count "
    "captured_at family capabilities availability_summary",
    "result": "value error ok success failure",
}

TIMEOUTS = {
    "controller": "identify read_pv read_setpoint read_parameter write_parameter set_setpoint "
    "read_comms_unit_label set_comms_unit_label set_persistent_writes",
    "loop": "read_pv read_setpoint set_setpoint",
}

CLASSES = {"controller": SyncController, "loop": SyncControllerLoop}

BASES = {
    "WatlowCapabilityError": "WatlowError",
    "WatlowCapabilityWarning": "UserWarning",
    "WatlowConfigurationError": "WatlowError",
    "WatlowConfirmationRequiredError": "WatlowConfigurationError",
    "WatlowConnectionError": "WatlowTransportError",
    "WatlowError": "Exception",
    "WatlowFirmwareError": "WatlowCapabilityError",
    "WatlowFrameError": "WatlowProtocolError",
    "WatlowModbusError": "WatlowProtocolError",
    "WatlowModbusIllegalDataAddressError": "WatlowModbusError WatlowProtocolUnsupportedError",
    "WatlowModbusIllegalDataValueError": "WatlowModbusError",
    "WatlowModbusIllegalFunctionError": "WatlowModbusError WatlowProtocolUnsupportedError",
    "WatlowModbusSlaveFailureError": "WatlowModbusError",
    "WatlowModbusTimeoutError": "WatlowModbusError WatlowTimeoutError",
    "WatlowNoSuchAttributeError": "WatlowProtocolError",
    "WatlowNoSuchInstanceError": "WatlowProtocolError",
    "WatlowNoSuchObjectError": "WatlowProtocolError",
    "WatlowProtocolError": "WatlowError",
    "WatlowProtocolUnsupportedError": "WatlowProtocolError",
    "WatlowSinkDependencyError": "WatlowSinkError",
    "WatlowSinkError": "WatlowError",
    "WatlowSinkSchemaError": "WatlowSinkError",
    "WatlowSinkWriteError": "WatlowSinkError",
    "WatlowTimeoutError": "WatlowTransportError",
    "WatlowTransportError": "WatlowError",
    "WatlowValidationError": "WatlowConfigurationError",
}
"""The bases of the exceptions of watlowlib 0.8.1."""


@pytest.fixture
def objects() -> Iterator[dict[str, Any]]:
    with SimulatedBus([1], baudrate=None, turnaround_s=0.0) as bus, SyncPortal() as portal:
        with SyncWatlowManager() as mgr, Watlow.open(bus.port) as ctl, SyncInMemorySink() as sink:
            mgr.add("oven", bus.port)
            with record(mgr, parameters=["setpoint"], rate_hz=50.0, duration=0.04) as recording:
                summary = pipe(recording.stream, sink)
            info = ctl.identify()
            yield {
                "controller": ctl,
                "loop": ctl.loop(n=1),
                "manager": mgr,
                "portal": portal,
                "iterator": portal.wrap_async_iter([1]),
                "sink": sink,
                "recording": recording,
                "reading": ctl.read_pv(),
                "entry": ctl.read_parameter("setpoint"),
                "sample": sink.samples[0],
                "summary": summary,
                "info": info,
                "part": info.part_number,
                "settings": ctl.serial_settings,
                "snapshot": ctl.snapshot(),
                "result": watlowlib.DeviceResult(3, None),
            }


def test_every_attribute_exists(objects: dict[str, Any]) -> None:
    missing = [
        (kind, name)
        for kind, names in ATTRIBUTES.items()
        for name in names.split()
        if not hasattr(objects[kind], name)
    ]
    assert missing == []


@pytest.mark.parametrize("kind", TIMEOUTS)
def test_every_request_takes_a_timeout(kind: str) -> None:
    for name in TIMEOUTS[kind].split():
        parameter = inspect.signature(getattr(CLASSES[kind], name)).parameters["timeout"]
        assert (parameter.kind, parameter.default) == (parameter.KEYWORD_ONLY, None), name


@pytest.mark.parametrize("name", BASES)
def test_every_exception_has_its_bases_and_is_public(name: str) -> None:
    kind = getattr(errors, name)
    assert getattr(watlowlib, name) is kind
    bases = {base.__name__ for base in kind.__mro__}
    expected = BASES[name].split()
    if name == "WatlowValidationError":
        expected = ["WatlowError"]  # it is WatlowConfigurationError itself
    assert set(expected) <= bases


def test_a_property_sends_nothing(objects: dict[str, Any]) -> None:
    ctl: SyncController = objects["controller"]
    before = ctl.port_stats.exchanges
    for name in ATTRIBUTES["controller"].split():
        getattr(ctl, name)
    ctl.snapshot()
    assert ctl.port_stats.exchanges == before


def test_values_of_the_attributes(objects: dict[str, Any]) -> None:
    ctl: SyncController = objects["controller"]
    info, part, snapshot = objects["info"], objects["part"], objects["snapshot"]
    assert (ctl.loops, ctl.name, ctl.serial_settings.port) == (1, ctl.port, ctl.port)
    features = watlowlib.Capability.PROFILE | watlowlib.Capability.HAS_PROFILES
    assert ctl.capabilities == info.capabilities == features
    assert (info.health, info.protocol_mismatch) == ("ok", False)
    assert part.raw == "PM3R1CA-AAAAAAA"
    assert part.details == {
        "case_size": "3",
        "control_type": "R",
        "power_input": "1",
        "output_1": "C",
        "output_2": "A",
        "options": "AAAAAAA",
        "control_label": "ramp_soak_controller",
        "power_label": "100-240VAC",
    }
    assert (snapshot.model, snapshot.connected, snapshot.last_error) == (part.raw, True, None)
    assert ctl.snapshot(name="oven").name == "oven"
    sample = objects["sample"]
    assert (sample.t_utc, sample.t_midpoint_mono_ns) == (sample.midpoint_at, None)
    assert sample.t_mono_ns == sample.monotonic_ns - round(sample.latency_s * 1e9 / 2)
    assert objects["entry"].spec is watlowlib.PARAMETERS.resolve("setpoint")
    assert objects["reading"].protocol == "stdbus"


def test_results_are_made_of_a_value_or_an_error() -> None:
    error = watlowlib.WatlowTimeoutError("no reply")
    assert watlowlib.DeviceResult.success(3).ok
    failed: watlowlib.DeviceResult[int] = watlowlib.DeviceResult.failure(error)
    assert (failed.ok, failed.error) == (False, error)
