"""One controller: its parameters read and written, from any thread.

    with open_device("/dev/ttyUSB0", address=1) as ctl:
        print(ctl.read_pv())
        ctl.set_setpoint(75.0, confirm=True)

Whatever is wrong with a call is found before anything is sent. What the controller or
the line does wrong is raised by `read_parameter` and `write_parameter`, and is a
sample without a value in `poll`.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Iterable
from dataclasses import replace
from threading import Event
from types import TracebackType

from watlowlib.device.polling import (
    Halt,
    Parameters,
    Poll,
    Target,
    check_instance,
    chosen_names,
    targets,
)
from watlowlib.device.samples import gap_of, reading_of, sample_of
from watlowlib.device.values import checked_for_writing, meaning_of, tag_of
from watlowlib.errors import (
    ErrorContext,
    WatlowClosedError,
    WatlowConfigurationError,
    WatlowConfirmationError,
    WatlowError,
)
from watlowlib.model import ControllerFamily, ProtocolKind, Reading, Sample, Unit, Value
from watlowlib.protocol.line import PortStats
from watlowlib.protocol.sharing import Lease, forget
from watlowlib.protocol.stdbus.client import Patience
from watlowlib.protocol.stdbus.payloads import ReadRequest, WriteRequest, encode_value
from watlowlib.registry.parameters import PARAMETERS, ParameterSpec


class Controller:
    """A controller on a port; made by `open_device` or `WatlowManager.add`.

    Safe to share between threads: each exchange has the port to itself, first come,
    first served, and a write goes ahead of waiting reads.
    """

    def __init__(
        self,
        lease: Lease,
        *,
        address: int,
        name: str,
        family: ControllerFamily = ControllerFamily.UNKNOWN,
        temperature_unit: Unit | None = None,
        patience: Patience = Patience(),  # noqa: B008 - a frozen value
    ) -> None:
        self.address = address
        self.name = name
        self.family = family
        self.temperature_unit = temperature_unit
        self._lease = lease
        self._client = lease.client
        self._patience = patience
        # A controller nobody holds any more must not keep its port from others.
        self._forgotten = weakref.finalize(self, forget, lease)
        self._forgotten.atexit = False

    def __repr__(self) -> str:
        state = "" if self._lease.active else ", closed"
        return f"<Controller {self.name!r} on {self.port} address {self.address}{state}>"

    @property
    def port(self) -> str:
        """The port as it was named."""
        return self._client.port.name

    @property
    def port_key(self) -> str:
        """The same text for all controllers that share a port, whatever it was called."""
        return self._lease.key

    @property
    def protocol(self) -> ProtocolKind:
        """The wire protocol spoken."""
        return self._lease.shared.protocol

    @property
    def stats(self) -> PortStats:
        """Counters of the port; shared by all controllers on it."""
        return self._client.port.stats

    def read_parameter(self, parameter: str | int, *, instance: int = 1) -> Reading:
        """Read one parameter.

        Args:
            parameter: Name, alias or number: "process_value", "pv", 4001.
            instance: Which one of several inputs, loops or alarms, from 1.

        Returns:
            The value with its unit, where that is known. An enumeration is its code, with
            what the code means in `label`.

        Raises:
            WatlowConfigurationError: No such parameter or instance; nothing was sent.
            WatlowTimeoutError: No answer, also when asked again.
            WatlowCRCError: Only damaged answers, also when asked again.
            WatlowDeviceError: The controller refused.
            WatlowAbsentError: It answered with bits that are no value.
            WatlowConnectionError: The port is gone.
        """
        spec = PARAMETERS.resolve(parameter)
        instance = check_instance(spec, instance)
        if not spec.readable:
            raise WatlowConfigurationError(f"{spec.name} ({spec.number}) cannot be read")
        return self._read(spec, instance)

    def write_parameter(
        self, parameter: str | int, value: Value, *, instance: int = 1, confirm: bool = False
    ) -> Reading:
        """Write one parameter, and see that it arrived.

        When the controller's echo does not come, the parameter is read; only when it
        holds another value is the write sent once more.

        Args:
            parameter: Name, alias or number: "setpoint", "sp", 7001.
            value: The value in the wire's own unit; an enumeration by its code.
            instance: Which one of several, from 1.
            confirm: Must be True for a parameter that the controller keeps in EEPROM,
                which is rated for about a million writes.

        Returns:
            What the controller holds now.

        Raises:
            WatlowConfigurationError: Unknown or read-only parameter, a value of the
                wrong type or out of range; nothing was sent.
            WatlowConfirmationError: `confirm=True` is missing; nothing was sent.
            WatlowWriteError: The controller answers, but holds another value.
            WatlowTimeoutError: No answer; whether the value was stored is not known.
            WatlowDeviceError: The controller refused.
            WatlowConnectionError: The port is gone.
        """
        spec = PARAMETERS.resolve(parameter)
        instance = check_instance(spec, instance)
        checked = checked_for_writing(spec, value)
        if spec.persistent and not confirm:
            raise WatlowConfirmationError(
                f"writing {checked} to {spec.name} ({spec.number}) changes what the controller "
                "does and is kept in its EEPROM; pass confirm=True if that is meant",
                context=self._context(spec, instance),
            )
        tag = tag_of(spec)
        request = WriteRequest(
            spec.class_id, spec.member_id, instance, tag, encode_value(tag, checked)
        )
        try:
            self._check_open()
            answer = self._client.write(
                self.address, request, self._patience, readable=spec.readable
            )
            held = meaning_of(spec, answer.tag, answer.data)
        except WatlowError as error:
            self._place(error, spec, instance)
            raise
        return reading_of(self, spec, instance, held, answer)

    def read_pv(self, *, instance: int = 1) -> Reading:
        """Read the process value (4001): what analog input `instance` measures."""
        return self.read_parameter(4001, instance=instance)

    def read_setpoint(self, *, instance: int = 1) -> Reading:
        """Read the set point (7001) of control loop `instance`."""
        return self.read_parameter(7001, instance=instance)

    def set_setpoint(self, value: float, *, instance: int = 1, confirm: bool = False) -> Reading:
        """Write the set point (7001) of control loop `instance`; see `write_parameter`.

        Args:
            value: The set point in the wire's own unit, as factory set °F.
            instance: The control loop, from 1.
            confirm: Must be True: the set point is kept in EEPROM.
        """
        return self.write_parameter(7001, value, instance=instance, confirm=confirm)

    def poll(
        self, parameters: Parameters, *, instances: int | Iterable[int] = (1,)
    ) -> list[Sample]:
        """Read parameters x instances once.

        Returns:
            One sample a read, in that order. A read that failed is a sample without a
            value whose `status` says why.

        Raises:
            WatlowConfigurationError: Something wanted does not exist; nothing was sent.
        """
        return self.prepare(parameters, instances=instances)()

    def prepare(
        self,
        parameters: Parameters,
        *,
        instances: int | Iterable[int] = (1,),
        names: str | Iterable[str] | None = None,
    ) -> Poll:
        """Plan a poll for a recording; see `watlowlib.device.polling.PollSource`."""
        chosen = chosen_names(names)
        if chosen is not None and chosen != [self.name]:
            raise WatlowConfigurationError(f"names={names!r}: here is only {self.name!r}")
        wanted = targets(parameters, instances)

        def poll(stop: Event | None = None) -> list[Sample]:
            reads = self.sample_each(wanted, device=self.name, halt=Halt(stop))
            return [sample for sample, _ in reads]

        return poll

    def sample_each(
        self, wanted: Iterable[Target], *, device: str, halt: Halt
    ) -> list[tuple[Sample, WatlowError | None]]:
        """Read each target once, as samples of `device`, until `halt` says so.

        Returns:
            Beside each sample the error that left it without a value.
        """
        return [self._sample(device, spec, instance, halt) for spec, instance in wanted]

    def close(self) -> None:
        """Let go of the port; it is closed when no other controller uses it."""
        self._forgotten.detach()
        self._lease.give_back()

    def __enter__(self) -> Controller:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _read(self, spec: ParameterSpec, instance: int) -> Reading:
        request = ReadRequest(spec.class_id, spec.member_id, instance)
        try:
            self._check_open()
            answer = self._client.read(self.address, request, self._patience)
            value = meaning_of(spec, answer.tag, answer.data)
        except WatlowError as error:
            self._place(error, spec, instance)
            raise
        return reading_of(self, spec, instance, value, answer)

    def _sample(
        self, device: str, spec: ParameterSpec, instance: int, halt: Halt
    ) -> tuple[Sample, WatlowError | None]:
        if halt.now:
            return gap_of(self, device, spec, instance, "stopped"), None
        started_s = time.monotonic()
        try:
            sample = sample_of(self, device, self._read(spec, instance))
        except WatlowError as error:
            halt.note(failed=True)
            elapsed_s = time.monotonic() - started_s
            return gap_of(self, device, spec, instance, error.status, elapsed_s), error
        return sample, None

    def _check_open(self) -> None:
        if not self._lease.active:
            raise WatlowClosedError("the controller was closed; open it again")

    def _context(self, spec: ParameterSpec, instance: int) -> ErrorContext:
        return ErrorContext(
            port=self.port,
            address=self.address,
            parameter=spec.name,
            parameter_id=spec.number,
            instance=instance,
        )

    def _place(self, error: WatlowError, spec: ParameterSpec, instance: int) -> None:
        """Let `error` tell also which parameter of which controller it was about."""
        known = error.context
        error.context = replace(
            self._context(spec, instance),
            request=known.request,
            reply=known.reply,
            elapsed_s=known.elapsed_s,
        )
