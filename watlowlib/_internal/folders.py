"""The folders for files that a user does not name."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def state_folder() -> Path:
    r"""Return the user's folder for files that must survive a restart of the machine.

    It is `~/.local/state/watlowlib`, or in XDG_STATE_HOME; on Windows `%LOCALAPPDATA%\watlowlib`.
    """
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local")
    else:
        base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state")
    return base / "watlowlib"
