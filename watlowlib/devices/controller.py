"""One controller, whose parameters any thread can read and write.

    with open_device("/dev/ttyUSB0", address=1) as ctl:
        print(ctl.read_pv())
        ctl.set_setpoint(75.0, confirm=True)

Arguments are checked before anything is sent. `read_parameter` and `write_parameter` raise an
error when the controller or the line fails; `poll` returns a sample without a value instead.

What a program that only reads does not need is imported by the methods that need it, because a
script starts faster without it.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from watlowlib._internal.validation import as_int, shown
from watlowlib.devices.controller_reads import ControllerReads
from watlowlib.devices.targets import Parameters, Planned, check_instance, names_of
from watlowlib.devices.values import as_number
from watlowlib.errors import WatlowConfigurationError
from watlowlib.model import Reading, Unit, Value

if TYPE_CHECKING:
    from watlowlib.devices.alarms import Alarm
    from watlowlib.devices.loops import ControllerLoop
    from watlowlib.devices.sampling import Sampler
    from watlowlib.devices.writing import CheckedWrite
    from watlowlib.model import DeviceInfo, Sample


class Controller(ControllerReads):
    """A controller on a port; made by `open_device` or `WatlowManager.add`.

    Safe to share between threads: each exchange has exclusive use of the port. Waiting requests
    are served in order, a write before waiting reads.
    """

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._session!r}>"

    def __enter__(self) -> Controller:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def write_parameter(
        self,
        parameter: str | int,
        value: Value,
        *,
        instance: int = 1,
        confirm: bool = False,
        force: bool = False,
        verify: bool = False,
        timeout: float | None = None,
        unit: Unit | str | None = None,
    ) -> Reading:
        """Write one parameter and confirm that the controller stored it.

        If a persistent parameter holds the value already, nothing is written, which spares the
        EEPROM. If the reply does not echo the value, the parameter is read, and the write is
        sent again only if the controller holds another value.

        Args:
            parameter: Name, alias or number: "setpoint", "sp", 7001.
            value: The value in the unit of the wire; an enumeration by code or label.
            instance: Which of several, from 1.
            confirm: Must be True for a parameter that the controller stores in EEPROM, which
                is rated for about a million writes, and for a write with consequences, such
                as autotune or restoring all settings.
            force: Write a value that the controller holds already.
            verify: Read the value back, in addition to checking the echo.
            timeout: As in `read_parameter`.
            unit: "C" or "F" for a value that is given in this scale: a temperature, a difference
                or a rate. It is converted to the scale of the wire, which must be known.

        Returns:
            The value that the controller holds now; in `unit`, if that is given.

        Raises:
            WatlowConfigurationError: Unknown or read-only parameter, a value of the wrong
                type or out of range, a communication setting (see
                `watlowlib.devices.maintenance`); nothing was sent.
            WatlowConfirmationError: `confirm=True` is missing; nothing was sent.
            WatlowWriteError: The controller replies, but holds another value.
            WatlowTimeoutError: No reply; it is not known whether the value was stored.
            WatlowDeviceError: The controller sent an error reply or exception.
            WatlowConnectionError: The port is lost.
        """
        from watlowlib.devices.writing import send_write

        with self._session.timeout(timeout):
            options: Any = {"instance": instance, "confirm": confirm, "unit": unit}
            write = self.check_write(parameter, value, **options)
            return send_write(self._session, write, force=force, verify=verify)

    def check_write(
        self,
        parameter: str | int,
        value: Value,
        *,
        instance: int = 1,
        confirm: bool = False,
        maintenance: bool = False,
        unit: Unit | str | None = None,
    ) -> CheckedWrite:
        """Check a write without sending it; with `unit` the scale of a Series SD is read.

        `maintenance` allows communication settings; other arguments: see `write_parameter`.
        """
        from watlowlib.devices.writing import check_write

        options: Any = {"confirm": confirm, "maintenance": maintenance, "unit": unit}
        return check_write(self._session, parameter, value, instance=instance, **options)

    def set_setpoint(
        self,
        value: float,
        *,
        instance: int = 1,
        confirm: bool = False,
        force: bool = False,
        verify: bool = False,
        timeout: float | None = None,
        unit: Unit | str | None = None,
    ) -> Reading[float]:
        """Write the set point (7001) of control loop `instance`; see `write_parameter`.

        Args:
            value: The set point in the unit of the wire (°F by factory default), between
                the controller's own minimum and maximum (7003, 7004).
            instance: The control loop, from 1.
            confirm: Must be True: the set point is stored in EEPROM.
            force: Write a value that the controller holds already.
            verify: Read the value back.
            timeout: As in `read_parameter`.
            unit: "C" or "F" if `value` is in this scale; as in `write_parameter`.
        """
        from watlowlib.devices.writing import send_write

        with self._session.timeout(timeout):
            options: Any = {"instance": instance, "confirm": confirm, "unit": unit}
            write = self.check_write("setpoint", value, **options)
            return as_number(send_write(self._session, write, force=force, verify=verify))

    def loop(self, number: int) -> ControllerLoop:
        """Return control loop `number`: 1 or 2, of an RMC up to 4, of an RMH up to 16.

        Raises:
            WatlowConfigurationError: The part number says that this unit has no such loop.
        """
        from watlowlib.devices.loops import ControllerLoop

        most = max(2, self.registry.resolve("setpoint").instances)
        allowed = f"family={self._session.family.value!r} has loops 1 to {most}"
        if most == 2:
            allowed = "an EZ-ZONE PM has loop 1, some have loop 2 too (family='rmc': 4, 'rmh': 16)"
        number = as_int("loop", number, 1, most, allowed)
        part = self._session.part_number() if number > 1 else None
        if part is not None and part.loops is not None and number > part.loops:
            raise WatlowConfigurationError(
                f"loop={number}: by its part number {part.text} this unit has {part.loops}"
            )
        return ControllerLoop(self._session, number)

    def alarm(self, instance: int) -> Alarm:
        """Return alarm `instance`: 1 to 4, of an RMC up to 8, of an RMH up to 16."""
        from watlowlib.devices.alarms import Alarm

        spec = self.registry.resolve("alarm_state")
        return Alarm(self._session, check_instance(spec, instance))

    def identify(self, *, timeout: float | None = None) -> DeviceInfo:
        """Read everything that identifies the controller; a field without a reply is None.

        `timeout` is as in `read_parameter`, for each of about ten reads.

        Raises:
            WatlowTimeoutError: No reply at all.
            WatlowConnectionError: The port is lost.
        """
        from watlowlib.devices.identity import identify

        with self._session.timeout(timeout):
            return identify(self._session)

    def accept_replacement(self) -> DeviceInfo:
        """Continue with the controller that has taken this one's place; return its identity.

        Ends the status "other_device" and the `WatlowOtherDeviceError`s. Everything learnt about
        the old controller is forgotten. The arguments of `open_device`, such as `data_map` and
        `family`, stay; if they do not fit, close the controller and open it again.

        Raises:
            WatlowError: Its serial number could not be read; nothing is accepted.
        """
        self._session.accept_replacement()
        return self.identify()

    def set_persistent_writes(
        self, on: bool, *, confirm: bool = False, timeout: float | None = None
    ) -> Reading:
        """Set whether the controller stores writes in its EEPROM (17051; Series SD: 17).

        Off is for programs that write often. A Series SD switches it on again at each power-up,
        and then has lost all values written while it was off.

        Args:
            on: Whether to store writes in EEPROM.
            confirm: Must be True: the setting decides which values survive a power failure.
            timeout: As in `read_parameter`.

        Raises:
            WatlowConfirmationError: `confirm=True` is missing; nothing was sent.
        """
        from watlowlib.devices.writing import set_persistent_writes

        with self._session.timeout(timeout):
            return set_persistent_writes(self._session, on, confirm=confirm)

    def wait_until(
        self,
        value: float,
        tolerance: float,
        timeout: float,
        *,
        instance: int = 1,
        unit: Unit | str | None = None,
    ) -> Reading[float]:
        """Wait until the process value has settled.

        Args:
            value: The goal, in the unit of the wire.
            tolerance: Largest distance from the goal, above 0.
            timeout: Longest wait in seconds, above 0.
            instance: Which input, from 1.
            unit: "C" or "F" if `value` and `tolerance` are in this scale; None for the wire's.

        Returns:
            The last of three consecutive readings within the tolerance, taken a second apart.

        Raises:
            WatlowTimeoutError: It has not settled in time; the message has the last value.
        """
        from watlowlib.devices.procedures import wait_until

        options: Any = {"instance": instance, "unit": unit}
        return wait_until(self._session, value, tolerance, timeout, **options)

    def ramp_to(
        self,
        value: float,
        rate_per_minute: float,
        *,
        instance: int = 1,
        confirm: bool = False,
        unit: Unit | str | None = None,
    ) -> Reading[float]:
        """Ramp the set point with the controller's own ramp: five writes instead of thousands.

        Blocks until the working set point (7007) has reached `value`, then restores the ramp
        settings (7014, 7015, 7017). An interruption leaves the set point where the ramp was.

        Args:
            value: The goal, in the unit of the wire.
            rate_per_minute: Degrees per minute, above 0.
            instance: The control loop, from 1.
            confirm: Must be True: the settings are stored in EEPROM.
            unit: "C" or "F" if `value` and the rate are in this scale; None for the wire's.

        Raises:
            WatlowTimeoutError: The ramp took more than twice its duration plus a minute.
        """
        from watlowlib.devices.procedures import ramp_to

        options: Any = {"instance": instance, "confirm": confirm, "unit": unit}
        return ramp_to(self._session, value, rate_per_minute, **options)

    def poll(
        self,
        parameters: Parameters,
        *,
        names: str | Iterable[str] | None = None,
        instances: int | Iterable[int] = (1,),
    ) -> list[Sample]:
        """Read parameters x instances once; `names` is this controller's name, or None.

        Returns:
            One sample per read, in that order. A failed read is a sample without a value, whose
            `status` gives the reason.

        Raises:
            WatlowConfigurationError: A parameter or instance does not exist; nothing was sent.
        """
        from watlowlib.devices.sampling import Sampler

        self._check_names(names)
        targets = self._session.targets(parameters, instances)
        return Sampler(self._session, targets, device=self.name)()

    def prepare(
        self,
        parameters: Planned,
        *,
        instances: int | Iterable[int] = (1,),
        names: str | Iterable[str] | None = None,
        sensor_check: bool = False,
        show_unit: Unit | None = None,
    ) -> Sampler:
        """Plan a poll for a recording; see `watlowlib.PollSource`."""
        from watlowlib.devices.sampling import make_sampler

        self._session.check_open()
        self._check_names(names)
        options: Any = {"sensor_check": sensor_check, "show_unit": show_unit}
        return make_sampler(self._session, parameters, instances, self.name, **options)

    def assembly(
        self,
        parameters: Parameters,
        *,
        instances: int | Iterable[int] = (1,),
        names: str | Iterable[str] | None = None,
        confirm: bool = False,
    ) -> AbstractContextManager[None]:
        """Read scattered parameters together, within a `with` block.

        The controller's assembly is set to show them in adjacent registers, where `poll` and a
        recording read them. It is verified, and its previous contents are restored at the end.

        Args:
            parameters: Names, aliases or numbers; with the instances at most 40 values.
            instances: Which instances of each.
            names: This controller's name, or None.
            confirm: Must be True: the pointers of the assembly are stored in EEPROM.

        Raises:
            WatlowConfigurationError: This controller has no assembly: it is not an EZ-ZONE PM
                on Modbus RTU in data map 1.
            WatlowConfirmationError: `confirm=True` is missing; nothing was sent.
            WatlowWriteError: The assembly does not show the parameters.
        """
        from watlowlib.devices.assembly import assembled

        self._check_names(names)
        targets = self._session.targets(parameters, instances)
        return assembled(self._session, targets, confirm=confirm)

    def close(self) -> None:
        """Release the port, which is closed when no other controller uses it."""
        self._session.close()

    def _check_names(self, names: str | Iterable[str] | None) -> None:
        given = names_of(names)
        if given is not None and given != [self.name]:
            raise WatlowConfigurationError(
                f"names={shown(names)}: this controller is {self.name!r}; leave names out"
            )
