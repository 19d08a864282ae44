"""The names of the parts of a file: `roll.csv` has parts such as `roll-20261121T000000Z.csv`.

Parts of the same time have numbers: `roll-20261121T000000Z_0002.csv`. The names sort in the order
of time. A part may have several files: the rows, also compressed (`.gz`), a journal of Parquet
and metadata.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from watlowlib.sinks.files import PACKED, packed_of
from watlowlib.sinks.meta_file import meta_path
from watlowlib.sinks.torn_line import torn_path

STAMP = "%Y%m%dT%H%M%SZ"
JOURNAL = ".journal"


_STAMPED = re.compile(r"(.+)-\d{8}T\d{6}Z(?:_\d{4,})?")


def active_of(path: Path) -> Path:
    """Return the name of the active file, by the name of a part or of the active file itself."""
    path = path.with_suffix("") if path.suffix == PACKED else path
    part = _STAMPED.fullmatch(path.stem)
    return path if part is None else path.with_name(part[1] + path.suffix)


@dataclass(frozen=True, order=True)
class Part:
    """A finished part.

    Attributes:
        when: The time in its name.
        number: 1 for the first part of this time.
        path: The name of the part while it is not compressed.
    """

    when: datetime
    number: int
    path: Path = field(compare=False)

    @property
    def packed(self) -> Path:
        """The name of the compressed part."""
        return packed_of(self.path)

    def files(self) -> list[Path]:
        """Return the files of the part that exist; those with rows come first."""
        journal = self.path.with_name(f"_{self.path.name}{JOURNAL}")
        names = (self.path, self.packed, journal, torn_path(journal), meta_path(self.path))
        return [each for each in names if each.exists()]


class PartNames:
    """The parts of the file `path`, which is absolute."""

    def __init__(self, path: Path) -> None:
        self.path = path
        stem, suffix = re.escape(path.stem), re.escape(path.suffix)
        name = rf"({stem}-(\d{{8}}T\d{{6}}Z)(?:_(\d{{4,}}))?{suffix})"
        self._pattern = re.compile(rf"{name}(?:{re.escape(PACKED)})?|_{name}{re.escape(JOURNAL)}")

    def parts(self) -> list[Part]:
        """Return the parts in the folder, the oldest first."""
        found = ((each, self._part(each.name)) for each in self.path.parent.iterdir())
        return sorted({part for each, part in found if part is not None and each.is_file()})

    def next(self, when: datetime) -> Part:
        """Return a part with a new name for the time `when`."""
        when = when.replace(microsecond=0)
        number = 1 + max((each.number for each in self.parts() if each.when == when), default=0)
        while (path := self._path_of(when, number)).exists() or packed_of(path).exists():
            number += 1  # a folder has the name
        return Part(when, number, path)

    def _path_of(self, when: datetime, number: int) -> Path:
        count = f"_{number:04}" if number > 1 else ""
        return self.path.with_name(
            f"{self.path.stem}-{when.strftime(STAMP)}{count}{self.path.suffix}"
        )

    def _part(self, name: str) -> Part | None:
        """Return the part that the file `name` belongs to; None if it is no part of this file."""
        found = self._pattern.fullmatch(name)
        if found is None:
            return None
        part, stamp, number = found.groups()[:3] if found[1] else found.groups()[3:]
        try:
            when = datetime.strptime(stamp, STAMP).replace(tzinfo=timezone.utc)
        except ValueError:
            return None
        path = self._path_of(when, int(number or 1))
        return Part(when, int(number or 1), path) if path.name == part else None
