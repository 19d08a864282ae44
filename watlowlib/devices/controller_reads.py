"""The reads of a controller that raise an error when they fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from watlowlib.devices.attributes import ControllerAttributes
from watlowlib.devices.targets import Parameters
from watlowlib.model import Reading

if TYPE_CHECKING:
    from watlowlib.devices.snapshot import Snapshot


class ControllerReads(ControllerAttributes):
    """The reads of a `Controller`."""

    def read_parameter(
        self, parameter: str | int, *, instance: int = 1, timeout: float | None = None
    ) -> Reading:
        """Read one parameter.

        Args:
            parameter: Name, alias or number: "process_value", "pv", 4001.
            instance: Which of several inputs, loops or alarms, from 1.
            timeout: Seconds to wait for each reply to this call, above 0, without retries. None:
                the timeout and the retries given to `open_device`.

        Returns:
            The value, with its unit where the unit is known. The value of an enumeration is
            its code; `label` is the meaning of the code.

        Raises:
            WatlowConfigurationError: No such parameter or instance; nothing was sent.
            WatlowTimeoutError: No reply after all retries.
            WatlowCRCError: Only damaged replies after all retries.
            WatlowDeviceError: The controller sent an error reply or exception.
            WatlowAbsentError: The reply contains no usable value.
            WatlowConnectionError: The port is lost.
        """
        return self._session.read_parameter(parameter, instance, timeout)

    def read(
        self, parameters: Parameters, *, instance: int = 1, timeout: float | None = None
    ) -> dict[str | int, Reading]:
        """Read several parameters, in as few requests as the protocol allows.

        Args:
            parameters: Names, aliases or numbers: `["pv", "sp", 8033]`.
            instance: Which instance of each, from 1.
            timeout: As in `read_parameter`, for each reply.

        Returns:
            One reading per parameter, under the name or number given here, in the given order.

        Raises:
            WatlowConfigurationError: No parameter is given, or one does not exist; nothing was
                sent.
            WatlowError: A read failed: the first error, as in `read_parameter`. `poll` returns
                the other values too.
        """
        with self._session.timeout(timeout):
            return self._session.read_named(parameters, instance)

    def read_pv(self, *, instance: int = 1, timeout: float | None = None) -> Reading[float]:
        """Read the process value (4001) of analog input `instance`.

        A broken sensor reads as a number too: an open thermocouple as about 2531.8. The input
        error (4002, `input_error`) is 61 ("None") for a good sensor. `timeout`: as in
        `read_parameter`.
        """
        return self._session.read_number("process_value", instance, timeout)

    def read_setpoint(self, *, instance: int = 1, timeout: float | None = None) -> Reading[float]:
        """Read the set point (7001) of control loop `instance`; `timeout`: see `read_parameter`."""
        return self._session.read_number("setpoint", instance, timeout)

    def read_all(self, progress: Callable[[int, int], object] | None = None) -> Snapshot:
        """Read every readable parameter, with all its instances: from seconds to a minute.

        Args:
            progress: Called after each reply with the number of finished reads and of all
                reads. The number of all reads falls if the controller has fewer instances.

        Returns:
            The values, the controller's identity, and the parameters that it does not have; see
            `watlowlib.snapshots`.

        Raises:
            WatlowError: The controller or the line fails, as in `read_parameter`.
            WatlowUncertainError: Over Modbus, the data map or the word order is not known.
        """
        from watlowlib.devices.snapshot import read_all  # only few programs need it

        return read_all(self._session, progress)
