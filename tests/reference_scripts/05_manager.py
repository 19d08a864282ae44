"""Manage a fleet by name."""

import sys

from watlowlib import ErrorPolicy, ProtocolKind
from watlowlib.errors import WatlowValidationError
from watlowlib.sync import SyncWatlowManager, Watlow

port = sys.argv[1]
with SyncWatlowManager() as mgr:
    print(mgr.error_policy is ErrorPolicy.RAISE, mgr.closed)
    top = mgr.add("top", port, address=1)
    mgr.add("bottom", port, protocol=ProtocolKind.STDBUS, address=2)
    print(list(mgr.names), mgr.get("top").read_setpoint().value, top.read_setpoint().value)
    for sample in mgr.poll(["setpoint", "process_value"]):
        print(sample.device, sample.address, sample.parameter, sample.value)
    for sample in mgr.poll(["setpoint"], names=["bottom"], instances=[1, 2]):
        print(sample.device, sample.instance, sample.value)
    mgr.remove("top")
    print(list(mgr.names))
    for attempt in (lambda: mgr.get("top"), lambda: mgr.add("bottom", port, address=2)):
        try:
            attempt()
        except WatlowValidationError:
            print("refused")
print(mgr.closed)
with SyncWatlowManager() as mgr, Watlow.open(port, address=1) as ctl:
    mgr.add("mine", ctl)
    print([sample.device for sample in mgr.poll(["setpoint"])])
    mgr.close()
    mgr.close()
    print(ctl.read_setpoint().value)
