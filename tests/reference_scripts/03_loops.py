"""Read and write the loops of a controller with two."""

import sys

from watlowlib.errors import WatlowValidationError
from watlowlib.sync import Watlow

with Watlow.open(sys.argv[1], address=2) as ctl:
    ctl.identify()
    print("loops", ctl.loops)
    for number in (1, 2):
        loop = ctl.loop(number)
        print(loop.number, loop.read_pv().value, loop.read_setpoint().value)
    ctl.loop(2).set_setpoint(120.0, confirm=True)
    print(ctl.loop(1).read_setpoint().value, ctl.loop(2).read_setpoint().value)
    print(ctl.read_setpoint(instance=2).value)
with Watlow.open(sys.argv[1], address=1) as ctl:
    try:
        print(ctl.loop(2).read_pv().value)
    except WatlowValidationError:
        print("no loop 2")
