"""Who belongs to a fleet: controllers by name, and which of them the fleet has to close.

Any thread may ask and change it at any time. The lock is held while the parts are changed or
looked at together, and never while waiting.
"""

from __future__ import annotations

import difflib
import threading
from collections.abc import Iterable

from watlowlib.devices.controller import Controller
from watlowlib.devices.targets import names_of
from watlowlib.errors import ErrorContext, WatlowClosedError, WatlowConfigurationError


class Members:
    """Controllers by name, in the order they came."""

    def __init__(self) -> None:
        self._controllers: dict[str, Controller] = {}
        self._owned: set[str] = set()
        self._lock = threading.Lock()
        self._closed = False

    def all(self) -> dict[str, Controller]:
        """All of them as they are now."""
        return dict(self._controllers)  # in one go: another thread may change it meanwhile

    def get(self, name: str) -> Controller:
        """The controller called `name`.

        Raises:
            WatlowConfigurationError: There is none; the message says what there is.
        """
        controllers = self.all()
        if name not in controllers:
            near = difflib.get_close_matches(str(name), controllers, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {list(controllers)}"
            raise WatlowConfigurationError(f"there is no controller {name!r}; {hint}")
        return controllers[name]

    def chosen(self, names: str | Iterable[str] | None) -> dict[str, Controller]:
        """Those that are named, or all.

        Raises:
            WatlowConfigurationError: There is no such controller, or none at all.
            WatlowClosedError: The fleet was closed.
        """
        self.check_open()
        picked = names_of(names)
        fleet = self.all() if picked is None else {name: self.get(name) for name in picked}
        if not fleet:
            raise WatlowConfigurationError("no controllers to ask: add one first, or name one")
        return fleet

    def enter(self, name: str, controller: Controller, *, owned: bool = False) -> None:
        """Take one in; opening it took a while, and much may have changed meanwhile.

        Raises:
            WatlowConfigurationError: The name is taken, or the controller is here already.
            WatlowClosedError: The fleet was closed.
        """
        with self._lock:
            self.check_name(name)
            self._check_new(controller)
            self._controllers[name] = controller
            if owned:
                self._owned.add(name)

    def let_go(self, name: str) -> None:
        """Forget one, unless another thread just has, and close it if it is the fleet's own."""
        with self._lock:
            controller = self._controllers.pop(name, None)
            owned = name in self._owned
            self._owned.discard(name)
        if owned and controller is not None:
            controller.close()

    def close(self) -> None:
        """Take nobody in any more."""
        with self._lock:
            self._closed = True

    def check_name(self, name: str) -> None:
        """Refuse a name that cannot be given any more.

        Raises:
            WatlowConfigurationError: It is taken, or no name.
            WatlowClosedError: The fleet was closed.
        """
        self.check_open()
        if not isinstance(name, str) or not name or name in self._controllers:
            raise WatlowConfigurationError(
                f"name={name!r}: give a name that is not taken; taken are {list(self._controllers)}"
            )

    def check_open(self) -> None:
        """Refuse to go on with a fleet that was closed.

        Raises:
            WatlowClosedError: It was.
        """
        if self._closed:
            raise WatlowClosedError("the manager was closed; make a new one")

    def _check_new(self, controller: Controller) -> None:
        for name, other in self._controllers.items():
            if (other.session.port_key, other.address) == (
                controller.session.port_key,
                controller.address,
            ):
                raise WatlowConfigurationError(
                    f"the controller at address {controller.address} on this port is here already, "
                    f"as {name!r}",
                    context=ErrorContext(port=controller.port, address=controller.address),
                )
