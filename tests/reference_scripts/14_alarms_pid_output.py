"""Read the alarms, the output and the PID settings of loops; write the settings."""

import sys
from dataclasses import fields, replace

from watlowlib import WatlowConfirmationRequiredError, WatlowProtocolUnsupportedError
from watlowlib.sync import Watlow

with Watlow.open(sys.argv[1], address=2) as ctl:
    loop = ctl.loop(1)
    output = loop.read_output()
    print(output.value, output.unit)
    gains = loop.read_pid()
    for field in fields(gains):
        print(field.name, getattr(gains, field.name))
    changed = replace(gains, heat_proportional_band=30.0)
    try:
        loop.write_pid(changed)
    except WatlowConfirmationRequiredError:
        print("not written")
    print(loop.write_pid(changed, confirm=True) == changed, loop.read_pid() == changed)
    for name in ("blocking", "clearable"):
        print(name, ctl.read_parameter(name).value)
    try:
        state = loop.read_alarms()
        print(state.loop, state.high, state.low, state.silenced, state.raw_bits)
    except WatlowProtocolUnsupportedError:
        print("not supported")
