"""Read, write and record Watlow temperature controllers over RS-485.

    from watlowlib import open_device, WatlowManager, record, pipe, SqliteSink

    with open_device("/dev/ttyUSB0", address=1) as ctl:
        print(ctl.read_pv())
        ctl.set_setpoint(75.0, confirm=True)

Every call blocks until it has a result, and returns it or raises a `WatlowError` whose
message says what to do.

Submodules are imported on first use, so `import watlowlib` is fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from watlowlib import _installation  # noqa: F401 - checks the installation
from watlowlib._version import __version__ as __version__

if TYPE_CHECKING:
    from watlowlib.devices.alarms import Alarm
    from watlowlib.devices.controller import Controller
    from watlowlib.devices.discovery import Probe, find_devices
    from watlowlib.devices.factory import open_device
    from watlowlib.devices.loops import ControllerLoop
    from watlowlib.devices.poll import Poll, PollSource
    from watlowlib.errors import (
        ErrorContext,
        WatlowAbsentError,
        WatlowAccessDeniedError,
        WatlowCapabilityError,
        WatlowCapabilityWarning,
        WatlowClosedError,
        WatlowConfigurationError,
        WatlowConfirmationError,
        WatlowConfirmationRequiredError,
        WatlowConnectionError,
        WatlowCRCError,
        WatlowDeviceError,
        WatlowDeviceFailureError,
        WatlowError,
        WatlowFirmwareError,
        WatlowFrameError,
        WatlowGatewayError,
        WatlowGatewayPathError,
        WatlowGatewayTargetError,
        WatlowIllegalFunctionError,
        WatlowIllegalValueError,
        WatlowLineNotQuietError,
        WatlowModbusError,
        WatlowModbusIllegalDataAddressError,
        WatlowModbusIllegalDataValueError,
        WatlowModbusIllegalFunctionError,
        WatlowModbusSlaveFailureError,
        WatlowModbusTimeoutError,
        WatlowNoSuchAttributeError,
        WatlowNoSuchInstanceError,
        WatlowNoSuchObjectError,
        WatlowNoSuchRegisterError,
        WatlowOfflineError,
        WatlowOtherDeviceError,
        WatlowPortBusyError,
        WatlowPortNotFoundError,
        WatlowPortPermissionError,
        WatlowProcessError,
        WatlowProtocolError,
        WatlowProtocolUnsupportedError,
        WatlowSinkDependencyError,
        WatlowSinkError,
        WatlowSinkSchemaError,
        WatlowSinkWriteError,
        WatlowTimeoutError,
        WatlowTransportError,
        WatlowUncertainError,
        WatlowUnknownParameterError,
        WatlowValidationError,
        WatlowWriteError,
    )
    from watlowlib.manager.manager import WatlowManager
    from watlowlib.manager.results import DeviceResult, ErrorPolicy, FleetStats
    from watlowlib.model import (
        AcquisitionSummary,
        AlarmState,
        ControllerFamily,
        DeviceInfo,
        PartNumber,
        PidGains,
        ProtocolKind,
        Quantity,
        RateReport,
        Reading,
        Sample,
        SinkReport,
        Unit,
        WordOrder,
    )
    from watlowlib.model.events import Event, EventKind
    from watlowlib.protocol.stats import DeviceStats, PortStats
    from watlowlib.registry.parameters import PARAMETERS, ParameterSpec
    from watlowlib.rig.load import load_rig
    from watlowlib.rig.values import Rig
    from watlowlib.rules.rule import Rule, RuleWrite
    from watlowlib.rules.rules import Rules
    from watlowlib.service.client import ServiceClient, attach
    from watlowlib.sinks.base import SampleSink
    from watlowlib.sinks.choose import open_sink
    from watlowlib.sinks.csv import CsvSink
    from watlowlib.sinks.jsonl import JsonlSink
    from watlowlib.sinks.memory import InMemorySink
    from watlowlib.sinks.parquet.sink import ParquetSink
    from watlowlib.sinks.pipe import pipe
    from watlowlib.sinks.postgres.config import PostgresConfig
    from watlowlib.sinks.postgres.sink import PostgresSink, SpoolStats
    from watlowlib.sinks.reading import StoredSamples, read_events, read_samples
    from watlowlib.sinks.rows import sample_to_row
    from watlowlib.sinks.sqlite import SqliteSink
    from watlowlib.streaming.metadata import RecordingInfo
    from watlowlib.streaming.recorder import OverflowPolicy, Recording, record
    from watlowlib.sync.profiles import (
        DEVICE_PROFILES,
        EZZONE_PROFILE,
        SERIES_SD_PROFILE,
        DeviceProfile,
        profile_named,
    )
    from watlowlib.sync.values import (
        Availability,
        Capability,
        DeviceHealth,
        DeviceSnapshot,
        ParameterEntry,
        WatlowDeviceSnapshot,
        classify_family,
    )
    from watlowlib.transport.replay import ReplayTransport, WatlowReplayError
    from watlowlib.transport.settings import SerialSettings


__all__ = [
    "DEVICE_PROFILES",
    "EZZONE_PROFILE",
    "PARAMETERS",
    "SERIES_SD_PROFILE",
    "AcquisitionSummary",
    "Alarm",
    "AlarmState",
    "Availability",
    "Capability",
    "Controller",
    "ControllerFamily",
    "ControllerLoop",
    "CsvSink",
    "DeviceHealth",
    "DeviceInfo",
    "DeviceProfile",
    "DeviceResult",
    "DeviceSnapshot",
    "DeviceStats",
    "ErrorContext",
    "ErrorPolicy",
    "Event",
    "EventKind",
    "FleetStats",
    "InMemorySink",
    "JsonlSink",
    "OverflowPolicy",
    "ParameterEntry",
    "ParameterSpec",
    "ParquetSink",
    "PartNumber",
    "PidGains",
    "Poll",
    "PollSource",
    "PortStats",
    "PostgresConfig",
    "PostgresSink",
    "Probe",
    "ProtocolKind",
    "Quantity",
    "RateReport",
    "Reading",
    "Recording",
    "RecordingInfo",
    "ReplayTransport",
    "Rig",
    "Rule",
    "RuleWrite",
    "Rules",
    "Sample",
    "SampleSink",
    "SerialSettings",
    "ServiceClient",
    "SinkReport",
    "SpoolStats",
    "SqliteSink",
    "StoredSamples",
    "Unit",
    "WatlowAbsentError",
    "WatlowAccessDeniedError",
    "WatlowCRCError",
    "WatlowCapabilityError",
    "WatlowCapabilityWarning",
    "WatlowClosedError",
    "WatlowConfigurationError",
    "WatlowConfirmationError",
    "WatlowConfirmationRequiredError",
    "WatlowConnectionError",
    "WatlowDeviceError",
    "WatlowDeviceFailureError",
    "WatlowDeviceSnapshot",
    "WatlowError",
    "WatlowFirmwareError",
    "WatlowFrameError",
    "WatlowGatewayError",
    "WatlowGatewayPathError",
    "WatlowGatewayTargetError",
    "WatlowIllegalFunctionError",
    "WatlowIllegalValueError",
    "WatlowLineNotQuietError",
    "WatlowManager",
    "WatlowModbusError",
    "WatlowModbusIllegalDataAddressError",
    "WatlowModbusIllegalDataValueError",
    "WatlowModbusIllegalFunctionError",
    "WatlowModbusSlaveFailureError",
    "WatlowModbusTimeoutError",
    "WatlowNoSuchAttributeError",
    "WatlowNoSuchInstanceError",
    "WatlowNoSuchObjectError",
    "WatlowNoSuchRegisterError",
    "WatlowOfflineError",
    "WatlowOtherDeviceError",
    "WatlowPortBusyError",
    "WatlowPortNotFoundError",
    "WatlowPortPermissionError",
    "WatlowProcessError",
    "WatlowProtocolError",
    "WatlowProtocolUnsupportedError",
    "WatlowReplayError",
    "WatlowSinkDependencyError",
    "WatlowSinkError",
    "WatlowSinkSchemaError",
    "WatlowSinkWriteError",
    "WatlowTimeoutError",
    "WatlowTransportError",
    "WatlowUncertainError",
    "WatlowUnknownParameterError",
    "WatlowValidationError",
    "WatlowWriteError",
    "WordOrder",
    "attach",
    "classify_family",
    "find_devices",
    "load_rig",
    "open_device",
    "open_sink",
    "pipe",
    "profile_named",
    "read_events",
    "read_samples",
    "record",
    "sample_to_row",
]

_NAMES_BY_MODULE = {
    "devices.alarms": "Alarm",
    "devices.controller": "Controller",
    "devices.discovery": "Probe find_devices",
    "devices.factory": "open_device",
    "devices.loops": "ControllerLoop",
    "devices.poll": "Poll PollSource",
    "model.events": "Event EventKind",
    "manager.manager": "WatlowManager",
    "model": "AcquisitionSummary AlarmState ControllerFamily DeviceInfo PartNumber PidGains "
    "ProtocolKind Quantity RateReport Reading Sample SinkReport Unit WordOrder",
    "protocol.stats": "DeviceStats PortStats",
    "streaming.metadata": "RecordingInfo",
    "streaming.recorder": "OverflowPolicy Recording record",
    "registry.parameters": "PARAMETERS ParameterSpec",
    "rig.load": "load_rig",
    "rig.values": "Rig",
    "rules.rule": "Rule RuleWrite",
    "rules.rules": "Rules",
    "service.client": "ServiceClient attach",
    "manager.results": "DeviceResult ErrorPolicy FleetStats",
    "sinks.base": "SampleSink",
    "sinks.choose": "open_sink",
    "sinks.postgres.config": "PostgresConfig",
    "sinks.memory": "InMemorySink",
    "sinks.parquet.sink": "ParquetSink",
    "sinks.pipe": "pipe",
    "sinks.postgres.sink": "PostgresSink SpoolStats",
    "sinks.reading": "StoredSamples read_events read_samples",
    "sinks.rows": "sample_to_row",
    "sinks.sqlite": "SqliteSink",
    "sinks.csv": "CsvSink",
    "sinks.jsonl": "JsonlSink",
    "sync.profiles": "DEVICE_PROFILES DeviceProfile EZZONE_PROFILE SERIES_SD_PROFILE profile_named",
    "sync.values": "Capability DeviceHealth classify_family DeviceSnapshot "
    "ParameterEntry WatlowDeviceSnapshot Availability",
    "transport.replay": "ReplayTransport WatlowReplayError",
    "transport.settings": "SerialSettings",
}
"""The public names by the submodule that defines them; all others are in `errors`."""

_MODULE_OF = {name: module for module, names in _NAMES_BY_MODULE.items() for name in names.split()}


_PARTS = ("diagnosis", "labview", "snapshots", "sync", "testing", "views")
"""Parts that are attributes without an import of their own, such as `watlowlib.snapshots.diff`."""

if not TYPE_CHECKING:  # with `__getattr__`, a type checker would accept any misspelt name

    def __getattr__(name: str) -> Any:
        if name in _PARTS:
            return import_module(f"{__name__}.{name}")
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_MODULE_OF.get(name, 'errors')}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    helpers = {"Any", "TYPE_CHECKING", "annotations", "import_module"}
    return sorted({*globals(), *__all__} - helpers)
