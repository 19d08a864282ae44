"""Change the set point and a parameter, with and without a confirmation."""

import sys

from watlowlib.errors import WatlowConfirmationRequiredError
from watlowlib.sync import Watlow

with Watlow.open(sys.argv[1], address=1) as ctl:
    try:
        ctl.set_setpoint(90.0)
    except WatlowConfirmationRequiredError:
        print("not written")
    print(ctl.read_setpoint().value)
    written = ctl.set_setpoint(80.5, confirm=True)
    print(written.value, written.unit, ctl.read_setpoint().value)
    entry = ctl.write_parameter("setpoint", 81, confirm=True)
    print(entry.value, entry.spec.name, ctl.read_parameter(7001).value)
    print(ctl.set_setpoint(82.0, instance=1, confirm=True, timeout=2.0).value)
