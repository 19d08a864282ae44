"""Snapshots of controllers: all parameters in a file, compared, and written back.

    from watlowlib import open_device, snapshots

    with open_device("/dev/ttyUSB0", temperature_unit="F") as ctl:
        snapshots.save(ctl.read_all(), "ctl.json")
        ...
        report = snapshots.restore(ctl, snapshots.load("ctl.json"), confirm=True)

`kinds.py` says which parameters are settings and in which order they are written.
"""

from watlowlib.devices.snapshot import Refusal, Snapshot, SnapshotEntry
from watlowlib.snapshots.compare import Change, diff
from watlowlib.snapshots.file import load, save
from watlowlib.snapshots.planning import NotWritten, RestorePlan, plan
from watlowlib.snapshots.restoring import RestoreReport, carry_out, restore

__all__ = [
    "Change",
    "NotWritten",
    "Refusal",
    "RestorePlan",
    "RestoreReport",
    "Snapshot",
    "SnapshotEntry",
    "carry_out",
    "diff",
    "load",
    "plan",
    "restore",
    "save",
]
