"""Access to a service from other programs: `attach`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from watlowlib._internal.validation import shown
from watlowlib.devices.snapshot import Snapshot
from watlowlib.errors import (
    WatlowClosedError,
    WatlowConfigurationError,
    WatlowConnectionError,
    WatlowError,
    WatlowTimeoutError,
)
from watlowlib.model import AcquisitionSummary, DeviceInfo, Reading, Sample, Unit, Value
from watlowlib.rig.values import Rig
from watlowlib.service.endpoint import UNIX, connect
from watlowlib.service.server import receive_line
from watlowlib.service.wire import dump, load

CONNECT_S = 5.0
ANSWER_S = 150.0
"""How long to wait for a reply: a request waits for the port for a minute at most, then reads."""

READ_ALL_S = 1800.0
"""How long to wait for all parameters: each waits for its turn between the recorded ones."""

MOST_REPLY = 1 << 26


class ServiceClient:
    """Reads and writes through the service of a rig file; made by `attach`.

    Each call is one request over a connection of its own, so any thread may call, and the service
    may be started again in between. The errors are those of the same calls of a `Controller`.
    """

    def __init__(self, rig_file: Path, *, unix: bool = UNIX) -> None:
        self.rig_file = rig_file
        self._unix = unix
        self._closed = False

    def __repr__(self) -> str:
        return f"<ServiceClient for {shown(self.rig_file)}>"

    def __enter__(self) -> ServiceClient:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Allow no more calls; the service continues."""
        self._closed = True

    def latest(self) -> list[Sample]:
        """Return the latest recorded sample of each parameter; nothing is read for it."""
        return list(self.request("latest"))

    def summary(self) -> AcquisitionSummary:
        """Return the summary of the recording so far."""
        found: AcquisitionSummary = self.request("summary")
        return found

    def status(self) -> dict[str, Any]:
        """Return the pid, the file, the state of each controller, and the counters."""
        return dict(self.request("status"))

    def reload(self) -> None:
        """Let the service load its file again.

        Raises:
            WatlowError: The file has problems, or a new sink cannot be opened; the service
                continues as before.
        """
        self.request("reload")

    def read_parameter(
        self,
        controller: str,
        parameter: str | int,
        *,
        instance: int = 1,
        timeout: float | None = None,
    ) -> Reading:
        """Read a parameter of the controller of this name; see `Controller.read_parameter`."""
        reading: Reading = self.request(
            "read_parameter",
            controller=controller,
            parameter=parameter,
            instance=instance,
            timeout=timeout,
        )
        return reading

    def read_each(
        self,
        names: Sequence[str],
        parameters: Sequence[str | int],
        *,
        instances: Sequence[int] = (1,),
        show_unit: Unit | None = None,
    ) -> list[tuple[Sample, WatlowError | None]]:
        """Read parameters of several controllers once; return each sample, and its error."""
        return list(
            self.request(
                "read_each",
                names=list(names),
                parameters=list(parameters),
                instances=list(instances),
                show_unit=show_unit,
            )
        )

    def read_all(self, controller: str) -> Snapshot:
        """Read all parameters of a controller, in a minute or more; see `Controller.read_all`."""
        snapshot: Snapshot = self.request("read_all", READ_ALL_S, controller=controller)
        return snapshot

    def identify(self, controller: str) -> DeviceInfo:
        """Read the identity of a controller; see `Controller.identify`."""
        found: DeviceInfo = self.request("identify", controller=controller)
        return found

    def accept_replacement(self, controller: str) -> DeviceInfo:
        """Continue with a controller that has taken another one's place; return its identity."""
        found: DeviceInfo = self.request("accept_replacement", controller=controller)
        return found

    def write_parameter(
        self, controller: str, parameter: str | int, value: Value, **options: Any
    ) -> Reading:
        """Write a parameter; see `Controller.write_parameter` for the options."""
        reading: Reading = self.request(
            "write_parameter", controller=controller, parameter=parameter, value=value, **options
        )
        return reading

    def set_setpoint(self, controller: str, value: float, **options: Any) -> Reading[float]:
        """Write the set point; see `Controller.set_setpoint` for the options."""
        reading: Reading[float] = self.request(
            "set_setpoint", controller=controller, value=value, **options
        )
        return reading

    def request(self, command: str, answer_s: float | None = None, /, **arguments: Any) -> Any:
        """Send a request and return its result; wait `answer_s` seconds for it.

        Raises:
            WatlowConnectionError: No service runs for the file, or it ended meanwhile.
            WatlowTimeoutError: It has not replied in time; by default within `ANSWER_S`.
            WatlowError: The request failed.
        """
        if self._closed:
            raise WatlowClosedError("the client was closed; attach again")
        found = connect(self.rig_file, CONNECT_S, unix=self._unix)
        if found is None:
            raise _not_running(self.rig_file)
        connection, token = found
        message = {"do": command, "with": arguments, **({"token": token} if token else {})}
        try:
            with connection:
                with suppress(BrokenPipeError):  # it was refused, and the reply says why
                    connection.sendall(dump(message))
                reply = load(receive_line(connection, answer_s or ANSWER_S, MOST_REPLY))
        except TimeoutError as error:
            raise WatlowTimeoutError(f"the service has not replied: {error}") from error
        except OSError as error:
            raise WatlowConnectionError(f"the service ended the connection: {error}") from error
        if "error" in reply:
            raise reply["error"]
        return reply["result"]


def attach(rig: str | os.PathLike[str] | Rig) -> ServiceClient:
    """Return a client of the service that records a rig file, for a `with` statement.

        with attach("rig.toml") as service:
            print(service.latest())
            service.set_setpoint("oven_top", 75.0, confirm=True)

    Args:
        rig: The rig file that `watlowlib run` was given, or the rig that was loaded from it.

    Raises:
        WatlowConfigurationError: There is no such file.
        WatlowConnectionError: No service of this user runs for the file.
    """
    client = find_service(rig)
    if client is None:
        raise _not_running(_path_of(rig))
    return client


def find_service(rig: str | os.PathLike[str] | Rig) -> ServiceClient | None:
    """Return a client of the service for a rig file; None if none of this user runs."""
    path = _path_of(rig)
    found = connect(path, CONNECT_S)
    if found is None:
        return None
    found[0].close()
    return ServiceClient(path)


def _path_of(rig: object) -> Path:
    if isinstance(rig, Rig):
        return rig.path
    if isinstance(rig, (str, os.PathLike)):
        return Path(rig).absolute()
    raise WatlowConfigurationError(f"rig={shown(rig)}: give a file, such as 'rig.toml'")


def _not_running(path: Path) -> WatlowError:
    if not path.exists():
        return WatlowConfigurationError(f"there is no file {path}; give the rig file")
    return WatlowConnectionError(
        f"no service of this user runs for {path}; start it with 'watlowlib run {path}'"
    )
