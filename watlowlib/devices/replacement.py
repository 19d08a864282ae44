"""Notices that another controller replies at the address of the one before.

Controllers of one type reply alike. After an adapter was moved to another line, or a unit was
replaced, the values of another oven would continue under the same name. So a recording reads the
serial number of each controller once, and again before the first value after an interruption: the
port was opened again, or `OFFLINE_AFTER` attempts in a row got no reply. No other read costs
anything.

The check cannot be overtaken, also not by a retry. As long as the identity is not confirmed since
the last interruption, no request of the controller's driver is sent (`RetryPolicy.opening`,
`RetryPolicy.outages`). A second driver, which has learnt nothing, reads the identity meanwhile.

A controller without a readable serial number, or with the number 0, is known by its part number.
Over Modbus there is no part number; then nothing is known, and nothing is checked.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from functools import reduce
from typing import NamedTuple

from watlowlib._internal.log import logger
from watlowlib.devices.driver import Driver
from watlowlib.devices.zones import UnrecognizedError
from watlowlib.errors import (
    WatlowAbsentError,
    WatlowAccessDeniedError,
    WatlowConfigurationError,
    WatlowConnectionError,
    WatlowError,
    WatlowIllegalFunctionError,
    WatlowIllegalValueError,
    WatlowNoSuchAttributeError,
    WatlowNoSuchInstanceError,
    WatlowNoSuchObjectError,
    WatlowNoSuchRegisterError,
    WatlowOtherDeviceError,
    WatlowUncertainError,
)
from watlowlib.model import Value
from watlowlib.protocol.line import PortReopenedError
from watlowlib.protocol.port import Port
from watlowlib.registry.parameters import SD_PARAMETERS, Registry

log = logger(__name__)

SERIAL_NUMBER = ("serial_number",)
SD_SERIAL_NUMBER = ("serial_number_high", "serial_number_low")
"""The registers 7 and 8, the high and the low register in Watlow's list: joined as one 32-bit
number, as all its other pairs. Another reading joins four decimal digits of each (`0012`, `3456`).
No capture shows which one is on the label. Both distinguish two controllers equally well."""

ATTEMPTS = 3
"""How often reading an identity begins again because the port was opened again."""

FIRST_FAILURES = 3
"""How often a controller that replies may fail to report its identity at the start."""

FAILURES_BEFORE_WARNING = 3
"""How often reading the known identity again may fail in a row without a warning."""

NOT_THERE = (
    WatlowAccessDeniedError,
    WatlowNoSuchObjectError,
    WatlowNoSuchAttributeError,
    WatlowNoSuchInstanceError,
    WatlowIllegalFunctionError,
    WatlowNoSuchRegisterError,
    WatlowIllegalValueError,
)
"""The error replies of a controller without a parameter; others tell nothing about it."""


class Identity(NamedTuple):
    """What distinguishes a controller from others; false if it reports nothing."""

    serial_number: int | None = None
    """0 identifies no controller: it was never set."""
    part_number: str | None = None
    """None where the serial number is known, which is enough."""

    def __bool__(self) -> bool:
        return bool(self.serial_number or self.part_number)

    def __str__(self) -> str:
        if self.serial_number:
            return f"serial number {self.serial_number}"
        return f"part number {self.part_number}" if self.part_number else "no serial number"


class _Found(NamedTuple):
    """An identity, and the driver that has read it in one opening of the port."""

    identity: Identity
    opening: int
    reader: Driver


class IdentityCheck:
    """The identity of the controller called `name` on `port`, and when it was confirmed."""

    def __init__(self, name: str, port: Port, registry: Registry) -> None:
        self.known: Identity | None = None
        """None before it was read; empty where the controller reports nothing."""
        self._name = name
        self._port = port
        self._registry = registry
        self._wanted = False
        self._confirmed: tuple[int, int] | None = None
        self._other: _Found | None = None
        self._failures = self._replies_before = self._unconfirmed = 0
        self._lock = threading.Lock()

    def request(self) -> None:
        """Read the identity before the next value, unless it was read before."""
        if self.known is None:
            self._wanted, self._confirmed = True, None

    def is_confirmed(self, driver: Driver) -> bool:
        """Whether there was no interruption since the last check."""
        return self._confirmed == (self._port.stats.reconnects, driver.stats.outages)

    def confirm(self, driver: Driver) -> None:
        """Read the identity, if it is known or requested, and let `driver` send again.

        Raises:
            WatlowOtherDeviceError: It is not the known one.
            WatlowError: It could not be read; nothing is confirmed.
        """
        if not self.known and not (self._wanted and self.known is None):
            self._confirmed = self._interruptions(driver)
            return
        try:
            found = self._read(driver)
        except WatlowError as error:
            self._note_failure(error)
            raise
        with self._lock:
            known = self.known = found.identity if self.known is None else self.known
            if found.identity == known:
                self._accept(driver, found)
                return
            if self._other is None or self._other.identity != found.identity:
                log.warning(
                    "%s: another controller replies: expected %s, found %s",
                    self._name,
                    known,
                    found.identity,
                )
            self._other = found
        raise WatlowOtherDeviceError(
            f"another controller replies: expected {known}, found {found.identity}; none of its "
            "values was used; connect the right controller, or call accept_replacement() to "
            "continue with this one",
            expected=str(known),
            found=str(found.identity),
        )

    def accept(self, driver: Driver) -> None:
        """Make the controller that replies now the known one.

        Raises:
            WatlowError: Its identity could not be read; nothing has changed.
        """
        self._failures = 0
        found = self._read_anew(driver, first=True)
        with self._lock:
            self.known = found.identity
            self._accept(driver, found)

    def note(self, driver: Driver, opening: int, identity: Identity) -> None:
        """Make `identity`, read since `opening` was looked up, the known one if none is.

        If it differs from the known one, the next `confirm` reads it again.
        """
        with self._lock:
            if not identity or opening != self._port.stats.reconnects:
                return
            if not self.known:
                self.known = identity
                driver.send_in(opening, driver.stats.outages)
            elif identity != self.known:
                self._confirmed = None

    def _note_failure(self, error: WatlowError) -> None:
        self._unconfirmed += 1
        if self.known and self._unconfirmed == FAILURES_BEFORE_WARNING:
            log.warning(
                "%s: its identity could not be read after an interruption; none of its values is "
                "used until it is (%s)",
                self._name,
                error.message,
            )

    def _interruptions(self, driver: Driver) -> tuple[int, int]:
        return self._port.stats.reconnects, driver.stats.outages

    def _accept(self, driver: Driver, found: _Found) -> None:
        driver.adopt_layout(found.reader)
        self._confirmed = found.opening, driver.stats.outages
        driver.send_in(*(self._confirmed if self.known else (None, None)))
        self._other = None
        self._unconfirmed = 0

    def _read(self, driver: Driver) -> _Found:
        """Read the identity; in one exchange while the same other controller replies."""
        other = self._other
        if other is not None and other.opening == self._port.stats.reconnects:
            with suppress(PortReopenedError):
                again = other._replace(identity=read_identity(other.reader, self._registry))
                if again.identity != self.known:
                    return again
        # A reader that has learnt the layout of another controller is not used for this one.
        return self._read_anew(driver, first=self.known is None)

    def _read_anew(self, driver: Driver, *, first: bool) -> _Found:
        for attempt in range(ATTEMPTS):
            opening = self._port.stats.reconnects
            reader = driver.for_opening(opening)
            try:
                return _Found(read_identity(reader, self._registry), opening, reader)
            except WatlowConnectionError as error:
                if not isinstance(error, PortReopenedError) or attempt == ATTEMPTS - 1:
                    raise
            except WatlowError as error:
                if not first or not self._gives_up(driver, error):
                    raise
                log.warning(
                    "%s does not report its serial number: a replacement will not be noticed (%s)",
                    self._name,
                    error.message,
                )
                return _Found(Identity(), opening, reader)
        raise AssertionError("the last attempt returns or raises")

    def _gives_up(self, driver: Driver, error: WatlowError) -> bool:
        """Whether a controller that replies to other requests has failed often enough.

        A zone without a recognized controller is read again: it may be switched on later.
        """
        replies = driver.stats.exchanges
        self._failures += replies != self._replies_before
        self._replies_before = replies
        if isinstance(error, UnrecognizedError):
            return False
        return isinstance(error, WatlowUncertainError) or self._failures >= FIRST_FAILURES


def read_identity(driver: Driver, registry: Registry) -> Identity:
    """Read the serial number; where the controller has none, the part number.

    Raises:
        WatlowError: There is no valid reply, or over Modbus the word order is not known.
    """
    names = SD_SERIAL_NUMBER if registry is SD_PARAMETERS else SERIAL_NUMBER
    values = [_read_or_none(driver, registry, name) for name in names]
    words = [value for value in values if isinstance(value, int)]
    number = None
    if len(words) == len(names):
        number = reduce(lambda high, low: high << 16 | low, words)
    if number:
        return Identity(number)
    text = _read_or_none(driver, registry, "part_number")
    return Identity(number, text if isinstance(text, str) and text else None)


def _read_or_none(driver: Driver, registry: Registry, name: str) -> Value | None:
    """Read one parameter; None where the controller does not have it."""
    try:
        return driver.read(registry.resolve(name), 1).value
    except WatlowUncertainError:
        raise
    except (*NOT_THERE, WatlowAbsentError, WatlowConfigurationError):
        return None
