"""Identify a controller; print its part number and the rest of its description."""

import sys

from watlowlib import Capability, ControllerFamily, classify_family
from watlowlib.sync import Watlow

for address in (1, 2):
    with Watlow.open(sys.argv[1], address=address) as ctl:
        info = ctl.identify(timeout=2.0)
    print(info.part_number.raw, info.part_number.family, info.family is ControllerFamily.PM)
    print(sorted(info.part_number.details.items()))
    print(info.hardware_id, info.firmware_id, repr(info.serial_number))
    print(info.protocol, info.address, info.loops, info.health)
    print(Capability.HAS_COOLING in info.capabilities, Capability.HAS_MODBUS in info.capabilities)
    print(Capability.HAS_PROFILES in info.capabilities, Capability.LIMIT in info.capabilities)
    print(info.configured_protocol, info.protocol_mismatch)
for number in ("PM6C1CA-AAAAAAA", "RMC3F1", "SD6C-HJJA-AARG", "F4TUA", "nonsense"):
    print(number, classify_family(number))
