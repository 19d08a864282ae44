"""LabVIEW's functions while a service records the rig file."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import pytest

from tests.service.conftest import RigFile
from tests.streaming.test_replace_plan import advance
from watlowlib import labview
from watlowlib._internal.clock import ManualClock
from watlowlib._labview.handles import LabviewError
from watlowlib.service.endpoint import Endpoint
from watlowlib.service.recorder import RigService
from watlowlib.service.requests import carry_out
from watlowlib.service.server import RequestServer
from watlowlib.simulator import SimulatedBus, SimulatedController

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there are no ptys")


@pytest.fixture
def rig_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RigFile]:
    folder = tempfile.mkdtemp(prefix="wl-")  # its path is short enough for a socket
    monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    file = RigFile(tmp_path)
    file.write("top=line1:1 bottom=line1:2")
    yield file
    labview.close_all()
    shutil.rmtree(folder)


def test_a_rig_that_a_service_records_is_reached_through_it(rig_file: RigFile) -> None:
    path = str(rig_file.path)
    ovens = [SimulatedController(1, setpoint=75.0), SimulatedController(2, setpoint=80.0)]
    with ExitStack() as stack:
        line = SimulatedBus(ovens, baudrate=None, turnaround_s=0.0, link=rig_file.folder / "line1")
        stack.enter_context(line)
        clock = ManualClock()
        running = stack.enter_context(ExitStack())
        service = running.enter_context(RigService(path, clock=clock))
        advance(clock, 1.0)
        endpoint = running.enter_context(closing(Endpoint(service.path)))
        running.enter_context(RequestServer(endpoint, partial(carry_out, service)))

        names, (top, bottom) = labview.open_rig(path)  # the service has the port
        assert names == ["top", "bottom"]
        assert labview.read(top, "sp") == (75.0, "ok")
        assert labview.read_many(bottom, ["sp", "7001", "sp"]) == ([80.0] * 3, ["ok"] * 3)
        assert labview.read_text(top, "heat_algorithm")[1] == "ok"
        assert labview.set_setpoint(top, 76.0, confirm=True) == 76.0
        assert labview.write(bottom, "sp", 81.0, confirm=True) == 81.0
        assert labview.write_text(top, "heat_algorithm", "Off", confirm=True) == "Off"
        assert [oven.get("setpoint") for oven in ovens] == [76.0, 81.0]
        assert labview.latest(bottom) == ([80.0], ["ok"], ["bottom setpoint 1"])
        part_number, family, *_ = labview.identify(top)
        assert (part_number[:2], family) == ("PM", "pm")
        assert labview.accept_replacement(top)[0] == part_number
        with pytest.raises(LabviewError, match="wire TRUE to confirm"):
            labview.set_setpoint(top, 70.0)
        with pytest.raises(LabviewError, match="start_rig_recording: a service records .* already"):
            labview.start_rig_recording(path, [top, bottom])
        with pytest.raises(LabviewError, match="'top' is recorded by a service already"):
            labview.start_recording([top], ["sp"], 1.0)

        running.close()
        value, status = labview.read(top, "sp")
        assert (math.isnan(value), status) == (True, "disconnected")
        assert labview.read_text(top, "sp") == ("", "disconnected")
        with pytest.raises(LabviewError, match="no service of this user runs"):
            labview.set_setpoint(top, 70.0, confirm=True)
        labview.close(top)
        here = labview.open_rig(path)[1]
        assert labview.read(here[0], "sp") == (76.0, "ok")
        with pytest.raises(LabviewError, match="is not an open recording"):
            labview.latest(here[0])
        with running, closing(Endpoint(rig_file.path)) as endpoint:
            running.enter_context(RequestServer(endpoint, lambda command, arguments: None))
            with pytest.raises(LabviewError, match="a service records"):
                labview.start_rig_recording(path, here)
