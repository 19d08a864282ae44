"""Names, modules and parameters, compared with a hand-written list of the mirrored interface."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any

import pytest

import watlowlib
from watlowlib import ControllerFamily, ErrorPolicy, OverflowPolicy, ProtocolKind

NAMES_BY_MODULE = {
    "watlowlib.sync": "SyncPortal SyncAsyncIterator run_sync Watlow SyncController "
    "SyncControllerLoop SyncWatlowManager record pipe SyncSinkAdapter SyncCsvSink SyncJsonlSink "
    "SyncSqliteSink SyncInMemorySink SyncParquetSink SyncPostgresSink",
    "watlowlib.sync.portal": "SyncPortal SyncAsyncIterator run_sync",
    "watlowlib.sync.controller": "SyncController SyncControllerLoop Watlow "
    "unwrap_sync_controller wrap_controller",
    "watlowlib.sync.manager": "DeviceResult ErrorPolicy SyncWatlowManager",
    "watlowlib.sync.recording": "AcquisitionSummary OverflowPolicy pipe record",
    "watlowlib.sync.sinks": "PostgresConfig SyncCsvSink SyncInMemorySink SyncJsonlSink "
    "SyncParquetSink SyncPostgresSink SyncSampleSink SyncSinkAdapter SyncSqliteSink",
}

METHODS = {
    "SyncAsyncIterator": "__iter__ __next__ close",
    "SyncController": "close identify loop poll read_parameter read_pv read_setpoint "
    "set_setpoint write_parameter __enter__ __exit__",
    "SyncPortal": "call wrap_async_context_manager wrap_async_iter __enter__ __exit__",
    "SyncSinkAdapter": "open write_many close __enter__ __exit__",
    "SyncWatlowManager": "add close execute_each get poll record_to_sink __enter__ __exit__",
    "Watlow": "open",
}

NO_DEFAULT = inspect.Parameter.empty

POSITIONAL: dict[str, list[str]] = {
    "manager.SyncWatlowManager.add": ["self", "name", "source", "options"],
    "manager.SyncWatlowManager.record_to_sink": ["self"],
    "recording.record": ["source"],
    "recording.pipe": ["stream", "sink"],
    "sinks.SyncSqliteSink": ["path"],
    "sinks.SyncParquetSink": ["path"],
    "sinks.SyncPostgresSink": ["config"],
    "sinks.SyncCsvSink": ["path"],
    "sinks.SyncJsonlSink": ["path"],
    "sinks.SyncInMemorySink": [],
    "sinks.SyncSinkAdapter": ["async_sink"],
    "controller.Watlow.open": ["port"],
    "controller.wrap_controller": ["controller", "portal"],
    "controller.unwrap_sync_controller": ["source"],
    "portal.run_sync": ["func", "args", "kwargs"],
    "portal.SyncPortal.call": ["self", "func", "args", "kwargs"],
    "portal.SyncPortal": [],
    "manager.SyncWatlowManager": [],
}

RECORD_KEYWORDS: dict[str, Any] = {
    "parameters": NO_DEFAULT,
    "rate_hz": NO_DEFAULT,
    "duration": None,
    "names": None,
    "instances": (1,),
    "buffer_size": 64,
}

KEYWORDS: dict[str, dict[str, Any]] = {
    "manager.SyncWatlowManager.add": {
        "protocol": ProtocolKind.STDBUS,
        "address": 1,
        "serial_settings": None,
        "family": ControllerFamily.UNKNOWN,
    },
    # rate_hz may also be left out here, if parameters is a dict of rates.
    "manager.SyncWatlowManager.record_to_sink": RECORD_KEYWORDS
    | {
        "rate_hz": None,
        "sink": NO_DEFAULT,
        "overflow": None,
        "batch_size": 64,
        "flush_interval": 1.0,
    },
    "recording.record": RECORD_KEYWORDS | {"overflow": OverflowPolicy.BLOCK, "portal": None},
    "recording.pipe": {"batch_size": 64, "flush_interval": 1.0},
    "sinks.SyncSqliteSink": {
        "table": "samples",
        "create_table": True,
        "journal_mode": "WAL",
        "synchronous": "NORMAL",
        "busy_timeout_ms": 5000,
        "portal": None,
    },
    "sinks.SyncParquetSink": {
        "compression": "zstd",
        "use_dictionary": True,
        "row_group_size": None,
        "portal": None,
    },
    "sinks.SyncPostgresSink": {"portal": None},
    "sinks.SyncCsvSink": {"portal": None},
    "sinks.SyncJsonlSink": {"portal": None},
    "sinks.SyncInMemorySink": {"portal": None},
    "sinks.SyncSinkAdapter": {"portal": None},
    "manager.SyncWatlowManager": {"error_policy": ErrorPolicy.RAISE, "portal": None},
}

FIELDS: dict[str, dict[str, Any]] = {
    "recording.AcquisitionSummary": {
        "started_at": NO_DEFAULT,
        "finished_at": NO_DEFAULT,
        "samples_emitted": NO_DEFAULT,
        "samples_late": NO_DEFAULT,
        "max_drift_ms": NO_DEFAULT,
        "disconnects": 0,
    },
    "sinks.PostgresConfig": {
        "dsn": None,
        "host": None,
        "port": 5432,
        "user": None,
        "password": None,
        "database": None,
        "schema": "public",
        "table": "samples",
        "pool_min_size": 1,
        "pool_max_size": 4,
        "statement_timeout_ms": 30000,
        "command_timeout_s": 10.0,
        "create_table": False,
        "use_copy": True,
    },
    "manager.DeviceResult": {"value": NO_DEFAULT, "error": NO_DEFAULT, "protocol": None},
}


def lookup(name: str) -> Any:
    module, *path = name.split(".")
    value: Any = import_module(f"watlowlib.sync.{module}")
    for part in path:
        value = getattr(value, part)
    return value


def parameters(name: str) -> list[inspect.Parameter]:
    return list(inspect.signature(lookup(name)).parameters.values())


@pytest.mark.parametrize("module", NAMES_BY_MODULE)
def test_every_name_is_in_its_module(module: str) -> None:
    imported = import_module(module)
    assert [name for name in NAMES_BY_MODULE[module].split() if not hasattr(imported, name)] == []
    assert [name for name in getattr(imported, "__all__", ()) if not hasattr(imported, name)] == []


@pytest.mark.parametrize("name", METHODS)
def test_every_method_exists(name: str) -> None:
    cls = getattr(import_module("watlowlib.sync"), name)
    assert [each for each in METHODS[name].split() if not hasattr(cls, each)] == []


@pytest.mark.parametrize("name", POSITIONAL)
def test_positional_parameters(name: str) -> None:
    positional = [each for each in parameters(name) if each.kind is not each.KEYWORD_ONLY]
    assert [each.name for each in positional] == POSITIONAL[name]


@pytest.mark.parametrize("name", KEYWORDS)
def test_keyword_parameters_and_their_defaults(name: str) -> None:
    keywords = {
        each.name: each.default for each in parameters(name) if each.kind is each.KEYWORD_ONLY
    }
    assert {key: keywords.get(key, "missing") for key in KEYWORDS[name]} == KEYWORDS[name]
    assert NO_DEFAULT not in {keywords[key] for key in keywords.keys() - KEYWORDS[name].keys()}


@pytest.mark.parametrize("name", FIELDS)
def test_fields_of_dataclasses_and_their_defaults(name: str) -> None:
    fields = {each.name: each.default for each in parameters(name)}
    assert list(fields.items())[: len(FIELDS[name])] == list(FIELDS[name].items())


def test_open_has_the_parameters_of_open_device() -> None:
    native = inspect.signature(watlowlib.open_device).parameters
    mirrored = dict(inspect.signature(lookup("controller.Watlow.open")).parameters)
    added = {"portal": None, "profile": None, "assert_wire_temperature_unit": None}
    for name, default in (added | {"identify": True}).items():
        assert mirrored.pop(name).default == default
    assert mirrored.pop("protocol").default is None  # by default that of the family
    ours = ("protocol", "wait_for_port", "capture", "capture_bytes")
    assert mirrored == {name: each for name, each in native.items() if name not in ours}


def test_policies_have_the_expected_members() -> None:
    assert {each.name for each in lookup("manager.ErrorPolicy")} == {"RAISE", "RETURN"}
    assert {"BLOCK", "DROP_NEWEST"} <= {each.name for each in lookup("recording.OverflowPolicy")}
