"""A fleet: controllers by name, polled port by port, the ports side by side.

    with WatlowManager() as mgr:
        mgr.add("oven_top", "/dev/ttyUSB0", address=1)
        mgr.add("retort", "/dev/ttyUSB1", address=1)
        for name, result in mgr.poll(["process_value"]).items():
            print(name, result.value[0].value)

On one port the controllers are asked one after the other, as the line demands; each
port has its own task, so that a slow or dead one delays no other.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from enum import Enum
from threading import Event
from typing import TypeAlias

from watlowlib.arguments import chosen
from watlowlib.device.controller import Controller
from watlowlib.device.factory import open_device
from watlowlib.device.polling import Halt, Parameters, Poll, chosen_names
from watlowlib.device.wire import Target
from watlowlib.errors import ErrorContext, WatlowClosedError, WatlowConfigurationError, WatlowError
from watlowlib.model import ControllerFamily, ProtocolKind, Sample, SerialSettings, Unit
from watlowlib.threads import make_pool
from watlowlib.transport.base import Transport

if sys.version_info < (3, 11):
    from exceptiongroup import ExceptionGroup

MAX_PORTS = 256
POLL_S = 600.0
"""How long a round of one port may take before that is an error; every read in it has
its own, much shorter deadline."""

_Results: TypeAlias = "dict[str, list[tuple[Sample, WatlowError | None]]]"


class ErrorPolicy(str, Enum):
    """How a manager reports controllers that fail."""

    RAISE = "raise"
    """Raise an ExceptionGroup with one error a controller, after all have been asked."""
    RETURN = "return"
    """Return each controller's error in its `DeviceResult`."""


@dataclass(frozen=True)
class DeviceResult:
    """What one controller gave: samples or an error, never both.

    Attributes:
        value: One sample a read, when at least one read was answered; those that were
            not are samples without a value.
        error: The first error, when no read was answered.
        protocol: The wire protocol spoken.
    """

    value: list[Sample] | None
    error: WatlowError | None
    protocol: ProtocolKind


class WatlowManager:
    """Controllers by name, on any number of ports.

    Args:
        error_policy: How `poll` reports controllers that fail.
    """

    def __init__(self, *, error_policy: ErrorPolicy = ErrorPolicy.RAISE) -> None:
        self.error_policy = chosen("error_policy", ErrorPolicy, error_policy)
        self._controllers: dict[str, Controller] = {}
        self._owned: set[str] = set()
        self._pool: ThreadPoolExecutor | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"<WatlowManager of {', '.join(self._controllers) or 'nothing yet'}>"

    @property
    def names(self) -> tuple[str, ...]:
        """The controllers' names, in the order they were added."""
        return tuple(self._controllers)

    def add(
        self,
        name: str,
        source: str | Controller | Transport,
        *,
        protocol: ProtocolKind = ProtocolKind.STDBUS,
        address: int = 1,
        serial_settings: SerialSettings | None = None,
        family: ControllerFamily = ControllerFamily.UNKNOWN,
        temperature_unit: Unit | str | None = None,
        timeout_s: float = 0.5,
        retries: int = 1,
    ) -> Controller:
        """Add a controller.

        Args:
            name: What it is called here and in samples; not yet taken.
            source: A port, or a `Controller` that was opened before, which stays its
                owner's to close and has the other arguments behind it already.
            protocol: What the controller is set to.
            address: Its address, 1 to 16.
            serial_settings: How the line is set; None for Standard Bus's own.
            family: The product family, where it is known.
            temperature_unit: "C" or "F" where the scale on the wire is known.
            timeout_s: Seconds to wait for an answer.
            retries: How often a read is asked again.

        Raises:
            WatlowConfigurationError: The name is taken, the same controller is here under
                another name, the port speaks another protocol, or an argument cannot be.
            WatlowConnectionError: The port cannot be opened.
        """
        self._check_open()
        if not isinstance(name, str) or not name or name in self._controllers:
            raise WatlowConfigurationError(
                f"name={name!r}: give a name that is not taken; taken are {list(self._controllers)}"
            )
        if isinstance(source, Controller):
            self._check_new(source)
            self._controllers[name] = source
            return source
        controller = open_device(
            source,
            protocol=protocol,
            address=address,
            serial_settings=serial_settings,
            family=family,
            name=name,
            temperature_unit=temperature_unit,
            timeout_s=timeout_s,
            retries=retries,
        )
        try:
            self._check_new(controller)
        except WatlowConfigurationError:
            controller.close()
            raise
        self._controllers[name] = controller
        self._owned.add(name)
        return controller

    def get(self, name: str) -> Controller:
        """The controller called `name`.

        Raises:
            WatlowConfigurationError: There is none; the message says what there is.
        """
        if name not in self._controllers:
            near = difflib.get_close_matches(str(name), self._controllers, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {list(self._controllers)}"
            raise WatlowConfigurationError(f"there is no controller {name!r}; {hint}")
        return self._controllers[name]

    def remove(self, name: str) -> None:
        """Forget the controller called `name`, and close it unless it was added opened."""
        controller = self.get(name)
        del self._controllers[name]
        if name in self._owned:
            self._owned.remove(name)
            controller.close()

    def poll(
        self,
        parameters: Parameters,
        *,
        names: str | Iterable[str] | None = None,
        instances: int | Iterable[int] = (1,),
    ) -> dict[str, DeviceResult]:
        """Read parameters x instances of every controller once, the ports side by side.

        Raises:
            WatlowConfigurationError: Something wanted does not exist; nothing was sent.
            ExceptionGroup: Under `ErrorPolicy.RAISE`, the errors of the controllers that
                did not answer at all.
        """
        round_ = self._plan(parameters, instances, names)
        results = {name: _result(reads) for name, reads in round_(None).items()}
        errors = [result.error for result in results.values() if result.error is not None]
        if errors and self.error_policy is ErrorPolicy.RAISE:
            raise ExceptionGroup(f"{len(errors)} of {len(results)} controllers failed", errors)
        return results

    def prepare(
        self,
        parameters: Parameters,
        *,
        instances: int | Iterable[int] = (1,),
        names: str | Iterable[str] | None = None,
    ) -> Poll:
        """Plan a poll for a recording; see `watlowlib.device.polling.PollSource`."""
        round_ = self._plan(parameters, instances, names)

        def poll(stop: Event | None = None) -> list[Sample]:
            return [sample for reads in round_(stop).values() for sample, _ in reads]

        return poll

    def close(self) -> None:
        """Close what was opened here, last in first out; the second time, nothing."""
        self._closed = True
        with ExitStack() as stack:
            # Whatever interrupts one of these, the others are done all the same.
            pool, self._pool = self._pool, None
            if pool is not None:
                stack.callback(pool.shutdown, wait=True)
            for name in list(self._controllers):
                stack.callback(self.remove, name)

    def __enter__(self) -> WatlowManager:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _plan(
        self,
        parameters: Parameters,
        instances: int | Iterable[int],
        names: str | Iterable[str] | None,
    ) -> _Round:
        self._check_open()
        picked = chosen_names(names)
        fleet = {name: self.get(name) for name in (self.names if picked is None else picked)}
        if not fleet:
            raise WatlowConfigurationError("no controllers to read: add one first, or name one")
        if self._pool is None:
            self._pool = make_pool("poll", MAX_PORTS)
        wanted = {name: ctl.targets(parameters, instances) for name, ctl in fleet.items()}
        return _Round(fleet, wanted, self._pool)

    def _check_new(self, controller: Controller) -> None:
        for name, other in self._controllers.items():
            if (other.port_key, other.address) == (controller.port_key, controller.address):
                raise WatlowConfigurationError(
                    f"the controller at address {controller.address} on this port is here already, "
                    f"as {name!r}",
                    context=ErrorContext(port=controller.port, address=controller.address),
                )

    def _check_open(self) -> None:
        if self._closed:
            raise WatlowClosedError("the manager was closed; make a new one")


def _result(reads: list[tuple[Sample, WatlowError | None]]) -> DeviceResult:
    protocol = reads[0][0].protocol
    errors = [error for _, error in reads if error is not None]
    if len(errors) == len(reads):
        return DeviceResult(None, errors[0], protocol)
    return DeviceResult([sample for sample, _ in reads], None, protocol)


class _Round:
    """One planned poll of a fleet, called at every tick."""

    def __init__(
        self,
        fleet: dict[str, Controller],
        wanted: dict[str, list[Target]],
        pool: ThreadPoolExecutor,
    ) -> None:
        self._names = list(fleet)
        self._wanted = wanted
        self._pool = pool
        ports: dict[str, dict[str, Controller]] = {}
        for name, controller in fleet.items():
            ports.setdefault(controller.port_key, {})[name] = controller
        self._ports = list(ports.values())

    def __call__(self, stop: Event | None) -> _Results:
        first, *others = self._ports
        running = [self._start(port, stop) for port in others]
        found = self._ask(first, stop)
        for each in running:
            found.update(each.result(timeout=POLL_S))
        return {name: found[name] for name in self._names}

    def _start(self, port: dict[str, Controller], stop: Event | None) -> Future[_Results]:
        try:
            return self._pool.submit(self._ask, port, stop)
        except RuntimeError:
            # The manager was closed meanwhile: its controllers say so, at once.
            done: Future[_Results] = Future()
            done.set_result(self._ask(port, stop))
            return done

    def _ask(self, port: dict[str, Controller], stop: Event | None) -> _Results:
        halt = Halt(stop)
        return {
            name: controller.sample_each(self._wanted[name], device=name, halt=halt)
            for name, controller in port.items()
        }
