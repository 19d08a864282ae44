"""The settings of a serial line."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from watlowlib.errors import WatlowConfigurationError
from watlowlib.model import ProtocolKind

BAUDRATES = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
"""Baud rates accepted in `SerialSettings`, in bit/s."""

_FACTORY_BAUDRATES = {ProtocolKind.STDBUS: 38400, ProtocolKind.MODBUS_RTU: 9600}
"""Source: 17002, 17003 and the Series SD's manual."""

_TEXTS: dict[object, object] = {
    "none": "N",
    "even": "E",
    "odd": "O",
    "1": 1,
    "2": 2,
    "7": 7,
    "8": 8,
}
"""Settings as a text, and what they mean."""

_BOOLEANS = ("rtscts", "xonxoff", "exclusive", "vary_source")


@dataclass(frozen=True)
class SerialSettings:
    """The settings of a serial line; by default those of Standard Bus.

    Attributes:
        port: The port for which the settings are meant, or None. `open_device` takes the port from
            its own argument; settings that differ only here are equal.
        baudrate: Bits per second, one of `BAUDRATES`.
        bytesize: Data bits, 7 or 8.
        parity: "N", "E" or "O", or "none", "even" or "odd".
        stopbits: 1 or 2.
        rtscts: Whether RTS and CTS control the flow of the bytes.
        xonxoff: Whether the bytes XON and XOFF do. Frames may contain them: leave it off.
        exclusive: Whether other programs are refused while the port is open (not on Windows, where
            they always are).
        vary_source: On Standard Bus, whether each request comes from another source address,
            `0x20` to `0x7E` in turn, to which the controller replies. Then a reply that comes
            twice or is overtaken by others is recognized. Not yet tried with real controllers.

    Raises:
        WatlowConfigurationError: A setting has a value that is not allowed.
    """

    port: str | None = field(default=None, compare=False)
    baudrate: int = 38400
    bytesize: int = 8
    parity: str = "N"
    stopbits: int = 1
    vary_source: bool = False
    rtscts: bool = False
    xonxoff: bool = False
    exclusive: bool = True

    def __post_init__(self) -> None:
        for name, allowed in (
            ("baudrate", BAUDRATES),
            ("bytesize", (7, 8)),
            ("parity", ("N", "E", "O")),
            ("stopbits", (1, 2)),
            *((name, (False, True)) for name in _BOOLEANS),
        ):
            given = getattr(self, name)
            given = given.value if isinstance(given, Enum) else given
            given = _TEXTS.get(given, given) if isinstance(given, str) else given
            if given not in allowed:
                values = ", ".join(map(str, allowed))
                raise WatlowConfigurationError(f"{name}={given!r}: allowed are {values}")
            object.__setattr__(self, name, given)
        if self.port is not None and not isinstance(self.port, str):
            raise WatlowConfigurationError(
                f"port={self.port!r}: give the name of a port; give a baud rate as baudrate="
            )

    @classmethod
    def factory_for(
        cls, protocol: ProtocolKind | str, *, port: str | None = None
    ) -> SerialSettings:
        """Return the factory settings of the controllers: no parity, 38400 or 9600 baud.

        Args:
            protocol: "stdbus" or "modbus_rtu".
            port: The port for which the settings are meant.

        Raises:
            WatlowConfigurationError: Another protocol, such as "auto".
        """
        if protocol not in _FACTORY_BAUDRATES:
            allowed = ", ".join(map(str, _FACTORY_BAUDRATES))
            raise WatlowConfigurationError(f"protocol={protocol!s:.80}: give one of {allowed}")
        return cls(port=port, baudrate=_FACTORY_BAUDRATES[ProtocolKind(protocol)])

    @property
    def byte_time_s(self) -> float:
        """Seconds that one byte takes: start, data, parity and stop bits."""
        return (1 + self.bytesize + (self.parity != "N") + self.stopbits) / self.baudrate
