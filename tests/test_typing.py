"""The types of the public interface, as a type checker sees them in a user's script."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import watlowlib
from tests.pages import DOCS, blocks

pytest.importorskip("mypy")

PATIENCE_S = 300.0

OPTIONS = ("--follow-imports=silent", "--cache-dir=cache")
"""The package is not run_mypy itself, as if it were installed."""

SCRIPT = """
from __future__ import annotations

from typing_extensions import assert_type

import watlowlib
from tests.pages import DOCS, blocks
from watlowlib import (
    AcquisitionSummary, Controller, CsvSink, DeviceResult, PidGains, Reading, Recording, Sample,
    InMemorySink, SqliteSink, WatlowManager, WatlowTimeoutError, open_device, pipe,
    record,
)
from watlowlib import labview
from watlowlib import ParameterEntry
from watlowlib.sync import SyncCsvSink, SyncPortal, SyncWatlowManager, Watlow, run_sync


def serial(ctl: Controller) -> int | None:
    return ctl.identify().serial_number


def main() -> AcquisitionSummary:
    with open_device("/dev/ttyUSB0", address=1, temperature_unit="F") as ctl:
        assert_type(ctl, Controller)
        assert_type(ctl.read_pv(), Reading[float])
        assert_type(ctl.read_parameter("pv"), Reading)
        print(ctl.read_pv().value + 1.0, float(ctl.read_parameter("pv")), f"{ctl.read_pv():.1f}")
        assert_type(ctl.poll(["process_value", 7001]), list[Sample])
        ctl.loop(1).write_pid(PidGains(time_integral=120.0), confirm=True)
    try:
        watlowlib.open_device("/dev/ttyUSB0", protocol="modbus_rtu", family="sd").close()
    except WatlowTimeoutError as error:
        print(error.context.port)
    with WatlowManager(error_policy="return") as mgr:
        mgr.add("oven", "/dev/ttyUSB0", protocol="stdbus")
        assert_type(mgr.execute_each(serial), dict[str, DeviceResult[int | None]])
        for result in mgr.poll("pv").values():
            if result.error is None:
                print(result.value[0].value, result.unwrap()[0].value)
        with SqliteSink("run.sqlite") as db, CsvSink("run.csv") as csv:
            with record(mgr, parameters=["pv"], rate_hz=2.0, overflow="drop_oldest") as stream:
                assert_type(stream, Recording)
                return pipe(stream, db, csv)


def memory() -> list[float]:
    sink = InMemorySink()
    assert_type(sink.samples, list[Sample])
    return [float(sample.value) for sample in sink.samples if isinstance(sample.value, float)]


def sync_names() -> float:
    with SyncPortal() as portal, Watlow.open("/dev/ttyUSB0", portal=portal) as ctl:
        assert_type(portal.call(ctl.read_parameter, "pv", instance=1), ParameterEntry)
        assert_type(run_sync(max, 1, 2), int)
    with SyncWatlowManager() as mgr, SyncCsvSink("run.csv") as sink:
        mgr.record_to_sink(parameters="pv", rate_hz=1.0, duration=1.0, sink=sink)
    value, status = labview.read(labview.open_controller("COM3"), "pv")
    assert_type(status, str)
    return value
"""

MISTAKES = {
    "watlowlib.open_device(5)": "arg-type",
    "watlowlib.open_devise('COM3')": "attr-defined",
    "watlowlib.open_device('COM3').read_pv().vaule": "attr-defined",
    "watlowlib.record(watlowlib.WatlowManager(), parameters='pv', rate=2.0)": "call-arg",
}


def run_mypy(folder: Path, *scripts: str) -> subprocess.CompletedProcess[str]:
    """Run mypy over scripts that are named script.py, script1.py, ..."""
    files = [folder / f"script{number or ''}.py" for number in range(len(scripts))]
    for file, script in zip(files, scripts):
        file.write_text(script, "utf-8")
    return subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", *OPTIONS, *map(str, files)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        cwd=folder,
        env={"MYPYPATH": str(Path(watlowlib.__file__).parents[1]), "PATH": ""},
    )


@pytest.mark.timeout(PATIENCE_S)
def test_mypy_accepts_a_correct_script_and_finds_mistakes(tmp_path: Path) -> None:
    done = run_mypy(tmp_path, SCRIPT)
    assert done.returncode == 0, done.stdout + done.stderr
    done = run_mypy(tmp_path, "import watlowlib\n" + "\n".join(MISTAKES))
    for number, (line, code) in enumerate(MISTAKES.items(), start=2):
        assert f"script.py:{number}: error" in done.stdout, line
        assert f"[{code}]" in done.stdout.split(f"script.py:{number}:")[1].splitlines()[0]


@pytest.mark.timeout(PATIENCE_S)
def test_mypy_accepts_the_examples_of_the_pages(tmp_path: Path) -> None:
    pages = ("read_write", "recording", "safety", "modbus", "reference")
    examples = [
        each.text for page in pages for each in blocks(DOCS / f"{page}.md") if each.kind == "python"
    ]
    done = run_mypy(tmp_path, *examples)
    assert done.returncode == 0, done.stdout + done.stderr
