"""One controller: its parameters read and written, from any thread.

    with open_device("/dev/ttyUSB0", address=1) as ctl:
        print(ctl.read_pv())
        ctl.set_setpoint(75.0, confirm=True)

Whatever is wrong with a call is found before anything is sent. What the controller or
the line does wrong is raised by `read_parameter` and `write_parameter`, and is a
sample without a value in `poll`.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager

from watlowlib._internal.validation import as_bool, as_int
from watlowlib.devices.alarms import Alarm
from watlowlib.devices.identity import identify
from watlowlib.devices.loops import ControllerLoop
from watlowlib.devices.poll import (
    Parameters,
    check_instance,
    chosen_names,
    target,
    targets,
)
from watlowlib.devices.procedures import ramp_to, wait_until
from watlowlib.devices.sampling import Sampler
from watlowlib.devices.session import Session
from watlowlib.devices.stdbus_driver import Target
from watlowlib.devices.writing import CheckedWrite, carry_out, checked_order
from watlowlib.errors import WatlowConfigurationError, WatlowConfirmationError
from watlowlib.model import DeviceInfo, Reading, Sample, Value


class Controller(Session):
    """A controller on a port; made by `open_device` or `WatlowManager.add`.

    Safe to share between threads: each exchange has the port to itself, first come,
    first served, and a write goes ahead of waiting reads.
    """

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
        spec, instance = target(self.registry, parameter, instance)
        self.check_wire(spec, instance)
        return self._read(spec, instance)

    def write_parameter(
        self,
        parameter: str | int,
        value: Value,
        *,
        instance: int = 1,
        confirm: bool = False,
        force: bool = False,
        verify: bool = False,
    ) -> Reading:
        """Write one parameter, and see that it arrived.

        A value that a persistent parameter holds already is not written again, which
        spares the EEPROM. When the controller's echo does not come, the parameter is
        read; only when it holds another value is the write sent once more.

        Args:
            parameter: Name, alias or number: "setpoint", "sp", 7001.
            value: The value in the wire's own unit; an enumeration by its code or label.
            instance: Which one of several, from 1.
            confirm: Must be True for a parameter that the controller keeps in EEPROM,
                which is rated for about a million writes, and for what sets something
                weighty going, such as autotune or restoring all settings.
            force: Write also what is there already.
            verify: Read back what was written, besides seeing the echo.

        Returns:
            What the controller holds now.

        Raises:
            WatlowConfigurationError: Unknown or read-only parameter, a value of the
                wrong type or out of range, a setting that could cut this program off
                (see `watlowlib.devices.maintenance`); nothing was sent.
            WatlowConfirmationError: `confirm=True` is missing; nothing was sent.
            WatlowWriteError: The controller answers, but holds another value.
            WatlowTimeoutError: No answer; whether the value was stored is not known.
            WatlowDeviceError: The controller refused.
            WatlowConnectionError: The port is gone.
        """
        order = self.check_write(parameter, value, instance=instance, confirm=confirm)
        return carry_out(self, order, force=force, verify=verify)

    def check_write(
        self,
        parameter: str | int,
        value: Value,
        *,
        instance: int = 1,
        confirm: bool = False,
        maintenance: bool = False,
    ) -> CheckedWrite:
        """Check a write without sending it; see `write_parameter`.

        Args:
            parameter: What.
            value: With what.
            instance: Which one.
            confirm: As for `write_parameter`.
            maintenance: Whether communications settings are allowed.
        """
        return checked_order(
            self, parameter, value, instance=instance, confirm=confirm, maintenance=maintenance
        )

    def read_pv(self, *, instance: int = 1) -> Reading:
        """Read the process value (4001): what analog input `instance` measures.

        A broken sensor reads as a number too, an open thermocouple as some 2531.8; whether
        the sensor is good says `input_error` (4002), 61 for "None".
        """
        return self.read_parameter("process_value", instance=instance)

    def read_setpoint(self, *, instance: int = 1) -> Reading:
        """Read the set point (7001) of control loop `instance`."""
        return self.read_parameter("setpoint", instance=instance)

    def set_setpoint(
        self,
        value: float,
        *,
        instance: int = 1,
        confirm: bool = False,
        force: bool = False,
        verify: bool = False,
    ) -> Reading:
        """Write the set point (7001) of control loop `instance`; see `write_parameter`.

        Args:
            value: The set point in the wire's own unit, as factory set °F, between the
                controller's own minimum and maximum (7003, 7004).
            instance: The control loop, from 1.
            confirm: Must be True: the set point is kept in EEPROM.
            force: Write also what is there already.
            verify: Read back what was written.
        """
        return self.write_parameter(
            "setpoint", value, instance=instance, confirm=confirm, force=force, verify=verify
        )

    def loop(self, number: int) -> ControllerLoop:
        """Control loop `number`, from 1.

        Raises:
            WatlowConfigurationError: This unit has no such loop, as far as its part
                number says.
        """
        number = as_int("loop", number, 1, 2, "an EZ-ZONE PM has loop 1, some have loop 2 too")
        part = self.part_number() if number > 1 else None
        if part is not None and part.loops is not None and number > part.loops:
            raise WatlowConfigurationError(
                f"loop={number}: by its part number {part.text} this unit has {part.loops}"
            )
        return ControllerLoop(self, number)

    def alarm(self, instance: int) -> Alarm:
        """Alarm `instance`, from 1 to 4."""
        return Alarm(self, check_instance(self.registry.resolve("alarm_state"), instance))

    def identify(self) -> DeviceInfo:
        """Ask for everything that identifies it; what it does not answer is None.

        Raises:
            WatlowTimeoutError: Nobody answers at all.
            WatlowConnectionError: The port is gone.
        """
        return identify(self)

    def set_persistent_writes(self, on: bool, *, confirm: bool = False) -> Reading:
        """Say whether the controller keeps what is written in its EEPROM (17051; SD: 17).

        Off is for programs that write often. A Series SD is back to on at each power-up, and
        has lost by then what was written meanwhile.

        Args:
            on: Whether to keep it.
            confirm: Must be True: the setting changes what a power failure leaves.

        Raises:
            WatlowConfirmationError: `confirm=True` is missing; nothing was sent.
            WatlowError: What else writing raises.
        """
        if not as_bool("confirm", confirm):
            raise WatlowConfirmationError(
                "whether writes are kept decides what a power failure leaves of them; "
                "pass confirm=True if that is meant"
            )
        kept = as_bool("on", on)
        held = self.write_parameter("non_volatile_save", "Yes" if kept else "No", confirm=True)
        self.persistent_writes = kept
        return held

    def wait_until(
        self, value: float, tolerance: float, timeout: float, *, instance: int = 1
    ) -> Reading:
        """Wait until the process value has settled.

        Args:
            value: Where to, in the wire's own unit.
            tolerance: How far it may be from that, above 0.
            timeout: Seconds to wait at most, above 0.
            instance: Which input, from 1.

        Returns:
            The last of the readings within the tolerance, of which three came in a row, a
            second apart.

        Raises:
            WatlowTimeoutError: It has not settled in time; the message has the last value.
        """
        return wait_until(self, value, tolerance, timeout, instance=instance)

    def ramp_to(
        self, value: float, rate_per_minute: float, *, instance: int = 1, confirm: bool = False
    ) -> Reading:
        """Let the controller ramp its set point, at five writes instead of thousands.

        Blocks until the working set point (7007) has arrived, then puts the ramp
        settings (7014, 7015, 7017) back. When it is interrupted, the set point stays
        where the ramp has come to.

        Args:
            value: Where to, in the wire's own unit.
            rate_per_minute: Degrees a minute, above 0.
            instance: The control loop, from 1.
            confirm: Must be True: the settings are kept in EEPROM.

        Raises:
            WatlowTimeoutError: It took twice as long as it should, and a minute more.
            WatlowError: What else reading and writing raise.
        """
        return ramp_to(self, value, rate_per_minute, instance=instance, confirm=confirm)

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
        return Sampler(self, self.targets(parameters, instances), device=self.name)()

    def prepare(
        self,
        parameters: Parameters,
        *,
        instances: int | Iterable[int] = (1,),
        names: str | Iterable[str] | None = None,
        sensor_check: bool = False,
    ) -> Sampler:
        """Plan a poll for a recording; see `watlowlib.devices.poll.PollSource`."""
        self.check_open()
        self._check_named(names)
        return self.sampler(parameters, instances, self.name, sensor_check)

    def sampler(
        self,
        parameters: Parameters,
        instances: int | Iterable[int],
        device: str,
        sensor_check: bool = False,
    ) -> Sampler:
        """The same for a fleet, in which it is called `device`."""
        return Sampler(
            self,
            self.targets(parameters, instances),
            device=device,
            sensor_check=sensor_check,
            presence=self.presence,
        )

    def assembly(
        self,
        parameters: Parameters,
        *,
        instances: int | Iterable[int] = (1,),
        names: str | Iterable[str] | None = None,
        confirm: bool = False,
    ) -> AbstractContextManager[None]:
        """Let scattered parameters be read in one go, within a `with` block.

        The controller's assembly is told to show them side by side; `poll` and a recording
        then read them there. It is verified, and what it showed before is put back at the end.

        Args:
            parameters: Names, aliases or numbers; with the instances at most 40 values.
            instances: Which instances of each.
            names: This controller's name, or None.
            confirm: Must be True: where each value is taken from is kept in EEPROM.

        Raises:
            WatlowConfigurationError: This controller has no assembly: it is no EZ-ZONE PM on
                Modbus RTU in data map 1.
            WatlowConfirmationError: `confirm=True` is missing; nothing was sent.
            WatlowWriteError: The assembly does not show what it was told to.
        """
        from watlowlib.devices.assembly import assembled  # which loads Modbus

        self._check_named(names)
        return assembled(self, self.targets(parameters, instances), confirm=confirm)

    def targets(self, parameters: Parameters, instances: int | Iterable[int]) -> list[Target]:
        """The reads that `parameters` x `instances` stands for here, in that order.

        Raises:
            WatlowConfigurationError: One that this controller cannot be asked for.
        """
        wanted = targets(self.registry, parameters, instances)
        for spec, instance in wanted:
            self.check_wire(spec, instance)
        return wanted

    def _check_named(self, names: str | Iterable[str] | None) -> None:
        chosen = chosen_names(names)
        if chosen is not None and chosen != [self.name]:
            raise WatlowConfigurationError(f"names={names!r}: here is only {self.name!r}")
