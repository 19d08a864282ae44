"""Open a controller and read it."""

import sys

from watlowlib.sync import Watlow

with Watlow.open(sys.argv[1], address=1) as ctl:
    for reading in (ctl.read_pv(), ctl.read_setpoint(), ctl.read_pv(timeout=2.0)):
        print(reading.value, type(reading.value).__name__, reading.unit, reading.protocol)
        print(reading.raw.hex(), reading.received_at.tzinfo, reading.monotonic_ns > 0)
    entry = ctl.read_parameter("setpoint", instance=1)
    print(entry.value, entry.instance, entry.raw.hex())
    print(entry.spec.name, entry.spec.parameter_id, entry.spec.cls, entry.spec.member)
