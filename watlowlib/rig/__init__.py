"""A rig in one file: its ports, its controllers and what to record; see `docs/rig.md`.

`load_rig` checks the file and returns frozen values. It opens no port and no sink.
"""

from watlowlib.rig.load import load_rig
from watlowlib.rig.text import rig_text
from watlowlib.rig.values import Rig, RigController, RigPort, RigRecord, RigSink

__all__ = ["Rig", "RigController", "RigPort", "RigRecord", "RigSink", "load_rig", "rig_text"]
