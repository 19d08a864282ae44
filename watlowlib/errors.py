"""The exceptions that this library raises.

Every exception is a `WatlowError`; most also inherit the matching builtin exception, so
existing `except` clauses catch them. Each has an `ErrorContext`, which says where the error
happened, and a short `status`: the word in `Sample.status` when a recording has no value
because of the error.

::

    WatlowError
     ├── WatlowConfigurationError (ValueError)         invalid arguments; nothing was sent
     │    ├── WatlowUnknownParameterError (LookupError)
     │    ├── WatlowConfirmationError
     │    └── WatlowUncertainError
     ├── WatlowTransportError                          no reply was received
     │    ├── WatlowConnectionError (ConnectionError)  the port fails, not the controller
     │    │    ├── WatlowPortNotFoundError (FileNotFoundError)
     │    │    ├── WatlowPortPermissionError (PermissionError)
     │    │    ├── WatlowPortBusyError
     │    │    └── WatlowClosedError (RuntimeError)
     │    └── WatlowTimeoutError (TimeoutError)        no matching reply before the deadline
     │         ├── WatlowOfflineError
     │         └── WatlowModbusTimeoutError (WatlowModbusError)
     │              └── WatlowGatewayError          a gateway replies, not its controller
     │                   ├── WatlowGatewayPathError
     │                   └── WatlowGatewayTargetError
     ├── WatlowProtocolError                           bytes were received, but no usable reply
     │    ├── WatlowFrameError (ValueError)            not a valid reply
     │    │    └── WatlowCRCError
     │    ├── WatlowLineNotQuietError
     │    ├── WatlowModbusError                        any of these on Modbus
     │    ├── WatlowProtocolUnsupportedError
     │    └── WatlowDeviceError                        the controller sent an error reply
     │         ├── WatlowAccessDeniedError
     │         ├── WatlowNoSuchObjectError
     │         ├── WatlowNoSuchAttributeError
     │         ├── WatlowNoSuchInstanceError
     │         ├── WatlowIllegalFunctionError (WatlowModbusError, WatlowProtocolUnsupportedError)
     │         ├── WatlowNoSuchRegisterError (WatlowModbusError, WatlowProtocolUnsupportedError)
     │         ├── WatlowIllegalValueError (WatlowModbusError)
     │         └── WatlowModbusSlaveFailureError (WatlowModbusError)
     │              └── WatlowDeviceFailureError
     ├── WatlowAbsentError                             a reply that contains no value
     ├── WatlowOtherDeviceError                        another controller replies
     ├── WatlowWriteError                              the written value was not stored
     ├── WatlowSinkError                               rows could not be stored
     │    ├── WatlowSinkDependencyError                a library is not installed
     │    ├── WatlowSinkSchemaError                    the file or table has other columns
     │    └── WatlowSinkWriteError
     ├── WatlowCapabilityError                         never raised
     │    └── WatlowFirmwareError
     └── WatlowProcessError (RuntimeError)             opened in another process; nothing was sent

Some names are those of another library, for the `except` clauses of its scripts: the aliases at the
end, and `WatlowCapabilityError` with its warning, which nothing raises.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class ErrorContext:
    """Where an error happened; unknown fields are None or empty.

    Attributes:
        port: The port name as the user gave it.
        address: Controller address on that port.
        parameter: Canonical parameter name.
        parameter_id: Parameter number, class * 1000 + member.
        instance: Instance of the parameter, from 1.
        request: The bytes sent.
        reply: The bytes received, valid or not; of many the first or last 4096.
        elapsed_s: Seconds from the first attempt to the failure.
        protocol: The wire protocol, "stdbus", "modbus_rtu" or "modbus_tcp".
    """

    port: str | None = None
    address: int | None = None
    parameter: str | None = None
    parameter_id: int | None = None
    instance: int | None = None
    request: bytes = b""
    reply: bytes = b""
    elapsed_s: float | None = None
    protocol: str | None = None

    @property
    def class_id(self) -> int | None:
        """The class of the parameter."""
        return None if self.parameter_id is None else self.parameter_id // 1000

    @property
    def member_id(self) -> int | None:
        """The member of the parameter."""
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
    """The base class of all exceptions of this library.

    Attributes:
        message: What happened and what to do, without the context.
        context: Where it happened.
        status: The word for this error in `Sample.status`.
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
    """An argument or setting is invalid; nothing was sent."""

    status = "configuration"


class WatlowUnknownParameterError(WatlowConfigurationError, LookupError):
    """No parameter has this name or number; the message names the nearest ones."""


class WatlowConfirmationError(WatlowConfigurationError):
    """A write to EEPROM, or one with consequences, was requested without `confirm=True`."""


class WatlowUncertainError(WatlowConfigurationError):
    """Over Modbus, the data map, the word order or the register is not certain."""

    status = "uncertain"


class WatlowTransportError(WatlowError):
    """No reply was received: the port failed, or the controller did not reply."""


class WatlowConnectionError(WatlowTransportError, ConnectionError):
    """The port could not be opened, or was lost."""

    status = "disconnected"


class WatlowPortNotFoundError(WatlowConnectionError, FileNotFoundError):
    """The port does not exist."""


class WatlowPortPermissionError(WatlowConnectionError, PermissionError):
    """The port exists, but this user may not open it."""


class WatlowPortBusyError(WatlowConnectionError):
    """Another program uses the port, or the port was not free before the deadline."""

    status = "busy"


class WatlowClosedError(WatlowConnectionError, RuntimeError):
    """The controller, manager or port was closed before this call."""

    status = "closed"


class WatlowTimeoutError(WatlowTransportError, TimeoutError):
    """No reply that matches the request came before the deadline."""

    status = "timeout"


class WatlowOfflineError(WatlowTimeoutError):
    """The controller has not replied lately, so a fleet did not read it this time."""

    status = "offline"


class WatlowProtocolError(WatlowError):
    """The bytes received are not a valid reply to the request, or are an error reply."""

    status = "protocol"


class WatlowModbusError(WatlowProtocolError):
    """An exception or a timeout on Modbus."""


class WatlowModbusTimeoutError(WatlowTimeoutError, WatlowModbusError):
    """No reply that matches a Modbus request came before the deadline."""


class WatlowGatewayError(WatlowModbusTimeoutError):
    """A gateway replied instead of the controller behind it, which counts as not replying."""


class WatlowGatewayPathError(WatlowGatewayError):
    """Modbus exception 10: the gateway has no path to the controller."""

    code: ClassVar[int] = 10


class WatlowGatewayTargetError(WatlowGatewayError):
    """Modbus exception 11: the gateway got no reply from the controller."""

    code: ClassVar[int] = 11


class WatlowProtocolUnsupportedError(WatlowProtocolError):
    """The controller has no such function or register."""


class WatlowFrameError(WatlowProtocolError, ValueError):
    """Bytes or a value that cannot be decoded or encoded as a frame, payload or value."""


class WatlowCRCError(WatlowFrameError):
    """Only damaged frames were received before the deadline."""

    status = "crc"


class WatlowLineNotQuietError(WatlowProtocolError):
    """The line did not become quiet, so no request could be sent safely."""

    status = "line_not_quiet"


class WatlowDeviceError(WatlowProtocolError):
    """The controller sent an error reply (Standard Bus) or an exception (Modbus).

    Attributes:
        code: The Standard Bus error code (0x85 and 0x86 have been seen; their meaning is
            unknown), or the Modbus exception code.
    """

    status = "device_error"

    def __init__(
        self, message: str, *, code: int = -1, context: ErrorContext | None = None
    ) -> None:
        super().__init__(message, context=context)
        self.code = code


class WatlowAccessDeniedError(WatlowDeviceError):
    """Code 0x80: access denied, for example a write to a read-only parameter."""

    status = "access_denied"


class WatlowNoSuchObjectError(WatlowDeviceError):
    """Code 0x81: the controller has no such class."""

    status = "no_such_object"


class WatlowNoSuchAttributeError(WatlowDeviceError):
    """Code 0x83: the class has no such member."""

    status = "no_such_attribute"


class WatlowNoSuchInstanceError(WatlowDeviceError):
    """Code 0x84: the parameter exists, but this instance does not."""

    status = "no_such_instance"


class WatlowIllegalFunctionError(
    WatlowDeviceError, WatlowModbusError, WatlowProtocolUnsupportedError
):
    """Modbus exception 01: the controller does not support the function."""

    status = "illegal_function"


class WatlowNoSuchRegisterError(
    WatlowDeviceError, WatlowModbusError, WatlowProtocolUnsupportedError
):
    """Modbus exception 02: the controller has no such register."""

    status = "no_such_register"


class WatlowIllegalValueError(WatlowDeviceError, WatlowModbusError):
    """Modbus exception 03: the controller does not accept the value."""

    status = "illegal_value"


class WatlowModbusSlaveFailureError(WatlowDeviceError, WatlowModbusError):
    """Another Modbus exception than 01 to 03."""


class WatlowDeviceFailureError(WatlowModbusSlaveFailureError):
    """Modbus exception 04: the controller failed to carry out the request."""

    status = "device_failure"


class WatlowAbsentError(WatlowError):
    """The reply contains no usable value: NaN, or a value that was never set."""

    status = "absent"


class WatlowOtherDeviceError(WatlowError):
    """Another controller replies at this address than before; none of its values was used.

    Attributes:
        expected: The identity of the controller before, such as "serial number 200001".
        found: The identity of the controller that replies now.
    """

    status = "other_device"

    def __init__(
        self,
        message: str,
        *,
        expected: str = "",
        found: str = "",
        context: ErrorContext | None = None,
    ) -> None:
        super().__init__(message, context=context)
        self.expected = expected
        self.found = found


class WatlowWriteError(WatlowError):
    """The controller replied to a write, but does not hold the written value."""

    status = "write"


class WatlowSinkError(WatlowError):
    """A sink could not be opened, or could not store its rows."""

    status = "sink"


class WatlowSinkDependencyError(WatlowSinkError):
    """A library that the sink needs is not installed."""


class WatlowSinkSchemaError(WatlowSinkError):
    """An existing file or table does not have the columns of the rows, or does not exist."""


class WatlowSinkWriteError(WatlowSinkError):
    """The file or the server did not accept the rows."""


class WatlowCapabilityError(WatlowError):
    """Never raised: for `except` clauses of scripts written for another library."""


class WatlowFirmwareError(WatlowCapabilityError):
    """Never raised, as `WatlowCapabilityError`."""


class WatlowCapabilityWarning(UserWarning):
    """Never issued: for the filters of scripts written for another library."""


class WatlowProcessError(WatlowError, RuntimeError):
    """The port, manager, recording or sink was opened in another process, before a fork.

    Nothing was sent or written, and the other process can continue to use it.
    """

    status = "process"


# Names of another library; see the module's docstring.
WatlowValidationError = WatlowConfigurationError
WatlowConfirmationRequiredError = WatlowConfirmationError
WatlowModbusIllegalFunctionError = WatlowIllegalFunctionError
WatlowModbusIllegalDataAddressError = WatlowNoSuchRegisterError
WatlowModbusIllegalDataValueError = WatlowIllegalValueError
