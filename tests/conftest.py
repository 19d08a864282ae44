"""Fixtures for all tests, and a check that no test leaves a thread or an open port behind."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from watlowlib._internal.threads import PREFIX
from watlowlib.devices.controller import Controller
from watlowlib.devices.factory import open_device
from watlowlib.protocol import port_pool
from watlowlib.simulator import SimulatedBus

PATIENCE_S = 10.0


def library_threads() -> list[threading.Thread]:
    """Return the threads of the library, and those of pyserial's RFC 2217 client."""
    ours = (PREFIX, "pySerial")
    return [each for each in threading.enumerate() if each.name.startswith(ours)]


def open_descriptors() -> int:
    """Return the number of open file descriptors; 0 where /proc is not available."""
    folder = "/proc/self/fd"
    return len(os.listdir(folder)) if os.path.isdir(folder) else 0  # noqa: PTH208, PTH112


@pytest.fixture(scope="session", autouse=True)
def arrow_threads() -> None:
    """Start the threads of pyarrow's readers, which keep descriptors until the program ends."""
    with suppress(ImportError):
        from pyarrow import BufferReader, csv

        csv.read_csv(BufferReader(b"a\n1\n"))


@pytest.fixture(scope="session")
def fonts(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Open the fonts, whose files matplotlib keeps open until the program ends."""
    figure = pytest.importorskip("matplotlib.figure").Figure()
    figure.text(0.5, 0.5, "text")
    for kind in ("png", "pdf"):  # some versions open the file once more for PDF
        figure.savefig(tmp_path_factory.mktemp("fonts") / f"fonts.{kind}")


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Fail a test that leaves a thread of the library, a pooled port or a descriptor open."""
    before = open_descriptors()
    yield
    for thread in library_threads():
        thread.join(PATIENCE_S)
    assert library_threads() == []
    assert port_pool._ports == []
    port_pool._pending_replies.clear()  # the next test may get a port of the same name
    if open_descriptors() > before:
        gc.collect()  # only if needed: it takes longer than most tests
    assert open_descriptors() <= before


@pytest.fixture
def bus() -> Iterator[SimulatedBus]:
    """Controllers 1 and 2 on a line without transmission or turnaround time."""
    with SimulatedBus([1, 2], baudrate=None, turnaround_s=(0.0, 0.0)) as running:
        yield running


@pytest.fixture
def ctl(bus: SimulatedBus) -> Iterator[Controller]:
    """Controller 1 on `bus`, with a short timeout."""
    with open_device(bus.port, timeout_s=0.25) as opened:
        yield opened
