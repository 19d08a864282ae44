"""Talk to Watlow temperature controllers over RS-485, and record what they say.

    from watlowlib import open_device, WatlowManager, record, pipe, SqliteSink

    with open_device("/dev/ttyUSB0", address=1) as ctl:
        print(ctl.read_pv())
        ctl.set_setpoint(75.0, confirm=True)

Every call blocks until there is an answer, and returns it or raises a `WatlowError`
that says what to do.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

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
from watlowlib.sinks.memory import InMemorySink
from watlowlib.sinks.pipe import pipe
from watlowlib.sinks.rows import sample_to_row
from watlowlib.sinks.sqlite import SqliteSink
from watlowlib.sinks.text import CsvSink, JsonlSink

if TYPE_CHECKING:
    from watlowlib.sinks.config import PostgresConfig
    from watlowlib.sinks.parquet import ParquetSink
    from watlowlib.sinks.postgres import PostgresSink, SpoolStats
    from watlowlib.sinks.reading import StoredSamples, read_samples

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

_LATER = {
    "ParquetSink": "watlowlib.sinks.parquet",
    "PostgresConfig": "watlowlib.sinks.config",
    "PostgresSink": "watlowlib.sinks.postgres",
    "SpoolStats": "watlowlib.sinks.postgres",
    "StoredSamples": "watlowlib.sinks.reading",
    "read_samples": "watlowlib.sinks.reading",
}
"""What is imported when it is first used, so that `import watlowlib` takes no time for it."""


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATER[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
