"""Take snapshots of what the library knows about a controller; poll through its session."""

import sys

from watlowlib.sync import SyncWatlowManager, Watlow

with Watlow.open(sys.argv[1], address=1) as ctl:
    ctl.identify()
    for snapshot in (ctl.snapshot(), ctl.snapshot(name="oven")):
        print(snapshot.name == "oven", snapshot.model, snapshot.firmware, snapshot.serial)
        print(snapshot.connected, snapshot.last_error, snapshot.recoverable_error_count)
        print(snapshot.family, snapshot.captured_at.tzinfo)
        print(sorted(snapshot.availability_summary.items()))
with SyncWatlowManager() as mgr:
    mgr.add("oven", sys.argv[1], address=2)
    print(mgr.get("oven").snapshot().connected)
with Watlow.open(sys.argv[1], address=1) as ctl:
    print(ctl.session.address, ctl.session.port == sys.argv[1], ctl.session.protocol_kind)
    print(ctl.session.family, ctl.session.last_error)
