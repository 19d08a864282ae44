"""Recording on an absolute schedule: `record` and what it yields."""

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
