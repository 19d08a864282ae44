"""The interface between a session and the wire protocol of its controller.

A driver takes parameters and instances and returns values. `StdBusDriver` implements it for
Standard Bus, `ModbusDriver` for Modbus RTU, `SeriesSdDriver` for a Series SD on Modbus RTU.
"""

from __future__ import annotations

import copy
import threading
from abc import ABC, abstractmethod
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import NamedTuple, TypeAlias, TypeVar

from watlowlib._internal.process import NotCopied
from watlowlib.devices.layout import RegisterLayout
from watlowlib.errors import WatlowError
from watlowlib.model import Unit, Value
from watlowlib.protocol.exchange import Reply, RetryPolicy, WriteOptions
from watlowlib.protocol.stats import DeviceStats
from watlowlib.registry.parameters import ParameterSpec

D = TypeVar("D", bound="Driver")
NO_LAYOUT = RegisterLayout()
Target: TypeAlias = "tuple[ParameterSpec, int]"
"""One read: a parameter and its instance."""


class DecodedReply(NamedTuple):
    """A value and the reply that contained it.

    Attributes:
        value: The value.
        reply: The reply.
        scale: The scale that the controller has reported with a temperature, else None.
    """

    value: Value
    reply: Reply
    scale: Unit | None = None


class Outcomes(NamedTuple):
    """The results of one exchange: each target that it has read has a value or an error.

    Attributes:
        errors: The errors.
        values: The values.
        reply: The reply that contained all the values; None if there was none.
        scale: The scale that the controller has reported with temperatures, else None.
    """

    errors: dict[Target, WatlowError]
    values: Mapping[Target, Value] = MappingProxyType({})
    reply: Reply | None = None
    scale: Unit | None = None

    def has(self, target: Target) -> bool:
        """Whether there is a result for a target."""
        return target in self.errors or target in self.values

    def of(self, targets: Collection[Target]) -> Outcomes:
        """Return the results for some targets."""
        errors = {target: each for target, each in self.errors.items() if target in targets}
        values = {target: each for target, each in self.values.items() if target in targets}
        return self._replace(errors=errors, values=values)


def failed(targets: Iterable[Target], error: WatlowError) -> dict[Target, WatlowError]:
    """Return a copy of an error for each target, because each copy gets its own context."""
    return {target: copy.copy(error) for target in targets}


class _Calls(threading.local):
    """The call that each thread makes now."""

    timeout_s: float | None = None
    """How long it waits for each reply, without retries; None for the usual timeout and retries."""


class Driver(NotCopied, ABC):
    """The driver of the controller at `address`, in the wire protocol of its port."""

    behind_gateway = False
    """Whether the controller is a zone of a gateway."""

    def __init__(self, address: int, policy: RetryPolicy) -> None:
        self.address = address
        self._usual_policy = policy
        self._calls = _Calls()
        """Shared with `at`."""

    @property
    def _policy(self) -> RetryPolicy:
        timeout_s = self._calls.timeout_s
        return self._usual_policy if timeout_s is None else self._usual_policy.for_call(timeout_s)

    @contextmanager
    def timeout(self, seconds: float) -> Iterator[None]:
        """Within the block, wait this long for each reply in this thread, without retries."""
        before, self._calls.timeout_s = self._calls.timeout_s, seconds
        try:
            yield
        finally:
            self._calls.timeout_s = before

    @property
    def station(self) -> Hashable:
        """What distinguishes the controller from the others on its port."""
        return self.address

    @property
    def temperature_unit(self) -> Unit | None:
        """Scale of temperatures, where the controller itself reports it reliably."""
        return None

    reports_scale = False
    """Whether the controller reports the scale of temperatures reliably."""

    def read_scale(self) -> Unit | None:
        """Return the scale of temperatures that the controller reports; None if it does not.

        Raises:
            WatlowError: It could not be read.
        """
        return None

    @property
    @abstractmethod
    def stats(self) -> DeviceStats:
        """Counters of this controller; a driver looks them up once."""

    @property
    def known_layout(self) -> RegisterLayout:
        """The layout as far as it is known without a read; an empty one on Standard Bus."""
        return NO_LAYOUT

    def discover_layout(self) -> RegisterLayout:
        """Return the data map and word order, reading them from the controller if needed.

        An empty layout on Standard Bus, which has neither.

        Raises:
            WatlowError: The controller does not reply.
        """
        return NO_LAYOUT

    def forget(self) -> None:
        """Discard what was discovered about the controller; discover it again when needed."""

    def forget_controller(self) -> None:
        """Discard also what outlasts a timeout: another controller replies."""
        self.forget()

    def send_in(self, opening: int | None, outages: int | None = None) -> None:
        """Send requests only in this opening of the port, and only until the next outage.

        Then they raise `InterruptionError`, and nothing is sent.

        Args:
            opening: `PortStats.reconnects`; None for any.
            outages: `DeviceStats.outages`; None for any.
        """
        self._usual_policy = self._usual_policy._replace(opening=opening, outages=outages)

    def for_opening(self: D, opening: int) -> D:
        """Return a driver that has learnt nothing, for requests in one opening of the port."""
        other = self.at(self.address)
        other.forget_controller()
        other.send_in(opening)
        return other

    def adopt_layout(self, other: Driver) -> None:
        """Take over what `other`, a driver of the same controller, has discovered."""

    def check(self, spec: ParameterSpec, instance: int) -> None:
        """Refuse a parameter that this protocol cannot address. Sends nothing.

        Raises:
            WatlowConfigurationError: The parameter has no register.
        """

    def check_write(self, spec: ParameterSpec, instance: int) -> None:
        """Refuse also a parameter that this protocol can read, but not write. Sends nothing.

        Raises:
            WatlowConfigurationError: It cannot be written.
        """
        self.check(spec, instance)

    @abstractmethod
    def read(self, spec: ParameterSpec, instance: int) -> DecodedReply:
        """Read one parameter.

        Raises:
            WatlowError: The read failed.
        """

    def read_each(self, targets: Sequence[Target]) -> Iterator[Outcomes]:
        """Read several parameters lazily, in as few exchanges as possible and in any order.

        Yields:
            The outcomes of one exchange.
        """
        for target in targets:
            try:
                value, reply, scale = self.read(*target)
            except WatlowError as error:
                yield Outcomes({target: error})
            else:
                yield Outcomes({}, {target: value}, reply, scale)

    def _read_one(self, target: Target) -> DecodedReply:
        """Return the value that `read_each` reads for one target, or raise its error."""
        found: DecodedReply | WatlowError | None = None
        # To the end, also after an error: refused reads show which registers to read apart.
        for errors, values, reply, scale in self.read_each([target]):
            if target in errors:
                found = errors[target]
            elif target in values and reply is not None:
                found = DecodedReply(values[target], reply, scale)
        if isinstance(found, WatlowError):
            raise found
        assert found is not None
        return found

    @abstractmethod
    def exchange_bytes(self, targets: Sequence[Target]) -> list[int]:
        """Return the bytes of each exchange that a read of `targets` needs: request and reply.

        Raises:
            WatlowError: The layout of the registers could not be read.
        """

    @abstractmethod
    def write(
        self, spec: ParameterSpec, instance: int, value: float | int, options: WriteOptions
    ) -> DecodedReply:
        """Write a checked value and confirm that the controller stored it.

        Raises:
            WatlowError: The write failed.
        """

    @abstractmethod
    def ping(self, *, within_s: float | None = None) -> None:
        """Send one read; any reply counts, an error reply too.

        Args:
            within_s: Send once and wait at most this long, or for the whole timeout where it
                is above the default (a slow line). None: usual timeout and retries.

        Raises:
            WatlowTimeoutError: No reply.
            WatlowCRCError: Only damaged frames.
            WatlowConnectionError: The port is lost.
        """

    def at(self: D, address: int) -> D:
        """Return a driver for another address on the same port."""
        other = object.__new__(type(self))
        policy = self._usual_policy._replace(outages=None)  # those of another address
        vars(other).update(vars(self), address=address, _usual_policy=policy)
        vars(other).pop("stats", None)  # the counters of the old address
        return other
