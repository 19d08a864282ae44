"""`watlowlib configure`: show or change the address, baud rate and protocol of a controller.

The changes are made in the order baud rate, address, protocol. On Standard Bus the baud rate of
Modbus has no effect yet, and the change of the protocol ends the communication, so it is the last.
If the protocol changes, the new address is that of the new protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import click

from watlowlib.cli.base import define, json_option
from watlowlib.cli.exits import FAILED, SILENT, CommandError
from watlowlib.cli.fleet import BAUDRATES, load_config, one_controller, open_fleet
from watlowlib.cli.options import PORT, PROTOCOLS, Line, line_options
from watlowlib.cli.output import console, print_json, print_table
from watlowlib.cli.question import ask
from watlowlib.devices import maintenance
from watlowlib.devices.controller import Controller
from watlowlib.devices.factory import ADDRESSES, open_device
from watlowlib.devices.zone_driver import ZoneDriver
from watlowlib.errors import WatlowConfigurationError, WatlowError
from watlowlib.manager.manager import WatlowManager
from watlowlib.model import ControllerFamily, ProtocolKind, Reading
from watlowlib.registry.parameters import PARAMETERS
from watlowlib.rig.values import Rig
from watlowlib.transport.settings import SerialSettings

SETTINGS = (
    "standard_bus_address",
    "modbus_baudrate",
    "modbus_parity",
    "modbus_address",
    "protocol",
)
ADDRESS_OF = {
    ProtocolKind.STDBUS: "standard_bus_address",
    ProtocolKind.MODBUS_RTU: "modbus_address",
}
PARITIES = {61: "N", 191: "E", 192: "O"}
RATES = {code: rate for rate, code in maintenance.BAUDRATES.items()}

Settings = dict[str, Reading]


@dataclass(frozen=True)
class Place:
    """Where a controller replies."""

    port: str
    protocol: ProtocolKind
    address: int
    baudrate: int
    parity: str

    @property
    def command(self) -> str:
        """The command that reads the controller."""
        words = ["watlowlib read", self.port, f"--address {self.address}"]
        if self.protocol is ProtocolKind.MODBUS_RTU:
            words.append(f"--protocol {self.protocol}")
        if self.baudrate != BAUDRATES[str(self.protocol)]:
            words.append(f"--baudrate {self.baudrate}")
        if self.parity != "N":
            words.append(f"--parity {self.parity}")
        return " ".join(words)

    def open(self, line: Line) -> Controller:
        """Open the controller here, with the timeout and retries of the command line."""
        settings = SerialSettings(baudrate=self.baudrate, parity=self.parity)
        given = {"timeout_s": line.timeout, "retries": line.retries}
        options: dict[str, Any] = {key: each for key, each in given.items() if each is not None}
        return open_device(
            self.port,
            protocol=self.protocol,
            address=self.address,
            serial_settings=settings,
            **options,
        )


@dataclass(frozen=True)
class NewSettings:
    """The settings to write; None for those that stay."""

    address: int | None
    baudrate: int | None
    protocol: ProtocolKind | None


@dataclass(frozen=True)
class Step:
    """One write: what it changes, how, and where the controller replies after it."""

    setting: str
    old: str
    new: str
    run: Callable[[Controller], object]
    after: Place

    def __str__(self) -> str:
        number = PARAMETERS.resolve(self.setting).number
        return f"{self.setting} ({number}): {self.old} -> {self.new}"


@define(
    "configure",
    short_help="Show or change address, baud rate and protocol.",
    help="Print the communication settings of one controller on PORT, or change them. The changes "
    "are shown, and nothing is written without a yes. Each write is verified. --new-address is "
    "the address in the protocol that the controller has afterwards.",
    examples=(
        "watlowlib configure /dev/ttyUSB0 --address 1 --new-address 5",
        "watlowlib configure /dev/ttyUSB0 --new-protocol modbus_rtu --new-baudrate 19200 --yes",
    ),
)
@PORT
@line_options
@click.option("--new-address", type=int, metavar="N", help="1-16; on modbus_rtu 1-247.")
@click.option(
    "--new-baudrate",
    type=click.Choice([str(each) for each in maintenance.BAUDRATES]),
    help="On modbus_rtu; Standard Bus always uses 38400.",
)
@click.option("--new-protocol", type=click.Choice(PROTOCOLS))
@click.option("--yes", is_flag=True, help="Write without a question, for scripts.")
@json_option
def command(
    line: Line,
    new_address: int | None,
    new_baudrate: str | None,
    new_protocol: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Print the settings, or ask and change them."""
    rig = load_config(line)
    new = NewSettings(
        new_address,
        int(new_baudrate) if new_baudrate else None,
        ProtocolKind(new_protocol) if new_protocol else None,
    )
    with _opened(line, rig) as ctl:
        name, settings, serial_number = ctl.name, _read_settings(ctl), _serial_number(ctl)
        before = _place(ctl)
        steps = _plan(before, settings, new)
        if steps:
            _check_here(ctl, steps[-1].after)
    if steps:
        _check_free_after(before, steps[-1].after, line)
        if not yes:
            console(stderr=True).print(_description(name, steps))
            ask()
        with _opened(line, rig) as ctl:
            if _serial_number(ctl) != serial_number:
                raise CommandError("another controller replies now; nothing was written", FAILED)
            _run(ctl, before, steps)
        place = steps[-1].after
        _print_next(place, line, rig, name)
        settings = _confirm(place, line, serial_number)
    elif new != NewSettings(None, None, None):
        console(stderr=True).print(f"{name} has these settings already; nothing was written")
    _print_settings(name, steps[-1].after if steps else before, settings, as_json)


@contextmanager
def _opened(line: Line, rig: Rig | None) -> Iterator[Controller]:
    """Open the one controller that the options select."""
    with WatlowManager() as manager:
        open_fleet(manager, line, rig)
        controller = one_controller(manager)
        if controller.session.family is ControllerFamily.SD:
            raise WatlowConfigurationError(
                "configure is for an EZ-ZONE PM; set the address and the baud rate of a Series SD "
                "with its keys"
            )
        if controller.protocol is ProtocolKind.MODBUS_TCP:
            raise WatlowConfigurationError(
                "configure is for a controller on a serial line; over Modbus TCP these settings "
                "cannot be changed"
            )
        if isinstance(controller.session.driver, ZoneDriver):
            raise WatlowConfigurationError(
                "configure is for a controller on PORT itself; connect to the line behind the "
                "gateway, or use the keys of the controller"
            )
        yield controller


def _read_settings(ctl: Controller) -> Settings:
    return {name: ctl.read_parameter(name) for name in SETTINGS}


def _place(ctl: Controller) -> Place:
    serial = ctl.session.serial_settings
    return Place(ctl.port, ctl.protocol, ctl.address, serial.baudrate, serial.parity)


def _plan(before: Place, settings: Settings, new: NewSettings) -> list[Step]:
    """Return the writes in a safe order.

    Raises:
        WatlowConfigurationError: A change is not possible from here.
    """
    steps: list[Step] = []
    rate = RATES.get(_code(settings, "modbus_baudrate"), 9600)
    if new.baudrate is not None and new.baudrate != rate:
        steps.append(_baudrate_step(before, rate, new.baudrate))
        rate = new.baudrate
    protocol = new.protocol or before.protocol
    address = _code(settings, ADDRESS_OF[protocol])
    if new.address is not None and new.address != address:
        steps.append(_address_step(before, protocol, address, new.address))
        address = new.address
    last = steps[-1].after if steps else before
    old = settings["protocol"]
    if new.protocol is not None and old.label != _protocol_label(new.protocol):
        modbus = protocol is ProtocolKind.MODBUS_RTU
        parity = PARITIES.get(_code(settings, "modbus_parity"), "N")
        after = replace(
            last,
            protocol=protocol,
            address=address,
            baudrate=rate if modbus else 38400,
            parity=parity if modbus else "N",
        )
        steps.append(
            Step(
                "protocol",
                str(old.label),
                _protocol_label(new.protocol),
                lambda ctl: maintenance.set_protocol(ctl, protocol, confirm=True),
                last if protocol is before.protocol else after,
            )
        )
    return steps


def _baudrate_step(before: Place, old: int, new: int) -> Step:
    if before.protocol is ProtocolKind.MODBUS_RTU:
        raise WatlowConfigurationError(
            f"--new-baudrate {new}: over Modbus a new baud rate would end the communication; set "
            "it with the controller's keys, or first give --new-protocol stdbus"
        )
    return Step(
        "modbus_baudrate",
        str(old),
        str(new),
        lambda ctl: maintenance.set_modbus_baudrate(ctl, new, confirm=True),
        before,
    )


def _address_step(before: Place, protocol: ProtocolKind, old: int, new: int) -> Step:
    most = ADDRESSES[protocol]
    if not 1 <= new <= most:
        raise WatlowConfigurationError(f"--new-address {new}: on {protocol} it is from 1 to {most}")
    name = ADDRESS_OF[protocol]
    if protocol is before.protocol:
        after = replace(before, address=new)
        return Step(
            name,
            str(old),
            str(new),
            lambda ctl: maintenance.set_address(ctl, new, confirm=True),
            after,
        )
    # The address of the other protocol has no effect yet.
    return Step(
        name,
        str(old),
        str(new),
        lambda ctl: ctl.write_parameter(name, new, confirm=True, verify=True),
        before,
    )


def _check_here(ctl: Controller, after: Place) -> None:
    """Refuse a change now that would be refused after the first writes."""
    if after.protocol is ctl.protocol:
        if after.address != ctl.address:
            maintenance.check_free(ctl, after.address)
    elif after.protocol is ProtocolKind.MODBUS_RTU:
        maintenance.check_modbus_option(ctl)


def _check_free_after(before: Place, after: Place, line: Line) -> None:
    """Refuse a change of the protocol if another controller has the address in the new one."""
    if after.protocol is before.protocol:
        return
    with after.open(line) as other:
        maintenance.check_free(other, after.address)


def _code(settings: Settings, name: str) -> int:
    value = settings[name].value
    return value if isinstance(value, int) else 0


def _protocol_label(kind: ProtocolKind) -> str:
    return "Modbus" if kind is ProtocolKind.MODBUS_RTU else "Standard Bus"


def _serial_number(ctl: Controller) -> object:
    try:
        return ctl.read_parameter("serial_number").value
    except WatlowError:
        return None


def _description(name: str, steps: list[Step]) -> str:
    lines = [f"changes of {name}, each stored in its EEPROM:", *(f"  {each}" for each in steps)]
    return "\n".join([*lines, f"reached afterwards with: {steps[-1].after.command}"])


def _run(ctl: Controller, before: Place, steps: list[Step]) -> None:
    """Make the changes; after an error print how the controller is reached now, and raise it."""
    screen = console(stderr=True)
    here = before
    for number, step in enumerate(steps):
        try:
            step.run(ctl)
        except BaseException as error:
            refused = isinstance(error, WatlowConfigurationError)
            screen.print(f"{'refused' if refused else 'not completed'}: {step}")
            screen.print(f"the controller is reached with: {here.command}")
            if not refused and step.after != here:
                screen.print(f"or, if it has stored the change: {step.after.command}")
            for rest in steps[number + 1 :]:
                screen.print(f"not begun: {rest}")
            raise
        here = step.after
        checked = "" if step.setting == "protocol" else " and verified"
        screen.print(f"written{checked}: {step}")


def _confirm(place: Place, line: Line, serial_number: object) -> Settings:
    """Read the settings at the new place.

    Raises:
        CommandError: No controller replies there, or another one.
    """
    advice = f"switch the controller off and on, then try: {place.command}"
    try:
        with place.open(line) as ctl:
            settings = _read_settings(ctl)
            found = _serial_number(ctl)
    except WatlowError as error:
        raise CommandError(
            f"the changes were written, but nothing replies there now ({error.message}); {advice}",
            SILENT,
        ) from error
    if None not in (found, serial_number) and found != serial_number:
        raise CommandError(
            f"the controller with serial number {found} replies there, not {serial_number}; "
            f"{advice}",
            SILENT,
        )
    console(stderr=True).print("verified: the controller replies there")
    return settings


def _print_next(place: Place, line: Line, rig: Rig | None, name: str) -> None:
    """Print how to reach the controller, and what a rig file needs."""
    screen = console(stderr=True)
    screen.print(f"the controller is reached with: {place.command}")
    serial = f'protocol = "{place.protocol}", baudrate = {place.baudrate}'
    if place.parity != "N":
        serial += f', parity = "{place.parity}"'
    if rig is None:
        screen.print(
            f"a rig file needs address = {place.address} for it, and for its port {serial}"
        )
        return
    port = rig.controllers[name].port
    screen.print(f"change {line.config}: [controllers.{name}] address = {place.address}")
    screen.print(
        f"and, if it differs, [ports.{port}] {serial}; all controllers of a port share this"
    )


def _print_settings(name: str, place: Place, settings: Settings, as_json: bool) -> None:
    if as_json:
        row: dict[str, Any] = {"name": name, "command": place.command}
        print_json([row | {key: _text(each) for key, each in settings.items()}])
        return
    rows = [(each.parameter_id, key, _text(each)) for key, each in settings.items()]
    print_table(("number", "setting", "value"), rows)


def _text(reading: Reading) -> object:
    label = reading.label
    if label is None:
        return reading.value
    return int(label) if label.isdecimal() else label
