"""The members of a fleet: controllers by name, and which of them the fleet closes.

Any thread may read or change the members at any time. The lock protects changes of the two
collections together, and is never held while a thread waits.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable

from watlowlib._internal.process import OneProcess
from watlowlib._internal.validation import check_storable, nearest, shown
from watlowlib.devices.controller import Controller
from watlowlib.devices.targets import names_of
from watlowlib.errors import ErrorContext, WatlowClosedError, WatlowConfigurationError


class Members(OneProcess):
    """Controllers by name, in the order in which they were added."""

    _kind = "manager"

    def __init__(self) -> None:
        self._controllers: dict[str, Controller] = {}
        self._owned: set[str] = set()
        self._lock = threading.Lock()
        self._closed = False

    def all(self) -> dict[str, Controller]:
        """Return a copy of all members."""
        return dict(self._controllers)  # one atomic call: another thread may change it

    def get(self, name: str) -> Controller:
        """Return the controller called `name`; without one the error names the nearest or all."""
        self.check_process()
        controllers = self.all()
        if name not in controllers:
            hint = nearest(str(name), controllers)
            raise WatlowConfigurationError(f"there is no controller {shown(name)}; {hint}")
        return controllers[name]

    def select(self, names: str | Iterable[str] | None) -> dict[str, Controller]:
        """Return the named controllers, or all; raise an error if there are none."""
        self.check_open()
        selected = names_of(names)
        fleet = self.all() if selected is None else {name: self.get(name) for name in selected}
        if not fleet:
            raise WatlowConfigurationError("no controllers: add one first, or name at least one")
        return fleet

    def add(self, name: str, controller: Controller, *, owned: bool = False) -> None:
        """Add a controller; check again, because other threads ran while it was opened."""
        with self._lock:
            self.check_name(name)
            self._check_new(controller)
            self._controllers[name] = controller
            self._pid = os.getpid()
            if owned:
                self._owned.add(name)

    def remove(self, name: str) -> None:
        """Remove a controller, if it is still a member, and close it if the fleet owns it."""
        with self._lock:
            controller = self._controllers.pop(name, None)
            owned = name in self._owned
            self._owned.discard(name)
        if owned and controller is not None:
            controller.close()

    @property
    def closed(self) -> bool:
        """Whether the fleet was closed."""
        return self._closed

    def close(self) -> None:
        """Accept no more controllers."""
        with self._lock:
            self._closed = True

    def check_name(self, name: str) -> None:
        """Refuse a name that is taken, empty or not storable, or any if the fleet is closed."""
        self.check_open()
        if not isinstance(name, str) or not name or name in self._controllers:
            raise WatlowConfigurationError(
                f"name={shown(name)}: give a name that is not taken; "
                f"taken: {list(self._controllers)}"
            )
        check_storable("name", name)

    def check_open(self) -> None:
        """Raise an error if the fleet was closed, or was opened in another process."""
        self.check_process()
        if self._closed:
            raise WatlowClosedError("the manager was closed; make a new one")

    def _check_new(self, controller: Controller) -> None:
        for name, other in self._controllers.items():
            same = other.session.driver.station == controller.session.driver.station
            if same and other.session.port is controller.session.port:
                raise WatlowConfigurationError(
                    f"the controller at address {controller.address} on this port was already "
                    f"added as {name!r}",
                    context=ErrorContext(port=controller.port, address=controller.address),
                )
