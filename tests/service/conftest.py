"""A rig on two simulated lines, whose file a test changes."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from watlowlib.simulator import SimulatedBus

collect_ignore_glob = ["test_*.py"] if os.name == "nt" else []  # no ptys


class RigFile:
    """A rig file in `folder`, for the lines `line1` and `line2` there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "rig.toml"

    def write(
        self,
        controllers: str = "top=line1:1",
        record: str = 'rate_hz = 1.0\nparameters = ["setpoint"]',
        sinks: str = "run.csv",
        ports: str = "",
    ) -> None:
        """Write the file; a controller is name=line:address."""
        lines = []
        for name in ("line1", "line2"):
            lines += [f"[ports.{name}]", f'port = "./{name}"', "timeout = 0.2", ports]
        for each in controllers.split():
            name, _, place = each.partition("=")
            line, _, address = place.partition(":")
            lines += [f"[controllers.{name}]", f'port = "{line}"', f"address = {address}"]
        lines += ["[record]", record]
        for each in sinks.split():
            lines += ["[[record.sinks]]", f'url = "{each}"']
        self.path.write_text("\n".join(lines) + "\n", "utf-8")


@pytest.fixture
def rig_file(tmp_path: Path) -> RigFile:
    file = RigFile(tmp_path)
    file.write()
    return file


@pytest.fixture
def line1(tmp_path: Path) -> Iterator[SimulatedBus]:
    with SimulatedBus([1, 2], baudrate=None, turnaround_s=0.0, link=tmp_path / "line1") as bus:
        yield bus


@pytest.fixture(autouse=True)
def runtime_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose path is short enough for a socket."""
    folder = Path(tempfile.mkdtemp(prefix="wl-"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    yield folder / "watlowlib"
    shutil.rmtree(folder)
