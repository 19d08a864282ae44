"""Read an address without a controller."""

import sys

from watlowlib import ErrorPolicy, WatlowTimeoutError, WatlowTransportError
from watlowlib.sync import SyncWatlowManager, Watlow

port = sys.argv[1]
try:
    with Watlow.open(port, address=9, identify=False) as ctl:
        try:
            ctl.read_pv(timeout=0.2)
        except WatlowTimeoutError as error:
            print("no reply", isinstance(error, WatlowTransportError))
            print(error.context.address, error.context.port == port, error.context.protocol)
        try:
            print("poll", len(ctl.poll(["setpoint"])))
        except WatlowTimeoutError:
            print("poll", "error")
except WatlowTimeoutError:
    print("not opened")
with SyncWatlowManager(error_policy=ErrorPolicy.RETURN) as mgr:
    mgr.add("online", port, address=1)
    mgr.add("absent", port, address=9)
    for sample in mgr.poll(["setpoint"]):
        print("return", sample.device, sample.value)
with SyncWatlowManager() as mgr:
    mgr.add("online", port, address=1)
    mgr.add("absent", port, address=9)
    try:
        for sample in mgr.poll(["setpoint"]):
            print("raise", sample.device, sample.value)
    except WatlowTimeoutError:
        print("raised", "error")
