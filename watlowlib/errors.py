"""What can go wrong, as one tree of exceptions.

Every error of this library is a `WatlowError`; most are also the builtin that a
script already knows how to catch. Each carries an `ErrorContext` saying where it
happened, and a short `status`: the word that stands in `Sample.status` when the
error cost a recording one value.

::

    WatlowError
     ├── WatlowConfigurationError (ValueError)         refused before anything was sent
     │    ├── WatlowUnknownParameterError (LookupError)
     │    ├── WatlowConfirmationError
     │    └── WatlowUncertainError
     ├── WatlowConnectionError (ConnectionError)       the port, not the controller
     │    ├── WatlowPortNotFoundError (FileNotFoundError)
     │    ├── WatlowPortPermissionError (PermissionError)
     │    ├── WatlowPortBusyError
     │    └── WatlowClosedError
     ├── WatlowTimeoutError (TimeoutError)             nothing that fits came in time
     │    └── WatlowOfflineError
     ├── WatlowProtocolError                           bytes came, but not an answer
     │    ├── WatlowFrameError (ValueError)
     │    ├── WatlowCRCError
     │    └── WatlowLineNotQuietError
     ├── WatlowDeviceError                             the controller said no
     │    ├── WatlowAccessDeniedError
     │    ├── WatlowNoSuchObjectError
     │    ├── WatlowNoSuchAttributeError
     │    ├── WatlowNoSuchInstanceError
     │    ├── WatlowIllegalFunctionError
     │    ├── WatlowNoSuchRegisterError
     │    ├── WatlowIllegalValueError
     │    └── WatlowDeviceFailureError
     ├── WatlowAbsentError                             an answer that holds no value
     ├── WatlowWriteError                              a write whose outcome is not what was asked
     └── WatlowSinkError                               rows that could not be kept
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class ErrorContext:
    """Where an error happened; every field that is not known stays None or empty.

    Attributes:
        port: The port as the user named it.
        address: Controller address on that port.
        parameter: Canonical parameter name.
        parameter_id: Parameter number, class * 1000 + member.
        instance: Instance of the parameter, from 1.
        request: The bytes that were sent.
        reply: The bytes that came back, whatever they were.
        elapsed_s: Seconds from the first attempt to the failure.
    """

    port: str | None = None
    address: int | None = None
    parameter: str | None = None
    parameter_id: int | None = None
    instance: int | None = None
    request: bytes = b""
    reply: bytes = b""
    elapsed_s: float | None = None

    @property
    def class_id(self) -> int | None:
        """Class of the parameter."""
        return None if self.parameter_id is None else self.parameter_id // 1000

    @property
    def member_id(self) -> int | None:
        """Member of the parameter."""
        return None if self.parameter_id is None else self.parameter_id % 1000

    def __str__(self) -> str:
        parts = []
        if self.port is not None:
            parts.append(f"port {self.port}")
        if self.address is not None:
            parts.append(f"address {self.address}")
        if self.parameter_id is not None:
            name = f"{self.parameter} " if self.parameter else ""
            parts.append(f"{name}{self.parameter_id} instance {self.instance}")
        if self.elapsed_s is not None:
            parts.append(f"after {self.elapsed_s:.3f} s")
        return ", ".join(parts)


class WatlowError(Exception):
    """Anything this library raises on purpose.

    Attributes:
        message: What happened and what to do, without the context.
        context: Where it happened.
        status: The word for it in `Sample.status`.
    """

    status: ClassVar[str] = "error"

    def __init__(self, message: str, *, context: ErrorContext | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.context = context or ErrorContext()

    def __str__(self) -> str:
        where = str(self.context)
        return f"{self.message} ({where})" if where else self.message


class WatlowConfigurationError(WatlowError, ValueError):
    """What was asked for cannot be; nothing has been sent."""

    status = "configuration"


class WatlowUnknownParameterError(WatlowConfigurationError, LookupError):
    """No parameter has this name or number; the message names the nearest ones."""


class WatlowConfirmationError(WatlowConfigurationError):
    """A write that the controller would keep, asked for without `confirm=True`."""


class WatlowUncertainError(WatlowConfigurationError):
    """Over Modbus: the data map or the word order matters, and is not known."""

    status = "uncertain"


class WatlowConnectionError(WatlowError, ConnectionError):
    """The port could not be opened, or was lost."""

    status = "disconnected"


class WatlowPortNotFoundError(WatlowConnectionError, FileNotFoundError):
    """There is no such port."""


class WatlowPortPermissionError(WatlowConnectionError, PermissionError):
    """The port is there, but this user may not open it."""


class WatlowPortBusyError(WatlowConnectionError):
    """Another program holds the port, or it stayed taken past the deadline."""

    status = "busy"


class WatlowClosedError(WatlowConnectionError):
    """The controller, manager or port was closed before this call."""

    status = "closed"


class WatlowTimeoutError(WatlowError, TimeoutError):
    """No answer that fits the question came before the deadline."""

    status = "timeout"


class WatlowOfflineError(WatlowTimeoutError):
    """The controller has not answered lately, and a fleet did not ask it this time."""

    status = "offline"


class WatlowProtocolError(WatlowError):
    """Bytes came back that are not an answer to the question."""

    status = "protocol"


class WatlowFrameError(WatlowProtocolError, ValueError):
    """Bytes that are not a well-formed frame, payload or value."""


class WatlowCRCError(WatlowProtocolError):
    """Only damaged frames came back before the deadline."""

    status = "crc"


class WatlowLineNotQuietError(WatlowProtocolError):
    """The line never fell silent, so nothing could be asked safely."""

    status = "line_not_quiet"


class WatlowDeviceError(WatlowError):
    """The controller answered with an error code.

    Attributes:
        code: The code byte: of Standard Bus (0x85 and 0x86 have been seen with meaning
            unknown), or the exception code of Modbus.
    """

    status = "device_error"

    def __init__(
        self, message: str, *, code: int = -1, context: ErrorContext | None = None
    ) -> None:
        super().__init__(message, context=context)
        self.code = code


class WatlowAccessDeniedError(WatlowDeviceError):
    """Code 0x80: access denied, as for a write to a read-only parameter."""

    status = "access_denied"


class WatlowNoSuchObjectError(WatlowDeviceError):
    """Code 0x81: this controller has no such class."""

    status = "no_such_object"


class WatlowNoSuchAttributeError(WatlowDeviceError):
    """Code 0x83: the class has no such member."""

    status = "no_such_attribute"


class WatlowNoSuchInstanceError(WatlowDeviceError):
    """Code 0x84: the parameter exists, but not this instance of it."""

    status = "no_such_instance"


class WatlowIllegalFunctionError(WatlowDeviceError):
    """Modbus exception 01: the controller does not know the function."""

    status = "illegal_function"


class WatlowNoSuchRegisterError(WatlowDeviceError):
    """Modbus exception 02: the controller has no such register."""

    status = "no_such_register"


class WatlowIllegalValueError(WatlowDeviceError):
    """Modbus exception 03: the controller does not take this value."""

    status = "illegal_value"


class WatlowDeviceFailureError(WatlowDeviceError):
    """Modbus exception 04: the controller failed to do it."""

    status = "device_failure"


class WatlowAbsentError(WatlowError):
    """The controller answered with bits that are no value: NaN, or never set."""

    status = "absent"


class WatlowWriteError(WatlowError):
    """A write was answered, but the controller does not hold what was asked."""

    status = "write"


class WatlowSinkError(WatlowError):
    """A sink could not be opened, or could not keep rows it was given."""

    status = "sink"
