"""The settings of a serial line."""

from __future__ import annotations

from dataclasses import dataclass

from watlowlib.errors import WatlowConfigurationError

BAUDRATES = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
"""Baud rates accepted in `SerialSettings`, in bit/s."""


@dataclass(frozen=True)
class SerialSettings:
    """The settings of a serial line; by default those of Standard Bus.

    Attributes:
        baudrate: Bits per second, one of `BAUDRATES`.
        bytesize: Data bits, 7 or 8.
        parity: "N", "E" or "O".
        stopbits: 1 or 2.
        vary_source: On Standard Bus, whether each request comes from another source address,
            `0x20` to `0x7E` in turn, to which the controller replies. Then a reply that comes
            twice or is overtaken by others is recognized. Not yet tried with real controllers.

    Raises:
        WatlowConfigurationError: A setting has a value that is not allowed.
    """

    baudrate: int = 38400
    bytesize: int = 8
    parity: str = "N"
    stopbits: int = 1
    vary_source: bool = False

    def __post_init__(self) -> None:
        for name, allowed in (
            ("baudrate", BAUDRATES),
            ("bytesize", (7, 8)),
            ("parity", ("N", "E", "O")),
            ("stopbits", (1, 2)),
            ("vary_source", (False, True)),
        ):
            given = getattr(self, name)
            if given not in allowed:
                values = ", ".join(map(str, allowed))
                raise WatlowConfigurationError(f"{name}={given!r}: allowed are {values}")

    @property
    def byte_time_s(self) -> float:
        """Seconds that one byte takes: start, data, parity and stop bits."""
        return (1 + self.bytesize + (self.parity != "N") + self.stopbits) / self.baudrate
