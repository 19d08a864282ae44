"""A fleet of controllers on any number of ports: `WatlowManager` and its results."""

from watlowlib.manager.manager import WatlowManager
from watlowlib.manager.results import DeviceResult, ErrorPolicy, FleetStats

__all__ = ["DeviceResult", "ErrorPolicy", "FleetStats", "WatlowManager"]
