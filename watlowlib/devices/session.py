"""Reads and writes parameters of one controller on a shared port.

`Controller`, its loops and alarms, and the procedures are built on a `Session`, which takes a
`ParameterSpec` and an instance and returns a `Reading`. Users call a `Controller`.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from watlowlib._internal.cache import Cache
from watlowlib._internal.validation import as_positive
from watlowlib.devices.availability import Availability
from watlowlib.devices.driver import DecodedReply, Driver, Outcomes, Target
from watlowlib.devices.eeprom import EepromCounter
from watlowlib.devices.replacement import IdentityCheck
from watlowlib.devices.session_attributes import MOST_CALLS, SessionAttributes
from watlowlib.devices.stored_settings import StoredSettings
from watlowlib.devices.targets import Parameters, as_list
from watlowlib.devices.values import as_number, reading_of
from watlowlib.errors import (
    ErrorContext,
    WatlowAbsentError,
    WatlowClosedError,
    WatlowConfigurationError,
    WatlowCRCError,
    WatlowDeviceError,
    WatlowError,
    WatlowOtherDeviceError,
    WatlowTimeoutError,
)
from watlowlib.model import ControllerFamily, Reading, Unit
from watlowlib.protocol.exchange import LONGEST_TIMEOUT_S, WriteOptions
from watlowlib.protocol.line import InterruptionError, OutageError
from watlowlib.protocol.port_pool import Lease, release_later
from watlowlib.registry.parameters import ParameterSpec

if TYPE_CHECKING:
    from watlowlib.model import PartNumber, Sample

T = TypeVar("T")


class Session(SessionAttributes):
    """One controller on a leased port.

    Args:
        lease: The lease of the port, released by `close`.
        driver: The controller in the port's protocol.
        name: Name of the controller in samples and messages.
        family: Product family; decides the registry.
        temperature_unit: Scale of temperatures on the wire, as declared by the user.
    """

    def __init__(
        self,
        lease: Lease,
        driver: Driver,
        *,
        name: str,
        family: ControllerFamily = ControllerFamily.UNKNOWN,
        temperature_unit: Unit | None = None,
    ) -> None:
        self.driver = driver
        self.name = name
        self.family = family
        self.names = self.registry
        """Finds the parameters that the caller names; `watlowlib.sync` sets another one."""
        self.persistent_writes = True
        """Whether writes go into the EEPROM, as far as this program knows."""
        self.eeprom = EepromCounter()
        """Writes of this program that have reached the controller's EEPROM."""
        self.listeners = {}
        self.replacements = 0
        """How often `accept_replacement` was called."""
        self.last_error: WatlowError | None = None
        """The error of the last read or write that failed."""
        self.sample_type: type[Sample] | None = None
        """The class of the samples of this controller, where it is not `Sample`."""
        self._lease = lease
        self.port, self.protocol = lease.client.port, lease.shared.protocol
        self.availability = self._new_availability(driver)
        self.identity = IdentityCheck(name, self.port, self.registry)
        """Notices that another controller has taken the place of this one."""
        self._temperature_unit = temperature_unit
        self.settings = StoredSettings()
        self._checked = Cache(MOST_CALLS)
        # Without `close`, the finalizer queues the lease; the next `acquire_lease` releases it.
        self._finalizer = weakref.finalize(self, release_later, lease)
        self._finalizer.atexit = False

    def __repr__(self) -> str:
        state = ", closed" if self.closed else ""
        return f"{self.name!r} on {self.port.name} address {self.address}{state}"

    def timeout(self, seconds: float | None) -> AbstractContextManager[None]:
        """Wait this long for each reply to this thread within a `with` block, without retries.

        None: change nothing.

        Raises:
            WatlowConfigurationError: It is not above 0 and at most 3600.
        """
        if seconds is None:
            return nullcontext()
        seconds = as_positive("timeout", seconds, LONGEST_TIMEOUT_S, "seconds, or None")
        return self.driver.timeout(seconds)

    def read_parameter(
        self, parameter: str | int, instance: int = 1, timeout: float | None = None
    ) -> Reading:
        """Read one parameter by name, alias or number; see `Controller.read_parameter`."""
        if timeout is not None:
            with self.timeout(timeout):
                return self.read_parameter(parameter, instance)
        spec, instance = self.target(parameter, instance)
        return self.read(spec, instance)

    def read_named(self, parameters: Parameters, instance: int = 1) -> dict[str | int, Reading]:
        """Read several parameters, by the names given; see `Controller.read`."""
        named = {name: self.target(name, instance) for name in as_list("parameters", parameters)}
        readings: dict[Target, Reading] = {}
        for results in self.read_each(self.targets(named, instance)):
            for target, result in results.items():
                if isinstance(result, WatlowError):
                    raise result
                readings[target] = result
        return {name: readings[target] for name, target in named.items()}

    def read_number(
        self, parameter: str | int, instance: int = 1, timeout: float | None = None
    ) -> Reading[float]:
        """Read one parameter whose value is a number, such as a temperature.

        Raises:
            WatlowFrameError: The controller sent a value of another type.
            WatlowError: The read failed.
        """
        return as_number(self.read_parameter(parameter, instance, timeout))

    def read(self, spec: ParameterSpec, instance: int) -> Reading:
        """Read one parameter.

        Raises:
            WatlowError: The read failed; its context names the parameter.
        """
        try:
            self.confirm()
            if spec.is_cool_side:
                self.check_cooling(spec)
            try:  # `repeat_if_interrupted` would need a function for each read
                decoded = self.driver.read(spec, instance)
            except InterruptionError:
                decoded = self._repeat(lambda: self.driver.read(spec, instance))
        except WatlowError as error:
            self._add_context(error, spec, instance)
            raise
        return self._reading(spec, instance, decoded)

    def read_each(self, targets: Sequence[Target]) -> Iterator[dict[Target, Reading | WatlowError]]:
        """Read several parameters, as `outcomes_of`; the values are readings."""
        for errors, values, reply, scale in self.outcomes_of(targets):
            results: dict[Target, Reading | WatlowError] = {**errors}
            if reply is not None:
                for target, value in values.items():
                    results[target] = self._reading(*target, DecodedReply(value, reply, scale))
            yield results

    def outcomes_of(self, targets: Sequence[Target], *, again: bool = True) -> Iterator[Outcomes]:
        """Read several parameters lazily, in as few exchanges as the protocol allows.

        Args:
            targets: What to read.
            again: Whether to repeat the reads that were not sent because of an interruption.

        Yields:
            The results of one exchange; the context of each error names the parameter.
        """
        self.port.check_process()
        try:
            self.confirm()
        except WatlowError as error:
            # As long as no identity is known, the others are read all the same.
            failed = targets if self.identity.known or self.closed else targets[:1]
            for target in failed:
                yield Outcomes({target: self._add_context(copy.copy(error), *target)})
            targets = targets[len(failed) :]
        for target in [each for each in targets if each[0].is_cool_side]:
            try:
                self.check_cooling(target[0])
            except WatlowError as error:
                targets = [each for each in targets if each != target]
                yield Outcomes({target: self._add_context(error, *target)})
        not_sent: list[Target] = []
        for outcomes in self.driver.read_each(targets):
            for target, failure in tuple(outcomes.errors.items()):
                if again and isinstance(failure, InterruptionError):
                    not_sent.append(target)
                    del outcomes.errors[target]
                else:
                    self._add_context(failure, *target)
            yield outcomes
        if not_sent:
            yield from self.outcomes_of(not_sent, again=False)

    def write(
        self, spec: ParameterSpec, instance: int, value: float | int, options: WriteOptions
    ) -> Reading:
        """Write a checked value; see `Driver.write`.

        After an interruption the value is read, and written again only if it was not stored.

        Raises:
            WatlowError: The write failed; its context names the parameter.
        """
        sent = False

        def note() -> None:
            nonlocal sent
            sent = True
            options.on_send()

        def request() -> DecodedReply:
            skip = options.skip_unchanged or (sent and options.readable)
            noted = options._replace(skip_unchanged=skip, on_send=note)
            return self.driver.write(spec, instance, value, noted)

        try:
            self.confirm()
            decoded = self.repeat_if_interrupted(request)
        except WatlowError as error:
            self._add_context(error, spec, instance)
            raise
        return self._reading(spec, instance, decoded)

    def read_scale(self) -> Unit | None:
        """Return the scale of temperatures on the wire; only a Series SD is asked for it.

        Raises:
            WatlowError: It could not be read.
        """
        if not self.driver.reports_scale:
            return self.temperature_unit
        self.confirm()
        return self.repeat_if_interrupted(self.driver.read_scale)

    def part_number(self, *, refresh: bool = False) -> PartNumber | None:
        """Return the decoded part number (1009), read again if `refresh`; None if not reported."""
        self.confirm()
        settings = self.settings
        if not settings.part_is_known or refresh:
            try:
                text = self.read(*self.target("part_number", 1)).value
            except (WatlowConfigurationError, WatlowDeviceError, WatlowAbsentError):
                text = None  # it has none, and is not read again
            settings.store_part(text)
        return settings.part

    def replies_at(self, address: int) -> bool:
        """Whether anything replies at `address`, even if only with damaged frames."""
        self.check_open()
        try:
            self.driver.at(address).ping()
        except WatlowTimeoutError as error:
            return bool(error.context.reply)
        except WatlowCRCError:
            return True
        return True

    def confirm(self) -> None:
        """Check after an interruption that no other controller replies; else do nothing.

        Raises:
            WatlowClosedError: The session is closed.
            WatlowOtherDeviceError: Another controller replies.
            WatlowError: Its identity could not be read.
        """
        self.check_open()
        if self.identity.is_confirmed(self.driver):
            return
        self.settings = StoredSettings()
        try:
            self.identity.confirm(self.driver)
        except WatlowOtherDeviceError:
            self._forget_controller()
            raise

    def accept_replacement(self) -> None:
        """Continue with the controller that replies now.

        Raises:
            WatlowError: Its identity could not be read.
        """
        self.check_open()
        self._forget_controller()
        self.identity.accept(self.driver)
        self.persistent_writes = True
        self.eeprom = EepromCounter()
        self.replacements += 1

    def move_to(self, address: int) -> None:
        """Continue at `address`, to which the controller has been set."""
        self.availability.release()
        self.driver = self.driver.at(address)
        self.availability = self._new_availability(self.driver)

    def check_open(self) -> None:
        """Refuse to use a closed session.

        Raises:
            WatlowProcessError: It was opened in another process.
            WatlowClosedError: It is closed.
        """
        self.port.check_process()
        if not self._lease.active:
            raise WatlowClosedError("the controller was closed; open it again")

    def check_cooling(self, spec: ParameterSpec) -> None:
        """Refuse a cool-side parameter of a controller without a cooling output.

        Raises:
            WatlowAbsentError: The part number says that there is no cooling output.
        """
        part = self.part_number() if spec.is_cool_side else None
        if part is not None and part.cooling is False:
            raise WatlowAbsentError(
                f"{spec.name} ({spec.number}): by its part number {part.text} this controller "
                "has no cooling output"
            )

    def context_of(self, spec: ParameterSpec, instance: int) -> ErrorContext:
        """Return the context of an error about one parameter of this controller."""
        return ErrorContext(
            port=self.port.name,
            address=self.address,
            parameter=spec.name,
            parameter_id=spec.number,
            instance=instance,
            protocol=self.protocol,
        )

    def close(self) -> None:
        """Release the port; the last session on it closes it."""
        self._finalizer.detach()
        self.availability.release()
        self._lease.release()

    def _forget_controller(self) -> None:
        """Discard everything that was learnt about the controller."""
        self.settings = StoredSettings()
        self.driver.forget_controller()
        self.availability.release()
        self.availability = self._new_availability(self.driver)

    def repeat_if_interrupted(self, request: Callable[[], T]) -> T:
        """Send a request; after an interruption confirm the identity and send it again."""
        try:
            return request()
        except InterruptionError:
            return self._repeat(request)

    def _repeat(self, request: Callable[[], T]) -> T:
        """Send a request again after an interruption, once the identity is confirmed."""
        self.confirm()
        try:
            return request()
        except OutageError as error:
            message = "no reply, again and again; is the line connected firmly?"
            raise WatlowTimeoutError(message, context=error.context) from error

    def _new_availability(self, driver: Driver) -> Availability:
        return Availability(self.name, driver.station, self.port, driver.stats, driver.ping)

    def _add_context(self, error: WatlowError, spec: ParameterSpec, instance: int) -> WatlowError:
        self.last_error = error
        known = error.context
        error.context = replace(
            self.context_of(spec, instance),
            request=known.request,
            reply=known.reply,
            elapsed_s=known.elapsed_s,
        )
        return error

    def _reading(self, spec: ParameterSpec, instance: int, decoded: DecodedReply) -> Reading:
        value, reply, reported = decoded
        scale = reported or self._temperature_unit
        return reading_of(spec, instance, value, reply, scale, self.driver.address, self.protocol)
