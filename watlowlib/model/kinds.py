"""Kinds of controllers and of their protocols."""

from __future__ import annotations

from watlowlib.units import TextEnum


class ProtocolKind(TextEnum):
    """The wire protocol: on a serial line the one that a controller is set to (17009)."""

    STDBUS = "stdbus"
    MODBUS_RTU = "modbus_rtu"
    MODBUS_TCP = "modbus_tcp"
    AUTO = "auto"

    @property
    def is_modbus(self) -> bool:
        """Whether parameters are registers."""
        return self in (ProtocolKind.MODBUS_RTU, ProtocolKind.MODBUS_TCP)


class ControllerFamily(TextEnum):
    """The product family; `UNKNOWN` until a part number has been read or given.

    A PM PLUS is a `PM`. `RM` is an RM module of a type that is not known, or without public
    registers (RMA, RME, RML, RMS).
    """

    PM = "pm"
    RM = "rm"
    RMC = "rmc"
    RMH = "rmh"
    ST = "st"
    SD = "sd"
    UNKNOWN = "unknown"


class WordOrder(TextEnum):
    """Which word of a 32-bit value is in the first of its two registers (17043)."""

    AUTO = "auto"
    LOW_HIGH = "low_high"
    HIGH_LOW = "high_low"
