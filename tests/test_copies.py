"""Objects that use a port, a file or a thread cannot be copied; values can."""

from __future__ import annotations

import copy
import os
import pickle
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.sinks.samples import FIRST
from watlowlib import (
    Controller,
    CsvSink,
    DeviceResult,
    ErrorContext,
    InMemorySink,
    PidGains,
    PostgresConfig,
    SerialSettings,
    WatlowManager,
    WatlowTimeoutError,
    open_device,
    open_sink,
    pipe,
    record,
)
from watlowlib._internal.threads import Worker
from watlowlib._labview.background import Background
from watlowlib.model import ProtocolKind
from watlowlib.simulator import SimulatedBus, SimulatedController
from watlowlib.simulator.processes import BusProcess
from watlowlib.sync import SyncCsvSink, SyncPortal, SyncWatlowManager
from watlowlib.transport.scripted import ScriptedTransport

COPIES: dict[str, Callable[[Any], object]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": pickle.dumps,
    "deepcopy of a list": lambda thing: copy.deepcopy([thing]),
    "asdict": asdict,
    "asdict of a result": lambda thing: asdict(DeviceResult(thing, None, ProtocolKind.STDBUS)),
}

FROM_CONTROLLER: dict[str, Callable[[Controller], object]] = {
    "controller": lambda ctl: ctl,
    "loop": lambda ctl: ctl.loop(1),
    "alarm": lambda ctl: ctl.alarm(1),
    "session": lambda ctl: ctl.session,
    "availability": lambda ctl: ctl.session.availability,
    "driver": lambda ctl: ctl.session.driver,
    "port": lambda ctl: ctl.session.port,
    "lock": lambda ctl: ctl.session.port._lock,
    "line": lambda ctl: ctl.session.port.line,
    "transport": lambda ctl: ctl.session.port.line.transport,
    "lease": lambda ctl: ctl.session._lease,
    "shared port": lambda ctl: ctl.session._lease.shared,
    "client": lambda ctl: ctl.session._lease.client,
    "sampler": lambda ctl: ctl.prepare("pv"),
    "recording": lambda ctl: record(ctl, parameters="pv", rate_hz=1.0),
}


def copies_of(value: Any) -> list[Any]:
    return [copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value))]


def assert_not_copied(thing: object, how: str) -> None:
    before = dict(vars(thing))
    with pytest.raises(TypeError):
        COPIES[how](thing)
    if how != "asdict":  # which has its own message
        with pytest.raises(TypeError, match=f"a {type(thing).__name__} cannot be copied or pickl"):
            COPIES[how](thing)
    assert not is_dataclass(thing)
    assert vars(thing) == before


def open_files() -> list[str]:
    return sorted(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else []  # noqa: PTH208


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("what", FROM_CONTROLLER)
def test_parts_of_a_controller_are_not_copied(ctl: Controller, what: str, how: str) -> None:
    ctl.read_pv()
    files = open_files()
    assert_not_copied(FROM_CONTROLLER[what](ctl), how)
    assert open_files() == files
    assert ctl.read_setpoint().value == 75.0
    assert ctl.port_stats.reconnects == 0


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("what", FROM_CONTROLLER)
def test_parts_of_a_controller_on_modbus_are_not_copied(what: str, how: str) -> None:
    unit = SimulatedController(1, protocol=ProtocolKind.MODBUS_RTU)
    with SimulatedBus([unit], baudrate=None, turnaround_s=0.0) as bus:
        with open_device(bus.port, protocol="modbus_rtu") as ctl:
            assert_not_copied(FROM_CONTROLLER[what](ctl), how)
            assert ctl.read_setpoint().value == 75.0


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("kind", [WatlowManager, SyncWatlowManager])
def test_a_manager_is_not_copied(bus: SimulatedBus, kind: type[WatlowManager], how: str) -> None:
    with kind() as mgr:
        mgr.add("oven", bus.port)
        poll = mgr.prepare("pv")
        for each in (mgr, mgr._members, poll, poll._groups):
            assert_not_copied(each, how)
        background = Background(mgr, parameters="pv", rate_hz=1.0)
        assert_not_copied(background, how)
        assert mgr.get("oven").poll("sp")[0].value == 75.0


@pytest.mark.parametrize("how", COPIES)
def test_threads_and_simulated_lines_are_not_copied(bus: SimulatedBus, how: str) -> None:
    def nothing() -> None:
        pass

    with SyncPortal() as portal:
        things = [
            portal,
            portal.wrap_async_iter([1]),
            bus,
            BusProcess(SimulatedBus),  # type: ignore[arg-type]
            Worker("test", nothing, nothing),
            ScriptedTransport(lambda data: ()),
        ]
        for each in things:
            assert_not_copied(each, how)


@pytest.fixture(params=["csv", "jsonl", "sqlite", "parquet"])
def open_file(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    with open_sink(tmp_path / f"run.{request.param}") as sink:
        yield sink


@pytest.mark.parametrize("how", COPIES)
def test_an_open_sink_is_not_copied(open_file: Any, how: str) -> None:
    assert_not_copied(open_file, how)
    open_file.write_many([FIRST])


@pytest.mark.parametrize("how", COPIES)
def test_an_open_wrapped_sink_is_not_copied(tmp_path: Path, how: str) -> None:
    with SyncCsvSink(tmp_path / "run.csv") as sink:
        assert_not_copied(sink, how)


def test_a_closed_sink_can_be_copied(tmp_path: Path) -> None:
    sink = CsvSink(tmp_path / "run.csv")
    with sink:
        sink.write_many([FIRST])
    for again in copies_of(sink):
        with again:
            again.write_many([FIRST])
    assert len((tmp_path / "run.csv").read_text().splitlines()) == 1 + 4


def test_a_driver_for_another_address_is_not_the_same(ctl: Controller) -> None:
    other = ctl.session.driver.at(2)
    assert (other.address, ctl.session.driver.address) == (2, 1)
    other.ping()
    assert other.stats.exchanges == 1
    assert ctl.stats.exchanges == 0


def test_values_can_be_copied(ctl: Controller) -> None:
    with WatlowManager() as mgr, InMemorySink() as memory, ExitStack() as stack:
        mgr.add("oven", ctl)
        stream = stack.enter_context(record(ctl, parameters="pv", rate_hz=50.0, duration=0.1))
        summary = pipe(stream, memory)
        values = [
            ctl.read_pv(),
            ctl.poll(["pv", "sp"]),
            ctl.identify(),
            ctl.alarm(1).read(),
            ctl.stats,
            ctl.port_stats,
            mgr.stats(),
            mgr.poll("sp"),
            summary,
            memory.samples,
            PidGains(),
            SerialSettings(baudrate=9600),
            PostgresConfig("postgresql://db/lab"),
            ErrorContext(port="COM3"),
            ctl.session.driver.discover_layout(),
        ]
        for value in values:
            for again in (
                copy.copy(value),
                copy.deepcopy(value),
                pickle.loads(pickle.dumps(value)),
            ):
                assert again == value
            if is_dataclass(value):
                assert asdict(value) == asdict(copy.copy(value))


def test_an_error_of_a_controller_can_be_copied(bus: SimulatedBus) -> None:
    bus.power_off(1)
    with open_device(bus.port, timeout_s=0.05, retries=0) as ctl:
        with pytest.raises(WatlowTimeoutError) as caught:
            ctl.read_pv()
    error = caught.value
    for again in copies_of(error):
        assert (type(again), str(again), again.context) == (type(error), str(error), error.context)
