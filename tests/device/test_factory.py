"""What `open_device` refuses, before it touches a port."""

from __future__ import annotations

import pytest

from watlowlib import open_device
from watlowlib.errors import WatlowConfigurationError
from watlowlib.protocol import sharing


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"address": 0}, "address=0: .* 1 to 16"),
        ({"address": 17}, "address=17: .* 1 to 16"),
        ({"address": "1"}, "1 to 16"),
        ({"address": True}, "1 to 16"),
        ({"protocol": "modbus_rtu"}, "only 'stdbus' is supported yet"),
        ({"protocol": "bacnet"}, "protocol='bacnet': allowed are stdbus, modbus_rtu, auto"),
        ({"timeout_s": 0}, "seconds above 0"),
        ({"timeout_s": float("nan")}, "seconds above 0"),
        ({"retries": -1}, "0 or a whole number"),
        ({"temperature_unit": "K"}, "give 'C', 'F' or None"),
        ({"family": "XX"}, "family='XX': allowed are pm, sd, unknown"),
    ],
)
def test_arguments_that_cannot_be(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(WatlowConfigurationError, match=message):
        open_device("/dev/ttyUSB77", **wrong)  # type: ignore[arg-type]
    assert sharing._ports == {}


def test_a_port_that_is_no_text() -> None:
    with pytest.raises(WatlowConfigurationError, match="port=7"):
        open_device(7)  # type: ignore[arg-type]
