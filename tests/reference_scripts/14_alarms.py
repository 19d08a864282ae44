"""Read the alarms of a loop."""

import sys

from watlowlib import WatlowProtocolUnsupportedError
from watlowlib.sync import Watlow

with Watlow.open(sys.argv[1], address=2) as ctl:
    for number in (1, 2):
        try:
            state = ctl.loop(number).read_alarms()
        except WatlowProtocolUnsupportedError:
            print(number, "not supported")
            continue
        print(state.loop, state.high, state.low, state.silenced, state.raw_bits)
    for name in ("blocking", "clearable"):
        entry = ctl.read_parameter(name)
        print(entry.spec.name, entry.spec.parameter_id, entry.value)
