"""Typical scripts for the blocking interface that `watlowlib.sync` mirrors."""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from watlowlib import open_device
from watlowlib.errors import (
    WatlowConfigurationError,
    WatlowTimeoutError,
    WatlowUnknownParameterError,
)
from watlowlib.simulator import SimulatedBus
from watlowlib.sinks.memory import InMemorySink
from watlowlib.sinks.reading import read_samples
from watlowlib.sinks.rows import Row
from watlowlib.sync import SyncCsvSink, SyncWatlowManager, Watlow

QUICK_START = """
from watlowlib.sync import Watlow

with Watlow.open(PORT, address=1) as ctl:
    print(ctl.read_pv().value)
    print(ctl.read_setpoint().value)
    print(ctl.read_parameter("setpoint", instance=1).value)
    ctl.set_setpoint(80.0, confirm=True)
    print(ctl.loop(1).read_setpoint().value)
    print(ctl.identify().part_number.text)
    for sample in ctl.poll(["setpoint"], instances=[1]):
        print(sample.device, sample.parameter, sample.value)
"""

SHARED_PORTAL = """
from watlowlib import ProtocolKind
from watlowlib.sync import SyncPortal, SyncSqliteSink, SyncWatlowManager, Watlow, pipe, record
from watlowlib.sync.manager import DeviceResult, ErrorPolicy

with SyncPortal() as portal, SyncWatlowManager(
    error_policy=ErrorPolicy.RETURN, portal=portal
) as mgr:
    mgr.add("top", PORT, protocol=ProtocolKind.STDBUS, address=1)
    with Watlow.open(PORT, address=2, portal=portal) as bottom:
        mgr.add("bottom", bottom)
        print(mgr.get("top").read_setpoint().value)
        for sample in mgr.poll(["setpoint"]):
            print(sample.device, sample.value)
        for name, result in mgr.execute_each(lambda ctl: ctl.read_setpoint(), ["top"]).items():
            assert isinstance(result, DeviceResult)
            print(name, result.ok, result.value.value)
        with SyncSqliteSink(FOLDER + "/run.sqlite", portal=portal) as sink:
            with record(
                mgr, parameters=["process_value", "setpoint"], rate_hz=50.0, duration=0.1,
                portal=portal,
            ) as stream:
                summary = pipe(stream, sink, batch_size=8, flush_interval=0.5)
        print(summary.samples_emitted == 4 * summary.ticks_emitted)
        print(stream.summary.samples_emitted + stream.summary.samples_late)
"""

ONE_CONTROLLER = """
from watlowlib.sync import SyncInMemorySink, Watlow, pipe, record

with Watlow.open(PORT) as ctl:
    with SyncInMemorySink() as sink:
        with record(ctl, parameters=["setpoint"], rate_hz=50.0, duration=0.1) as stream:
            pipe(stream, sink, batch_size=8)
    for sample in sink.samples[:1]:
        print(sample.parameter, sample.value)
    with record(ctl, parameters=["setpoint"], rate_hz=50.0, duration=0.1) as stream:
        for batch in stream:
            print(len(batch), stream.summary.samples_emitted > 0)
            break
"""

ONE_CALL = """
from watlowlib import CsvSink
from watlowlib.sync import (
    SyncCsvSink, SyncJsonlSink, SyncParquetSink, SyncSinkAdapter, SyncWatlowManager, run_sync
)

with SyncWatlowManager() as mgr:
    mgr.add("oven", PORT)
    kwargs = dict(parameters=["setpoint"], rate_hz=50.0, duration=0.1, batch_size=2)
    with SyncCsvSink(FOLDER + "/one.csv") as sink:
        print(mgr.record_to_sink(sink=sink, **kwargs).disconnects)
    mgr.record_to_sink(sink=CsvSink(FOLDER + "/bare.csv"), **kwargs)
    mgr.record_to_sink(sink=SyncJsonlSink(FOLDER + "/run.jsonl"), **kwargs)
    mgr.record_to_sink(sink=SyncSinkAdapter(CsvSink(FOLDER + "/adapted.csv")), **kwargs)
    mgr.record_to_sink(sink=SyncParquetSink(FOLDER + "/run.parquet", compression="zstd"), **kwargs)
    print(run_sync(mgr.get("oven").read_setpoint).value)
"""


def run(script: str, bus: SimulatedBus, folder: Path) -> None:
    names = {"PORT": bus.port, "FOLDER": str(folder)}
    exec(compile(script, "script.py", "exec"), names)


def test_a_script_with_one_controller(
    bus: SimulatedBus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(QUICK_START, bus, tmp_path)
    pv, before, parameter, after, part, sample = capsys.readouterr().out.splitlines()
    assert float(pv) == pytest.approx(72.0, abs=5.0)
    assert (before, parameter, after) == ("75.0", "75.0", "80.0")
    assert part == "PM3R1CA-AAAAAAA"
    assert sample.endswith(" setpoint 80.0")


def test_a_script_that_records_a_fleet_with_a_shared_portal(
    bus: SimulatedBus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(SHARED_PORTAL, bus, tmp_path)
    assert capsys.readouterr().out.splitlines() == [
        "75.0",
        "top 75.0",
        "bottom 75.0",
        "top True 75.0",
        "True",
        "5",
    ]
    with closing(sqlite3.connect(tmp_path / "run.sqlite")) as database:
        rows = database.execute(
            "SELECT device, AVG(value) FROM samples WHERE parameter = 'setpoint' "
            "GROUP BY device ORDER BY device"
        ).fetchall()
    assert rows == [("bottom", 75.0), ("top", 75.0)]


def test_a_script_that_records_one_controller(
    bus: SimulatedBus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(ONE_CONTROLLER, bus, tmp_path)
    assert capsys.readouterr().out.splitlines() == ["setpoint 75.0", "1 True"]


def test_a_script_that_records_in_one_call_into_any_sink(
    bus: SimulatedBus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(ONE_CALL, bus, tmp_path)
    assert capsys.readouterr().out.splitlines() == ["0", "75.0"]
    for name in ("one.csv", "bare.csv", "adapted.csv"):
        with (tmp_path / name).open(newline="") as file:
            assert {row["value"] for row in csv.DictReader(file)} == {"75.0"}
    for name in ("run.jsonl", "run.parquet"):
        assert {row["value"] for row in read_samples(tmp_path / name)} == {75.0}


def test_options_are_passed_on(bus: SimulatedBus, tmp_path: Path) -> None:
    from watlowlib.sync import SyncSinkAdapter, SyncSqliteSink, Watlow, pipe, record

    sizes: list[int] = []

    class UserSink(InMemorySink):
        def write_many(self, samples: Sequence[Row]) -> None:
            sizes.append(len(samples))
            super().write_many(samples)

    path = tmp_path / "run.sqlite"
    with Watlow.open(bus.port) as ctl, SyncSinkAdapter(UserSink()) as sink:
        kwargs: dict[str, Any] = {"parameters": ["sp", "pv"], "rate_hz": 50.0, "duration": 0.1}
        with record(ctl, **kwargs) as stream:
            pipe(stream, sink, batch_size=2, flush_interval=60.0)
        with SyncSqliteSink(path, table="ovens", journal_mode="DELETE") as db:
            with record(ctl, **kwargs) as stream:
                pipe(stream, db)
    assert set(sizes) == {2}
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT COUNT(*) FROM ovens").fetchone()[0] > 0
        assert database.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_a_single_failed_controller_raises_its_error_without_a_group(
    bus: SimulatedBus, caplog: pytest.LogCaptureFixture
) -> None:
    from watlowlib.sync import SyncWatlowManager

    with SyncWatlowManager() as mgr:
        mgr.add("online", bus.port, address=1, timeout_s=20.0)
        mgr.add("offline", bus.port, address=9, timeout_s=0.1, retries=0)
        assert [sample.device for sample in mgr.poll("pv")] == ["online"]
        assert "offline: no value of process_value: timeout" in caplog.text
        with pytest.raises(WatlowTimeoutError):
            mgr.execute_each(lambda ctl: ctl.read_pv())


def test_coroutine_functions_and_invalid_portals_are_refused(bus: SimulatedBus) -> None:
    from watlowlib.sync import SyncCsvSink, SyncWatlowManager, Watlow, record, wrap_controller

    async def op(ctl: object) -> None: ...

    with SyncWatlowManager() as mgr:
        ctl = mgr.add("oven", bus.port)
        with pytest.raises(WatlowConfigurationError, match="op is a coroutine function"):
            mgr.execute_each(op)
        with pytest.raises(WatlowConfigurationError, match="op is a coroutine function"):
            mgr.execute_each(lambda ctl: op(ctl))
        invalid: dict[str, object] = {"portal": "no portal"}
        for call in (
            lambda: Watlow.open(bus.port, **invalid),  # type: ignore[arg-type]
            lambda: SyncWatlowManager(**invalid),  # type: ignore[arg-type]
            lambda: SyncCsvSink("run.csv", **invalid),  # type: ignore[arg-type]
            lambda: record(mgr, parameters="pv", rate_hz=1.0, **invalid),  # type: ignore[arg-type]
            lambda: wrap_controller(ctl, **invalid),  # type: ignore[arg-type]
        ):
            with pytest.raises(WatlowConfigurationError, match="give a SyncPortal"):
                call()


@pytest.mark.parametrize("kind", ["dsn", "parts"])
def test_postgres_config_accepts_a_dsn_or_its_parts(kind: str, tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    from watlowlib.sync import PostgresConfig, SyncPostgresSink

    config = (
        PostgresConfig(dsn="postgresql://me:secret@db:6543/lab", table="ovens")
        if kind == "dsn"
        else PostgresConfig(
            host="db", port=6543, user="me", password="secret", database="lab", table="ovens"
        )
    )
    assert config.target() == "db:6543/lab.public.ovens"
    assert "secret" not in repr(SyncPostgresSink(config))


def test_names_have_the_numbers_that_the_script_means(bus: SimulatedBus) -> None:
    with Watlow.open(bus.port) as ctl, open_device(bus.port, address=2) as native:
        assert ctl.read_parameter("filter").parameter_id == 26026
        assert native.read_parameter("filter").parameter_id == 4014
        assert ctl.read_parameter("high_set_point").parameter_id == 15008
        with pytest.raises(WatlowUnknownParameterError, match=r"9001 .*12004 .*15008 "):
            native.read_parameter("high_set_point")
        assert [sample.parameter_id for sample in ctl.poll(["time", "pv"])] == [3029, 4001]


def test_a_write_to_a_name_with_two_numbers_is_refused(bus: SimulatedBus) -> None:
    with Watlow.open(bus.port) as ctl:
        exchanges = ctl.port_stats.exchanges
        with pytest.raises(WatlowConfigurationError, match="26026.*4014.*nothing was written"):
            ctl.write_parameter("filter", 1.0, confirm=True)
        for name in ("closed_loop_set_point", "open_loop_set_point", "idle_set_point"):
            with pytest.raises(WatlowConfigurationError, match="read-only|cannot be written"):
                ctl.write_parameter(name, 1.0, confirm=True)
        assert ctl.port_stats.exchanges == exchanges
        assert ctl.write_parameter(4014, 1.0, confirm=True).value == 1.0


def test_a_script_identifies_the_same_controller(bus: SimulatedBus) -> None:
    with Watlow.open(bus.port) as ctl:
        found = ctl.identify()
    with open_device(bus.port) as native:
        expected = native.identify()
    for name in ("serial_number", "hardware_id", "software_revision", "device_name", "loops"):
        assert getattr(found, name) == getattr(expected, name)


def test_a_recording_keeps_the_names_of_the_script(bus: SimulatedBus, tmp_path: Path) -> None:
    names = ["pv", "Set Point", "idle_set_point", "filter", 4001]
    with SyncWatlowManager() as mgr:
        mgr.add("oven", bus.port)
        mgr.record_to_sink(
            sink=SyncCsvSink(tmp_path / "run.csv"), parameters=names, rate_hz=50.0, duration=0.02
        )
    rows = list(read_samples(tmp_path / "run.csv"))[:5]
    assert [(row["parameter"], row["parameter_id"]) for row in rows] == [
        ("process_value", 4001),
        ("setpoint", 7001),
        ("idle_set_point", 7019),
        ("filter", 26026),
        ("process_value", 4001),
    ]
    assert all(row["value"] is not None for row in rows)
