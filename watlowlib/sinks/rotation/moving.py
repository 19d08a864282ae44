"""Renames the files of a recording: all of them or none, and never over an existing file."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from watlowlib.sinks.files import sync_folder
from watlowlib.sinks.rotation import steps

rename = os.rename

PAUSES_S = (0.02, 0.05, 0.1, 0.2)
"""Pauses between tries: on Windows a virus scanner or a reader may have the file open."""


def move(files: Sequence[Path], targets: Sequence[Path]) -> None:
    """Rename those of `files` that exist to the names in `targets`.

    Raises:
        OSError: One could not be renamed. Those renamed before have their old names again.
    """
    done: list[tuple[Path, Path]] = []
    try:
        for old, new in zip(files, targets):
            if old.exists():
                _rename(old, new)
                done.append((old, new))
                steps.reached("renamed")
    except OSError:
        for old, new in reversed(done):
            with suppress(OSError):
                rename(new, old)
        raise
    sync_folder(files[0].parent)


def _rename(old: Path, new: Path) -> None:
    if new.exists():
        raise FileExistsError(f"{new} exists already")
    for pause_s in PAUSES_S:
        try:
            rename(old, new)
            return
        except PermissionError:
            time.sleep(pause_s)
    rename(old, new)
