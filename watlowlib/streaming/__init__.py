"""Recording on an absolute schedule: `record` and the types it uses."""

from watlowlib.devices.poll import Poll, PollSource
from watlowlib.model import AcquisitionSummary, Sample
from watlowlib.streaming.recorder import OverflowPolicy, Recording, record

__all__ = [
    "AcquisitionSummary",
    "OverflowPolicy",
    "Poll",
    "PollSource",
    "Recording",
    "Sample",
    "record",
]
