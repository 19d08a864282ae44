"""Arguments that `open_device` refuses before it opens a port."""

from __future__ import annotations

from fractions import Fraction
from numbers import Integral
from pathlib import Path

import pytest
import serial

from watlowlib import SerialSettings, WatlowManager, find_devices, open_device
from watlowlib.errors import WatlowConfigurationError
from watlowlib.protocol import port_pool
from watlowlib.simulator import SimulatedBus
from watlowlib.transport.serial_port import SerialTransport


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"address": 0}, "address=0: .* 1 to 16"),
        ({"address": 17}, "address=17: .* 1 to 16"),
        ({"address": "1"}, "1 to 16"),
        ({"address": "J"}, "J .17. is an RM Access module, .* or 'tcp://host' and zone="),
        ({"address": True}, "1 to 16"),
        ({"protocol": "modbus_rtu", "address": 0}, "address=0: .* 1 to 247"),
        ({"protocol": "modbus_rtu", "address": 248}, "address=248: .* 1 to 247"),
        ({"family": "sd"}, "a Series SD supports only Modbus RTU"),
        ({"word_order": "big"}, "word_order='big': allowed are auto, low_high, high_low"),
        ({"data_map": 3}, "data_map=3: give 1, 2 or 'auto'"),
        ({"data_map": True}, "data_map=True"),
        ({"registers_per_read": 1}, "give 2 to 125"),
        ({"registers_per_read": 126}, "give 2 to 125"),
        (
            {"protocol": "bacnet"},
            "protocol='bacnet': allowed are stdbus, modbus_rtu, modbus_tcp, auto",
        ),
        ({"timeout_s": 0}, "timeout_s=0: give a number above 0"),
        ({"timeout_s": float("nan")}, "timeout_s=nan: give a number above 0"),
        ({"retries": -1}, "0 or a whole number"),
        ({"temperature_unit": "K"}, "temperature_unit='K': give 'C' or 'F'"),
        ({"serial_settings": 9600}, "serial_settings=9600: give SerialSettings"),
        (
            {"name": "oven \udcff"},
            r"name='oven \\udcff': no file or database can store .*; give a",
        ),
        ({"name": 5}, "name=5: give a text"),
        ({"family": "XX"}, "family='XX': allowed are pm, rm, rmc, rmh, st, sd, unknown"),
    ],
)
def test_invalid_arguments_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(WatlowConfigurationError, match=message):
        open_device("/dev/ttyUSB77", **wrong)  # type: ignore[arg-type]
    assert port_pool._ports == []


@pytest.mark.parametrize("port", [7, None, serial.Serial()])
def test_a_port_without_a_name_is_refused(port: object) -> None:
    with pytest.raises(WatlowConfigurationError, match="port=.*give a name such as"):
        open_device(port)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("port", "message"),
    [
        ("", "port='': give a name such as"),
        ("\0", r"no port has the character '\\x00'"),
        ("/dev/tty\0USB0", r"no port has the character '\\x00'"),
        ("socket://\0:4001", r"no port has the character '\\x00'"),
        ("/dev/ttyUSB\ud800", r"no port has the character '\\ud800'"),
        ("/dev/ttyUSB\udcff", r"no port has the character '\\udcff'"),
        (Path("\0"), r"no port has the character '\\x00'"),
        (SerialTransport("\0"), r"no port has the character '\\x00'"),
    ],
    ids=["empty", "NUL", "NUL inside", "URL", "surrogate", "byte", "path", "transport"],
)
@pytest.mark.parametrize("name", [None, "oven"])
def test_a_port_with_an_impossible_name_is_refused(
    port: str | Path | SerialTransport, message: str, name: str | None
) -> None:
    with pytest.raises(WatlowConfigurationError, match=message):
        open_device(port, name=name)
    with pytest.raises(WatlowConfigurationError, match=message):
        WatlowManager().add("oven", port)
    if not isinstance(port, SerialTransport):
        with pytest.raises(WatlowConfigurationError, match=message):
            find_devices([port])
    assert port_pool._ports == []


def test_a_path_and_other_number_types_are_accepted(bus: SimulatedBus) -> None:
    class OtherInteger(Fraction):
        """An integer type that is not Python's own, as in numpy."""

    Integral.register(OtherInteger)
    with open_device(Path(bus.port), address=OtherInteger(2)) as ctl:  # type: ignore[arg-type]
        assert ctl.address == 2
        assert ctl.set_setpoint(Fraction(151, 2), confirm=True).value == 75.5  # type: ignore[arg-type]


@pytest.mark.parametrize("protocol", ["modbus_rtu", "auto"])
def test_varied_source_is_refused_without_standard_bus(protocol: str) -> None:
    with pytest.raises(WatlowConfigurationError, match="only Standard Bus has source addresses"):
        open_device("absent", protocol=protocol, serial_settings=SerialSettings(vary_source=True))


def test_varied_source_is_used_by_the_simulated_bus(bus: SimulatedBus) -> None:
    with open_device(bus.port, serial_settings=SerialSettings(vary_source=True)) as ctl:
        first, second = ctl.read_pv(), ctl.read_pv()
    assert first.raw != second.raw
    assert (first.raw[3], second.raw[3]) == (0x20, 0x21)
