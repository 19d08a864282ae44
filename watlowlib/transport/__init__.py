"""Transports: byte streams in which every call takes limited time."""

from watlowlib.transport.names import ByteSize, Parity, StopBits
from watlowlib.transport.settings import SerialSettings

__all__ = ["ByteSize", "Parity", "SerialSettings", "StopBits"]
