"""Poll several parameters of one controller; look at what a sample tells."""

import sys
from datetime import timedelta

from watlowlib.sync import Watlow

with Watlow.open(sys.argv[1], address=2) as ctl:
    samples = ctl.poll(["process_value", "setpoint", 8003], instances=[1, 2])
    print(type(samples).__name__, len(samples))
    for sample in samples:
        print(sample.parameter, sample.parameter_id, sample.instance, sample.value, sample.unit)
    first = samples[0]
    print(first.device == sys.argv[1], first.address, first.protocol, first.raw.hex())
    print(first.t_utc.utcoffset() == timedelta(0), first.t_mono_ns > 0)
    print(first.requested_at <= first.t_utc <= first.received_at, first.latency_s > 0.0)
    print(first.t_midpoint_mono_ns is None, [sample.value for sample in ctl.poll(["setpoint"])])
    print([sample.device for sample in ctl.poll(["setpoint"], names=["other"])])
