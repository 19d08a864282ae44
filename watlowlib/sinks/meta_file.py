"""The metadata beside a text file: `run.csv.meta.json`, with one entry for each recording."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from watlowlib.sinks.files import write_atomically
from watlowlib.streaming.metadata import RecordingInfo

KEY = "recordings"


def meta_path(path: Path) -> Path:
    """Return the file with the metadata of `path`."""
    return path.with_name(path.name + ".meta.json")


def distinct(recordings: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return `recordings` with each ID once; those of other programs may lack an ID."""
    return list({each.get("id") or json.dumps(each): each for each in recordings}.values())


def add_recording(path: Path, info: RecordingInfo) -> None:
    """Add a recording to the metadata of `path`, unless it is there; atomically.

    Raises:
        OSError: The file cannot be read or written.
        ValueError: The file is not a metadata file. It is not changed.
    """
    recordings = recordings_beside(path)
    if any(each.get("id") == info.id for each in recordings):
        return
    write_recordings(path, [*recordings, info.as_dict()])


def write_recordings(
    path: Path, recordings: Sequence[dict[str, Any]], units: Mapping[str, str] | None = None
) -> None:
    """Write the metadata of `path`, or replace it; atomically.

    `units` has the units of the columns of a wide file.

    Raises:
        OSError: The file cannot be written.
    """
    known = {KEY: recordings, "units": units} if units else {KEY: recordings}
    text = json.dumps(known, indent=2, ensure_ascii=False)
    write_atomically(meta_path(path), text + "\n")


def recordings_beside(path: Path) -> list[dict[str, Any]]:
    """Return the recordings in the metadata of `path`; none if it has no metadata.

    Raises:
        OSError: The file cannot be read.
        ValueError: The file is not a metadata file.
    """
    meta = meta_path(path)
    try:
        found = json.loads(meta.read_text("utf-8"))
    except FileNotFoundError:
        return []
    except ValueError as error:
        raise ValueError(f"{meta} is not a metadata file ({error}); move it away") from error
    recordings = found.get(KEY) if isinstance(found, dict) else None
    if not isinstance(recordings, list) or not all(isinstance(each, dict) for each in recordings):
        raise ValueError(f"{meta} is not a metadata file (no list {KEY!r}); move it away")
    return recordings
