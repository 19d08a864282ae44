"""Compresses a finished part with gzip; after a crash at any moment each row is read once."""

from __future__ import annotations

import gzip
import threading
from contextlib import closing
from pathlib import Path

from watlowlib.sinks.files import packed_of, replace
from watlowlib.sinks.rotation import steps

BLOCK = 1 << 20
LEVEL = 6


def compress(path: Path, stop: threading.Event) -> None:
    """Replace `path` by a compressed file, unless `stop` is set meanwhile.

    The compressed file gets its name when it is complete and on the disk. From then on readers
    ignore `path`, which is deleted; after a crash in between, the next call deletes it.

    Raises:
        OSError: The disk is full, or there is no permission; `path` is as it was.
    """
    packed = packed_of(path)
    if not packed.is_file():
        new = packed.with_name(packed.name + ".tmp")
        try:
            if not _write(path, new, stop):
                return
            steps.reached("compressed")
            replace(new, packed)
        finally:
            new.unlink(missing_ok=True)
        steps.reached("packed")
    path.unlink()
    steps.reached("plain part removed")


def _write(path: Path, new: Path, stop: threading.Event) -> bool:
    """Write the compressed bytes of `path` to `new`; return False if `stop` was set."""
    with (
        path.open("rb") as source,
        new.open("wb") as file,
        closing(gzip.GzipFile("", "wb", LEVEL, file, mtime=0)) as target,
    ):
        while block := source.read(BLOCK):
            if stop.is_set():
                return False
            target.write(block)
    return True
