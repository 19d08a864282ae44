"""Read the output and the PID settings of a loop, and write the settings."""

import sys
from dataclasses import fields, replace

from watlowlib import WatlowConfirmationRequiredError
from watlowlib.sync import Watlow

with Watlow.open(sys.argv[1], address=2) as ctl:
    loop = ctl.loop(1)
    output = loop.read_output()
    print(output.value, output.unit)
    gains = loop.read_pid()
    for field in fields(gains):
        print(field.name, getattr(gains, field.name))
    changed = replace(gains, **{fields(gains)[0].name: 30.0})
    try:
        loop.write_pid(changed)
    except WatlowConfirmationRequiredError:
        print("not written")
    print(loop.write_pid(changed, confirm=True) == changed, loop.read_pid() == changed)
