from __future__ import annotations

import pytest

from watlowlib.model import ControllerFamily
from watlowlib.registry.part_numbers import decode_part_number


def test_part_number_of_the_captured_unit() -> None:
    part = decode_part_number("PM3R1CA-AAAAAAA")
    assert part.family is ControllerFamily.PM
    assert (part.case, part.control, part.supply) == (
        "1/32 DIN",
        "PID with ramp and soak",
        "100-240 VAC",
    )
    assert (part.loops, part.cooling, part.modbus) == (1, False, False)
    assert part.communications == "Standard Bus only"


@pytest.mark.parametrize(
    ("text", "loops", "cooling", "modbus"),
    [
        ("PM6U1CC-1AAAAAA", 2, None, True),
        ("pm8c3aa-2aaaaaa", 1, False, True),
        ("PM6C1CC-3AAAAAA", 1, None, None),
        ("PM6C1CC-BAAAAAA", 1, None, True),
        ("PM6C1CC-KAAAAAA", 1, None, None),
        ("PM6C1CC-ZAAAAAA", 1, None, None),
        ("RMCxxxx-xxxxxxx", None, None, None),
        ("RMC3E1E1E1E11AA", None, None, True),  # position 13 of 15
        ("rmc3e1e1e1e1aaa", None, None, False),
        ("RMC3E1E1E1E12AA", None, None, None),
        ("RMH3E1E1E1E11AA", None, None, None),
        ("", None, None, None),
    ],
)
def test_known_and_unknown_fields(
    text: str, loops: int | None, cooling: bool | None, modbus: bool | None
) -> None:
    part = decode_part_number(text)
    assert (part.loops, part.cooling, part.modbus) == (loops, cooling, modbus)
    assert part.text == text


def test_limit_controllers_are_recognized() -> None:
    assert decode_part_number("PM4L1AA-AAAAAAA").control == "limit"
    assert decode_part_number("PM4E1AA-AAAAAAA").control == "integrated limit"


def test_family_is_recognized() -> None:
    assert decode_part_number("SD6C-HCAA-AARG").family is ControllerFamily.SD
    assert decode_part_number("F4T1").family is ControllerFamily.UNKNOWN
    assert decode_part_number("rmc3F1").family is ControllerFamily.RMC
    assert decode_part_number("RMHF").family is ControllerFamily.RMH
    assert decode_part_number("RMAP").family is ControllerFamily.RM
    assert decode_part_number("STRB").family is ControllerFamily.ST
    assert decode_part_number("R").family is ControllerFamily.UNKNOWN
