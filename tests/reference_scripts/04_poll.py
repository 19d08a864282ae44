"""Poll several parameters of one controller."""

import sys

from watlowlib.sync import Watlow

with Watlow.open(sys.argv[1], address=2) as ctl:
    samples = ctl.poll(["process_value", "setpoint", 8003], instances=[1, 2])
    print(type(samples).__name__, len(samples))
    for sample in samples:
        print(sample.parameter, sample.parameter_id, sample.instance, sample.value, sample.unit)
    print([sample.value for sample in ctl.poll(["setpoint"])])
    print([sample.device for sample in ctl.poll(["setpoint"], names=["other"])])
