"""Transports: byte streams in which every call takes limited time.

The names of settings, which few programs use, are imported at their first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from watlowlib.transport.settings import SerialSettings

if TYPE_CHECKING:
    from watlowlib.transport.names import ByteSize, Parity, StopBits
else:  # with `__getattr__`, a type checker would accept any misspelt name

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from watlowlib.transport import names

        return getattr(names, name)


__all__ = ["ByteSize", "Parity", "SerialSettings", "StopBits"]
