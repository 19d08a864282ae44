"""The options that several subcommands share."""

from __future__ import annotations

import argparse

from watlowlib.errors import WatlowConfigurationError
from watlowlib.manager.manager import WatlowManager
from watlowlib.model import ControllerFamily, ProtocolKind
from watlowlib.transport.settings import SerialSettings

PROTOCOLS = [str(ProtocolKind.STDBUS), str(ProtocolKind.MODBUS_RTU)]
DEFAULT_PARAMETERS = ("process_value", "setpoint")


def add_line_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that select the controllers and the parameters to read."""
    parser.add_argument(
        "port", nargs="?", help="/dev/ttyUSB0, COM3, socket://host:4001, rfc2217://host:4001"
    )
    parser.add_argument(
        "--address", type=int, nargs="+", default=[1], metavar="N", help="default: 1"
    )
    parser.add_argument(
        "--parameter",
        nargs="+",
        default=list(DEFAULT_PARAMETERS),
        metavar="NAME",
        help=f"names, aliases or numbers (default: {' '.join(DEFAULT_PARAMETERS)})",
    )
    parser.add_argument("--instance", type=int, nargs="+", default=[1], metavar="N")
    parser.add_argument(
        "--protocol", choices=[*PROTOCOLS, "auto"], default=PROTOCOLS[0], help="default: stdbus"
    )
    parser.add_argument(
        "--baudrate", type=int, metavar="BAUD", help="default: 38400, on modbus_rtu 9600"
    )
    parser.add_argument("--parity", choices=("N", "E", "O"), default="N")
    parser.add_argument("--family", choices=("pm", "sd"), help="sd: a Series SD")
    parser.add_argument(
        "--unit", choices=("C", "F"), help="temperature scale on the wire, if known"
    )
    parser.add_argument(
        "--timeout", type=float, default=0.5, metavar="S", help="per reply (default: 0.5)"
    )
    parser.add_argument(
        "--retries", type=int, default=1, metavar="N", help="per request (default: 1)"
    )


def add_controllers(manager: WatlowManager, arguments: argparse.Namespace) -> None:
    """Open the controllers that the command line names and add them to `manager`."""
    port = arguments.port
    if port is None:
        raise WatlowConfigurationError(
            "give a port, such as /dev/ttyUSB0, before --address and --parameter"
        )
    for address in dict.fromkeys(arguments.address):
        manager.add(
            f"{address}@{port.removeprefix('/dev/')}",
            port,
            address=address,
            protocol=arguments.protocol,
            serial_settings=_serial_settings(arguments),
            family=arguments.family or ControllerFamily.UNKNOWN,
            temperature_unit=arguments.unit,
            timeout_s=arguments.timeout,
            retries=arguments.retries,
        )


def _serial_settings(arguments: argparse.Namespace) -> SerialSettings | None:
    """Return the serial settings given; None for the protocol's factory settings."""
    if arguments.baudrate is None and arguments.parity == "N":
        return None
    default = 9600 if arguments.protocol == str(ProtocolKind.MODBUS_RTU) else 38400
    return SerialSettings(baudrate=arguments.baudrate or default, parity=arguments.parity)
