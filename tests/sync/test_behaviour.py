"""What scripts for another library expect of each call."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from watlowlib import (
    EZZONE_PROFILE,
    SERIES_SD_PROFILE,
    ProtocolKind,
    Sample,
    SerialSettings,
    Unit,
    WatlowConfigurationError,
    WatlowProtocolUnsupportedError,
)
from watlowlib.simulator import SimulatedBus, SimulatedSD
from watlowlib.sinks.memory import InMemorySink
from watlowlib.sync import (
    SyncController,
    SyncInMemorySink,
    SyncPortal,
    SyncWatlowManager,
    Watlow,
    pipe,
    record,
)

RECORDING: dict[str, Any] = {"parameters": ["setpoint"], "rate_hz": 50.0, "duration": 0.1}


@pytest.fixture
def mgr(bus: SimulatedBus) -> Iterator[SyncWatlowManager]:
    with SyncWatlowManager() as manager:
        manager.add("top", bus.port, address=1)
        manager.add("bottom", bus.port, address=2)
        yield manager


def test_poll_returns_a_flat_list(mgr: SyncWatlowManager) -> None:
    samples = mgr.poll(["setpoint", "process_value"], names=["bottom"])
    assert [(each.device, each.parameter) for each in samples] == [
        ("bottom", "setpoint"),
        ("bottom", "process_value"),
    ]
    assert len(mgr.poll("setpoint")) == 2


def test_a_recording_is_an_iterator(mgr: SyncWatlowManager) -> None:
    with record(mgr, **RECORDING, portal=mgr.portal) as stream, SyncInMemorySink() as sink:
        assert [sample.device for sample in next(stream)] == ["top", "bottom"]
        summary = pipe(stream.stream, sink, portal=mgr.portal)
        assert summary.samples_emitted == len(sink.samples)
        assert stream.summary.samples_emitted == stream.summary.ticks_emitted
        assert len(sink.samples) == 2 * (stream.summary.ticks_emitted - 1)
    assert stream.rate_hz == 50.0


def test_pipe_takes_any_iterable_of_batches(mgr: SyncWatlowManager) -> None:
    batch = mgr.poll("setpoint")
    with SyncInMemorySink() as sink:
        summary = pipe(iter([batch, batch[:1]]), sink, batch_size=2)
        assert (summary.samples_emitted, summary.ticks_emitted) == (3, 2)
        with record(mgr, **RECORDING) as stream:
            assert pipe(islice(stream, 2), sink).samples_emitted == 4
        assert len(sink.samples) == 7


def test_record_takes_an_object_with_poll_or_poll_many(mgr: SyncWatlowManager) -> None:
    class Source:
        def poll_many(self, parameters: Any, *, names: Any, instances: Any) -> list[Sample]:
            assert (parameters, names, instances) == (["setpoint"], None, (1,))
            return mgr.poll(parameters, names=["top"])

    with record(Source(), **RECORDING) as stream:  # type: ignore[arg-type]
        assert {sample.device for batch in stream for sample in batch} == {"top"}


def test_a_sink_that_was_open_stays_open(mgr: SyncWatlowManager) -> None:
    for sink in (SyncInMemorySink(), InMemorySink()):
        with sink:
            summary = mgr.record_to_sink(**RECORDING, sink=sink)
            assert summary.samples_emitted == len(sink.samples)
            assert sink.is_open
        mgr.record_to_sink(**RECORDING, sink=sink)
        assert not sink.is_open


def test_using_something_closed_or_not_open_raises_runtime_error(bus: SimulatedBus) -> None:
    portal, sink, manager = SyncPortal(backend="trio"), SyncInMemorySink(), SyncWatlowManager()
    with pytest.raises(RuntimeError):
        portal.call(len, "")
    for entered in (portal, sink, manager):
        with entered:  # type: ignore[attr-defined]
            pass
    assert manager.closed
    assert not portal.running
    for use in (
        portal.__enter__,
        lambda: portal.call(len, ""),
        lambda: sink.write_many([]),
        lambda: sink.portal,
        manager.__enter__,
        lambda: manager.portal,
        lambda: manager.add("oven", bus.port),
    ):
        with pytest.raises(RuntimeError):
            use()


def test_an_iterator_of_a_portal_is_closed_by_its_block() -> None:
    with SyncPortal() as portal:
        with portal.wrap_async_iter([1, 2]) as iterator:
            assert next(iterator) == 1
        assert list(iterator) == []


def test_methods_take_the_other_keywords(mgr: SyncWatlowManager) -> None:
    ctl = mgr.get("top")
    assert ctl.read_parameter(name_or_id=7001, timeout=5.0).value == 75.0
    assert ctl.write_parameter(name_or_id="setpoint", value=76.0, confirm=True).value == 76.0
    assert ctl.loop(n=1).read_output(timeout=5.0).unit == "%"
    assert [sample.value for sample in ctl.poll(["setpoint"], names=["any"])] == [76.0]
    assert mgr.execute_each(lambda each: each.loop(n=1).number, ["top"])["top"].value == 1
    with pytest.raises(WatlowProtocolUnsupportedError, match=r"ctl.alarm\(1\)"):
        ctl.loop(1).read_alarms()


def test_open_takes_a_profile_and_asserts_the_unit(bus: SimulatedBus) -> None:
    settings = SerialSettings(bus.port, exclusive=False)
    with Watlow.open(
        bus.port,
        profile=EZZONE_PROFILE,
        protocol=None,
        assert_wire_temperature_unit="C",
        serial_settings=settings,
    ) as ctl:
        assert ctl.read_pv().unit is Unit.CELSIUS is Unit("C")
        assert ctl.serial_settings == settings
    with SimulatedBus([SimulatedSD(1)], baudrate=None, turnaround_s=0.0) as line:
        for arguments in ({"profile": SERIES_SD_PROFILE}, {"family": "sd"}):
            with Watlow.open(line.port, **arguments) as ctl:  # type: ignore[arg-type]
                assert ctl.protocol is ProtocolKind.MODBUS_RTU
    with pytest.raises(WatlowConfigurationError, match="give one of them"):
        Watlow.open(bus.port, profile="ezzone", family="sd")
    with pytest.raises(WatlowConfigurationError, match="there are ezzone, series_sd"):
        Watlow.open(bus.port, profile="oven")


def test_open_without_identify_sends_nothing(bus: SimulatedBus) -> None:
    with Watlow.open(bus.port, identify=False) as ctl:
        assert (ctl.loops, ctl.capabilities, ctl.port_stats.exchanges) == (None, None, 0)
        assert ctl.snapshot().model is None


def test_open_of_a_controller_that_does_not_reply_is_a_warning(
    bus: SimulatedBus, caplog: pytest.LogCaptureFixture
) -> None:
    with Watlow.open(bus.port, address=9, timeout_s=0.1, retries=0) as ctl:
        assert isinstance(ctl, SyncController)
        assert "could not be identified: no reply" in caplog.text
        error = ctl.snapshot().last_error
        assert error is not None
        assert (error.address, error.protocol) == (9, "stdbus")


def test_units_are_read_and_set(mgr: SyncWatlowManager) -> None:
    ctl = mgr.get("top")
    assert ctl.set_comms_unit_label("C", confirm=True) is Unit.CELSIUS
    assert ctl.read_comms_unit_label() is Unit.CELSIUS


def test_an_open_postgres_sink_without_a_server_lets_the_program_end(tmp_path: Any) -> None:
    pytest.importorskip("psycopg_pool")
    script = (
        "from watlowlib.sync import PostgresConfig, SyncPostgresSink\n"
        "config = PostgresConfig(host='127.0.0.1', port=1, user='me', database='lab')\n"
        "SyncPostgresSink(config).open()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"XDG_STATE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("", "")
