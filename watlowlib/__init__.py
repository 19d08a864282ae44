"""Talk to Watlow temperature controllers over RS-485, and record what they say.

    from watlowlib import open_device, WatlowManager, record, pipe, SqliteSink

    with open_device("/dev/ttyUSB0", address=1) as ctl:
        print(ctl.read_pv())
        ctl.set_setpoint(75.0, confirm=True)

Every call blocks until there is an answer, and returns it or raises a `WatlowError`
that says what to do.

Nothing of it is loaded before it is used: what a script does not need costs it no time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from watlowlib.device.alarms import Alarm
    from watlowlib.device.controller import Controller
    from watlowlib.device.discovery import Probe, find_devices
    from watlowlib.device.factory import open_device
    from watlowlib.device.loops import ControllerLoop
    from watlowlib.device.polling import Poll, PollSource
    from watlowlib.errors import (
        ErrorContext,
        WatlowAbsentError,
        WatlowAccessDeniedError,
        WatlowClosedError,
        WatlowConfigurationError,
        WatlowConfirmationError,
        WatlowConnectionError,
        WatlowCRCError,
        WatlowDeviceError,
        WatlowDeviceFailureError,
        WatlowError,
        WatlowFrameError,
        WatlowIllegalFunctionError,
        WatlowIllegalValueError,
        WatlowLineNotQuietError,
        WatlowNoSuchAttributeError,
        WatlowNoSuchInstanceError,
        WatlowNoSuchObjectError,
        WatlowNoSuchRegisterError,
        WatlowOfflineError,
        WatlowPortBusyError,
        WatlowPortNotFoundError,
        WatlowPortPermissionError,
        WatlowProtocolError,
        WatlowSinkError,
        WatlowTimeoutError,
        WatlowUncertainError,
        WatlowUnknownParameterError,
        WatlowWriteError,
    )
    from watlowlib.manager import WatlowManager
    from watlowlib.model import (
        AcquisitionSummary,
        AlarmState,
        ControllerFamily,
        DeviceInfo,
        PartNumber,
        PidGains,
        ProtocolKind,
        RateReport,
        Reading,
        Sample,
        SerialSettings,
        SinkReport,
        Unit,
        WordOrder,
    )
    from watlowlib.protocol.stats import DeviceStats, PortStats
    from watlowlib.recorder import OverflowPolicy, Recording, record
    from watlowlib.registry.parameters import PARAMETERS, ParameterSpec
    from watlowlib.results import DeviceResult, ErrorPolicy, FleetStats
    from watlowlib.sinks.base import SampleSink
    from watlowlib.sinks.choose import open_sink
    from watlowlib.sinks.config import PostgresConfig
    from watlowlib.sinks.memory import InMemorySink
    from watlowlib.sinks.parquet import ParquetSink
    from watlowlib.sinks.pipe import pipe
    from watlowlib.sinks.postgres import PostgresSink, SpoolStats
    from watlowlib.sinks.reading import StoredSamples, read_samples
    from watlowlib.sinks.rows import sample_to_row
    from watlowlib.sinks.sqlite import SqliteSink
    from watlowlib.sinks.text import CsvSink, JsonlSink

__version__ = "0.1.0"

__all__ = [
    "PARAMETERS",
    "AcquisitionSummary",
    "Alarm",
    "AlarmState",
    "Controller",
    "ControllerFamily",
    "ControllerLoop",
    "CsvSink",
    "DeviceInfo",
    "DeviceResult",
    "DeviceStats",
    "ErrorContext",
    "ErrorPolicy",
    "FleetStats",
    "InMemorySink",
    "JsonlSink",
    "OverflowPolicy",
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
    "RateReport",
    "Reading",
    "Recording",
    "Sample",
    "SampleSink",
    "SerialSettings",
    "SinkReport",
    "SpoolStats",
    "SqliteSink",
    "StoredSamples",
    "Unit",
    "WatlowAbsentError",
    "WatlowAccessDeniedError",
    "WatlowCRCError",
    "WatlowClosedError",
    "WatlowConfigurationError",
    "WatlowConfirmationError",
    "WatlowConnectionError",
    "WatlowDeviceError",
    "WatlowDeviceFailureError",
    "WatlowError",
    "WatlowFrameError",
    "WatlowIllegalFunctionError",
    "WatlowIllegalValueError",
    "WatlowLineNotQuietError",
    "WatlowManager",
    "WatlowNoSuchAttributeError",
    "WatlowNoSuchInstanceError",
    "WatlowNoSuchObjectError",
    "WatlowNoSuchRegisterError",
    "WatlowOfflineError",
    "WatlowPortBusyError",
    "WatlowPortNotFoundError",
    "WatlowPortPermissionError",
    "WatlowProtocolError",
    "WatlowSinkError",
    "WatlowTimeoutError",
    "WatlowUncertainError",
    "WatlowUnknownParameterError",
    "WatlowWriteError",
    "WordOrder",
    "find_devices",
    "open_device",
    "open_sink",
    "pipe",
    "read_samples",
    "record",
    "sample_to_row",
]

_HOMES = {
    "device.alarms": "Alarm",
    "device.controller": "Controller",
    "device.discovery": "Probe find_devices",
    "device.factory": "open_device",
    "device.loops": "ControllerLoop",
    "device.polling": "Poll PollSource",
    "manager": "WatlowManager",
    "model": "AcquisitionSummary AlarmState ControllerFamily DeviceInfo PartNumber PidGains "
    "ProtocolKind RateReport Reading Sample SerialSettings SinkReport Unit WordOrder",
    "protocol.stats": "DeviceStats PortStats",
    "recorder": "OverflowPolicy Recording record",
    "registry.parameters": "PARAMETERS ParameterSpec",
    "results": "DeviceResult ErrorPolicy FleetStats",
    "sinks.base": "SampleSink",
    "sinks.choose": "open_sink",
    "sinks.config": "PostgresConfig",
    "sinks.memory": "InMemorySink",
    "sinks.parquet": "ParquetSink",
    "sinks.pipe": "pipe",
    "sinks.postgres": "PostgresSink SpoolStats",
    "sinks.reading": "StoredSamples read_samples",
    "sinks.rows": "sample_to_row",
    "sinks.sqlite": "SqliteSink",
    "sinks.text": "CsvSink JsonlSink",
}
"""Where each public name is at home; those that are not here are in `errors`."""

_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}


if not TYPE_CHECKING:  # for a type checker it would make every slip a name

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_HOME_OF.get(name, 'errors')}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    tools = {"Any", "TYPE_CHECKING", "annotations", "import_module"}
    return sorted({*globals(), *__all__} - tools)
